"""One API server with the ImageBuild CRD for all tests of this folder."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

from cluster import Cluster  # noqa: E402  (found through the line above)

CRD_FILE = ROOT / "crds" / "kiln.build_imagebuilds.yaml"


@pytest.fixture(scope="session")
def cluster():
    """The CRD is served. It was applied as users do it, so its size fits kubectl's annotation."""
    with Cluster(registry=False) as cluster:
        cluster.kubectl("apply", "-f", str(CRD_FILE))
        cluster.wait_established("imagebuilds.kiln.build")
        yield cluster
