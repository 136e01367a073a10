"""More ImageBuilds than fit into one page of a list, and who is served first among them."""

from __future__ import annotations

import pytest

from control_plane import api_server_flags
from fault_proxy import Fault
from kubernetes_api import KubernetesApi
from metrics import builds, metric
from tls_fault_proxy import TlsFaultProxy
from world import Controller

MORE_THAN_A_PAGE = 510
WAITING = 150
# Without its cache it answers every list from etcd, in pages; with it, a first list is one piece.
PAGES = ("--feature-gates=WatchList=false", "--watch-cache=false")


@pytest.fixture
def api(place):
    api = KubernetesApi(place.cluster.apiserver, place.namespace)
    yield api
    api.close()


def spec_of(place, name: str, **fields) -> dict:
    return place.image_build(name, base={"image": "scratch"}, remove=[], interval="0s", content=[
        {"inline": {"files": {"name": name}}, "path": "/srv"}], **fields)["spec"]


def create_more_than_a_page(place, api) -> None:
    for number in range(MORE_THAN_A_PAGE):
        name = f"site-{number:04}"
        api.create_build(name, spec_of(place, name, suspend=True))


def test_a_list_of_more_than_a_page_is_read_to_its_end(place, cluster, controller_kubeconfig, api):
    create_more_than_a_page(place, api)
    with api_server_flags(cluster, *PAGES), Controller(controller_kubeconfig, place.directory) as controller:
        place.controller = controller

        place.wait_until("all have been read", lambda: metric(
            controller, "kiln_imagebuilds") >= MORE_THAN_A_PAGE)

        last = f"site-{MORE_THAN_A_PAGE - 1:04}"
        api.edit_build(last, spec_of(place, last))
        place.wait_ready(last)


def test_a_list_whose_second_page_expires_is_read_again_in_one_piece(place, cluster, api):
    create_more_than_a_page(place, api)
    gone = [f"site-{number:04}" for number in (0, 1, MORE_THAN_A_PAGE - 1)]  # Of the first page, and of the second.
    with api_server_flags(cluster, *PAGES), TlsFaultProxy(
            cluster.apiserver.address, cluster.authority, "kube-apiserver") as proxy:
        kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller",
                                                        server=f"https://{proxy.address}", file="kubeconfig-pages")
        proxy.once(Fault("blackhole", after_text="continue="))  # The request for the second page is held back.
        with Controller(kubeconfig, place.directory) as controller:
            place.controller = controller
            place.wait_until("it asks for the second page", lambda: proxy.stats()["faults"] == 1)
            for name in gone:
                api.delete_build(name)
            api.create_build("new", spec_of(place, "new"))
            cluster.etcd.compact()
            proxy.clear()
            proxy.once(Fault("reset", after_text="continue="))  # Would strike if there were pages again.

            place.wait_until("all have been read", lambda: metric(
                controller, "kiln_imagebuilds") == MORE_THAN_A_PAGE - len(gone) + 1)

            assert proxy.stats()["waiting"] == 1, "the whole list came in one piece"
            assert metric(controller, "kiln_watch_relists_total", reason="expired") == 1
            assert "continue parameter is too old" in controller.log()
            api.edit_build("new", spec_of(place, "new", historyLimit=5))  # An event goes before the list.
            place.wait_ready("new")


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
