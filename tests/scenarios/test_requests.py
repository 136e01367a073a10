"""How many requests a build costs the registry: they are what a registry with a thousand ImageBuilds feels."""

from __future__ import annotations

import re

PAGE = {"index.html": "one\n"}


def lines_since(world, before: int) -> list[str]:
    """What the registry was asked since then, without digests and identifiers, in alphabetical order."""
    lines = []
    for request in world.cluster.registry().requests()[before:]:
        path = re.sub(r"uploads/.+", "uploads/ID", request.path)
        path = re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", re.sub(r"kiln-[0-9a-f]{12}", "kiln-KEY", path))
        if path != "/v2/":  # Whoever looks whether it is up.
            lines.append(f"{request.method} {path} {request.status}")
    return sorted(lines)


def test_an_edit_costs_the_registry_seven_requests(world):
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(base={"image": world.base, "platforms": ["linux/amd64"]}))
    digest = world.wait_ready()
    before = len(world.cluster.registry().requests())

    world.apply(world.config_map("site-content", {"index.html": "two\n"}))
    world.wait_ready(not_digest=digest)

    place = f"/v2/{world.namespace}/site"
    expected = [f"HEAD {place}/manifests/latest 200",
                f"POST {place}/blobs/uploads/ 202", f"POST {place}/blobs/uploads/ 202",
                f"PUT {place}/blobs/uploads/ID 201", f"PUT {place}/blobs/uploads/ID 201",
                f"PUT {place}/manifests/kiln-KEY 201", f"PUT {place}/manifests/latest 201"]
    world.wait_until("its log tells of the last one", lambda: len(lines_since(world, before)) >= len(expected))
    assert lines_since(world, before) == sorted(expected)
    assert world.file_in_image("/usr/share/nginx/html/index.html") == "two\n"


def test_an_image_that_comes_back_is_not_sent_again(world):
    world.apply(world.config_map("site-content", PAGE),
                world.image_build(base={"image": world.base, "platforms": ["linux/amd64"]}))
    first = world.wait_ready()
    world.apply(world.config_map("site-content", {"index.html": "two\n"}))
    second = world.wait_ready(not_digest=first)
    before = len(world.cluster.registry().requests())

    world.apply(world.config_map("site-content", PAGE))

    assert world.wait_ready(not_digest=second) == first
    assert not any("/blobs/uploads/" in line for line in lines_since(world, before))
