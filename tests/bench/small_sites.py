#!/usr/bin/python3
"""Measures the controller with many small sites that it really builds and pushes, and prints the figures.

    tests/bench/small_sites.py [--burst 500] [--sites 5000] [--idle 20] [--concurrent 4]
                               [--base-files 8000]

1. With nothing to do: from the start of the program to the first reconcile, without what the API server takes.
2. `--burst` ImageBuilds, each of a ConfigMap with 5 files of 4 KB, which is there, and all on one base with so many
   files, are created at once: until all are Ready, CPU for each, the highest memory.
3. There are `--sites` of them: memory and CPU of `--idle` seconds in which nobody changes anything.
4. The controller starts again, and as soon as it has read everything somebody creates one more: until it is
   Ready, while all the others are being looked at.

API server, etcd, registry and controller share the machine, on loopback.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from measuring import Api, Measured, each, kiln, machine, path_of, wait_for, words

from cluster import Cluster
from world import binary, install, push_base

NAMESPACE = "sites"
FILES = 5
FILE_BYTES = 4096
ALL_READ = "everything has been read for the first time"
PUSHED = "image pushed"


def name_of(number: int) -> str:
    return f"site-{number:05}"


def pages(name: str, number: int) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE},
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


def site(registry: str, base: str, name: str) -> dict:
    return {"apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"base": {"image": base, "platforms": ["linux/amd64"]},
                     "content": [{"configMap": {"name": name}, "path": "/srv"}],
                     "output": {"image": f"{registry}/sites/{name}:latest", "insecure": True}}}


def create_pages(api: Api, name: str, number: int) -> None:
    api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", pages(name, number))


def start(cluster: Cluster, folder: pathlib.Path, *flags: str) -> Measured:
    controller = kiln(cluster, folder, *flags)
    controller.logged_at(ALL_READ)
    return controller


def wait_ready(controller: Measured, count: int) -> None:
    wait_for(f"{count} are ready",
             lambda: controller.metric("kiln_imagebuilds", ready="true") >= count)


def until_ready(cluster: Cluster, body: dict) -> float:
    """Seconds from sending this ImageBuild until a watch tells that it is Ready."""
    name = body["metadata"]["name"]
    watch = cluster.apiserver.connect(120)
    watch.request("GET", f"{path_of(NAMESPACE)}?watch=1&fieldSelector=metadata.name={name}")
    events = watch.getresponse()
    began = time.monotonic()
    Api(cluster).call("POST", path_of(NAMESPACE), body)
    while line := events.readline():
        conditions = json.loads(line)["object"].get("status", {}).get("conditions", [])
        if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            return time.monotonic() - began
    raise SystemExit(f"the watch ended before {name} was Ready")


def measure(cluster: Cluster, args: argparse.Namespace, folder: pathlib.Path) -> None:
    registry = cluster.registry().address
    flags = ("--concurrent", str(args.concurrent), "--cache-dir", str(folder / "controller-cache"))
    base = push_base_with(cluster, folder, args.base_files)

    def create(api: Api, number: int) -> None:
        api.call("POST", path_of(NAMESPACE), site(registry, base, name_of(number)))

    def create_all(api: Api, number: int) -> None:
        create_pages(api, name_of(number), number)
        create(api, number)

    print(machine(), flush=True)
    cluster.kubectl("create", "namespace", NAMESPACE)
    for number, name in enumerate(("first", "newest")):
        create_pages(Api(cluster), name, args.sites + number)
    Api(cluster).call("POST", path_of(NAMESPACE), site(registry, base, "first"))
    controller = start(cluster, folder, *flags, "--log-level", "debug")
    begun = wait_for("the first reconcile begins", controller.begun)
    starts, read = controller.logged_at("kiln-controller starts"), controller.logged_at(ALL_READ)
    print(f"start -> first reconcile    {(starts - controller.began) * 1000:.0f} ms until it starts, "
          f"{(read - starts) * 1000:.0f} ms of reading from the API server, "
          f"{(min(begun.values()) - read) * 1000:.0f} ms until the first reconcile; "
          f"{controller.cpu_s() * 1000:.0f} ms of CPU")
    wait_ready(controller, 1)
    controller.stop()

    each(cluster, args.burst, lambda api, number: create_pages(api, name_of(number), number))
    controller = start(cluster, folder, *flags)
    cpu, began = controller.cpu_s(), time.monotonic()
    rate = each(cluster, args.burst, create)
    wait_for(f"{args.burst} are pushed", lambda: controller.logged(PUSHED) >= args.burst)
    print(f"{args.burst} at once                 created at {rate:.0f}/s, all Ready after "
          f"{time.monotonic() - began:.1f} s, {(controller.cpu_s() - cpu) * 1000 / args.burst:.2f} ms of CPU each")
    print(f"                            memory {controller.memory()}", flush=True)
    wait_ready(controller, args.burst + 1)

    each(cluster, args.sites - args.burst, lambda api, number: create_all(api, number + args.burst))
    wait_ready(controller, args.sites + 1)
    time.sleep(5)  # The last Events.
    cpu = controller.cpu_s()
    time.sleep(args.idle)
    print(f"{args.sites} idle                   memory {controller.memory()}, "
          f"{(controller.cpu_s() - cpu) / args.idle * 100:.2f} % of a core")
    controller.stop()

    controller = start(cluster, folder, *flags)
    waited = until_ready(cluster, site(registry, base, "newest"))
    looked_at = controller.reconciled()
    wait_for("all are looked at", lambda: controller.reconciled() >= args.sites)
    print(f"restart over {args.sites}           a new one is Ready after {waited:.2f} s, {looked_at:.0f} reconciles in; "
          f"memory {controller.memory()}")
    controller.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the controller with many small sites.")
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--sites", type=int, default=5000)
    parser.add_argument("--idle", type=int, default=20, metavar="SECONDS")
    parser.add_argument("--concurrent", type=int, default=4)
    parser.add_argument("--base-files", type=int, default=8000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster() as cluster:
        install(cluster)
        measure(cluster, args, pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
