"""Kiln in a cluster as its users have it: the chart, installed by helm, with the controller in pods."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import time

from cluster import Cluster
from world import run

NAMESPACE = "kiln-system"
NAME = "kiln"
LEASE = "kiln-controller"
PODS = "app.kubernetes.io/name=kiln"
DEADLINE_S = 60


class Release:
    """One release of a packaged chart. `values` are those of the chart, kept over upgrades."""

    def __init__(self, cluster: Cluster, chart: pathlib.Path, values: dict) -> None:
        self._cluster = cluster
        self._chart = chart
        self._values = values

    # What an administrator does.

    def install(self) -> None:
        self._helm("install", NAME, str(self._chart), *self._with({}), "--create-namespace", *self._wait())

    def upgrade(self, values: dict) -> None:
        """With these values changed, in this and in all later upgrades."""
        self._helm("upgrade", NAME, str(self._chart), *self._with(values), *self._wait())

    def rollback(self) -> None:
        """To the revision before this one."""
        self._helm("rollback", NAME, *self._wait())

    def uninstall(self) -> None:
        self._helm("uninstall", NAME, *self._wait())

    def history(self) -> list[dict]:
        return json.loads(self._helm("history", NAME, "--output", "json"))

    # What it can see.

    def pods(self) -> dict[str, dict]:
        """Those that are meant to stay, by name."""
        found = json.loads(self.kubectl("get", "pods", "--selector", PODS, "--output", "json"))["items"]
        return {pod["metadata"]["name"]: pod for pod in found
                if "deletionTimestamp" not in pod["metadata"]}

    def images(self) -> set[str]:
        return {pod["spec"]["containers"][0]["image"] for pod in self.pods().values()}

    def leader(self) -> str:
        """The pod that leads; empty if none does."""
        lease = json.loads(self.kubectl("get", "lease", LEASE, "--ignore-not-found", "--output", "json")
                           or "{}")
        holder = lease.get("spec", {}).get("holderIdentity") or ""
        return next((name for name in self.pods() if holder.startswith(name)), "")

    def metric(self, pod: str, name: str) -> float:
        """A gauge of one of the controllers, as Prometheus would scrape it."""
        address = self.pods()[pod]["status"]["podIP"]
        page = run("curl", "--fail", "--silent", "--show-error", "--max-time", "5",
                   f"http://{address}:8080/metrics").stdout
        return float(re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.M)[1])

    def log(self, lines: int = 40) -> str:
        """Of every pod of it."""
        return self.kubectl("logs", "--selector", PODS, "--prefix", f"--tail={lines}")

    def running(self) -> bool:
        """What waits for an image goes on waiting: the kubelet starts a controller that ended."""
        return True

    def kubectl(self, *words: str) -> str:
        return self._cluster.kubectl("--namespace", NAMESPACE, *words)

    # What befalls it.

    def kill(self, pod: str) -> None:
        """SIGKILL to everything in a pod, and the pod is gone. Nothing can say goodbye."""
        uid = self.pods()[pod]["metadata"]["uid"]
        killed = [os.kill(int(pid), signal.SIGKILL) for pid in _processes_of(uid)]
        assert killed, f"{pod} has no processes"
        self.kubectl("delete", "pod", pod, "--wait=false")

    # Inside.

    def _with(self, values: dict) -> list[str]:
        self._values = {**self._values, **values}
        return ["--set-json=" + name + "=" + json.dumps(value) for name, value in self._values.items()]

    @staticmethod
    def _wait() -> list[str]:
        return ["--wait", "--timeout", f"{DEADLINE_S}s"]

    def _helm(self, *words: str) -> str:
        environment = {"KUBECONFIG": str(self._cluster.kubeconfig), "HOME": str(self._cluster.directory)}
        return run(str(self._cluster.tools["helm"]), "--namespace", NAMESPACE, *words, env=environment,
                   deadline_s=DEADLINE_S + 20).stdout


def _processes_of(pod_uid: str) -> list[str]:
    """Of all containers of a pod: its control group tells them."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"pod{pod_uid}" in (folder / "cgroup").read_text():
                found.append(folder.name)
        except (FileNotFoundError, ProcessLookupError):
            pass  # It has ended.
    return found


def wait_for(what: str, holds, deadline_s: float = DEADLINE_S):
    """Asks until the answer is true, and answers it."""
    end = time.monotonic() + deadline_s
    while not (value := holds()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.1)
    return value
