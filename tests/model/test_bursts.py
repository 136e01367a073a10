"""Many edits in a moment: few builds, and the last edit is always built."""

from __future__ import annotations

import time

import pytest

from kubernetes_api import KubernetesApi
from metrics import builds

EDITS = 100
FEW = 6  # After a build under way there is a pause of 250 ms; see Controller::Options.
PLACE = "/usr/share/nginx/html/index.html"


@pytest.fixture
def api(world):
    api = KubernetesApi(world.cluster.apiserver, world.namespace)
    yield api
    api.close()


def _ready(world, name: str, text: str):
    """Whether the image holds this text, and the status says so."""
    return lambda: (world.condition("Ready", name).get("status") == "True"
                    and world.registry_digest(name) == world.get(name)["status"]["digest"]
                    and world.file_in_image(PLACE, name) == text)


def _all_of_them_within_a_second(edit) -> None:
    began = time.monotonic()
    for number in range(EDITS):
        edit(number)
        time.sleep(max(0.0, began + (number + 1) / EDITS - time.monotonic()))  # Evenly over it.


def test_a_hundred_edits_of_a_config_map_in_a_second_are_few_builds_and_the_last_is_built(world, api):
    world.apply(world.config_map("site-content", {"index.html": "before\n"}), world.image_build())
    world.wait_ready()
    before = builds(world.controller)

    _all_of_them_within_a_second(
        lambda number: api.put_config_map("site-content", {"index.html": f"edit {number}\n"}))

    world.wait_until("the last edit is built", _ready(world, "site", f"edit {EDITS - 1}\n"))
    assert builds(world.controller) - before <= FEW


def test_a_hundred_edits_of_the_spec_in_a_second_are_few_builds_and_the_last_is_built(world, api):
    spec = world.image_build(content=[{"inline": {"files": {"index.html": "before\n"}},
                                       "path": "/usr/share/nginx/html"}])["spec"]
    api.create_build("site", spec)
    world.wait_ready()
    before = builds(world.controller)

    def edit(number: int) -> None:
        spec["content"][0]["inline"]["files"]["index.html"] = f"edit {number}\n"
        api.edit_build("site", spec)
    _all_of_them_within_a_second(edit)

    world.wait_until("the last edit is built", _ready(world, "site", f"edit {EDITS - 1}\n"))
    assert builds(world.controller) - before <= FEW
