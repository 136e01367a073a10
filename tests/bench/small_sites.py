#!/usr/bin/python3
"""Measures the controller with many small sites that it really builds and pushes, and prints the figures.

    tests/bench/small_sites.py [--burst 500] [--sites 5000] [--idle 20] [--concurrent 4]
                               [--base-files 8000] [--rival] [--on-disk]

1. With nothing to do: from the start of the program to the first reconcile, without what the API server takes.
2. `--burst` ImageBuilds, each of a ConfigMap with 5 files of 4 KB, which is there, and all on one base with so many
   files, are created at once: until all are Ready, CPU for each, the highest memory.
3. There are `--sites` of them: memory and CPU of `--idle` seconds in which nobody changes anything.
4. The controller starts again, and as soon as it has read everything somebody creates one more: until it is
   Ready, while all the others are being looked at.

`--rival` measures a controller made with controller-runtime and go-containerregistry, in the same run: its burst after
Kiln's, in a namespace of its own; then it is started over the ImageBuilds that Kiln has built, for what it takes at rest
and for the restart.
API server, etcd, registry and controller share the machine, on loopback. The servers' files are in memory where there is
a tmpfs: on a virtual disk the registry's fsyncs are a quarter of what it does, and vary by the hour. `--on-disk` for that.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from measuring import Api, Measured, each, kiln, machine, path_of, rival, wait_for, where, words

from cluster import Cluster  # found through `measuring`
from world import binary, install, push_base

FILES = 5
FILE_BYTES = 4096
ALL_READ = "everything has been read for the first time"
PUSHED = "image pushed"


def name_of(number: int) -> str:
    return f"site-{number:05}"


def pages(namespace: str, name: str, number: int) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace},
            "data": {f"page-{page}.html": words(FILES * number + page, FILE_BYTES) for page in range(FILES)}}


def push_base_with(cluster: Cluster, folder: pathlib.Path, files: int) -> str:
    """A base as distributions make them: the files of some hundred packages; answers its reference."""
    packages = folder / "base"
    for number in range(files):
        file = packages / f"package-{number // 40:04}" / "doc" / f"some-file-{number:06}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
    reference = f"{cluster.registry().address}/library/distribution:1"
    subprocess.run([binary("kiln"), "--cache-dir", str(folder / "cache"), "append", push_base(cluster),
                    "--platform", "linux/amd64", "--dir", f"{packages}:/usr/share", "-t", reference],
                   check=True, stdout=subprocess.DEVNULL)
    return reference


def site(registry: str, base: str, namespace: str, name: str) -> dict:
    return {"apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"base": {"image": base, "platforms": ["linux/amd64"]},
                     "content": [{"configMap": {"name": name}, "path": "/srv"}],
                     "output": {"image": f"{registry}/{namespace}/{name}:latest", "insecure": True}}}


def until_ready(cluster: Cluster, body: dict) -> float:
    """Seconds from sending this ImageBuild until a watch tells that it is Ready."""
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    watch = cluster.apiserver.connect(120)
    watch.request("GET", f"{path_of(namespace)}?watch=1&fieldSelector=metadata.name={name}")
    events = watch.getresponse()
    began = time.monotonic()
    Api(cluster).call("POST", path_of(namespace), body)
    while line := events.readline():
        conditions = json.loads(line)["object"].get("status", {}).get("conditions", [])
        if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            return time.monotonic() - began
    raise SystemExit(f"the watch ended before {name} was Ready")


class Sites:
    """The ImageBuilds of one namespace, and what is measured of a controller that watches it."""

    def __init__(self, cluster: Cluster, namespace: str, base: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._base = base
        cluster.kubectl("create", "namespace", namespace)

    def create_pages(self, api: Api, name: str, number: int) -> None:
        api.call("POST", f"/api/v1/namespaces/{self._namespace}/configmaps", pages(self._namespace, name, number))

    def body(self, name: str) -> dict:
        return site(self._cluster.registry().address, self._base, self._namespace, name)

    def create(self, api: Api, name: str) -> None:
        api.call("POST", path_of(self._namespace), self.body(name))

    def first(self, controller: Measured, name: str) -> None:
        """One with nothing before it: what this process reads and makes once for all is there afterwards."""
        self.create_pages(Api(self._cluster), name, 0)
        self.create(Api(self._cluster), name)
        wait_for("the first is pushed", lambda: controller.logged(PUSHED) >= 1)

    def burst(self, controller: Measured, count: int) -> None:
        each(self._cluster, count, lambda api, number: self.create_pages(api, name_of(number), number))
        before, cpu, began = controller.logged(PUSHED), controller.cpu_s(), time.monotonic()
        rate = each(self._cluster, count, lambda api, number: self.create(api, name_of(number)))
        wait_for(f"{count} are pushed", lambda: controller.logged(PUSHED) >= before + count)
        took, cpu = time.monotonic() - began, controller.cpu_s() - cpu
        print(f"{count} at once                 created at {rate:.0f}/s, all Ready after {took:.1f} s, "
              f"{cpu * 1000 / count:.2f} ms of CPU each")
        print(f"                            memory {controller.memory()}", flush=True)

    def fill(self, controller: Measured, first: int, end: int) -> None:
        def create_all(api: Api, number: int) -> None:
            self.create_pages(api, name_of(first + number), first + number)
            self.create(api, name_of(first + number))

        before = controller.logged(PUSHED)
        each(self._cluster, end - first, create_all)
        wait_for("all are pushed", lambda: controller.logged(PUSHED) >= before + end - first)

    def idle(self, controller: Measured, seconds: int, sites: int) -> None:
        time.sleep(5)  # The last Events.
        cpu = controller.cpu_s()
        time.sleep(seconds)
        print(f"{sites} idle                   memory {controller.memory()}, "
              f"{(controller.cpu_s() - cpu) / seconds * 100:.2f} % of a core")

    def restart(self, controller: Measured, newest: str, sites: int) -> None:
        """`controller` has just read everything."""
        self.create_pages(Api(self._cluster), newest, sites)
        waited = until_ready(self._cluster, self.body(newest))
        looked_at = controller.reconciled()
        wait_for("all are looked at", lambda: controller.reconciled() >= sites)
        print(f"restart over {sites}           a new one is Ready after {waited:.2f} s, {looked_at:.0f} reconciles in; "
              f"memory {controller.memory()}")


class Contest:
    """Who is measured, one after the other."""

    def __init__(self, cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> None:
        self._cluster = cluster
        self._args = args
        self._folder = folder
        self._base = push_base_with(cluster, folder, args.base_files)

    def sites(self, namespace: str) -> Sites:
        return Sites(self._cluster, namespace, self._base)

    def start_kiln(self, namespace: str, *flags: str) -> Measured:
        controller = kiln(self._cluster, self._folder, "--concurrent", str(self._args.concurrent), "--cache-dir",
                          str(self._folder / "controller-cache"), "--watch-namespaces", namespace, *flags)
        controller.logged_at(ALL_READ)
        return controller

    def start_rival(self, namespace: str) -> Measured:
        controller = rival(self._cluster, self._folder, "--concurrent", str(self._args.concurrent), "--watch-namespaces",
                           namespace)
        controller.logged_at(ALL_READ)
        return controller


def measure_start(contest: Contest, sites: Sites, namespace: str) -> None:
    """With one ImageBuild, which has been built before: there is something to look at, and nothing to do."""
    controller = contest.start_kiln(namespace)
    sites.first(controller, "first")
    controller.stop()
    controller = contest.start_kiln(namespace, "--log-level", "debug")
    begun = wait_for("the first reconcile begins", controller.begun)
    starts, read = controller.logged_at("kiln-controller starts"), controller.logged_at(ALL_READ)
    print(f"start -> first reconcile    {(starts - controller.began) * 1000:.0f} ms until it starts, "
          f"{(read - starts) * 1000:.0f} ms of reading from the API server, "
          f"{(min(begun.values()) - read) * 1000:.0f} ms until the first reconcile; "
          f"{controller.cpu_s() * 1000:.0f} ms of CPU")
    controller.stop()


def measure(cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> None:
    contest = Contest(cluster, args, folder)
    print(f"{machine()}; the servers' files {where(cluster.directory)}\n\nkiln", flush=True)
    sites = contest.sites("sites")
    measure_start(contest, sites, "sites")
    controller = contest.start_kiln("sites")
    sites.first(controller, "second")
    sites.burst(controller, args.burst)
    controller.stop()
    if args.rival:
        print("\ncontroller-runtime and go-containerregistry", flush=True)
        others = contest.sites("rivals")
        other = contest.start_rival("rivals")
        others.first(other, "first")
        others.burst(other, args.burst)
        other.stop()
        print("\nkiln")
    controller = contest.start_kiln("sites")
    sites.fill(controller, args.burst, args.sites)
    sites.idle(controller, args.idle, args.sites)
    controller.stop()
    controller = contest.start_kiln("sites")
    sites.restart(controller, "newest", args.sites)
    controller.stop()
    if args.rival:
        print("\ncontroller-runtime and go-containerregistry", flush=True)
        other = contest.start_rival("sites")
        wait_for("all are looked at", lambda: other.reconciled() >= args.sites)
        sites.idle(other, args.idle, args.sites)
        other.stop()
        other = contest.start_rival("sites")
        sites.restart(other, "newest-of-all", args.sites)
        other.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the controller with many small sites.")
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--sites", type=int, default=5000)
    parser.add_argument("--idle", type=int, default=20, metavar="SECONDS")
    parser.add_argument("--concurrent", type=int, default=4)
    parser.add_argument("--base-files", type=int, default=8000)
    parser.add_argument("--rival", action="store_true", help="measure one made with controller-runtime, too")
    parser.add_argument("--on-disk", action="store_true", help="the servers' files on disk, even if there is a tmpfs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(in_memory=not args.on_disk) as cluster:
        install(cluster)
        measure(cluster, args, pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
