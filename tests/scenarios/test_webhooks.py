"""Webhooks: a push starts a look at once, at the ImageBuilds concerned, and only for those who know a token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import secrets
import time

import pytest

import base_image
from world import ROOT, Controller, World, run

TOKEN = secrets.token_hex(16)
NEVER = "0s"  # As spec.interval: nothing is polled, so what happens was started by a webhook.


@pytest.fixture
def place(cluster, base, controller_kubeconfig, tmp_path, request):
    """A world whose controller takes webhooks with TOKEN."""
    world = World(cluster, base, tmp_path, request.node.name)
    set_tokens(world, forge=TOKEN)
    with Controller(controller_kubeconfig, tmp_path, "--hooks-addr", "127.0.0.1:0",
                    "--hooks-secret", f"{world.namespace}/hooks") as controller:
        world.controller = controller
        world.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)
        yield world
        log = controller.log()
    world.close()
    assert TOKEN not in log, "a token is in the log"


def set_tokens(world: World, **tokens: str) -> None:
    """Some of them with the line break that files end in."""
    data = {key: base64.b64encode(f"{token}\n".encode()).decode() for key, token in tokens.items()}
    world.apply({"apiVersion": "v1", "kind": "Secret", "data": data,
                 "metadata": {"name": "hooks", "namespace": world.namespace}})


def send(world: World, kind: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection(world.controller.address("hooks"), timeout=10)
    try:
        connection.request("POST", f"/hooks/{kind}", body,
                           {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def send_generic(world: World, body: dict, token: str = TOKEN, at: str = "") -> tuple[int, str]:
    data = json.dumps(body).encode()
    at = at or repr(time.time())
    made = hmac.new(token.encode(), f"{at}.".encode() + data, hashlib.sha256).hexdigest()
    return send(world, "generic", data, {"X-Timestamp": at, "X-Signature": f"sha256={made}"})


def count(world: World, kind: str, result: str) -> float:
    text = world.controller.ask("metrics", "/metrics")[1]
    start = f'kiln_hook_requests_total{{kind="{kind}",result="{result}"}} '
    return next((float(line[len(start):]) for line in text.splitlines() if line.startswith(start)), 0)


def builds_on(world: World, **bases: str) -> dict[str, str]:
    """An ImageBuild by each name on its base, all ready: their digests."""
    world.apply(world.config_map("site-content", {"index.html": "hello\n"}),
                *(world.image_build(name, base={"image": image}, interval=NEVER)
                  for name, image in bases.items()))
    return {name: world.wait_ready(name) for name in bases}


def test_a_push_to_a_registry_that_notifies_starts_those_whose_base_it_is(place, cluster):
    url = f"http://{place.controller.address('hooks')}/hooks/distribution"
    registry = cluster.add_registry("notifying", settings={"notifications": {"endpoints": [{
        "name": "kiln", "url": url, "headers": {"Authorization": [f"Bearer {TOKEN}"]},
        "timeout": "5s", "threshold": 3, "backoff": "1s"}]}})
    ours, other = (f"{registry.address}/team/base:{tag}" for tag in ("1", "2"))
    for reference in (ours, other):
        base_image.push(reference, mark="old")
    before = builds_on(place, site=ours, bystander=other)
    asked = f"/v2/team/base/manifests/{other.rpartition(':')[2]}"
    polls_of_other = sum(r.path == asked for r in registry.requests())

    base_image.push(ours, mark="new")

    place.wait_ready("site", not_digest=before["site"])
    last = place.get("site")["status"]["lastBuild"]
    assert [reason["type"] for reason in last["reasons"]] == ["BaseChanged"]
    assert place.get("bystander")["status"]["digest"] == before["bystander"]
    assert sum(r.path == asked for r in registry.requests()) == polls_of_other
    assert count(place, "distribution", "accepted") >= 1
    assert count(place, "distribution", "refused") == 0
    cluster.kill("notifying")  # It would go on telling a controller that is gone.


def test_a_webhook_of_a_script_starts_a_look_at_the_base_once(place):
    base = f"{place.registry}/{place.namespace}/base:1"
    base_image.push(base, mark="old")
    before = builds_on(place, site=base)["site"]
    base_image.push(base, mark="new")
    now = repr(time.time())

    assert send_generic(place, {"image": base}, at=now) == (202, "ImageBuilds that are looked at now: 1\n")
    place.wait_ready(not_digest=before)
    assert send_generic(place, {"image": base}, at=now) == (200, "received before; nothing is started\n")
    assert send_generic(place, {"image": f"{base}0"})[0] == 202
    assert send_generic(place, {"ping": True}) == (200, "heard\n")
    results = {result: count(place, "generic", result)
               for result in ("accepted", "replayed", "unmatched", "ping")}
    assert results == {"accepted": 1, "replayed": 1, "unmatched": 1, "ping": 1}


def test_a_push_to_a_git_repository_is_built_at_once_and_asks_the_server_once(place, git_host):
    repository = git_host.repository("team/site.git")
    repository.commit({"index.html": "old\n"})
    entry = {"git": {"url": git_host.url("team/site.git")}, "path": "/usr/share/nginx/html"}
    place.apply(*(place.image_build(name, content=[entry], interval="1h")
                  for name in ("site", "twin")))
    before = {name: place.wait_ready(name) for name in ("site", "twin")}
    asked = git_host.times_asked("team/site.git")

    commit = repository.commit({"index.html": "new\n"})
    told = {"repository": git_host.url("team/site"), "ref": "refs/heads/main"}
    assert send_generic(place, told) == (202, "ImageBuilds that are looked at now: 2\n")

    for name, digest in before.items():
        place.wait_ready(name, not_digest=digest)
        assert commit in place.get(name)["status"]["content"][0]["revision"]
    # One listing for both, and what fetching the commit takes.
    assert git_host.times_asked("team/site.git") <= asked + 3


def send_github_push(world: World, url: str, ref: str) -> tuple[int, str]:
    body = json.dumps({"ref": ref, "pushed": time.time_ns(), "repository": {
        "clone_url": url, "html_url": url.removesuffix(".git"),
        "ssh_url": url.replace("http://", "ssh://git@")}}).encode()
    made = hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    return send(world, "github", body, {"X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e",
                                        "X-Hub-Signature-256": f"sha256={made}"})


def keys_queued(world: World) -> float:
    text = world.controller.ask("metrics", "/metrics")[1]
    return float(next(line.split()[-1] for line in text.splitlines()
                      if line.startswith("workqueue_adds_total{")))


def test_a_push_to_git_starts_those_that_follow_its_ref_and_no_others(place, git_host):
    site, other = (git_host.repository(f"team/{name}.git") for name in ("site", "other"))
    for repository in (site, other):
        repository.commit({"index.html": "first\n"})
        repository.commit({"index.html": "first\n"}, branch="next")
        repository.tag("v1.0.0")
    url = git_host.url("team/site.git")
    follow = {"main": (url, {"branch": "main"}), "next": (url, {"branch": "next"}),
              "versions": (url, {"semver": "1.x"}),
              "bystander": (git_host.url("team/other.git"), {"branch": "main"})}
    place.apply(*(place.image_build(name, interval=NEVER, content=[
        {"git": {"url": address, "ref": ref}, "path": "/usr/share/nginx/html"}])
        for name, (address, ref) in follow.items()))
    before = {name: place.wait_ready(name) for name in follow}
    queued = keys_queued(place)

    site.commit({"index.html": "second\n"})
    site.commit({"index.html": "third\n"}, branch="next")
    assert send_github_push(place, url, "refs/heads/main") == (
        202, "ImageBuilds that are looked at now: 1\n")
    place.wait_ready("main", not_digest=before["main"])
    assert keys_queued(place) == queued + 1

    site.tag("v1.1.0")
    assert send_github_push(place, url, "refs/tags/v1.1.0")[0] == 202
    place.wait_ready("versions", not_digest=before["versions"])
    assert keys_queued(place) == queued + 2
    for untouched in ("next", "bystander"):
        assert place.get(untouched)["status"]["digest"] == before[untouched]


def test_the_scripts_of_the_page_are_taken(place):
    page = (ROOT / "docs" / "webhooks.md").read_text()
    scripts = re.findall(r"```sh\n(.*?)```", page, re.S)
    host = f"http://{place.controller.address('hooks')}"

    def run_script(word: str) -> str:
        script, = (one for one in scripts if word in one)
        return run("bash", "-c", script.replace("https://HOST", host), env={"TOKEN": TOKEN}).stdout
    assert run_script("X-Signature") == "no ImageBuild follows what was pushed\n"
    proof = run_script("quay").strip()
    pushed = json.dumps({"docker_url": "quay.io/team/base", "updated_tags": ["1"]}).encode()
    assert send(place, f"quay/{proof}", pushed, {})[0] == 202
    assert send(place, f"harbor/{proof}", pushed, {})[0] == 403


def test_who_knows_no_token_starts_nothing_and_learns_nothing(place):
    body = json.dumps({"image": place.base}).encode()
    forged = hmac.new(b"a token that nobody gave us", body, hashlib.sha256).hexdigest()
    for kind, headers in (("generic", {}), ("github", {"X-Hub-Signature-256": f"sha256={forged}"}),
                          ("gitlab", {"X-Gitlab-Token": ""}), ("gitea", {"X-Gitea-Signature": forged}),
                          ("bitbucket", {"X-Hub-Signature": f"sha256={forged}"}),
                          ("distribution", {"Authorization": "Bearer x"}), ("quay/" + forged, {})):
        assert send(place, kind, body, headers) == (403, "refused\n"), kind
    assert send_generic(place, {"image": place.base}, at="1700000000") == (403, "refused\n")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(place):
    address = place.controller.address("hooks")
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.putrequest("POST", "/hooks/github")
    connection.putheader("Content-Length", str(3 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_token_that_is_exchanged_counts_at_once(place):
    newer = secrets.token_hex(16)
    set_tokens(place, forge=newer)
    place.wait_until("the new token counts",
                     lambda: send_generic(place, {"ping": True}, newer)[0] == 200)
    assert send_generic(place, {"ping": True})[0] == 403
    place.kubectl("delete", "secret", "hooks")
    place.wait_until("no token is left",
                     lambda: send_generic(place, {"ping": True}, newer)[0] == 503)
    assert "Secret with the tokens of webhooks is gone" in place.controller.log()
