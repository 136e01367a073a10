"""More ImageBuilds than fit into one page of a list, and who is served first among them."""

from __future__ import annotations

import pytest

from control_plane import api_server_flags
from kubernetes_api import KubernetesApi
from metrics import builds, metric
from world import Controller

MORE_THAN_A_PAGE = 510
WAITING = 150


@pytest.fixture
def api(place):
    api = KubernetesApi(place.cluster.apiserver, place.namespace)
    yield api
    api.close()


def spec_of(place, name: str, **fields) -> dict:
    return place.image_build(name, base={"image": "scratch"}, remove=[], interval="0s", content=[
        {"inline": {"files": {"name": name}}, "path": "/srv"}], **fields)["spec"]


def test_a_list_of_more_than_a_page_is_read_to_its_end(place, cluster, controller_kubeconfig, api):
    for number in range(MORE_THAN_A_PAGE):
        name = f"site-{number:04}"
        api.create_build(name, spec_of(place, name, suspend=True))
    with api_server_flags(cluster, "--feature-gates=WatchList=false"), Controller(
            controller_kubeconfig, place.directory) as controller:
        place.controller = controller

        place.wait_until("all have been read", lambda: metric(
            controller, "kiln_imagebuilds") >= MORE_THAN_A_PAGE)

        last = f"site-{MORE_THAN_A_PAGE - 1:04}"
        api.edit_build(last, spec_of(place, last))
        place.wait_ready(last)


def test_what_a_person_does_now_goes_before_what_was_there_at_the_start(place, controller_kubeconfig, api):
    for number in range(WAITING):
        api.create_build(f"old-{number:04}", spec_of(place, f"old-{number:04}"))
    with Controller(controller_kubeconfig, place.directory, "--concurrent", "1") as controller:
        place.controller = controller
        place.wait_until("it is at work", lambda: builds(controller) >= 1)
        before = builds(controller)

        api.create_build("new", spec_of(place, "new"))
        place.wait_until("the new one is built", lambda: api.builds()["new"].get("status", {}).get("digest"))

        assert builds(controller) - before < WAITING / 2
        assert metric(controller, "workqueue_depth") > 0, "there would have been others"
