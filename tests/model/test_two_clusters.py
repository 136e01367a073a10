"""One ImageBuild in two clusters, with one tag: it settles, and nobody builds again and again."""

from __future__ import annotations

import pytest

from cluster import Cluster
from metrics import builds, metric
from world import Controller, World, install

PAGES = {"index.html": "hello\n"}
POLLS = 3


@pytest.fixture(scope="module")
def other_cluster():
    with Cluster() as cluster:
        install(cluster)
        yield cluster


@pytest.fixture
def other(world, other_cluster, tmp_path, request):
    """The same in another cluster: an API server and a controller of its own, and the first one's registry."""
    (tmp_path / "other").mkdir()
    other = World(other_cluster, world.base, tmp_path / "other", request.node.name)
    other.registry = world.registry
    kubeconfig = other_cluster.service_account_kubeconfig("kiln-system", "kiln-controller")
    with Controller(kubeconfig, other.directory) as controller:
        other.controller = controller
        yield other
    other.close()


def _apply(place: World, world: World, text: str) -> None:
    """One output for both."""
    place.apply(place.config_map("site-content", {"index.html": text}), place.image_build(
        interval="1s", output={"image": world.reference()}))


def _writes(world: World) -> list[str]:
    return [f"{one.method} {one.path}" for one in world.cluster.registry().requests()
            if one.method not in ("GET", "HEAD")]


def _wait_for_polls(*worlds: World) -> None:
    """Each looks at its ImageBuild several times more."""
    seen = {place: metric(place.controller, "controller_runtime_reconcile_total") for place in worlds}
    for place in worlds:
        place.wait_until("it has polled", lambda place=place: metric(
            place.controller, "controller_runtime_reconcile_total") >= seen[place] + POLLS)


def _assert_nobody_writes(world: World, other: World) -> None:
    before = _writes(world), world.get(), other.get(), builds(world.controller), builds(other.controller)
    _wait_for_polls(world, other)
    assert (_writes(world), world.get(), other.get(), builds(world.controller),
            builds(other.controller)) == before


def test_the_second_finds_everything_there_and_then_both_rest(world, other):
    _apply(world, world, "hello\n")
    digest = world.wait_ready()

    _apply(other, world, "hello\n")

    assert other.wait_ready() == digest == world.registry_digest()
    last = other.get()["status"]["lastBuild"]
    assert [reason["type"] for reason in last["reasons"]] == ["Adopted"]
    assert last.get("uploadedBytes", 0) == 0
    _assert_nobody_writes(world, other)


def test_an_edit_in_both_is_one_image_and_then_both_rest(world, other):
    for place in (world, other):
        _apply(place, world, "hello\n")
    digest = world.wait_ready()
    assert other.wait_ready() == digest

    for place in (world, other):
        _apply(place, world, "edited\n")

    edited = world.wait_ready(not_digest=digest)
    assert other.wait_ready(not_digest=digest) == edited == world.registry_digest()
    _assert_nobody_writes(world, other)
    assert (builds(world.controller), builds(other.controller)) == (2, 2)


def test_an_edit_in_one_is_reported_by_the_other_which_does_not_put_its_own_back(world, other):
    for place in (world, other):
        _apply(place, world, "hello\n")
    digest = world.wait_ready()
    assert other.wait_ready() == digest

    _apply(world, world, "edited\n")
    edited = world.wait_ready(not_digest=digest)

    message = other.wait_reason("TagMoved")["message"]
    assert digest in message and edited in message
    _assert_nobody_writes(world, other)
    assert world.registry_digest() == edited
    _apply(other, world, "edited\n")
    assert other.wait_ready(not_digest=digest) == edited
    _assert_nobody_writes(world, other)
