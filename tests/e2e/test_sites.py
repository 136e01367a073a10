"""Sites that Kiln builds, served by pods of a real node."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

import git_server
import node
from release import wait_for
from site_world import HTML, TOKEN


def test_the_example_becomes_an_image_a_deployment_runs_it_and_an_edit_changes_the_page(world):
    world.apply_example("site")
    world.wait_ready()
    world.deploy()
    world.wait_page("Hello from a ConfigMap")
    assert "Nobody wrote a Dockerfile" in world.page("/about.html")

    world.edit("<h1>edited</h1>\n")
    world.wait_page("edited")
    world.rolled_out()
    assert "Nobody wrote a Dockerfile" in world.page("/about.html")


def test_a_site_is_a_volume_of_a_web_server_that_knows_nothing_of_it(world):
    world.apply(world.config_map("site-content", {"index.html": "<h1>from a volume</h1>\n"}),
                world.image_build(base={"image": "scratch"}, remove=[],
                                  content=[{"configMap": {"name": "site-content"}, "path": "/"}]))
    world.wait_ready()

    world.serve({"imageBuild": "site", "volume": "pages"},
                volumes=[{"name": "pages", "image": {"reference": world.image()}}],
                volumeMounts=[{"name": "pages", "mountPath": HTML, "readOnly": True}])
    world.wait_page("from a volume")

    world.edit("<h1>from another volume</h1>\n")
    world.wait_page("from another volume")


def test_a_push_to_git_comes_as_a_webhook_and_changes_the_page(world, tmp_path):
    with git_server.GitServer(tmp_path / "git", node.ADDRESS) as server:
        repository = server.repository("team/site.git")
        repository.commit({"public/index.html": "<h1>first commit</h1>\n"})
        url = server.url("team/site.git")
        world.apply_example("git", {"https://git.example.com/team/site.git": url})
        # Nothing is polled, so what happens was started by a webhook.
        world.kubectl("patch", "imagebuild", "site", "--type=merge", "--patch", '{"spec": {"interval": "0s"}}')
        world.wait_ready()
        world.deploy()
        world.wait_page("first commit")

        commit = repository.commit({"public/index.html": "<h1>second commit</h1>\n"})
        body = json.dumps({"ref": "refs/heads/main", "after": commit, "repository": {
            "clone_url": url, "html_url": url.removesuffix(".git")}})
        made = hmac.new(TOKEN.encode(), body.encode(), hashlib.sha256).hexdigest()
        told = world.send_hook("github", body, {
            "X-GitHub-Event": "push", "X-GitHub-Delivery": "1", "X-Hub-Signature-256": f"sha256={made}"})
        assert told == "ImageBuilds that are looked at now: 1\n"

        world.wait_page("second commit")
        assert commit in world.get()["status"]["content"][0]["revision"]


def test_the_example_with_a_secret_lets_members_in_and_nobody_else(world):
    name = world.apply_example("secret")
    world.wait_ready(name)
    world.deploy(name)

    wait_for("it asks who is there", lambda: world.status_of_page() == 401)
    assert world.status_of_page("--user", "guest:guessed") == 401
    assert "For members" in world.page("/", "--user", "guest:change me")


@pytest.mark.parametrize("example", ["command", "image-volume"])
def test_the_other_examples_are_built_as_they_stand(world, example):
    assert world.wait_ready(world.apply_example(example)).startswith("sha256:")
