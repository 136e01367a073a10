"""A controller whose way to git leads through a forward proxy, as its environment says."""

from __future__ import annotations

import json

import pytest
import tinyproxy
from world import Controller

PLACE = "/usr/share/nginx/html"
DOMAIN = "example.test"  # Nobody has names below it; the proxy does.
GIT, DIRECT = f"git.{DOMAIN}", f"direct.{DOMAIN}"


@pytest.fixture
def repository(git_host, world):
    """A repository of the test's own, with a first commit."""
    made = git_host.repository(f"{world.namespace}.git")
    made.commit({"index.html": "hello\n"})
    return made


@pytest.fixture
def proxy(tmp_path, git_host):
    """It is not started: a test says when."""
    if (missing := tinyproxy.missing_program()) is not None:
        pytest.skip(f"there is no {missing}")
    with tinyproxy.TinyProxy(tmp_path / "proxy", DOMAIN, f"{git_host.ip}:{git_host.port}") as made:
        yield made


@pytest.fixture
def behind(world, controller_kubeconfig, tmp_path):
    """Starts the controller anew with this proxy. HTTP_PROXY is for git and registries; the API
    server and the registry of the tests are on loopback, which goes directly."""
    started = []

    def begin(proxy_url: str) -> None:
        world.controller.stop()
        directory = tmp_path / f"behind-{len(started)}"
        directory.mkdir()
        world.controller = Controller(controller_kubeconfig, directory, env={
            "HTTP_PROXY": proxy_url, "http_proxy": proxy_url, "NO_PROXY": f"localhost,{DIRECT}",
            "no_proxy": f"localhost,{DIRECT}"})
        world.controller.start()
        started.append(world.controller)

    yield begin
    for controller in started:
        controller.stop()
        print(controller.log())


def git_build(world, host: str = GIT, name: str = "site", interval: str = "1s") -> dict:
    entry = {"url": f"http://{host}/git/{world.namespace}.git"}
    return world.image_build(name, content=[{"git": entry, "path": PLACE}], interval=interval)


def everything_said(world) -> str:
    return world.controller.log() + json.dumps(world.get_all()) + json.dumps(world.events())


def test_a_repository_is_followed_through_it_and_nobody_is_told_its_password(world, repository, proxy,
                                                                            behind):
    proxy.start()
    behind(proxy.url())
    world.apply(git_build(world))

    digest = world.wait_ready()

    assert world.file_in_image(f"{PLACE}/index.html") == "hello\n"
    assert f"http://{GIT}/git/{repository.path.name}" in proxy.log()
    assert f"proxy=http://{proxy.address}" in world.controller.log()
    repository.commit({"index.html": "edited\n"})
    world.wait_ready(not_digest=digest)
    assert world.file_in_image(f"{PLACE}/index.html") == "edited\n"
    assert tinyproxy.PASSWORD not in everything_said(world)


def test_one_that_is_down_is_tried_again_until_it_is_there(world, repository, proxy, behind):
    behind(proxy.url())
    world.apply(git_build(world))
    assert f"127.0.0.1 port {proxy.port}" in world.wait_reason("GitOperationFailed")["message"]
    assert world.condition("Reconciling")["reason"] == "ProgressingWithRetry"

    proxy.start()
    digest = world.wait_ready()

    proxy.stop()
    world.wait_reason("GitOperationFailed")
    assert world.get()["status"]["digest"] == digest == world.registry_digest()
    repository.commit({"index.html": "edited\n"})
    proxy.start()
    world.wait_ready(not_digest=digest)
    assert tinyproxy.PASSWORD not in everything_said(world)


def test_one_that_does_not_know_us_is_named_without_the_password(world, git_host, repository, proxy,
                                                                behind):
    proxy.start()
    behind(proxy.url("no-such-word"))
    world.apply(git_build(world))

    message = world.wait_reason("AuthenticationFailed")["message"]

    assert "or the proxy does not take its own" in message
    assert "no-such-word" not in everything_said(world)
    assert git_host.times_asked(repository.path.name) == 0


def test_who_is_in_no_proxy_is_not_asked_for_through_it(world, git_host, repository, proxy, behind):
    proxy.start()
    behind(proxy.url())
    world.apply(git_build(world, GIT, "through"), git_build(world, DIRECT, "direct"))

    world.wait_ready("through")
    message = world.wait_reason("GitOperationFailed", "direct")["message"]

    assert DIRECT in message  # The proxy knows where that is; here nobody does.
    assert GIT in proxy.log()
    assert DIRECT not in proxy.log()
