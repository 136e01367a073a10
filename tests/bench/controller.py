#!/usr/bin/python3
"""Measures the controller against a real API server, and prints the figures.

    tests/bench/controller.py [--builds 10000] [--namespaces 20] [--patches 300] [--concurrent 16]
    tests/bench/controller.py --idle 600 --builds 1000

The first form creates ImageBuilds that are suspended, so that a reconcile is what a controller does around its
own work: a look into the cache and one write of the status. It tells how long the first read takes, how many
statuses are written each second, how long after a change its reconcile begins, and the memory. API server,
etcd and controller share the machine; what else runs there is measured, too.

The second form leaves the controller alone for so many seconds and counts who writes what: nothing but the
Lease is right, and anything else makes the exit code 1.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import datetime
import http.client
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("cluster", "scenarios"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

from cluster import Cluster  # noqa: E402  (found through the lines above)
from world import binary, install  # noqa: E402

CLIENTS = 16
DEADLINE_S = 600
PREFIX = "bench-"


class Api:
    """One kept-alive connection to the API server as its administrator."""

    def __init__(self, cluster: Cluster) -> None:
        self._connection = cluster.apiserver.connect(60)

    def call(self, method: str, path: str, body: dict | None = None,
             content_type: str = "application/json") -> dict:
        self._connection.request(method, path, json.dumps(body) if body else None,
                                 {"Content-Type": content_type})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300 and answer.status != 409:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def path_of(namespace: str, name: str = "") -> str:
    path = f"/apis/kiln.build/v1alpha1/namespaces/{namespace}/imagebuilds"
    return f"{path}/{name}" if name else path


def image_build(namespace: str, number: int) -> dict:
    """About 2 KB with what the API server adds."""
    return {"apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild",
            "metadata": {"name": f"site-{number:05}", "namespace": namespace,
                         "labels": {f"example.com/label-{i}": "x" * 20 for i in range(5)},
                         "annotations": {"example.com/notes": "y" * 600}},
            "spec": {"suspend": True, "base": {"image": "registry.example.com/library/nginx:1.27"},
                     "content": [{"inline": {"files": {"index.html": "z" * 300}}, "path": "/srv"}],
                     "output": {"image": f"registry.example.com/team/site-{namespace}-{number}:latest"}}}


def create(cluster: Cluster, count: int, namespaces: int) -> float:
    """Returns how many each second."""
    for number in range(namespaces):
        cluster.kubectl("create", "namespace", f"{PREFIX}{number}")

    def some(first: int) -> None:
        api = Api(cluster)
        for number in range(first, count, CLIENTS):
            namespace = f"{PREFIX}{number % namespaces}"
            api.call("POST", path_of(namespace), image_build(namespace, number))

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(some, range(CLIENTS)))
    return count / (time.monotonic() - began)


class Controller:
    """kiln-controller, with its log in a file."""

    def __init__(self, cluster: Cluster, folder: pathlib.Path, *flags: str) -> None:
        kubeconfig = cluster.service_account_kubeconfig("kiln-system", "kiln-controller")
        self._log_path = folder / "controller.log"
        with open(self._log_path, "w", encoding="utf-8") as log:
            self.began = time.monotonic()
            self._process = subprocess.Popen(
                [binary("kiln-controller"), "--kubeconfig", str(kubeconfig), "--health-addr", "0",
                 "--metrics-addr", "127.0.0.1:0", *flags], stderr=log, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8")

    def logged_at(self, message: str) -> float:
        """The time of the first such line, in seconds, by the clock of the day."""
        found = wait_for(message, lambda: re.search(rf"^(\S+)Z \w+ {message}", self.log(), re.M))
        return moment(found[1])

    def metric(self, name: str, **labels: str) -> float:
        address = wait_for("it serves metrics", lambda: re.search(
            r"serving what=metrics address=(\S+)", self.log()))[1]
        text = urllib.request.urlopen(f"http://{address}/metrics", timeout=30).read().decode()
        return sum(float(value) for got, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.M)
                   if all(f'{key}="{wanted}"' in got for key, wanted in labels.items()))

    def memory_mb(self, field: str) -> float:
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) / 1024

    def cpu_s(self) -> float:
        return self.metric("process_cpu_seconds_total")


def moment(text: str) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()


def wait_for(what: str, holds):
    end = time.monotonic() + DEADLINE_S
    while not (value := holds()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.02)
    return value


def latencies_ms(cluster: Cluster, controller: Controller, patches: int, namespaces: int) -> list[float]:
    """From before a change is sent until its reconcile begins, by the log, whose times are in ms."""
    api = Api(cluster)
    sent = {}
    before = len(controller.log())
    for number in range(patches):
        namespace, name = f"{PREFIX}{number % namespaces}", f"site-{number:05}"
        # Before the request leaves, so that what the API server takes is part of it.
        sent[f"{namespace}/{name}"] = time.time()
        api.call("PATCH", path_of(namespace, name), {"spec": {"historyLimit": 7}}, "application/merge-patch+json")
        time.sleep(0.01)
    times = wait_for("all changes are seen", lambda: (
        found := begun(controller.log()[before:])) and len(found) >= patches and found)
    return sorted((times[key] - at) * 1000 + 0.5 for key, at in sent.items())


def begun(log: str) -> dict[str, float]:
    """When the first reconcile of each object began."""
    lines = re.findall(r"^(\S+)Z debug reconcile begins object=(\S+)", log, re.M)
    return {key: moment(at) for at, key in reversed(lines)}


def percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def measure(cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> int:
    print(f"{args.builds} ImageBuilds in {args.namespaces} namespaces, "
          f"created at {create(cluster, args.builds, args.namespaces):.0f}/s", flush=True)
    controller = Controller(cluster, folder, "--concurrent", str(args.concurrent))
    started = controller.logged_at("kiln-controller starts")
    synced = controller.logged_at("everything has been read for the first time")
    print(f"first read                  {synced - started:.2f} s")
    wait_for("all statuses are written", lambda: controller.metric(
        "controller_runtime_reconcile_total", result="success") >= args.builds)
    took = time.time() - synced
    print(f"status writes               {args.builds / took:.0f}/s ({took:.1f} s)")
    print(f"resident memory             {controller.memory_mb('VmRSS'):.1f} MB "
          f"(highest {controller.memory_mb('VmHWM'):.1f} MB)")
    print(f"CPU of the controller       {controller.cpu_s():.1f} s")
    controller.stop()

    # Again, with everything written: a restart has nothing to write.
    controller = Controller(cluster, folder, "--concurrent", str(args.concurrent), "--log-level", "debug")
    started = controller.logged_at("kiln-controller starts")
    synced = controller.logged_at("everything has been read for the first time")
    wait_for("all are looked at", lambda: controller.metric(
        "controller_runtime_reconcile_total", result="success") >= args.builds)
    print(f"restart: first read         {synced - started:.2f} s, all looked at after {time.time() - started:.2f} s")
    print(f"restart: requests           {controller.metric('rest_client_requests_total', method='PATCH'):.0f} PATCH, "
          f"{controller.metric('rest_client_requests_total', method='POST'):.0f} POST, "
          f"{controller.metric('rest_client_requests_total', method='GET'):.0f} GET")
    print(f"restart: resident memory    {controller.memory_mb('VmRSS'):.1f} MB "
          f"(highest {controller.memory_mb('VmHWM'):.1f} MB)")
    values = latencies_ms(cluster, controller, args.patches, args.namespaces)
    print(f"change -> reconcile         p50 {percentile(values, 0.5):.1f} ms, p90 {percentile(values, 0.9):.1f} ms, "
          f"p99 {percentile(values, 0.99):.1f} ms ({len(values)} changes)")
    controller.stop()
    return 0


def stay_idle(cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> int:
    create(cluster, args.builds, args.namespaces)
    controller = Controller(cluster, folder, "--concurrent", str(args.concurrent), "--leader-elect",
                            "--leader-election-namespace", "kiln-system")
    wait_for("all statuses are written", lambda: controller.metric(
        "controller_runtime_reconcile_total", result="success") >= args.builds)
    before, cpu = len(cluster.audit_events()), controller.cpu_s()
    time.sleep(args.idle)
    user = "system:serviceaccount:kiln-system:kiln-controller"
    written = collections.Counter(event["objectRef"]["resource"] for event in cluster.audit_events()[before:]
                                  if event["user"]["username"] == user)
    print(f"{args.builds} ImageBuilds, idle for {args.idle} s: writes {dict(written) or 'none'}, "
          f"{controller.cpu_s() - cpu:.2f} s of CPU, {controller.memory_mb('VmRSS'):.1f} MB resident")
    controller.stop()
    return 0 if set(written) <= {"leases"} else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the controller against a real API server.")
    parser.add_argument("--builds", type=int, default=10_000)
    parser.add_argument("--namespaces", type=int, default=20)
    parser.add_argument("--patches", type=int, default=300)
    parser.add_argument("--concurrent", type=int, default=16)
    parser.add_argument("--idle", type=int, default=0, metavar="SECONDS")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(audit=bool(args.idle), registry=False) as cluster:
        install(cluster)
        what = stay_idle if args.idle else measure
        return what(cluster, args, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
