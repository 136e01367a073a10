"""Content that is copied out of another image: built, followed, read as little as can be, and what is wrong is said."""

from __future__ import annotations

import base64
import json
import secrets
import tarfile

import pytest

from notices import notify
from oci_image import OCI, Content, Layer, digest_of, json_bytes, stored_gzip
from registry_push import push
from world import Controller, World

HTML = "/usr/share/nginx/html"
TOKEN = secrets.token_hex(16)
USER, PASSWORD = "robot", secrets.token_hex(16)


def assets_of(world: World, registry: str = "") -> str:
    return f"{registry or world.registry}/{world.namespace}/assets:1"


def put_assets(world: World, text: str, *, more: Layer | None = None, registry: str = "",
               auth: tuple[str, str] | None = None) -> str:
    """An image with /dist/app.js, in two layers of which the upper one hides what the lower one has: its digest."""
    lower = Layer().folder("dist").file("dist/app.js", "of the lower layer\n").file("dist/old.js", "old\n")
    upper = Layer().folder("dist").file("dist/app.js", text, owner=101).whiteout("dist/old.js")
    upper.symlink("dist/main.js", "app.js").symlink("current", "dist")
    tars = [lower.tar(), upper.tar()] + ([more.tar()] if more else [])
    content = Content()
    layers = [content.add_blob(OCI["layer"], stored_gzip(tar)) for tar in tars]
    config = content.add_blob(OCI["config"], json_bytes({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]}}))
    content.add_manifest({"schemaVersion": 2, "mediaType": OCI["manifest"], "config": config, "layers": layers})
    return push(content, assets_of(world, registry), auth=auth)


def entry(world: World, path: str = "/dist", *, registry: str = "", at: str = HTML, **image) -> dict:
    return {"path": at, "image": {"reference": assets_of(world, registry), "path": path, **image}}


def image_build(world: World, *content: dict, name: str = "site", **spec) -> dict:
    return world.image_build(name, **{"interval": "1s", "content": list(content) or [entry(world)], **spec})


def fetched(world: World) -> int:
    """How often a layer or configuration of the assets was fetched."""
    place = f"/v2/{world.namespace}/assets/blobs/"
    return sum(r.method == "GET" and r.path.startswith(place) for r in world.cluster.registry().requests())


def polls(world: World) -> int:
    path = f"/v2/{world.namespace}/assets/manifests/1"
    return sum(r.method == "HEAD" and r.path == path for r in world.cluster.registry().requests())


def reasons(world: World, name: str = "site") -> list[dict]:
    return world.get(name)["status"]["lastBuild"]["reasons"]


def described(world: World, digest: str) -> str:
    return f"image {assets_of(world)}@{digest}"


def test_files_of_another_image_are_what_a_container_would_see_of_it(world):
    digest = put_assets(world, "one\n")
    world.apply(image_build(world, entry(world, "/current")))

    world.wait_ready()

    assert world.file_in_image(f"{HTML}/app.js") == "one\n"
    tar_file = world.directory / "site.tar"
    world.crane("export", world.reference(), str(tar_file))
    folder = HTML.lstrip("/")
    with tarfile.open(tar_file) as tar:
        found = {member.name: member for member in tar if member.name.startswith(folder + "/")}
    assert sorted(found) == [f"{folder}/app.js", f"{folder}/main.js"]
    assert found[f"{folder}/app.js"].uid == 101, "an image's owners are kept"
    assert found[f"{folder}/main.js"].linkname == "app.js"
    status = world.get()["status"]
    assert status["content"] == [{"path": HTML, "source": f"image {assets_of(world)}", "revision": digest,
                                  "digest": status["content"][0]["digest"], "files": 2, "size": 4}]


def test_an_image_that_moves_is_built_again_and_said_from_and_to(world):
    before = put_assets(world, "one\n")
    world.apply(image_build(world))
    first = world.wait_ready()

    now = put_assets(world, "two\n")

    world.wait_ready(not_digest=first)
    assert world.file_in_image(f"{HTML}/app.js") == "two\n"
    assert reasons(world) == [{"type": "ContentChanged", "from": described(world, before),
                               "to": described(world, now)}]


def test_an_image_that_stays_is_asked_for_and_nothing_else_is_done(world):
    put_assets(world, "one\n")
    world.apply(image_build(world))
    world.wait_ready()
    before, bytes_before, asked = world.get(), fetched(world), polls(world)

    world.wait_until("it is polled three times", lambda: polls(world) >= asked + 3)

    assert fetched(world) == bytes_before
    after = world.get()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_an_image_with_the_same_files_is_noted_and_not_built(world):
    put_assets(world, "one\n")
    world.apply(image_build(world))
    digest = world.wait_ready()

    other = put_assets(world, "one\n", more=Layer().file("elsewhere", "x\n"))

    world.wait_until("the revision is noted",
                     lambda: world.get()["status"]["content"][0]["revision"] == other)
    assert world.get()["status"]["digest"] == digest
    assert [reason["type"] for reason in reasons(world)] == ["Created"]


def test_beside_a_config_map_each_is_built_again_and_the_image_is_not_fetched_again(world):
    put_assets(world, "one\n")
    world.apply(world.config_map("site-content", {"index.html": "hello\n"}))
    world.apply(image_build(world, {"configMap": {"name": "site-content"}, "path": HTML}, entry(world)))
    first = world.wait_ready()
    bytes_before = fetched(world)

    world.apply(world.config_map("site-content", {"index.html": "edited\n"}))

    second = world.wait_ready(not_digest=first)
    assert fetched(world) == bytes_before
    assert world.file_in_image(f"{HTML}/index.html") == "edited\n"
    assert world.file_in_image(f"{HTML}/app.js") == "one\n"

    put_assets(world, "two\n")

    world.wait_ready(not_digest=second)
    assert world.file_in_image(f"{HTML}/index.html") == "edited\n"
    assert world.file_in_image(f"{HTML}/app.js") == "two\n"


def test_an_image_that_is_not_there_is_named_and_heals_when_it_is_pushed(world):
    world.apply(image_build(world))

    condition = world.wait_reason("ImageNotFound")

    assert condition["message"].startswith(f"fetching the content: spec.content[0] ({assets_of(world)}): ")
    assert world.condition("Reconciling")["reason"] == "ProgressingWithRetry"
    put_assets(world, "one\n")
    world.wait_ready()
    assert world.file_in_image(f"{HTML}/app.js") == "one\n"


@pytest.mark.parametrize("cure", ["edit", "push"])
def test_a_path_that_the_image_has_not_is_said_and_heals(world, cure):
    digest = put_assets(world, "one\n")
    world.apply(image_build(world, entry(world, "/dits")))

    condition = world.wait_reason("ContentInvalid")
    assert condition["message"] == (
        f"fetching the content: spec.content[0] ({assets_of(world)}): "
        f"{world.registry}/{world.namespace}/assets@{digest}: there is no /dits in it")
    assert world.condition("Stalled")["status"] == "True"
    bytes_before, asked = fetched(world), polls(world)
    world.wait_until("it is looked at again", lambda: polls(world) >= asked + 2)
    assert fetched(world) == bytes_before, "what is wrong with an image is remembered"

    if cure == "edit":
        world.apply(image_build(world))
    else:
        put_assets(world, "one\n", more=Layer().folder("dits").file("dits/app.js", "one\n"))
    world.wait_ready()
    assert world.file_in_image(f"{HTML}/app.js") == "one\n"
    assert world.condition("Stalled") == {}


def test_a_private_registry_is_read_with_the_secret_of_the_entry(world, cluster):
    private = cluster.add_registry(f"private-{secrets.token_hex(3)}", users={USER: PASSWORD}).address
    put_assets(world, "secret sauce\n", registry=private, auth=(USER, PASSWORD))
    content = entry(world, registry=private, secretRef={"name": "pull"})
    world.apply(image_build(world, entry(world, registry=private)))
    world.wait_reason("AuthenticationFailed")

    world.apply(image_build(world, content))
    assert "spec.content[0].image.secretRef: Secret/pull" in world.wait_reason("SecretNotFound")["message"]

    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    world.apply({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
                 "metadata": {"name": "pull"},
                 "stringData": {".dockerconfigjson": json.dumps({"auths": {private: {"auth": login}}})}})
    world.wait_ready()
    assert world.file_in_image(f"{HTML}/app.js") == "secret sauce\n"
    assert PASSWORD not in world.controller.log() + json.dumps(world.get_all())


def test_ten_image_builds_that_copy_from_one_image_ask_for_it_once_and_fetch_it_once(world):
    names = [f"site-{number}" for number in range(10)]
    put_assets(world, "one\n")
    world.apply(*(image_build(world, name=name, interval="1h") for name in names))
    before = {name: world.wait_ready(name) for name in names}
    put_assets(world, "two\n")
    asked, bytes_before = polls(world), fetched(world)

    world.kubectl("annotate", "imagebuild", names[0], "reconcile.kiln.build/requestedAt=now")

    for name in names:
        world.wait_ready(name, not_digest=before[name])
    assert polls(world) - asked <= 2, "whoever is asked by a person, and one for all others"
    assert fetched(world) - bytes_before == 2, "each layer once"


def test_a_registry_that_notifies_starts_those_that_copy_from_an_image_at_once(
        cluster, base, controller_kubeconfig, tmp_path, request):
    world = World(cluster, base, tmp_path, request.node.name)
    world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hooks"},
                 "data": {"token": base64.b64encode(TOKEN.encode()).decode()}})
    put_assets(world, "one\n")
    with Controller(controller_kubeconfig, tmp_path, "--hooks-addr", "127.0.0.1:0",
                    "--hooks-secret", f"{world.namespace}/hooks") as controller:
        world.controller = controller
        world.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)
        world.apply(image_build(world, interval="24h"))
        before = world.wait_ready()

        notify(world, f"{world.namespace}/assets", put_assets(world, "two\n"), OCI["manifest"], TOKEN)

        world.wait_ready(not_digest=before)
        assert world.file_in_image(f"{HTML}/app.js") == "two\n"
    world.close()


def test_the_output_may_not_be_an_image_that_is_copied_from(world):
    spec = image_build(world, output={"image": assets_of(world)})
    assert "must differ from spec.base.image and from every image in spec.content" in world.refusal_of(spec)
