"""What the tests of image and chart share: the programs, the helpers of tests/scenarios, a cluster."""

from __future__ import annotations

import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "cluster"), str(TESTS / "scenarios"), str(TESTS.parent / "tools" / "image"),
                str(TESTS / "chart")]

import helm_chart  # noqa: E402  (found through the lines above)
from cluster import Cluster  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    """With the ImageBuild API as the chart brings it, and its namespace, which wants Pod Security restricted."""
    with Cluster() as cluster:
        objects = helm_chart.render("--set", "namespace.create=true")
        helm_chart.apply(cluster, [*helm_chart.of_kind(objects, "Namespace"),
                                   *helm_chart.of_kind(objects, "CustomResourceDefinition")])
        cluster.wait_established("imagebuilds.kiln.build")
        yield cluster
