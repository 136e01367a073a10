"""Credentials for git that are found out or given anew: a GitHub App's, and Secrets that change."""

from __future__ import annotations

import json
import pathlib
import sys

import git_server
import pytest
from world import binary, run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from fake_github import FakeGitHub  # noqa: E402  (found through the line above)

PLACE = "/usr/share/nginx/html"


@pytest.fixture
def github(tmp_path):
    with FakeGitHub(tmp_path / "github") as running:
        yield running


@pytest.fixture
def server(tmp_path, github, world):
    """With a repository of the test's own."""
    if (missing := git_server.missing_program()) is not None:
        pytest.skip(f"there is no {missing}")
    with git_server.GitServer(tmp_path / "git", auth_port=github.port) as running:
        running.repository(f"{world.namespace}.git").commit({"index.html": "hello\n"})
        yield running


def secret(world, keys: dict, name: str = "git") -> dict:
    return {"apiVersion": "v1", "kind": "Secret", "stringData": keys,
            "metadata": {"name": name, "namespace": world.namespace}}


def git_build(world, server, place: str) -> dict:
    entry = {"url": server.url(f"{world.namespace}.git", place), "secretRef": {"name": "git"}}
    return world.image_build(content=[{"git": entry, "path": PLACE}], interval="1h")


def everything_said(world) -> str:
    return world.controller.log() + json.dumps(world.get_all()) + json.dumps(world.events())


def test_a_github_app_reads_its_repository_and_the_command_does_it_too(world, github, server,
                                                                      tmp_path):
    objects = [secret(world, github.secret(github.key_pem)), git_build(world, server, "app")]
    world.apply(*objects)

    digest = world.wait_ready()

    assert world.file_in_image(f"{PLACE}/index.html") == "hello\n"
    assert len(github.tokens) == 1
    manifest = tmp_path / "site.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    done = run(binary("kiln"), "--no-cache", "-v", "build", "-f", str(manifest), "-t",
               f"oci:{tmp_path}/out")
    assert done.stdout.strip().endswith("@" + digest)
    for said in (everything_said(world), done.stdout + done.stderr):
        assert not any(token in said for token in github.tokens)
        assert "PRIVATE KEY" not in said


def test_a_key_that_is_not_the_apps_is_told_and_the_right_one_heals_at_once(world, patient, github,
                                                                          server):
    world.apply(secret(world, github.secret(github.new_key("other"))),
                git_build(world, server, "app"))
    condition = world.wait_reason("AuthenticationFailed")
    assert "does not take the key of the GitHub App 123" in condition["message"]
    assert "(A JSON web token could not be decoded, 401)" in condition["message"]

    world.apply(secret(world, github.secret(github.key_pem)))

    world.wait_ready()
    assert "PRIVATE KEY" not in everything_said(world)


def test_a_password_that_is_corrected_heals_at_once(world, patient, server):
    world.apply(secret(world, {"username": git_server.USER, "password": "wrong"}),
                git_build(world, server, "private"))
    world.wait_reason("AuthenticationFailed")

    world.apply(secret(world, {"username": git_server.USER, "password": git_server.PASSWORD}))

    world.wait_ready()


def test_a_secret_that_comes_late_heals_at_once(world, patient, server):
    world.apply(git_build(world, server, "private"))
    world.wait_reason("SecretNotFound")

    world.apply(secret(world, {"username": git_server.USER, "password": git_server.PASSWORD}))

    world.wait_ready()


def test_a_login_that_is_replaced_asks_nobody_where_all_is_well(world, server):
    login = {"username": git_server.USER, "password": git_server.PASSWORD}
    world.apply(secret(world, login), git_build(world, server, "private"))
    world.wait_ready()
    name = f"{world.namespace}.git"
    asked = server.times_asked(name)

    world.apply(secret(world, {**login, "note": "rotated"}))
    # Of the same kind and later: when this one has been seen, that one has.
    world.apply(secret(world, login, "other"), {
        **world.image_build("late", content=[{"secret": {"name": "other"}, "path": PLACE}])})
    world.wait_ready("late")

    assert server.times_asked(name) == asked
