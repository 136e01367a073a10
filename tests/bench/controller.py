#!/usr/bin/python3
"""Measures the controller against a real API server, and prints the figures.

    tests/bench/controller.py [--builds 10000] [--namespaces 20] [--patches 300] [--concurrent 16] [--rival] [--on-disk]
    tests/bench/controller.py --idle 600 --builds 1000

The first form creates ImageBuilds that are suspended, so that a reconcile is what a controller does around its
own work: a look into the cache and one write of the status. It tells how long the first read takes, how many
statuses are written each second, how long after a change its reconcile begins, and the memory. API server,
etcd and controller share the machine; what else runs there is measured, too. So it also tells how much of the
processors each of them took for a write, and from that how many a second this machine could do with nothing
else to do. `--rival` measures a controller made with controller-runtime that does the same, in the same run.
The last table splits the way of a change: what the API server takes to answer it, and from there to the reconcile;
its first line is what the same changes take with no controller at all.
The servers' files are in memory where there is a tmpfs with room (`--on-disk`: not), so that no disk is measured.

The second form leaves the controller alone for so many seconds and counts who writes what: nothing but the
Lease is right, and anything else makes the exit code 1.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import os
import pathlib
import sys
import tempfile
import time

from measuring import Api, Measured, cpu_s, each, kiln, machine, path_of, percentile, rival, wait_for, where, words

from cluster import Cluster  # found through `measuring`
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


@dataclasses.dataclass
class Latency:
    """The ways of some changes, in ms, one of each change in each list, or none where nobody watches."""

    controller: str
    to_reconcile: list[float]  # From before it is sent until its reconcile begins.
    to_answer: list[float]  # From before it is sent until the API server has answered.

    @property
    def from_answer(self) -> list[float]:
        """Until its reconcile begins. Negative where the watch was told before the one who sent it."""
        return [whole - answer for whole, answer in zip(self.to_reconcile, self.to_answer)]


def send_all(api: Api, patches: int, edits: Edits) -> tuple[dict[str, float], list[float]]:
    """When each change was sent, and after how many ms it was answered."""
    sent, answered = {}, []
    edits.next()
    for number in range(patches):
        # Before the request leaves, so that what the API server takes is part of it.
        at = time.time()
        sent[edits.send(api, number)] = at
        answered.append((time.time() - at) * 1000)
        time.sleep(0.01)
    return sent, answered


def latency(api: Api, controller: Measured, patches: int, edits: Edits) -> Latency:
    """By the log, whose times are in ms."""
    before = len(controller.log())
    sent, answered = send_all(api, patches, edits)
    times = wait_for("all changes are seen", lambda: (
        found := controller.begun(before)) and len(found) >= patches and found)
    return Latency(controller.name, [(times[key] - at) * 1000 + 0.5 for key, at in sent.items()], answered)


def print_latencies(measured: list[Latency]) -> None:
    print(f"\n{'ms, p50 / p99':22}{'change -> answer':>20}{'answer -> reconcile':>22}{'change -> reconcile':>22}")
    for one in measured:
        print(f"  {one.controller:20}" + "".join(
            f"{f'{percentile(values, 0.5):.1f} / {percentile(values, 0.99):.1f}' if values else '':>{width}}"
            for values, width in ((one.to_answer, 20), (one.from_answer, 22), (one.to_reconcile, 22))).rstrip())


def cpu_of_writes(each_ms: dict[str, float]) -> str:
    """With how many that allows. It tells of none where so little was to do that it was done before the first look."""
    text = ", ".join(f"{name} {ms:.2f} ms" for name, ms in each_ms.items())
    of_all_ms = sum(each_ms.values())
    return text + (f": at most {os.cpu_count() * 1000 / of_all_ms:.0f}/s here" if of_all_ms else "")


def measure(cluster: Cluster, start, args: argparse.Namespace, edits: Edits) -> Latency:
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
    print(f"  CPU of each write         {cpu_of_writes(each_ms)}")
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
        for method in ("PATCH", "PUT", "POST", "GET")))
    print(f"  restart: resident memory  {controller.memory()}")
    waited = latency(Api(cluster), controller, args.patches, edits)
    print("  change -> reconcile       " + ", ".join(
        f"p{share:.0f} {percentile(waited.to_reconcile, share / 100):.1f} ms" for share in (50, 90, 99)) +
          f" ({args.patches} changes)", flush=True)
    controller.stop()
    return waited


def compare(cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> int:
    concurrent = ("--concurrent", str(args.concurrent))
    edits = Edits(args)

    def start_kiln(tell: bool) -> Measured:
        return kiln(cluster, folder, *concurrent, *(["--log-level", "debug"] if tell else []))

    def start_rival(tell: bool) -> Measured:
        return rival(cluster, folder, *concurrent, *(["--tell"] if tell else []))

    print(f"{machine()}; etcd without fsync, its files {where(cluster.directory / 'etcd')}")
    print(f"{args.builds} ImageBuilds in {args.namespaces} namespaces, "
          f"created at {create(cluster, args.builds, args.namespaces):.0f}/s", flush=True)
    measured = [measure(cluster, start_kiln, args, edits)]
    if args.rival:
        edits.next()
        each(cluster, args.builds, edits.send)  # There is a status to write for each of them again.
        measured.append(measure(cluster, start_rival, args, edits))
    time.sleep(5)  # Whatever the API server still does.
    print_latencies([Latency("nobody watches", [], send_all(Api(cluster), args.patches, edits)[1]), *measured])
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
    parser.add_argument("--on-disk", action="store_true", help="the servers' files on disk, even if there is a tmpfs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(
            audit=bool(args.idle), registry=False, in_memory=not args.on_disk) as cluster:
        install(cluster)
        what = stay_idle if args.idle else compare
        return what(cluster, args, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
