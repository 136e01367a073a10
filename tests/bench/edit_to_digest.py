#!/usr/bin/python3
"""Measures how long users wait: from an edit to the new digest in the status of a small site.

    tests/bench/edit_to_digest.py [--edits 50] [--files 5] [--kilobytes 20]

Twice: from sending an edit of a ConfigMap, and from sending the webhook that follows a push to a git repository
(git http-backend behind nginx). The end is when a watch of the API server tells the new digest. API server,
registry, git server and controller share the machine, on loopback.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import http.client
import io
import json
import pathlib
import secrets
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("cluster", "scenarios"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

import git_server  # noqa: E402  (found through the lines above)
from cluster import Cluster  # noqa: E402
from world import Controller, World, install, push_base  # noqa: E402

TOKEN = secrets.token_hex(16)
PLACE = "/usr/share/nginx/html"
DEADLINE_S = 30


class Digests:
    """The digests of one ImageBuild as a watch tells them."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        connection = cluster.apiserver.connect(DEADLINE_S)
        connection.request("GET", f"/apis/kiln.build/v1alpha1/namespaces/{namespace}/imagebuilds"
                                  f"?watch=1&fieldSelector=metadata.name={name}")
        self._answer = connection.getresponse()
        self._last = ""

    def wait_for_another(self) -> float:
        """When it came, by time.monotonic()."""
        while True:
            line = self._answer.readline()
            came = time.monotonic()
            if not line:
                raise SystemExit("the watch ended before there was another digest")
            digest = json.loads(line)["object"].get("status", {}).get("digest", "")
            if digest and digest != self._last:
                self._last = digest
                return came


def pages(args: argparse.Namespace, edit: int) -> dict[str, str]:
    size = args.kilobytes * 1000 // args.files
    return {f"page{i}.html": f"edit {edit} of page {i}\n".ljust(size, "x") for i in range(args.files)}


def summary(what: str, waits: list[float]) -> str:
    waits = sorted(wait * 1000 for wait in waits)
    return (f"{what}: p50 {statistics.median(waits):.0f} ms, p90 {waits[len(waits) * 9 // 10]:.0f} ms, "
          f"p99 {waits[len(waits) * 99 // 100]:.0f} ms, {len(waits)} edits")


def measure_config_map(world: World, cluster: Cluster, args: argparse.Namespace) -> str:
    connection = cluster.apiserver.connect(DEADLINE_S)

    def edit(number: int) -> None:
        connection.request("PATCH", f"/api/v1/namespaces/{world.namespace}/configmaps/content",
                           json.dumps({"data": pages(args, number)}),
                           {"Content-Type": "application/merge-patch+json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"the edit was answered with {answer.status}: {answer.read().decode()}")
        answer.read()

    world.apply(world.config_map("content", pages(args, 0)))
    world.apply(world.image_build("small", content=[{"configMap": {"name": "content"}, "path": PLACE}]))
    world.wait_ready("small")
    digests = Digests(cluster, world.namespace, "small")
    digests.wait_for_another()
    waits = []
    for number in range(1, args.edits + 1):
        begin = time.monotonic()
        edit(number)
        waits.append(digests.wait_for_another() - begin)
    return summary("ConfigMap edited -> new digest", waits)


def send_webhook(world: World, url: str, number: int) -> None:
    body = json.dumps({"ref": "refs/heads/main", "number": number, "repository": {"clone_url": url}}).encode()
    signed = hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection(world.controller.address("hooks"), timeout=DEADLINE_S)
    connection.request("POST", "/hooks/github", body, {
        "Content-Type": "application/json", "X-GitHub-Event": "push",
        "X-GitHub-Delivery": secrets.token_hex(8), "X-Hub-Signature-256": f"sha256={signed}"})
    answer = connection.getresponse()
    if answer.status != 202:
        raise SystemExit(f"the webhook was answered with {answer.status}: {answer.read().decode()}")


def measure_git(world: World, cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> str:
    with git_server.GitServer(folder / "git") as server:
        repository = server.repository("team/site.git")
        repository.commit(pages(args, 0))
        url = server.url("team/site.git")
        world.apply(world.image_build("pushed", interval="0s", content=[
            {"git": {"url": url, "ref": {"branch": "main"}}, "path": PLACE}]))
        world.wait_ready("pushed")
        digests = Digests(cluster, world.namespace, "pushed")
        digests.wait_for_another()
        waits = []
        for number in range(1, args.edits + 1):
            repository.commit(pages(args, number))
            begin = time.monotonic()
            send_webhook(world, url, number)
            waits.append(digests.wait_for_another() - begin)
        return summary("git push and webhook -> new digest", waits)


def measure(args: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory() as name, Cluster() as cluster:
        folder = pathlib.Path(name)
        install(cluster)
        world = World(cluster, push_base(cluster), folder, "bench")
        token = base64.b64encode(TOKEN.encode()).decode()
        world.apply({"apiVersion": "v1", "kind": "Secret", "data": {"token": token},
                     "metadata": {"name": "hooks", "namespace": world.namespace}})
        kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller")
        with Controller(kubeconfig, folder, "--hooks-addr", "127.0.0.1:0",
                        "--hooks-secret", f"{world.namespace}/hooks") as controller:
            world.controller = controller
            world.wait_until("it is ready", lambda: controller.ask("health", "/readyz")[0] == 200)
            return [measure_config_map(world, cluster, args), measure_git(world, cluster, args, folder)]


def main() -> None:
    parser = argparse.ArgumentParser(description="From an edit to the new digest.")
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--files", type=int, default=5)
    parser.add_argument("--kilobytes", type=int, default=20, help="of all files together")
    args = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):  # The controller's log.
        lines = measure(args)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
