"""Folders, archives and the Docker daemon: kiln writes what others read, and reads what they write."""

from __future__ import annotations

import json

import base_image
import pytest
import tools
import trees
from test_acceptance import SAYS
from tools import call, crane, kiln

AMD64 = ("--platform", "linux/amd64")


@pytest.fixture(scope="module")
def site(base, content_tar, program, registry):
    """An image for every platform that says SAYS: its reference in the registry."""
    reference = f"{registry}/compare/places:1"
    kiln("append", base, "--file", f"{program}:/hello", "--preserve", "mode", "--tar",
         f"{content_tar}:/srv/www", "--entrypoint", "/hello", "--args", "one", "--args", "two, three",
         "--env", "GREETING=hello, world", "--user", "101:101", "--workdir", "/srv", "-t", reference)
    return reference


@pytest.fixture
def docker_env(dockerd):
    return {"DOCKER_HOST": dockerd.host}


def digest(reference: str, *flags: str) -> str:
    return crane("digest", *flags, reference).strip()


def image_id(reference: str) -> str:
    """What Docker calls the image for linux/amd64: its config's digest."""
    return tools.manifest(reference, "linux/amd64")["config"]["digest"]


# --- From a registry to a registry ---

@pytest.mark.parametrize("media_types", ["oci", "docker"])
def test_a_copy_has_the_digest_and_the_attestation_that_crane_and_skopeo_copy(registry, name, media_types):
    source = f"{registry}/compare/nginx-{media_types}:1.27"
    base_image.push(source, media_types=media_types)

    kiln("copy", source, name("kiln"))
    crane("copy", source, name("crane"))
    call("skopeo", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
         f"docker://{source}", f"docker://{name('skopeo')}")

    assert {digest(name(who)) for who in ("kiln", "crane", "skopeo")} == {digest(source)}
    assert len(tools.manifest(name("kiln"))["manifests"]) == len(base_image.PLATFORMS) + 1


# --- OCI layouts, as folders and as archives ---

@pytest.mark.parametrize("place", ["oci:{}/layout", "oci-archive:{}/site.tar"])
def test_skopeo_and_umoci_read_the_layout_that_kiln_writes(site, tmp_path, name, unpack, place):
    written = place.format(tmp_path) + ":image"
    kiln("copy", site, written)

    call("skopeo", "copy", "--all", "--dest-tls-verify=false", written, f"docker://{name('back')}")
    assert digest(name("back")) == digest(site)

    call("skopeo", "copy", written, f"oci:{tmp_path}/one:image")
    call("umoci", "unpack", "--image", f"{tmp_path}/one:image", tmp_path / "bundle")
    assert trees.differences(unpack("umoci", site),
                             trees.of_folder(tmp_path / "bundle" / "rootfs")) == []


def test_crane_pushes_the_layout_that_kiln_writes(site, tmp_path, name):
    kiln("copy", site, f"oci:{tmp_path}/layout")

    crane("push", tmp_path / "layout", name("crane"))

    assert digest(name("crane")) == digest(site)


@pytest.mark.parametrize("place", ["oci:{}/layout", "oci-archive:{}/site.tar"])
def test_kiln_reads_the_layout_that_skopeo_writes(site, tmp_path, name, place):
    written = place.format(tmp_path) + ":image"
    call("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{site}", written)

    kiln("copy", written, name("kiln"))

    assert digest(name("kiln")) == digest(site)
    kiln("validate", written)


def test_kiln_reads_the_layout_that_crane_pulls(site, tmp_path, name):
    crane("pull", "--format", "oci", site, tmp_path / "layout")

    kiln("copy", f"oci:{tmp_path}/layout", name("kiln"))

    assert digest(name("kiln")) == digest(site)


def test_kiln_changes_the_layout_that_umoci_made(content_tar, tmp_path, name):
    layout = tmp_path / "layout"
    call("umoci", "init", "--layout", layout)
    call("umoci", "new", "--image", f"{layout}:image")
    call("umoci", "config", "--image", f"{layout}:image", "--config.user", "101", "--os", "linux",
         "--architecture", "amd64")

    kiln("append", f"oci:{layout}:image", "--tar", f"{content_tar}:/srv", "-t", name("kiln"))

    assert tools.config(name("kiln"))["config"]["User"] == "101"
    crane("validate", "--remote", name("kiln"))


# --- Docker archives ---

def test_docker_loads_and_runs_the_archive_that_kiln_writes(site, tmp_path, dockerd):
    archive = tmp_path / "site.tar"
    kiln("copy", site, f"docker-archive:{archive}:kiln/loaded:1")

    assert "kiln/loaded:1" in dockerd.docker("load", "--input", archive)

    assert dockerd.docker("run", "--rm", "kiln/loaded:1") == SAYS
    assert dockerd.inspect("kiln/loaded:1")["Id"] == image_id(site)


def test_skopeo_crane_and_buildah_read_the_archive_that_kiln_writes(site, tmp_path, name, unpack):
    archive = tmp_path / "site.tar"
    kiln("copy", site, f"docker-archive:{archive}:kiln/archive:1")

    shown = json.loads(call("skopeo", "inspect", f"docker-archive:{archive}:kiln/archive:1"))
    assert (shown["Os"], shown["Architecture"]) == ("linux", "amd64")
    crane("push", archive, name("crane"))
    assert trees.differences(unpack("umoci", site), unpack("umoci", name("crane"))) == []
    words = tools.buildah_words(tmp_path / "buildah")
    call(*words, "from", "--quiet", f"docker-archive:{archive}:kiln/archive:1")


@pytest.mark.parametrize("who", ["docker", "skopeo", "crane"])
def test_kiln_reads_the_archive_that_others_write(site, tmp_path, name, unpack, dockerd, who):
    archive = tmp_path / "site.tar"
    if who == "docker":
        dockerd.docker("pull", "--quiet", site)
        dockerd.docker("save", "--output", archive, site)
    elif who == "skopeo":
        call("skopeo", *tools.skopeo_platform("linux/amd64"), "copy", "--src-tls-verify=false",
             f"docker://{site}", f"docker-archive:{archive}:{site}")
    else:
        crane("pull", *AMD64, site, archive)

    kiln("copy", f"docker-archive:{archive}", name("kiln"))

    assert image_id(name("kiln")) == image_id(site)
    assert trees.differences(unpack("umoci", site), unpack("umoci", name("kiln"))) == []
    kiln("validate", name("kiln"))


# --- The daemon ---

def test_an_image_that_kiln_builds_into_docker_runs_there(site, dockerd, docker_env):
    """Several platforms are offered, and Docker gets the one for this machine."""
    kiln("copy", site, "docker-daemon:kiln/copied:1", env=docker_env)
    kiln("append", site, "--env", "GREETING=hello, world", "-t", "docker-daemon:kiln/built:1",
         env=docker_env)

    for image in ("kiln/copied:1", "kiln/built:1"):
        assert dockerd.docker("run", "--rm", image) == SAYS, image
    assert dockerd.inspect("kiln/copied:1")["Id"] == image_id(site)


def test_docker_knows_the_config_that_kiln_wrote(site, dockerd, docker_env):
    kiln("mutate", site, "--label", "a=b", "--port", "8080", "--volume", "/data", "--stop-signal",
         "SIGTERM", "-t", "docker-daemon:kiln/config:1", env=docker_env)

    config = dockerd.inspect("kiln/config:1")["Config"]
    assert config["Entrypoint"] == ["/hello"]
    assert config["Cmd"] == ["one", "two, three"]
    assert config["Labels"] == {"a": "b", "maintainer": "NGINX Docker Maintainers"}
    assert config["ExposedPorts"] == {"80/tcp": {}, "8080/tcp": {}}
    assert config["Volumes"] == {"/data": {}}
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("101:101", "/srv", "SIGTERM")


def test_kiln_reads_what_docker_built(base, build, dockerd, docker_env, tmp_path, name, unpack):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "page").write_text("x")
    pushed = name("docker")
    build.docker(f"FROM {base}\nCOPY page /srv/page\n", tmp_path / "context", pushed)

    kiln("copy", f"docker-daemon:{pushed}", name("kiln"), env=docker_env)

    assert image_id(name("kiln")) == dockerd.inspect(pushed)["Id"]
    assert trees.differences(unpack("umoci", pushed), unpack("umoci", name("kiln"))) == []


# --- Known differences ---

@pytest.mark.difference
def test_layers_that_docker_saved_are_compressed_by_some_and_crane_cannot_validate_others(
        site, tmp_path, name, dockerd, unpack):
    archive = tmp_path / "site.tar"
    dockerd.docker("pull", "--quiet", site)
    dockerd.docker("save", "--output", archive, site)

    kiln("copy", f"docker-archive:{archive}", name("kiln"))
    call("skopeo", "copy", "--dest-tls-verify=false", f"docker-archive:{archive}",
         f"docker://{name('skopeo')}")
    crane("push", archive, name("crane"))

    def kinds(who):
        return {layer["mediaType"].rpartition(".")[2] for layer in
                tools.manifest(name(who))["layers"]}
    assert (kinds("kiln"), kinds("skopeo"), kinds("crane")) == ({"tar"}, {"gzip"}, {"gzip"})
    with pytest.raises(tools.ToolFailed, match="gzip: invalid header"):
        crane("validate", "--remote", name("kiln"))
    for who in ("docker", "buildah", "crane"):
        expected = unpack(who, site) if who == "crane" else unpack("umoci", site)
        assert trees.differences(expected, unpack(who, name("kiln"))) == []
