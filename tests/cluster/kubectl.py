"""kubectl, run as a test's user would run it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import time
from typing import Iterable

KUBECTL_DEADLINE_S = 60


class ClusterError(Exception):
    """The cluster cannot be made or used as asked; the message says why and what to do."""


class KubectlError(ClusterError):
    """kubectl ended with an error. `stderr` is what it said."""

    def __init__(self, args: Iterable[str], code: int, stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(_without_secrets(args))}: exit code {code}: "
                         f"{stderr.strip()}")
        self.code = code
        self.stderr = stderr


class Kubectl:
    """What a cluster does by kubectl. It gives `tools`, `directory` and `kubeconfig`."""

    def kubectl(self, *args: str, input: str | None = None,
                kubeconfig: pathlib.Path | None = None,
                deadline_s: float = KUBECTL_DEADLINE_S) -> str:
        """What kubectl printed, as the administrator unless told otherwise.

        Errors: KubectlError if it failed, ClusterError if it did not end in time.
        """
        environment = {"PATH": os.defpath, "HOME": str(self.directory),
                       "KUBECONFIG": str(kubeconfig or self.kubeconfig),
                       "KUBECACHEDIR": str(self.directory / "kubectl-cache")}
        try:
            run = subprocess.run([self.tools["kubectl"], *args], env=environment, text=True,
                                 input=input, capture_output=True, timeout=deadline_s,
                                 stdin=subprocess.DEVNULL if input is None else None)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"kubectl {' '.join(_without_secrets(args))}: no end after "
                               f"{deadline_s:g} s") from None
        if run.returncode != 0:
            raise KubectlError(args, run.returncode, run.stderr)
        return run.stdout

    def wait_established(self, *crds: str, deadline_s: float = 30) -> None:
        """Returns when the API server serves these CustomResourceDefinitions.

        `kubectl wait` fails at once if it comes between the object and its first condition.
        """
        waiting, end = list(crds), time.monotonic() + deadline_s
        while waiting:
            status = json.loads(self.kubectl("get", "crd", waiting[0], "-o", "json")).get("status", {})
            held = {each["type"] for each in status.get("conditions") or [] if each["status"] == "True"}
            if "Established" in held:
                waiting.pop(0)
            elif time.monotonic() > end:
                raise ClusterError(f"{waiting[0]}: not served after {deadline_s:g} s")


def _without_secrets(args: Iterable[str]) -> list[str]:
    shown, hide = [], False
    for arg in args:
        secret = re.match(r"--[a-z-]*(password|token|literal)[a-z-]*(=?)", arg)
        shown.append("***" if hide else f"{secret[0]}***" if secret and secret[2] else arg)
        hide = bool(secret) and not secret[2]
    return shown
