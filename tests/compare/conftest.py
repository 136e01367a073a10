"""A registry, a Docker daemon and the other tools, for kiln to be compared with."""

from __future__ import annotations

import os
import pathlib
import re
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "cluster"), str(TESTS / "scenarios"), str(TESTS / "compare"),
                str(TESTS / "support")]

import base_image  # noqa: E402  (found through the line above)
import builders  # noqa: E402
import content  # noqa: E402
import go_tools  # noqa: E402
import tools  # noqa: E402
from dockerd import PROGRAMS as DOCKER_PROGRAMS  # noqa: E402
from dockerd import Dockerd  # noqa: E402
from servers import Registry  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "difference: pins a line of docs/differences.md")


@pytest.fixture(scope="session", autouse=True)
def programs():
    """Unpacking owners and devices needs root, and all of this compares what was unpacked."""
    if os.geteuid() != 0:
        pytest.skip("comparing owners and running a Docker daemon need root")
    lacking = tools.missing("skopeo", "umoci", "buildah", "tar", "bsdtar", "cc")
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}; tools/setup.sh test installs them")


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """The address of a registry: run_tests.py's, else one of our own."""
    if "KILN_REGISTRY" in os.environ:
        yield os.environ["KILN_REGISTRY"]
        return
    folder = tmp_path_factory.mktemp("registry")
    for name in ("logs", "run"):
        (folder / name).mkdir()
    server = Registry("registry", go_tools.ensure("registry")["registry"], folder)
    server.configure(users=None, tls=False, storage=None, settings=None)
    server.start()
    yield server.address
    server.kill()


@pytest.fixture(scope="session")
def base(registry):
    """The nginx stand-in with three platforms: its reference."""
    reference = f"{registry}/compare/nginx:1.27"
    base_image.push(reference)
    return reference


@pytest.fixture(scope="session")
def new_base(registry):
    """The same with one more file in its last layer, for rebasing."""
    reference = f"{registry}/compare/nginx:1.27.1"
    base_image.push(reference, mark="1.27.1")
    return reference


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory):
    lacking = tools.missing(*DOCKER_PROGRAMS)
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}; tools/setup.sh test installs them")
    lack = Dockerd.lacks_privilege()
    if lack:
        pytest.skip(lack)
    daemon = Dockerd(tmp_path_factory.mktemp("dockerd"))
    daemon.start()
    yield daemon
    daemon.kill()


@pytest.fixture
def unpack(tmp_path, dockerd):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return tools.Unpacker(folder, dockerd)


@pytest.fixture
def name(registry, request):
    """A repository of the test's own: name("a") is REGISTRY/compare/TEST:a."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:80].strip("-")
    return lambda tag: f"{registry}/compare/{words}:{tag}"


@pytest.fixture
def build(tmp_path, dockerd):
    folder = tmp_path / "built"
    folder.mkdir()
    return builders.Builders(folder, dockerd)


@pytest.fixture(scope="session")
def content_folder(tmp_path_factory):
    """What content.py makes, as the folder "site" of a folder that can be a build's context."""
    return content.make(tmp_path_factory.mktemp("content") / "site")


@pytest.fixture(scope="session")
def content_tar(content_folder):
    """The same as "site.tar" beside it."""
    return tools.make_tar(content_folder, content_folder.with_suffix(".tar"))


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """hello.c, compiled to run in an image that has nothing else."""
    file = tmp_path_factory.mktemp("program") / "hello"
    tools.call("cc", "-static", "-O1", "-s", "-o", file, TESTS / "compare" / "hello.c")
    return file
