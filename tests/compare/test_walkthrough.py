"""examples/walkthrough.sh: what a stranger runs first works, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request

import base_image
import pytest
from world import ROOT, binary

DEADLINE_S = 120


def walk(dockerd, registry, folder, **environment):
    return subprocess.run(
        [ROOT / "examples" / "walkthrough.sh"], capture_output=True, text=True, timeout=DEADLINE_S,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "REGISTRY": registry, "KILN": binary("kiln"), "TMPDIR": str(folder),
             "DOCKER": "/usr/bin/docker", "DOCKER_HOST": dockerd.host,
             "XDG_CACHE_HOME": str(folder / "cache"), **environment})


@pytest.fixture
def done(registry, dockerd, tmp_path):
    base_image.push(f"{registry}/library/nginx:1.27")
    return walk(dockerd, registry, tmp_path)


def test_it_runs_to_its_end_and_shows_the_page_that_the_container_printed(done, dockerd, tmp_path):
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n$ /usr/bin/docker run --rm --network none kiln-walkthrough:1\n<h1>Hello from kiln</h1>\n" \
        in done.stdout
    assert done.stdout.endswith("no difference\n")


def test_it_leaves_nothing_behind(done, dockerd, registry, tmp_path):
    assert dockerd.docker("image", "ls", "--quiet", "kiln-walkthrough") == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
    try:
        with urllib.request.urlopen(f"http://{registry}/v2/kiln-walkthrough/site/tags/list") as answer:
            assert not json.load(answer)["tags"]
    except urllib.error.HTTPError as error:
        assert error.code == 404


def test_it_stops_at_the_first_error_and_cleans_up_then_too(registry, dockerd, tmp_path):
    done = walk(dockerd, registry, tmp_path, BASE=f"{registry}/compare/none:1")

    assert done.returncode == 1
    assert "compare/none:1" in done.stderr
    assert "== 2." not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
