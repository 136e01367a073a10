"""The image is one that the other tools accept, and its files are what was asked for."""

from __future__ import annotations

import json
import stat

import pytest

from world import run

PAGE = {"index.html": "<h1>hello</h1>\n"}


@pytest.fixture
def image(world):
    world.apply(world.config_map("site-content", PAGE), world.image_build())
    world.wait_ready()
    return world


def test_crane_validates_every_platform(image):
    for platform in ("linux/amd64", "linux/arm64", "linux/arm/v7"):
        image.crane("validate", "--platform", platform, "--remote", image.reference())


def test_skopeo_inspects_it(image):
    shown = json.loads(run("skopeo", "inspect", "--tls-verify=false",
                           f"docker://{image.reference()}").stdout)
    assert shown["Os"] == "linux"
    assert shown["Digest"] == image.registry_digest()


def test_umoci_unpacks_it_with_the_old_folder_gone_and_the_new_files_owned_by_root(image):
    layout = image.directory / "layout"
    bundle = image.directory / "bundle"
    run("skopeo", "copy", "--src-tls-verify=false", "--override-arch", "amd64",
        f"docker://{image.reference()}", f"oci:{layout}:site")
    run("umoci", "unpack", "--image", f"{layout}:site", str(bundle))

    html = bundle / "rootfs" / "usr" / "share" / "nginx" / "html"

    assert sorted(path.name for path in html.iterdir()) == ["index.html"]
    assert (html / "index.html").read_text() == PAGE["index.html"]
    info = (html / "index.html").stat()
    assert (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (0, 0, 0o644)
    assert (bundle / "rootfs" / "var" / "cache" / "nginx").stat().st_uid == 101
    assert stat.S_IMODE((bundle / "rootfs" / "tmp").stat().st_mode) == 0o1777


def test_crane_export_shows_the_same_tree(image):
    tar = image.directory / "image.tar"
    image.crane("export", "--platform", "linux/amd64", image.reference(), str(tar))

    names = run("tar", "-tf", str(tar)).stdout.splitlines()

    inside = [name for name in names if name.startswith("usr/share/nginx/html/") and name[-1] != "/"]
    assert inside == ["usr/share/nginx/html/index.html"]


def test_the_layers_of_the_base_are_shared_not_copied(image):
    repository = image.reference().rsplit(":", 1)[0]

    def layers(reference):
        config = json.loads(image.crane("manifest", "--platform", "linux/amd64", reference))
        return [layer["digest"] for layer in config["layers"]]

    base = layers(image.base)
    assert layers(image.reference())[:len(base)] == base
    assert len(layers(image.reference())) == len(base) + 2
    sent = [r for r in image.cluster.registry().requests()
            if r.method == "PUT" and f"/{image.namespace}/site/blobs/uploads/" in r.path]
    assert len(sent) <= 2 + 3, f"{repository}: two layers and three configs at the most"
