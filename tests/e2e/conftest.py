"""One node with the chart installed, for all tests of this folder. `make e2e` starts them."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("cluster", "scenarios", "support", "e2e")]

import node  # noqa: E402  (found through the line above)
import web_server  # noqa: E402
from cluster import Cluster  # noqa: E402
from release import Release  # noqa: E402
from site_world import TOKEN, SiteWorld  # noqa: E402
from world import binary, run  # noqa: E402

LOGS = ("kubelet", "containerd", "kube-controller-manager")


@pytest.fixture(scope="session")
def cluster():
    node.prepare()
    with Cluster(host=node.ADDRESS) as cluster:
        try:
            node.Node(cluster).start()
            yield cluster
        finally:
            keep_logs(cluster)


def keep_logs(cluster: Cluster) -> None:
    """The folders that they are in end with the machine."""
    kept = pathlib.Path(os.environ["KILN_E2E_LOGS"])
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(cluster.directory / "logs", kept)
    if pathlib.Path("/var/log/pods").exists():
        shutil.copytree("/var/log/pods", kept / "pods", ignore_dangling_symlinks=True)


@pytest.fixture(scope="session")
def base(cluster, tmp_path_factory):
    """A web server's image: its reference."""
    reference = f"{cluster.registry().address}/library/nginx:1.27"
    web_server.push(tmp_path_factory.mktemp("nginx") / "root", reference)
    return reference


@pytest.fixture(scope="session")
def controller_image(cluster):
    """The repository with what `make image` has built, under the tags "first" and "second"."""
    repository = f"{cluster.registry().address}/kiln/kiln-controller"
    archive = os.environ["KILN_E2E_IMAGE"]
    run(binary("kiln"), "copy", f"oci-archive:{archive}", f"{repository}:first", "--insecure")
    run(binary("kiln"), "mutate", f"{repository}:first", "--label", "build=second", "--insecure",
        "-t", f"{repository}:second")
    return repository


@pytest.fixture(scope="session")
def release(cluster, controller_image):
    release = Release(cluster, pathlib.Path(os.environ["KILN_E2E_CHART"]), {
        "image.repository": controller_image,
        "image.tag": "first",
        "registries.config": [{"prefix": cluster.registry().address, "insecure": True}],
        "hooks.enabled": True,
        "rollout.enabled": True,
        # A test waits for what takes minutes otherwise.
        "leaderElection": {"leaseDuration": "10s", "renewDeadline": "6s", "retryPeriod": "1s"},
        "controller.maxRetryDelay": "2s",
        "controller.logLevel": "debug",
    })
    release.install()
    release.kubectl("create", "secret", "generic", "kiln-hooks", f"--from-literal=forge={TOKEN}")
    return release


@pytest.fixture
def world(cluster, base, release, tmp_path, request):
    """A namespace of the test's own."""
    world = SiteWorld(cluster, base, tmp_path, request.node.name)
    world.controller = release
    yield world
    world.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Says what the node and the controllers said last, where a test failed."""
    report = (yield).get_result()
    cluster = item.funcargs.get("cluster")
    if report.failed and cluster and cluster.directory:
        for name in LOGS:
            report.sections.append((f"log of {name}", cluster.component(name).log_tail()))
        for what in ("pods --output=wide", "imagebuilds", "events"):
            report.sections.append((what, cluster.kubectl("get", *what.split(), "--all-namespaces")[-6000:]))
        if "release" in item.funcargs:
            report.sections.append(("log of the controllers", item.funcargs["release"].log()))
