#!/usr/bin/python3
"""Measures how long users wait: from an edit to the new digest in the status of a small site.

    tests/bench/edit_to_digest.py [--edits 50] [--files 5] [--kilobytes 20] [--no-git] [--in-memory]

Twice: from sending an edit of a ConfigMap, and from sending the webhook that follows a push to a git repository
(git http-backend behind nginx). The end is when a watch of the API server tells the new digest. API server,
registry, git server and controller share the machine, on loopback.

Beside it, edit for edit, with the same content: shortest_way/main.go, a program that does only what nobody can leave
out. How many times as long Kiln takes is the figure that tells the same on a busy machine. Both wait for the disk on
which the registry makes its files durable; `--in-memory` leaves that out, and shows more of what Kiln itself adds.
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
import shutil
import statistics
import subprocess
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
PAUSE_S = 0.05  # What one of the two still does after its digest is not to hold up the other.


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


def ratio(waits: list[float], others: list[float]) -> str:
    def times(share: int) -> float:
        return sorted(waits)[len(waits) * share // 100] / sorted(others)[len(others) * share // 100]
    return f"times as long as the shortest way: p50 {times(50):.2f}, p90 {times(90):.2f}, p99 {times(99):.2f}"


class ShortestWay:
    """The program that does only what nobody can leave out, from `config_map` to the status of `image_build`."""

    def __init__(self, world: World, folder: pathlib.Path, config_map: str, image_build: str) -> None:
        program = folder / "shortest_way"
        go = shutil.which("go") or "/usr/local/go/bin/go"
        subprocess.run([go, "build", "-o", program, ROOT / "tests" / "bench" / "shortest_way" / "main.go"], check=True)
        pki = world.cluster.directory / "pki"
        self._process = subprocess.Popen(
            [program, "-server", world.cluster.apiserver.url, "-ca", pki / "ca.crt", "-cert", pki / "admin.crt",
             "-key", pki / "admin.key", "-namespace", world.namespace, "-config-map", config_map,
             "-image-build", image_build, "-repository", f"{world.registry}/{world.namespace}/{image_build}"],
            stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "watching\n":
            raise SystemExit("the shortest way could not be taken")

    def __enter__(self) -> ShortestWay:
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()


class Edits:
    """Edits of one ConfigMap, from which one ImageBuild gets its digests."""

    def __init__(self, world: World, args: argparse.Namespace, config_map: str, image_build: str) -> None:
        self._connection = world.cluster.apiserver.connect(DEADLINE_S)
        self._path = f"/api/v1/namespaces/{world.namespace}/configmaps/{config_map}"
        self._digests = Digests(world.cluster, world.namespace, image_build)
        self._args = args
        self.waits: list[float] = []

    def begin(self) -> None:
        """Skips the digest that is there."""
        self._digests.wait_for_another()

    def edit(self, number: int) -> None:
        body = json.dumps({"data": pages(self._args, number)})
        began = time.monotonic()
        self._connection.request("PATCH", self._path, body, {"Content-Type": "application/merge-patch+json"})
        answer = self._connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"the edit was answered with {answer.status}: {answer.read().decode()}")
        answer.read()
        self.waits.append(self._digests.wait_for_another() - began)
        time.sleep(PAUSE_S)


def measure_config_map(world: World, args: argparse.Namespace, folder: pathlib.Path) -> list[str]:
    base = {"image": world.base, "platforms": ["linux/amd64"]}
    content = [{"configMap": {"name": "content"}, "path": PLACE}]
    world.apply(world.config_map("content", pages(args, 0)), world.config_map("bare", pages(args, 0)))
    of_its_own = [{"inline": {"files": {"index.html": "never built"}}, "path": PLACE}]
    world.apply(world.image_build("small", base=base, content=content),
                world.image_build("bare", base=base, content=of_its_own, suspend=True))
    world.wait_ready("small")
    world.wait_reason("Suspended", "bare")
    with ShortestWay(world, folder, "bare", "bare"):
        kiln, bare = Edits(world, args, "content", "small"), Edits(world, args, "bare", "bare")
        kiln.begin()
        for number in range(1, args.edits + 1):
            kiln.edit(number)
            bare.edit(number)
    return [summary("ConfigMap edited -> new digest", kiln.waits), summary("the shortest way", bare.waits),
            ratio(kiln.waits, bare.waits)]


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
    with tempfile.TemporaryDirectory() as name, Cluster(in_memory=args.in_memory) as cluster:
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
            lines = measure_config_map(world, args, folder)
            return lines if args.no_git else [*lines, measure_git(world, cluster, args, folder)]


def main() -> None:
    parser = argparse.ArgumentParser(description="From an edit to the new digest.")
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--files", type=int, default=5)
    parser.add_argument("--kilobytes", type=int, default=20, help="of all files together")
    parser.add_argument("--no-git", action="store_true", help="leave the git repository out")
    parser.add_argument("--in-memory", action="store_true", help="the servers' files on a tmpfs, if there is one")
    args = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):  # The controller's log.
        lines = measure(args)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
