"""A real API server, a real registry and the real controller for the scenarios of this folder."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("cluster", "support"):
    sys.path.insert(0, str(ROOT / "tests" / folder))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import git_server  # noqa: E402  (found through the lines above)
from cluster import Cluster  # noqa: E402
from world import Controller, World, install, push_base  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    with Cluster() as cluster:
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
def world(cluster, base, controller_kubeconfig, tmp_path, request):
    """A namespace of the test's own, and a controller that runs as long as the test."""
    world = World(cluster, base, tmp_path, request.node.name)
    with Controller(controller_kubeconfig, tmp_path) as controller:
        world.controller = controller
        yield world
    world.close()


@pytest.fixture
def patient(world, controller_kubeconfig, tmp_path):
    """A controller that waits ten minutes after a failure, unless something happens."""
    world.controller.stop()
    (tmp_path / "patient").mkdir()
    with Controller(controller_kubeconfig, tmp_path / "patient", retry=("10m", "10m")) as controller:
        world.controller = controller
        yield controller


@pytest.fixture
def git_host(tmp_path):
    """A git server for each test: a worker of fcgiwrap whose client is cut off, as at the end of a
    controller, ends with it."""
    if (missing := git_server.missing_program()) is not None:
        pytest.skip(f"there is no {missing}")
    with git_server.GitServer(tmp_path / "git") as running:
        yield running
