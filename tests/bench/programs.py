"""Runs programs and tells what they took; and the registry that they push to."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import measuring  # Finds `world`; see there.

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "faults"))
from lab import Distribution, start_registry  # noqa: E402  (found through the line above)
from world import binary  # noqa: E402

DEADLINE_S = 1800


@dataclasses.dataclass(frozen=True)
class Took:
    seconds: float
    cpu_s: float
    peak_mib: float  # Of its largest process.
    out: str
    err: str


class Failed(Exception):
    """A program that is measured failed; the message has what it said."""


def run(*words: object, cwd: pathlib.Path | None = None, env: dict[str, str] | None = None) -> Took:
    """By GNU time: a program's own memory, and not what its parent had when it was started."""
    with tempfile.NamedTemporaryFile("r", prefix="kiln-time-") as figures:
        command = ["time", "--format=%U %S %M", f"--output={figures.name}", *map(str, words)]
        began = time.monotonic()
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=DEADLINE_S)
        seconds = time.monotonic() - began
        if done.returncode != 0:
            raise Failed(f"{shlex.join(command[3:])}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        user, system, peak = figures.read().split()[-3:]
        return Took(seconds, float(user) + float(system), int(peak) / 1024, done.stdout, done.stderr)


def shell(line: str, **more) -> Took:
    """A pipeline; it fails where one of its programs does."""
    return run("bash", "-o", "pipefail", "-c", line, **more)


class PushTarget:
    """A registry (distribution 3.1) on loopback with its data on disk."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._registry: Distribution = start_registry("distribution-3.1", folder)
        self._count = 0
        self._requests = 0

    def __enter__(self) -> PushTarget:
        return self

    def __exit__(self, *_: object) -> None:
        self._registry.kill()

    @property
    def address(self) -> str:
        return self._registry.address

    def fresh(self) -> str:
        """A repository that is new, in a registry that is empty again: whatever is pushed is sent whole."""
        shutil.rmtree(self._registry.data / "docker", ignore_errors=True)
        os.sync()
        self._count += 1
        return f"{self.address}/bench/site-{self._count}"

    def stored_bytes(self) -> int:
        """Of all blobs, manifests included."""
        blobs = self._registry.data / "docker/registry/v2/blobs"
        return sum(path.stat().st_size for path in blobs.rglob("data"))

    def keep_blobs(self, folder: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
        """Digests of all blobs, and their bytes as files of this folder, whatever becomes of the registry."""
        folder.mkdir()
        kept = []
        for data in sorted((self._registry.data / "docker/registry/v2/blobs/sha256").glob("*/*/data")):
            path = folder / data.parent.name
            os.link(data, path)
            kept.append((f"sha256:{data.parent.name}", path))
        return kept

    def cpu_s(self) -> float:
        return measuring.cpu_s(self._registry.pid)

    def new_requests(self) -> list[str]:
        """What it was asked since the last look, such as "PUT /v2/bench/site-1/manifests/1"."""
        requests = self._registry.requests()
        new = [f"{one.method} {one.path}" for one in requests[self._requests:]]
        self._requests = len(requests)
        return new


def kiln(*words: object, cache: pathlib.Path, **more) -> Took:
    return run(binary("kiln"), *words, "--cache-dir", cache, **more)


def manifest(path: pathlib.Path, base: str = "scratch", **output: str) -> pathlib.Path:
    """An ImageBuild whose content comes with --local-content /srv=…"""
    path.write_text(json.dumps({
        "apiVersion": "kiln.build/v1alpha1", "kind": "ImageBuild", "metadata": {"name": "site"},
        "spec": {"base": {"image": base},
                 "content": [{"path": "/srv", "inline": {"files": {"index.html": "replaced by --local-content"}}}],
                 "output": {"image": "registry.example.com/bench/site", **output}}}))
    return path
