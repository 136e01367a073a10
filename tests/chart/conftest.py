"""What the tests of image and chart share: the programs, the helpers of tests/scenarios, a cluster."""

from __future__ import annotations

import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "cluster"), str(TESTS / "scenarios"), str(TESTS.parent / "tools" / "image")]

from cluster import Cluster  # noqa: E402  (found through the line above)


@pytest.fixture(scope="session")
def cluster():
    with Cluster() as cluster:
        yield cluster
