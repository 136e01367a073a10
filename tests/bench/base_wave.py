#!/usr/bin/python3
"""Measures a new base for many: ImageBuilds of two platforms each, beside `crane rebase` in a loop.

    tests/bench/base_wave.py [--builds 1000] [--namespaces 10] [--concurrent 16] [--crane-images N]

Every ImageBuild has a page of its own from a ConfigMap of its own, on one base. When all are built the base's tag
is moved and a webhook tells of it; the time runs until the last one is Ready on the new base. Then crane does the
same from the same old images: `crane rebase` for each platform, and `crane index append` to make one tag of the
two, which it cannot do in one step. An nginx before the registry counts requests and bytes for both. API server,
registry, nginx and controller share the machine, on loopback.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import platform
import re
import secrets
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("cluster", "scenarios", "faults", "bench"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

import base_image  # noqa: E402  (found through the lines above)
from cluster import Cluster  # noqa: E402
from measuring import CLIENTS, Api, Measured, kiln, path_of, wait_for  # noqa: E402
from nginx import Nginx  # noqa: E402
from world import install  # noqa: E402

PLATFORMS = ("linux/amd64", "linux/arm64")
TOKEN = secrets.token_hex(16)
PLACE = "/usr/share/nginx/html"


class CountingProxy(Nginx):
    """nginx that writes down each request with its size."""

    def argv(self) -> list[str]:
        words = super().argv()
        config = self.folder / "nginx.conf"
        text = re.sub(r"access_log (\S+);",
                      r"log_format counted '$request_method $uri $request_length'; access_log \1 counted;",
                      config.read_text())
        config.write_text(text.replace("worker_connections 64", "worker_connections 1024"))
        return words


class Count:
    """What went through the proxy from now on."""

    def __init__(self, proxy: CountingProxy) -> None:
        self._proxy = proxy
        self._before = len(proxy.requests())
        self.began = time.monotonic()

    def stop(self) -> Count:
        self.seconds = time.monotonic() - self.began
        lines = [line.split() for line in self._proxy.requests()[self._before:].splitlines()]
        lines = [line for line in lines if line[0] != "-"]  # Somebody tries https first.
        self.requests = len(lines)
        self.kinds = collections.Counter(kind(method, path) for method, path, _ in lines)
        # What is sent in the bodies of blobs, with the heads of these requests.
        self.blob_bytes = sum(int(size) for method, path, size in lines if kind(method, path) == "PUT blob")
        return self


def kind(method: str, path: str) -> str:
    if "/blobs/uploads/" in path:
        return "PUT blob" if method in ("PUT", "PATCH") else f"{method} upload"
    return f"{method} {'blob' if '/blobs/' in path else 'manifest' if '/manifests/' in path else 'other'}"


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{os.cpu_count()} x {model[1] if model else platform.machine()}, {memory:.0f} GiB, "
            f"Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start")


def names(args: argparse.Namespace) -> list[tuple[str, str]]:
    return [(f"wave-{number % args.namespaces}", f"site-{number:05}") for number in range(args.builds)]


def create(cluster: Cluster, registry: str, base: str, args: argparse.Namespace) -> None:
    for number in range(args.namespaces):
        cluster.kubectl("create", "namespace", f"wave-{number}")
    everything = names(args)

    def some(first: int) -> None:
        api = Api(cluster)
        for namespace, name in everything[first::CLIENTS]:
            api.call("POST", f"/api/v1/namespaces/{namespace}/configmaps", {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"index.html": f"<h1>{namespace}/{name}</h1>\n" * 50}})
            api.call("POST", path_of(namespace), {
                "apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild", "metadata": {"name": name},
                "spec": {"base": {"image": base}, "interval": "1h", "remove": [PLACE],
                         "content": [{"configMap": {"name": name}, "path": PLACE}],
                         "output": {"image": f"{registry}/{namespace}/{name}:latest"}}})

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(some, range(CLIENTS)))


def statuses(cluster: Cluster, args: argparse.Namespace) -> dict[tuple[str, str], dict]:
    api = Api(cluster)
    return {(namespace, item["metadata"]["name"]): item["status"]
            for namespace in sorted({namespace for namespace, _ in names(args)})
            for item in api.call("GET", path_of(namespace))["items"]}


def send_webhook(controller: Measured, image: str) -> None:
    address = re.search(r"serving what=hooks address=(\S+)", controller.log())[1]
    body, at = json.dumps({"image": image}).encode(), repr(time.time())
    signed = hmac.new(TOKEN.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("POST", "/hooks/generic", body, {
        "Content-Type": "application/json", "X-Timestamp": at, "X-Signature": f"sha256={signed}"})
    answer = connection.getresponse()
    if answer.status != 202:
        raise SystemExit(f"the webhook was answered with {answer.status}: {answer.read().decode()}")


def children(registry: str, repository: str, reference: str) -> dict[str, str]:
    """The digest of each platform's manifest."""
    connection = http.client.HTTPConnection(registry, timeout=30)
    connection.request("GET", f"/v2/{repository}/manifests/{reference}",
                       headers={"Accept": "application/vnd.oci.image.index.v1+json"})
    index = json.loads(connection.getresponse().read())
    connection.close()
    return {f"{entry['platform']['os']}/{entry['platform']['architecture']}": entry["digest"]
            for entry in index["manifests"]}


def check(before: dict, after: dict, base: str) -> None:
    """That it was the right thing that went fast."""
    for key, status in after.items():
        ready = next(one for one in status["conditions"] if one["type"] == "Ready")
        stages = [stage["name"] for stage in status["lastBuild"]["stages"]]
        if not (ready["status"] == "True" and status["base"]["digest"] == base and "reuse" in stages
                and status["layers"] == before[key]["layers"] and status["digest"] != before[key]["digest"]):
            raise SystemExit(f"{key} was not rebased: {json.dumps(status, indent=1)}")


def crane_loop(crane: str, registry: str, images: list, bases: tuple[dict, dict], base: str) -> None:
    repository = base.rsplit(":", 1)[0]
    for place, of_platforms in images:
        made = []
        for name in PLATFORMS:
            tag = f"{registry}/{place}:crane-{name.replace('/', '-')}"
            subprocess.run([crane, "rebase", f"{registry}/{place}@{of_platforms[name]}",
                            "--old_base", f"{repository}@{bases[0][name]}",
                            "--new_base", f"{repository}@{bases[1][name]}", "-t", tag],
                           check=True, capture_output=True)
            made += ["-m", tag]
        subprocess.run([crane, "index", "append", *made, "-t", f"{registry}/{place}:crane"],
                       check=True, capture_output=True)


def line(what: str, count: Count, images: int) -> str:
    kinds = ", ".join(f"{number / images:.2f} {name}" for name, number in count.kinds.most_common())
    return (f"{what:<26}{count.seconds:8.1f} s {count.seconds / images * 1000:8.1f} ms {count.requests / images:10.2f} "
            f"{count.blob_bytes / images:12.0f}\n    {kinds}")


def measure(args: argparse.Namespace, cluster: Cluster, folder: pathlib.Path) -> list[str]:
    install(cluster)
    (folder / "logs").mkdir()
    (folder / "run").mkdir()
    proxy = CountingProxy(folder, cluster.registry().address, body_limit="0", says_https=False)
    proxy.start()
    try:
        registry = proxy.address
        base = f"{registry}/library/nginx:1.27"
        old_base = base_image.push(base, platforms=PLATFORMS, mark="old")
        create(cluster, registry, base, args)
        cluster.kubectl("-n", "wave-0", "create", "secret", "generic", "hooks", f"--from-literal=token={TOKEN}")
        controller = kiln(cluster, folder, "--concurrent", str(args.concurrent), "--cache-dir", str(folder / "cache"),
                          "--hooks-addr", "127.0.0.1:0", "--hooks-secret", "wave-0/hooks")
        first = Count(proxy)
        wait_for("all are built", lambda: controller.metric(
            "kiln_builds_total", reason="Created", result="succeeded") >= args.builds)
        first.stop()
        before = statuses(cluster, args)
        new_base = base_image.push(base, platforms=PLATFORMS, mark="new")

        cpu, wave = controller.cpu_s(), Count(proxy)
        send_webhook(controller, base)
        wait_for("all are on the new base", lambda: controller.metric(
            "kiln_builds_total", reason="BaseChanged", result="succeeded") >= args.builds)
        wave.stop()
        cpu = controller.cpu_s() - cpu
        memory = controller.memory_mb("VmHWM")
        check(before, statuses(cluster, args), new_base)
        controller.stop()

        chosen = names(args)[:args.crane_images or args.builds]
        bases = tuple(children(registry, "library/nginx", digest) for digest in (old_base, new_base))
        images = [("/".join(key), children(registry, "/".join(key), before[key]["digest"])) for key in chosen]
        crane = Count(proxy)
        crane_loop(str(cluster.tools["crane"]), registry, images, bases, base)
        crane.stop()
    finally:
        proxy.kill()
    return [f"{args.builds} ImageBuilds x {len(PLATFORMS)} platforms in {args.namespaces} namespaces, "
            f"--concurrent {args.concurrent}; crane with {len(images)} of them",
            f"{'':<26}{'all':>10} {'each':>11} {'requests':>10} {'blob bytes':>12}   (the last two for each image)",
            line("Kiln, the first build", first, args.builds), line("Kiln, the new base", wave, args.builds),
            line("crane rebase, in a loop", crane, len(images)),
            f"CPU of the controller for the new base {cpu:.1f} s; its memory {memory:.0f} MB at the most"]


def main() -> None:
    parser = argparse.ArgumentParser(description="A new base for many ImageBuilds, beside crane rebase.")
    parser.add_argument("--builds", type=int, default=1000)
    parser.add_argument("--namespaces", type=int, default=10)
    parser.add_argument("--concurrent", type=int, default=16)
    parser.add_argument("--crane-images", type=int, default=0, metavar="N", help="for crane only the first N")
    args = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as name, Cluster() as cluster:
        print("\n".join(measure(args, cluster, pathlib.Path(name))))


if __name__ == "__main__":
    main()
