"""Content from git: built, followed, and each failure told, against a real git server."""

from __future__ import annotations

import json
import shutil
import time

import git_server
import pytest
from world import binary, run

PLACE = "/usr/share/nginx/html"
PAGE = {"public/index.html": "hello\n", "public/css/site.css": "a {}\n", "src/notes.txt": "no\n"}


@pytest.fixture
def repository(git_host, world):
    """A repository of the test's own, with a first commit."""
    made = git_host.repository(f"{world.namespace}.git")
    made.commit(PAGE)
    return made


def git_build(world, git_host, place: str = "git", *, interval: str = "1s", git: dict | None = None,
              **spec) -> dict:
    entry = {"url": git_host.url(f"{world.namespace}.git", place), "subPath": "public", **(git or {})}
    return world.image_build(content=[{"git": entry, "path": PLACE}], interval=interval, **spec)


def password(world, text: str) -> dict:
    return {"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "git", "namespace": world.namespace},
            "stringData": {"username": git_server.USER, "password": text}}


def revision(world) -> str:
    return world.get()["status"]["content"][0]["revision"]


def test_a_branch_is_built_and_a_push_is_followed_within_the_interval(world, git_host, repository):
    first_commit = repository.git("rev-parse", "main")
    world.apply(git_build(world, git_host))

    first = world.wait_ready()

    assert revision(world) == f"main@sha1:{first_commit}"
    assert world.file_in_image(f"{PLACE}/index.html") == "hello\n"
    assert "notes.txt" not in run(binary("kiln"), "ls", world.reference(), PLACE, "--platform",
                                  "linux/amd64").stdout

    commit = repository.commit({**PAGE, "public/index.html": "edited\n"})
    pushed = time.monotonic()
    second = world.wait_ready(not_digest=first)
    assert time.monotonic() - pushed < 10  # An interval of 1 s, and a busy machine.
    assert revision(world) == f"main@sha1:{commit}"
    assert world.file_in_image(f"{PLACE}/index.html") == "edited\n"
    assert world.registry_digest() == second
    reason = world.get()["status"]["lastBuild"]["reasons"][0]
    assert reason["type"] == "ContentChanged"
    assert first_commit in reason["from"] and commit in reason["to"]


def test_polls_that_find_nothing_new_write_nothing(world, git_host, repository):
    world.apply(git_build(world, git_host))
    world.wait_ready()
    name = f"{world.namespace}.git"
    world.wait_until("a poll", lambda: git_host.times_asked(name) >= 2)
    version = world.get()["metadata"]["resourceVersion"]
    asked = git_host.times_asked(name)

    world.wait_until("three more polls", lambda: git_host.times_asked(name) >= asked + 3)

    assert world.get()["metadata"]["resourceVersion"] == version
    _, metrics = world.controller.ask("metrics", "/metrics")
    assert 'kiln_git_operations_total{operation="ask",result="succeeded"}' in metrics


def test_a_commit_outside_sub_path_builds_nothing_but_is_noted(world, git_host, repository):
    world.apply(git_build(world, git_host))
    digest = world.wait_ready()
    commit = repository.commit({**PAGE, "src/notes.txt": "other\n"})

    world.wait_until("the commit is noted", lambda: commit in revision(world))

    status = world.get()["status"]
    assert status["digest"] == digest
    assert len(status["history"]) == 1


def test_a_wrong_password_is_told_without_it_and_heals_with_the_right_one(world, git_host,
                                                                          repository):
    world.apply(password(world, "no-such-key-9"),
                git_build(world, git_host, "private", git={"secretRef": {"name": "git"}}))

    condition = world.wait_reason("AuthenticationFailed")
    assert git_host.url(f"{world.namespace}.git", "private") in condition["message"]
    assert "does not take the credentials of secretRef" in condition["message"]

    world.apply(password(world, git_server.PASSWORD))
    world.wait_ready()
    everything = world.controller.log() + json.dumps(world.get_all()) + json.dumps(world.events())
    assert "no-such-key-9" not in everything
    assert git_server.PASSWORD not in everything


def test_a_private_repository_without_credentials_asks_for_some(world, git_host, repository):
    world.apply(git_build(world, git_host, "private"))
    condition = world.wait_reason("AuthenticationFailed")
    assert "wants some and there are none" in condition["message"]


def test_a_missing_host_key_is_named(world):
    world.apply({"apiVersion": "v1", "kind": "Secret",
                 "metadata": {"name": "git", "namespace": world.namespace},
                 "stringData": {"identity": "-----BEGIN OPENSSH PRIVATE KEY-----"}},
                world.image_build(content=[{"path": PLACE, "git": {
                    "url": "ssh://git@127.0.0.1:1/a.git", "secretRef": {"name": "git"}}}]))
    condition = world.wait_reason("AuthenticationFailed")
    assert "spec.content[0].git.secretRef: Secret/git: known_hosts is missing" in condition["message"]


def test_a_deleted_branch_is_told_keeps_the_image_and_heals(world, git_host, repository):
    repository.commit(PAGE, "next")
    world.apply(git_build(world, git_host, git={"ref": {"branch": "next"}}))
    digest = world.wait_ready()

    repository.delete_branch("next")
    condition = world.wait_reason("GitRevisionNotFound")
    assert "there is no branch next" in condition["message"]
    assert world.registry_digest() == digest

    repository.commit({**PAGE, "public/index.html": "back\n"}, "next")
    world.wait_ready(not_digest=digest)


def test_a_force_pushed_branch_is_followed(world, git_host, repository):
    world.apply(git_build(world, git_host))
    first = world.wait_ready()

    before = repository.git("rev-parse", "main")
    commit = repository.commit({"public/index.html": "rewritten\n"}, orphan=True)

    world.wait_ready(not_digest=first)
    assert revision(world) == f"main@sha1:{commit}"
    assert world.file_in_image(f"{PLACE}/index.html") == "rewritten\n"

    def warned():
        return any(event["type"] == "Warning" and "was rewritten (a force-push): from sha1:"
                   f"{before} to sha1:{commit}" in event["note"] for event in world.events())
    world.wait_until("an Event tells of the branch", warned)


def test_a_push_of_several_commits_is_no_force_push(world, git_host, repository):
    world.apply(git_build(world, git_host))
    first = world.wait_ready()

    git_host.stop()
    for number in range(3):
        repository.commit({**PAGE, "public/index.html": f"{number}\n"})
    git_host.resume()

    world.wait_ready(not_digest=first)
    world.wait_until("the build is told", lambda: any(
        event["reason"] == "Succeeded" and "ContentChanged" in event["note"]
        for event in world.events()))
    assert not any("rewritten" in event["note"] for event in world.events())


def test_the_command_with_nothing_new_asks_for_refs_and_does_nothing_else(world, git_host, repository,
                                                                        tmp_path):
    manifest = tmp_path / "site.json"
    manifest.write_text(json.dumps(git_build(world, git_host)))
    log = tmp_path / "git" / "access"

    def build(*more: str) -> tuple[str, str, list[str]]:
        """Its standard output and error, and what the git server was asked."""
        before = len(log.read_text().splitlines())
        done = run(binary("kiln"), "--cache-dir", str(tmp_path / "kiln"), "--progress", "plain",
                   "build", "-f", str(manifest), "-t", f"oci:{tmp_path}/out", "-t",
                   world.reference(), *more)
        return done.stdout, done.stderr, log.read_text().splitlines()[before:]

    first, said, asked = build()
    assert "nothing is new" not in said
    again, said, asked_again = build()
    assert "nothing is new" in said
    assert again == first
    assert 0 < len(asked_again) < len(asked)

    shutil.rmtree(tmp_path / "out")
    gone, said, _ = build()
    assert "nothing is new" not in said
    assert gone == first

    repository.commit({**PAGE, "public/index.html": "edited\n"})
    edited, said, _ = build()
    assert "nothing is new" not in said
    assert edited != first
    assert world.file_in_image(f"{PLACE}/index.html") == "edited\n"


def test_the_command_tells_of_a_force_push_too(world, git_host, repository, tmp_path):
    manifest = tmp_path / "site.json"
    manifest.write_text(json.dumps(git_build(world, git_host)))

    def build() -> str:
        return run(binary("kiln"), "--cache-dir", str(tmp_path / "kiln"), "build", "-f",
                   str(manifest), "-t", f"oci:{tmp_path}/out").stderr

    assert "rewritten" not in build()
    repository.commit({"public/index.html": "rewritten\n"}, orphan=True)
    assert "the branch main of " in (said := build()) and "was rewritten (a force-push)" in said
    assert "rewritten" not in build()


def test_a_moved_tag_is_followed_with_a_warning(world, git_host, repository):
    repository.tag("v1")
    world.apply(git_build(world, git_host, git={"ref": {"tag": "v1"}}))
    first = world.wait_ready()

    repository.tag("v1", repository.commit({"public/index.html": "other\n"}))
    world.wait_ready(not_digest=first)

    def warned():
        return any(event["type"] == "Warning" and "the tag v1 of" in event["note"]
                   for event in world.events())
    world.wait_until("an Event tells of the tag", warned)


def test_tags_and_times_come_from_the_commit(world, git_host, repository):
    commit = repository.git("rev-parse", "main")
    output = {"image": f"{world.registry}/{world.namespace}/site:latest",
              "tags": ["${git.branch}-${git.shortCommit}"], "timestamps": "SourceRevision"}
    world.apply(git_build(world, git_host, output=output))
    digest = world.wait_ready()

    named = f"{world.registry}/{world.namespace}/site:main-{commit[:7]}"
    assert world.crane("digest", named).strip() == digest
    config = json.loads(world.crane("config", "--platform", "linux/amd64", named))
    assert config["created"] == "2023-11-14T22:13:21Z"  # 1700000001


def test_the_metadata_service_is_out_of_reach_for_git_too(world):
    world.apply(world.image_build(content=[{"path": PLACE, "git": {
        "url": "http://169.254.169.254/latest/meta-data"}}]))
    condition = world.wait_reason("EgressDenied")
    assert "169.254.169.254" in condition["message"]


def test_the_command_and_the_controller_give_one_digest(world, git_host, repository, tmp_path):
    objects = [password(world, git_server.PASSWORD),
               git_build(world, git_host, "private", git={"secretRef": {"name": "git"},
                                                        "exclude": ["**/*.css"]})]
    world.apply(*objects)
    digest = world.wait_ready()

    manifest = tmp_path / "site.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    done = run(binary("kiln"), "--cache-dir", str(tmp_path / "kiln"), "build", "-f", str(manifest),
               "-t", f"oci:{tmp_path}/out")

    assert done.stdout.strip().endswith("@" + digest)
    assert git_server.PASSWORD not in done.stdout + done.stderr


def test_the_command_names_what_is_wrong(world, git_host, repository, tmp_path):
    manifest = tmp_path / "site.json"

    def refusal(git: dict) -> str:
        manifest.write_text(json.dumps(git_build(world, git_host, git=git)))
        done = run(binary("kiln"), "--no-cache", "build", "-f", str(manifest), "--dry-run",
                   check=False)
        assert done.returncode == 1
        return done.stderr

    assert "there is no branch gone" in refusal({"ref": {"branch": "gone"}})
    assert "spec.content[0].git.url: the URL of the git repository must start with https://" in \
        refusal({"url": "file:///etc"})
    assert "in none of the files" in refusal({"secretRef": {"name": "git"}})


def test_a_local_folder_stands_in_for_the_repository(world, git_host, repository, tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("try\n")
    output = {"image": f"{world.registry}/{world.namespace}/site:latest",
              "tags": ["${git.shortCommit}"]}
    manifest = tmp_path / "site.json"
    manifest.write_text(json.dumps(git_build(world, git_host, output=output)))
    name = f"{world.namespace}.git"
    target = f"{world.registry}/{world.namespace}/site:try"

    run(binary("kiln"), "build", "-f", str(manifest), "--local-content",
        f"{PLACE}={tmp_path}/public", "-t", target)

    assert git_host.times_asked(name) == 0
    assert run(binary("kiln"), "cat", target, f"{PLACE}/index.html",
               "--platform", "linux/amd64").stdout == "try\n"
