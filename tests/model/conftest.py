"""A real API server, registry, git server and controller, with proxies in between that break on command."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("cluster", "scenarios", "support", "kubernetes", "model"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

import git_server  # noqa: E402  (found through the lines above)
from cluster import Cluster  # noqa: E402
from world import Controller, World, install, push_base  # noqa: E402

from trial import Proxies, Trial  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    with Cluster() as cluster:
        install(cluster)
        yield cluster


@pytest.fixture
def world(cluster, tmp_path, request):
    """A namespace of the test's own, and a controller that runs as long as the test."""
    world = World(cluster, push_base(cluster), tmp_path, request.node.name)
    kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller")
    with Controller(kubeconfig, tmp_path) as controller:
        world.controller = controller
        yield world
    world.close()


@pytest.fixture
def trial(cluster, tmp_path, request):
    if (missing := git_server.missing_program()) is not None:
        pytest.skip(f"there is no {missing}")
    world = World(cluster, "", tmp_path, request.node.name)
    with git_server.GitServer(tmp_path / "git") as git, Proxies(world, git) as proxies:
        kubeconfig = cluster.service_account_kubeconfig(
            "kiln-system", "kiln-controller", server=f"https://{proxies.api_server.address}",
            file=f"kubeconfig-{world.namespace}", duration="12h")
        with Controller(kubeconfig, tmp_path) as controller:
            world.controller = controller
            trial = Trial(world, controller, proxies, git)
            yield trial
            trial.close()
    world.close()
