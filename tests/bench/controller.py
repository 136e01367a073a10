#!/usr/bin/python3
"""Measures the controller against a real API server, and prints the figures.

    tests/bench/controller.py [--builds 10000] [--namespaces 20] [--patches 300] [--concurrent 16] [--rival]
    tests/bench/controller.py --idle 600 --builds 1000

The first form creates ImageBuilds that are suspended, so that a reconcile is what a controller does around its
own work: a look into the cache and one write of the status. It tells how long the first read takes, how many
statuses are written each second, how long after a change its reconcile begins, and the memory. API server,
etcd and controller share the machine; what else runs there is measured, too. So it also tells how much of the
processors each of them took for a write, and from that how many a second this machine could do with nothing
else to do. `--rival` measures a controller made with controller-runtime that does the same, in the same run.

The second form leaves the controller alone for so many seconds and counts who writes what: nothing but the
Lease is right, and anything else makes the exit code 1.
"""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import sys
import tempfile
import time

from measuring import Api, Measured, cpu_s, each, kiln, machine, path_of, percentile, wait_for, words

import go_tools  # found through `measuring`
from cluster import Cluster
from world import install

PREFIX = "bench-"
ALL_READ = "everything has been read for the first time"


def image_build(namespace: str, number: int) -> dict:
    """About 2 KB with what the API server adds."""
    return {"apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild",
            "metadata": {"name": f"site-{number:05}", "namespace": namespace,
                         "labels": {f"example.com/label-{i}": "x" * 20 for i in range(5)},
                         "annotations": {"example.com/notes": words(-number, 600)}},
            "spec": {"suspend": True, "base": {"image": "registry.example.com/library/nginx:1.27"},
                     "content": [{"inline": {"files": {"index.html": words(number, 300)}}, "path": "/srv"}],
                     "output": {"image": f"registry.example.com/team/site-{namespace}-{number}:latest"}}}


def create(cluster: Cluster, count: int, namespaces: int) -> float:
    """Returns how many each second."""
    for number in range(namespaces):
        cluster.kubectl("create", "namespace", f"{PREFIX}{number}")

    def one(api: Api, number: int) -> None:
        namespace = f"{PREFIX}{number % namespaces}"
        api.call("POST", path_of(namespace), image_build(namespace, number))

    return each(cluster, count, one)


class Edits:
    """Changes of spec.historyLimit, no two of which are the same in a row."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._namespaces = args.namespaces
        self._limit = 10

    def next(self) -> None:
        self._limit = self._limit % 90 + 1

    def send(self, api: Api, number: int) -> str:
        """Answers the object's key."""
        namespace, name = f"{PREFIX}{number % self._namespaces}", f"site-{number:05}"
        api.call("PATCH", path_of(namespace, name), {"spec": {"historyLimit": self._limit}},
                 "application/merge-patch+json")
        return f"{namespace}/{name}"


def latencies_ms(api: Api, controller: Measured, patches: int, edits: Edits) -> tuple[list[float], list[float]]:
    """From before a change is sent until its reconcile begins, by the log, whose times are in ms; and how long
    the change itself took to be answered."""
    sent, answered = {}, []
    before = len(controller.log())
    edits.next()
    for number in range(patches):
        # Before the request leaves, so that what the API server takes is part of it.
        at = time.time()
        sent[edits.send(api, number)] = at
        answered.append((time.time() - at) * 1000)
        time.sleep(0.01)
    times = wait_for("all changes are seen", lambda: (
        found := controller.begun(before)) and len(found) >= patches and found)
    return [(times[key] - at) * 1000 + 0.5 for key, at in sent.items()], answered


def measure(cluster: Cluster, start, args: argparse.Namespace, edits: Edits) -> None:
    """`start(tell)` starts a controller; it is to `tell` when each reconcile begins."""
    servers = {"API server": cluster.apiserver.pid, "etcd": cluster.etcd.pid}
    controller = start(False)
    print(f"\n{controller.name}", flush=True)
    synced = controller.logged_at(ALL_READ)
    print(f"  first read                {synced - controller.began:.2f} s, {controller.cpu_s():.2f} s of CPU")
    before = {name: cpu_s(pid) for name, pid in servers.items()} | {"controller": controller.cpu_s()}
    wait_for("all statuses are written", lambda: controller.reconciled(result="success") >= args.builds)
    took = time.time() - synced
    now = {name: cpu_s(pid) for name, pid in servers.items()} | {"controller": controller.cpu_s()}
    each_ms = {name: (now[name] - before[name]) * 1000 / args.builds for name in now}
    print(f"  status writes             {args.builds / took:.0f}/s ({took:.1f} s)")
    print("  CPU of each write         " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in each_ms.items()) +
          f": at most {os.cpu_count() * 1000 / sum(each_ms.values()):.0f}/s here")
    print(f"  resident memory           {controller.memory()}", flush=True)
    controller.stop()

    # Again, with everything written: a restart has nothing to write.
    controller = start(True)
    synced = controller.logged_at(ALL_READ)
    read_cpu = controller.cpu_s()
    wait_for("all are looked at", lambda: controller.reconciled(result="success") >= args.builds)
    print(f"  restart: first read       {synced - controller.began:.2f} s, {read_cpu:.2f} s of CPU; "
          f"all looked at after {time.time() - controller.began:.2f} s")
    print("  restart: requests         " + ", ".join(
        f"{controller.metric('rest_client_requests_total', method=method):.0f} {method}"
        for method in ("PATCH", "POST", "GET")))
    print(f"  restart: resident memory  {controller.memory()}")
    waited, answered = latencies_ms(Api(cluster), controller, args.patches, edits)
    print(f"  change -> reconcile       " + ", ".join(
        f"p{share:.0f} {percentile(waited, share / 100):.1f} ms" for share in (50, 90, 99)) +
          f" ({len(waited)} changes, which were answered after p50 {percentile(answered, 0.5):.1f} ms, "
          f"p99 {percentile(answered, 0.99):.1f} ms)", flush=True)
    controller.stop()


def compare(cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> int:
    concurrent = ("--concurrent", str(args.concurrent))
    edits = Edits(args)

    def start_kiln(tell: bool) -> Measured:
        return kiln(cluster, folder, *concurrent, *(["--log-level", "debug"] if tell else []))

    print(machine())
    print(f"{args.builds} ImageBuilds in {args.namespaces} namespaces, "
          f"created at {create(cluster, args.builds, args.namespaces):.0f}/s", flush=True)
    measure(cluster, start_kiln, args, edits)
    if not args.rival:
        return 0
    program = str(go_tools.ensure("rival", use_path=False)["rival"])

    def start_rival(tell: bool) -> Measured:
        return Measured("controller-runtime", [program, *concurrent, *(["--tell"] if tell else [])], folder,
                        cluster.kubeconfig)

    edits.next()
    each(cluster, args.builds, edits.send)  # There is a status to write for each of them again.
    measure(cluster, start_rival, args, edits)
    return 0


def stay_idle(cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> int:
    create(cluster, args.builds, args.namespaces)
    controller = kiln(cluster, folder, "--concurrent", str(args.concurrent), "--leader-elect",
                      "--leader-election-namespace", "kiln-system")
    wait_for("all statuses are written", lambda: controller.reconciled(result="success") >= args.builds)
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
    parser.add_argument("--rival", action="store_true", help="measure one made with controller-runtime, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(audit=bool(args.idle), registry=False) as cluster:
        install(cluster)
        what = stay_idle if args.idle else compare
        return what(cluster, args, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
