"""Every image that kiln makes is taken by the other programs, unpacked alike by all, and runs."""

from __future__ import annotations

import json

import base_image
import images
import pytest
import tools
import trees
from images import RawLayer
from tools import call, crane, kiln

# What hello.c prints in a container of any of the images below.
SAYS = """args: one two, three
user: 101:101
folder: /srv
GREETING: hello, world
page: <h1>hello</h1>
"""


class Maker:
    """Makes one image in each way that kiln has; all hold the program and say the same."""

    def __init__(self, base, new_base, content_tar, program, name) -> None:
        self.base, self.new_base, self.name = base, new_base, name
        self.content = ["--file", f"{program}:/hello", "--preserve", "mode",
                        "--tar", f"{content_tar}:/srv/www"]
        self.config = ["--entrypoint", "/hello", "--args", "one", "--args", "two, three",
                       "--env", "GREETING=hello, world", "--user", "101:101", "--workdir", "/srv"]

    def append(self, target, *flags, base=""):
        kiln("append", base or self.base, *self.content, *self.config, *flags, "-t", target)

    def append_single_layer(self, target):
        self.append(target, "--layers", "single")

    def append_layer_per_content(self, target):
        self.append(target, "--layers", "per-content")

    def append_and_remove(self, target):
        self.append(target, "--remove", "/usr/share/nginx/html", "--remove", "/etc/nginx/nginx.conf")

    def append_small(self, target):
        self.append(target, "--compression", "gzip-small")

    def append_docker(self, target):
        self.append(target, "--media-types", "docker")

    def append_to_scratch(self, target):
        self.append(target, "--file", f"{__file__}:/etc/some", *[word for platform in base_image.PLATFORMS
                              for word in ("--platform", platform)], base="scratch")

    def append_to_docker_types(self, target):
        base_image.push(self.name("docker-base"), media_types="docker")
        self.append(target, base=self.name("docker-base"))

    def append_to_no_index(self, target):
        images.push(self.name("one"), RawLayer().folder("etc").file("etc/passwd", ""))
        self.append(target, base=self.name("one"))

    def mutate(self, target):
        kiln("append", self.base, *self.content, "-t", self.name("files"))
        kiln("mutate", self.name("files"), *self.config, "-t", target)

    def mutate_to_docker(self, target):
        self.append(self.name("files"))
        kiln("mutate", self.name("files"), "--media-types", "docker", "-t", target)

    def rebase(self, target):
        self.append(self.name("app"))
        kiln("rebase", self.name("app"), "--old-base", self.base, "--new-base", self.new_base,
             "-t", target)

    def flatten(self, target):
        self.append(self.name("app"))
        kiln("flatten", self.name("app"), "-t", target)

    def copy(self, target):
        self.append(self.name("app"))
        kiln("copy", self.name("app"), target)

    def tag(self, target):
        self.append(self.name("app"))
        kiln("tag", self.name("app"), target.rpartition(":")[2])


WAYS = [way for way in vars(Maker) if not way.startswith("_")]


@pytest.fixture(scope="module", params=WAYS)
def made(request, base, new_base, content_tar, program, registry):
    """The reference of an image made in one of the ways."""
    name = lambda tag: f"{registry}/compare/accepted-{request.param.replace('_', '-')}:{tag}"  # noqa: E731
    getattr(Maker(base, new_base, content_tar, program, name), request.param)(name("made"))
    return name("made")


def platforms_of(reference: str) -> list[str]:
    if "manifests" in tools.manifest(reference):
        return tools.platforms(reference)
    return ["linux/amd64"]


def test_crane_and_kiln_validate_every_platform(made):
    for platform in platforms_of(made):
        assert "PASS" in crane("validate", "--platform", platform, "--remote", made), platform
    kiln("validate", made)


def test_skopeo_inspects_every_platform(made):
    for platform in platforms_of(made):
        shown = json.loads(call("skopeo", *tools.skopeo_platform(platform), "inspect",
                                "--tls-verify=false", f"docker://{made}"))
        assert (shown["Os"], shown["Architecture"]) == tuple(platform.split("/")[:2])
        assert shown["Digest"] == crane("digest", made).strip()


def test_everybody_unpacks_the_same_files(made, unpack):
    for platform in platforms_of(made):
        expected = unpack("umoci", made, platform)
        # That these two take other platforms is shown with the base in test_merge.py.
        others = ["docker", "buildah"] if platform == "linux/amd64" else []
        for who in ["kiln", *others]:
            assert trees.differences(expected, unpack(who, made, platform)) == [], (who, platform)


def test_docker_runs_it(made, dockerd):
    assert dockerd.docker("run", "--rm", "--pull", "always", made) == SAYS


def test_buildah_runs_it(made, tmp_path):
    words = tools.buildah_words(tmp_path / "buildah")
    name = call(*words, "from", "--quiet", "--tls-verify=false", f"docker://{made}").strip()
    config = json.loads(call(*words, "inspect", name))["OCIv1"]["config"]
    run = (*words, "run", "--isolation", "chroot", name, "--", *config["Entrypoint"], *config["Cmd"])
    # Once in hundreds of times buildah 1.28 ends well and passes on nothing of what a program said that ended at once.
    said = next(filter(None, (call(*run) for _ in range(3))), "")
    assert said == SAYS


# --- Known differences ---

@pytest.mark.difference
def test_not_everybody_reads_layers_of_zstd(base, content_tar, name, unpack):
    for compression in ("gzip", "zstd"):
        kiln("append", base, "--tar", f"{content_tar}:/srv/www", "--compression", compression,
             "-t", name(compression))

    for who, why in {"docker": "failed to register layer", "umoci": "blob is not correct mediatype"}.items():
        with pytest.raises(tools.ToolFailed, match=why):
            unpack(who, name("zstd"))
    with pytest.raises(tools.ToolFailed, match="gzip: invalid header"):
        crane("validate", "--platform", "linux/amd64", "--remote", name("zstd"))
    for who in ("buildah", "kiln"):
        assert trees.differences(unpack("umoci", name("gzip")), unpack(who, name("zstd"))) == []
    assert len(unpack("crane", name("zstd"))) > 0
    kiln("validate", name("zstd"))


@pytest.mark.difference
def test_crane_export_drops_links_that_leave_the_root(base, content_tar, name, unpack):
    kiln("append", base, "--tar", f"{content_tar}:/srv/www", "-t", name("kiln"))

    assert trees.differences(unpack("umoci", name("kiln")), unpack("crane", name("kiln"))) == [
        "'srv/www/links/dots': only in the left one, a symlink"]
