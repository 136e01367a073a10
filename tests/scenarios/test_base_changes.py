"""A base changes: its users get the same layers on the new base, exactly, at once, and for little."""

from __future__ import annotations

import base64
import http.client
import re
import secrets
import time

import pytest

from notices import notify
from oci_image import OCI, Content, Layer, digest_of, json_bytes, stored_gzip
from registry_push import push
from world import Controller, World

HTML = "/usr/share/nginx/html"
TOKEN = secrets.token_hex(16)


def put_base(world: World, version: str, *, owner: int = 0, platforms=("linux/amd64", "linux/arm64")) -> str:
    """A base of two layers under the test's own tag; `owner`: of the directory that content goes to."""
    content = Content()
    system = Layer().folder("etc").folder("usr").folder("usr/share").folder("usr/share/nginx")
    system.folder("usr/share/nginx/html", 0o755, owner).file("usr/share/nginx/html/index.html", "welcome\n")
    entries = []
    for platform in platforms:
        tars = [system.tar(), Layer().folder("etc").file("etc/version", f"{version} {platform}\n").tar()]
        layers = [content.add_blob(OCI["layer"], stored_gzip(tar)) for tar in tars]
        name, architecture = platform.split("/")[:2]
        config = content.add_blob(OCI["config"], json_bytes({
            "architecture": architecture, "os": name, "config": {"Env": [f"VERSION={version}"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]}}))
        manifest = content.add_manifest({"schemaVersion": 2, "mediaType": OCI["manifest"],
                                         "config": config, "layers": layers})
        entries.append({**manifest, "platform": {"os": name, "architecture": architecture}})
    content.add_manifest({"schemaVersion": 2, "mediaType": OCI["index"], "manifests": entries})
    return push(content, base_of(world))


def base_of(world: World) -> str:
    return f"{world.registry}/{world.namespace}/base:1"


def image_build(world: World, name: str = "site", **spec) -> dict:
    return world.image_build(name, **{"base": {"image": base_of(world)}, "interval": "1s", "remove": [HTML], **spec})


def fresh_digest(world: World, **spec) -> str:
    """Of the same spec by an ImageBuild that has never been built, in a repository of its own."""
    name = f"fresh-{secrets.token_hex(4)}"
    world.apply(image_build(world, name, interval="0s", **spec))
    return world.wait_ready(name)


def uploads(world: World, name: str = "site") -> int:
    """How many blobs have been sent to the repository of an ImageBuild."""
    place = f"/v2/{world.namespace}/{name}/blobs/uploads/"
    return sum(r.method == "PUT" and r.path.startswith(place) and r.status == 201
               for r in world.cluster.registry().requests())


def mounts(world: World, name: str = "site") -> int:
    """How many blobs the registry has taken over from another repository without their bytes."""
    place = f"/v2/{world.namespace}/{name}/blobs/uploads/"
    return sum(r.method == "POST" and r.path == place and r.status == 201
               for r in world.cluster.registry().requests())


def polls(world: World) -> int:
    path = f"/v2/{world.namespace}/base/manifests/1"
    return sum(r.method == "HEAD" and r.path == path for r in world.cluster.registry().requests())


def last_build(world: World, name: str = "site") -> dict:
    return world.get(name)["status"]["lastBuild"]


def stages(world: World, name: str = "site") -> list[str]:
    return [stage["name"] for stage in last_build(world, name)["stages"]]


@pytest.fixture
def built(world):
    """The image "site" on version 1 of the base."""
    world.apply(world.config_map("site-content", {"index.html": "hello\n"}))
    put_base(world, "1")
    world.apply(image_build(world))
    world.wait_ready()
    return world


def test_a_new_base_gets_the_same_layers_and_only_configs_are_sent(built):
    before = built.get()["status"]
    sent, mounted = uploads(built), mounts(built)

    new = put_base(built, "2")

    digest = built.wait_ready(not_digest=before["digest"])
    after = built.get()["status"]
    assert uploads(built) - sent == 2, "a configuration for each platform"
    assert mounts(built) - mounted == 2, "the layers of the base that are new"
    assert after["layers"] == before["layers"]
    assert "reuse" in stages(built) and "layers" not in stages(built)
    assert last_build(built)["reasons"] == [{"type": "BaseChanged", "from": before["base"]["digest"], "to": new}]
    assert last_build(built)["uploadedBytes"] < 4096
    assert digest == fresh_digest(built)
    assert built.file_in_image(f"{HTML}/index.html") == "hello\n"
    assert built.file_in_image("/etc/version", platform="linux/arm64") == "2 linux/arm64\n"


def test_a_base_that_is_put_back_gives_the_digest_of_before(built):
    first = built.get()["status"]["digest"]
    put_base(built, "2")
    second = built.wait_ready(not_digest=first)

    put_base(built, "1")

    assert built.wait_ready(not_digest=second) == first


def test_content_is_put_anew_where_its_directory_has_another_owner_in_the_new_base(world):
    world.apply(world.config_map("site-content", {"index.html": "hello\n"}))
    put_base(world, "1", owner=101)
    world.apply(image_build(world, remove=[]))  # The directory is the base's, owner and all.
    first = world.wait_ready()
    layers = world.get()["status"]["layers"]

    put_base(world, "2", owner=102)

    digest = world.wait_ready(not_digest=first)
    assert world.get()["status"]["layers"] != layers
    assert "layers" in stages(world) and "reuse" not in stages(world)
    assert digest == fresh_digest(world, remove=[])


def test_the_platforms_follow_those_of_the_base(built):
    first = built.get()["status"]
    sent = uploads(built)

    put_base(built, "1", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    more = built.wait_ready(not_digest=first["digest"])
    assert [one["platform"] for one in built.get()["status"]["base"]["platforms"]] == [
        "linux/amd64", "linux/arm64", "linux/s390x"]
    assert built.get()["status"]["layers"] == first["layers"]
    assert uploads(built) - sent == 1, "the configuration of the new platform"
    assert more == fresh_digest(built)

    put_base(built, "1", platforms=("linux/arm64",))
    fewer = built.wait_ready(not_digest=more)
    assert [one["platform"] for one in built.get()["status"]["base"]["platforms"]] == ["linux/arm64"]
    assert fewer == fresh_digest(built)


def test_a_platform_that_is_asked_for_and_goes_is_said_to_be_missing(world):
    world.apply(world.config_map("site-content", {"index.html": "hello\n"}))
    put_base(world, "1")
    world.apply(image_build(world, base={"image": base_of(world), "platforms": ["linux/amd64", "linux/arm64"]}))
    digest = world.wait_ready()

    put_base(world, "2", platforms=("linux/amd64",))

    condition = world.wait_reason("PlatformNotFound")
    assert "has no image for linux/arm64" in condition["message"]
    assert world.registry_digest() == digest


def test_nothing_is_fetched_from_git_for_a_new_base_also_after_a_restart_without_a_cache(
        cluster, base, controller_kubeconfig, tmp_path, request, git_host):
    world = World(cluster, base, tmp_path, request.node.name)
    git_host.repository("team/site.git").commit({"index.html": "from git\n"})
    entry = {"git": {"url": git_host.url("team/site.git")}, "path": HTML}
    put_base(world, "1")
    world.apply(image_build(world, content=[entry]))
    with Controller(controller_kubeconfig, tmp_path) as controller:
        world.controller = controller
        first = world.wait_ready()
    empty = tmp_path / "empty"
    empty.mkdir()

    put_base(world, "2")

    with Controller(controller_kubeconfig, empty) as controller:
        world.controller = controller
        digest = world.wait_ready(not_digest=first)
        assert "reuse" in stages(world)
        assert git_operations(controller) == {"ask"}
        assert world.get()["status"]["content"][0]["files"] == 1
        assert digest == fresh_digest(world, content=[entry])
    world.close()


def git_operations(controller: Controller) -> set[str]:
    """What the controller has done with git since it started."""
    text = controller.ask("metrics", "/metrics")[1]
    counts = re.findall(r'^kiln_git_operations_total\{operation="(\w+)",result="\w+"\} (\S+)', text, re.M)
    return {operation for operation, count in counts if float(count) > 0}


def test_layers_that_the_registry_has_lost_are_made_again(built):
    status = built.get()["status"]
    lost = status["layers"][-1]["digest"]
    forget_blob(built, lost)
    built.controller.stop()  # It would remember for some minutes that the layer was there.
    built.controller.start()

    put_base(built, "2")

    digest = built.wait_ready(not_digest=status["digest"])
    assert "layers" in stages(built)
    assert digest == fresh_digest(built)
    assert built.file_in_image(f"{HTML}/index.html") == "hello\n"


def forget_blob(world: World, digest: str) -> None:
    connection = http.client.HTTPConnection(world.registry, timeout=10)
    connection.request("DELETE", f"/v2/{world.namespace}/site/blobs/{digest}")
    answer = connection.getresponse()
    assert answer.status == 202, answer.read()
    connection.close()


def test_twenty_image_builds_on_one_base_ask_for_it_once_per_interval(world):
    names = [f"site-{number:02}" for number in range(20)]
    world.apply(world.config_map("site-content", {"index.html": "hello\n"}))
    put_base(world, "1")
    world.apply(*(image_build(world, name, interval="10s") for name in names))
    before = {name: world.wait_ready(name) for name in names}
    asked, began = polls(world), time.monotonic()

    put_base(world, "2")
    for name in names:
        world.wait_ready(name, not_digest=before[name])
        assert "reuse" in stages(world, name)

    assert polls(world) - asked <= 2 + (time.monotonic() - began) / 9


def test_a_registry_that_notifies_starts_the_users_of_a_base_at_once(
        cluster, base, controller_kubeconfig, tmp_path, request):
    world = World(cluster, base, tmp_path, request.node.name)
    world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hooks"},
                 "data": {"token": base64.b64encode(TOKEN.encode()).decode()}},
                world.config_map("site-content", {"index.html": "hello\n"}))
    put_base(world, "1")
    with Controller(controller_kubeconfig, tmp_path, "--hooks-addr", "127.0.0.1:0",
                    "--hooks-secret", f"{world.namespace}/hooks") as controller:
        world.controller = controller
        world.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)
        world.apply(*(image_build(world, name, interval="24h") for name in ("site", "shop")))
        before = {name: world.wait_ready(name) for name in ("site", "shop")}
        asked = polls(world)

        new = put_base(world, "2")
        notify(world, f"{world.namespace}/base", new, OCI["index"], TOKEN)

        for name, digest in before.items():
            world.wait_ready(name, not_digest=digest)
            assert stages(world, name).count("reuse") == 1
        assert polls(world) - asked == 1, "what was known before the notification was out of date"
    world.close()
