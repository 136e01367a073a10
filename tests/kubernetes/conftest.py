"""A real API server that writes down who writes, and real controllers, for the scenarios of this folder."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("cluster", "scenarios", "support", "kubernetes"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

from cluster import Cluster  # noqa: E402  (found through the lines above)
from world import Controller, World, install, push_base  # noqa: E402

from replicas import Replicas  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    with Cluster(audit=True, in_memory=True) as cluster:
        install(cluster)
        yield cluster


@pytest.fixture(scope="session")
def base(cluster):
    """The nginx stand-in, pushed once: its reference."""
    return push_base(cluster)


@pytest.fixture(scope="session")
def controller_kubeconfig(cluster):
    """The controller's own service account, with the rights of deploy/rbac.yaml and no others."""
    return cluster.service_account_kubeconfig("kiln-system", "kiln-controller")


@pytest.fixture
def place(cluster, base, tmp_path, request):
    """A namespace of the test's own without a controller: the test starts it."""
    world = World(cluster, base, tmp_path, request.node.name)
    yield world
    world.close()


@pytest.fixture
def world(place, controller_kubeconfig):
    """The same with a controller that runs as long as the test."""
    with Controller(controller_kubeconfig, place.directory) as controller:
        place.controller = controller
        yield place


@pytest.fixture
def replicas(place):
    """Replicas that elect a leader; the test starts them. `place` watches over them."""
    with Replicas(place) as replicas:
        place.controller = replicas
        yield replicas
