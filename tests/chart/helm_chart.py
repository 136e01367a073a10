"""The chart as helm renders it, for tests."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import subprocess

import go_tools
import yaml
from world import ROOT

CHART = ROOT / "charts" / "kiln"
NAMESPACE = "kiln-system"
IMAGE = "registry.example.com/kiln/kiln-controller"
VALUES = pathlib.Path(__file__).resolve().parent / "values"
KUBE_VERSION = go_tools.TOOLS["kube-apiserver"].version
DEADLINE_S = 120


def helm(*words: str, kubeconfig: pathlib.Path | None = None) -> subprocess.CompletedProcess:
    """Runs helm, with nothing of the user's."""
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "HELM_CACHE_HOME": "/nonexistent",
                   **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
    return subprocess.run([str(go_tools.ensure("helm")["helm"]), *words], capture_output=True, text=True,
                          timeout=DEADLINE_S, env=environment, stdin=subprocess.DEVNULL)


@functools.lru_cache(maxsize=None)
def template(*words: str, repository: str = IMAGE) -> subprocess.CompletedProcess:
    return helm("template", "kiln", str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBE_VERSION,
                "--set", f"image.repository={repository}", *words)


def render(*words: str) -> list[dict]:
    """The objects, for `helm template` with these words besides."""
    done = template(*words)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def of_kind(objects: list[dict], kind: str, name: str | None = None) -> list[dict]:
    return [each for each in objects
            if each["kind"] == kind and name in (None, each["metadata"]["name"])]


def the(objects: list[dict], kind: str, name: str | None = None) -> dict:
    found = of_kind(objects, kind, name)
    assert len(found) == 1, f"{len(found)} of {kind} {name or ''}"
    return found[0]


def container(objects: list[dict]) -> dict:
    return the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]


def values_files() -> list[pathlib.Path]:
    """Sets of values that must work, each a way to use the chart."""
    return sorted(VALUES.glob("*.yaml"))


def apply(cluster, objects: list[dict], *words: str) -> subprocess.CompletedProcess:
    """kubectl apply of all of them at once, with its warnings in stderr. Errors: AssertionError."""
    listing = {"apiVersion": "v1", "kind": "List", "items": objects}
    done = subprocess.run([str(cluster.tools["kubectl"]), "apply", "-f", "-", *words], text=True,
                          input=json.dumps(listing), capture_output=True, timeout=DEADLINE_S,
                          env={"PATH": os.defpath, "KUBECONFIG": str(cluster.kubeconfig),
                               "HOME": str(cluster.directory)})
    assert done.returncode == 0, done.stderr
    return done
