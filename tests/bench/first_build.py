#!/usr/bin/python3
"""Measures how long it takes to build and push a large site for the first time, and again, beside others and the bound.

    tests/bench/first_build.py [--runs 5] [--files 50000] [--no-buildkit] [--quick] [--json FILE]

The site is 50,000 files of Debian's documentation packages (sites.py); the registry is distribution 3.1 on loopback. In turns, so
that all see the same machine: `kiln build`; `tar | crane append`; `crane append` of a tar that is there already; BuildKit's
`COPY` with its push (root only). Each first build goes to a registry that is empty. Then, for Kiln and those that could
reuse something: after an edit of one file, and after none.

The bound is the processor time that no builder can do without (bound.cc, and the registry's own for these bytes), divided by
the number of cores. Figures are medians.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import http.client
import os
import pathlib
import sys
import tempfile
import time
from typing import Callable

import report
from programs import Failed, PushTarget, Took, kiln, manifest, run, shell
from report import Report, median, spread

import buildkit
import go_tools
import sites
from server_process import ServerError
from world import binary

BOUND_GOAL = 1.3
CRANE_GOAL = 3.5
MEMORY_GOAL_MIB = 96
AGAIN_GOAL = 0.1


@dataclasses.dataclass(frozen=True)
class Push:
    """One build with its push."""

    took: Took
    stored_bytes: int  # New in the registry.
    registry_cpu_s: float
    requests: list[str]

    @property
    def sent(self) -> list[str]:
        """Requests that carry something."""
        return [one for one in self.requests if one.split()[0] in ("POST", "PATCH", "PUT")]


class Bench:
    """`work`: a folder with room for the site's tar and what BuildKit makes of it."""

    def __init__(self, work: pathlib.Path, site: sites.Site, target: PushTarget, builder: buildkit.BuildKit | None) -> None:
        self.work = work
        self.site = site
        self.target = target
        self.builder = builder
        self.crane = go_tools.ensure("crane")["crane"]
        self._manifest = manifest(work / "site.yaml")
        self._caches = 0

    def new_cache(self) -> None:
        self._caches += 1

    def kiln(self, repository: str) -> Took:
        return kiln("build", "-f", self._manifest, "--local-content", f"/srv={self.site.folder}", "-t", f"{repository}:1",
                    "--progress", "none", cache=self.work / f"cache-{self._caches}")

    def tar_and_crane(self, repository: str) -> Took:
        return shell(f"tar -C '{self.site.folder}' -c . | '{self.crane}' append -f - -t {repository}:1")

    def crane_alone(self, repository: str) -> Took:
        return run(self.crane, "append", "-f", self.tar(), "-t", f"{repository}:1")

    def buildkit(self, repository: str) -> Took:
        return self.builder.build(self.site.folder, f"{repository}:1")

    def tar(self) -> pathlib.Path:
        path = self.work / "site.tar"
        if not path.exists():
            run("tar", "-C", self.site.folder, "-cf", path, ".")
        return path

    def push(self, build: Callable[[str], Took], repository: str) -> Push:
        stored, cpu = self.target.stored_bytes(), self.target.cpu_s()
        self.target.new_requests()
        took = build(repository)
        return Push(took, self.target.stored_bytes() - stored, self.target.cpu_s() - cpu, self.target.new_requests())

    def first(self, build: Callable[[str], Took]) -> Push:
        self.new_cache()
        if self.builder:
            self.builder.forget()
        return self.push(build, self.target.fresh())


def named(bench: Bench) -> dict[str, Callable[[str], Took]]:
    builds = {"kiln build": bench.kiln, "tar \\| crane append": bench.tar_and_crane,
              "crane append of a ready tar": bench.crane_alone}
    return builds | ({"BuildKit, COPY": bench.buildkit} if bench.builder else {})


# --- The bound ---

def measure_bound(site: sites.Site, runs: int) -> dict[str, float]:
    """Seconds of one core for each part, and sizes."""
    found: list[dict[str, float]] = []
    for _ in range(runs):
        lines = run(binary("bench_bound"), site.folder).out.splitlines()
        found.append({name: float(value) for name, value in (line.split() for line in lines)})
    return {name: median([one[name] for one in found]) for name in found[0]}


def put_by_hand(target: PushTarget, blobs: list[tuple[str, pathlib.Path]]) -> float:
    """The registry's processor time for these blobs when each comes in one request, and nothing else does."""
    repository = target.fresh().removeprefix(f"{target.address}/")
    before = target.cpu_s()
    connection = http.client.HTTPConnection(target.address, timeout=300)
    for digest, path in blobs:
        connection.request("POST", f"/v2/{repository}/blobs/uploads/")
        begun = connection.getresponse()
        begun.read()
        with open(path, "rb") as body:
            connection.request("PUT", f"{begun.getheader('Location')}&digest={digest}", body, {
                "Content-Length": str(path.stat().st_size), "Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            answer.read()
        if answer.status != 201:
            raise Failed(f"the registry answered {answer.status} to a blob that was put by hand")
    connection.close()
    return target.cpu_s() - before


def tell_bound(told: Report, bench: Bench, runs: int) -> float:
    """Prints its parts; answers seconds."""
    bench.first(bench.kiln)
    blobs = bench.target.keep_blobs(bench.work / "blobs")
    parts = measure_bound(bench.site, runs)
    registry = median([put_by_hand(bench.target, blobs) for _ in range(runs)])
    cores = os.cpu_count() or 1
    rows = [[what, f"{seconds:.2f} s"] for what, seconds in (
        ("open and read the files", parts["read"]), ("SHA-256 of each file", parts["checksums"]),
        ("SHA-256 of the tar", parts["tar_sha256"]), ("compress it (ISA-L, level 2)", parts["compress"]),
        ("SHA-256 of the layers", parts["blob_sha256"]), ("the registry, for the upload", registry))]
    total = sum(parts[name] for name in ("read", "checksums", "tar_sha256", "compress", "blob_sha256")) + registry
    bound = total / cores
    told.say(f"The bound: {parts['tar_bytes'] / 1e6:.0f} MB of tar, {parts['blob_bytes'] / 1e6:.0f} MB compressed.")
    told.table(["what nobody can do without", "CPU"], [*rows, ["together", f"{total:.2f} s"],
                                                       [f"on {cores} cores", f"{bound:.2f} s"]])
    told.figure("bound_s", bound)
    return bound


# --- First builds, and what follows ---

def first_builds(told: Report, bench: Bench, runs: int) -> dict[str, list[Push]]:
    builds = named(bench)
    pushes: dict[str, list[Push]] = {name: [] for name in builds}
    for number in range(runs):
        for name, build in builds.items():
            pushes[name].append(bench.first(build))
            print(f"  run {number + 1}, {name}: {pushes[name][-1].took.seconds:.2f} s", file=sys.stderr, flush=True)
    told.table(["first build and push", "seconds", "CPU", "the registry's CPU", "memory at most", "stored"],
               [row(name, found) for name, found in pushes.items()])
    told.figure("first_s", {name: [push.took.seconds for push in found] for name, found in pushes.items()})
    return pushes


def row(name: str, pushes: list[Push]) -> list[str]:
    return [name, spread([push.took.seconds for push in pushes]), f"{median([push.took.cpu_s for push in pushes]):.2f} s",
            f"{median([push.registry_cpu_s for push in pushes]):.2f} s",
            f"{max(push.took.peak_mib for push in pushes):.0f} MiB",
            f"{median([push.stored_bytes for push in pushes]) / 1e6:.1f} MB"]


def build_again(bench: Bench, build: Callable[[str], Took], runs: int) -> tuple[list[Push], list[Push]]:
    """After an edit of one file, and after none, each on top of what was built before."""
    repository = bench.target.fresh()
    bench.new_cache()
    bench.push(build, repository)
    edited, same = [], []
    for number in range(runs):
        sites.edit(bench.site, f"edit {number} at {time.time_ns()}")
        edited.append(bench.push(build, repository))
        same.append(bench.push(build, repository))
    return edited, same


def builds_again(told: Report, bench: Bench, runs: int) -> dict[str, tuple[list[Push], list[Push]]]:
    found, rows = {}, []
    for name, build in named(bench).items():
        if build == bench.crane_alone:
            continue  # The tar would have to be made again.
        found[name] = build_again(bench, build, runs)
        for what, pushes in zip(("one file edited", "nothing edited"), found[name]):
            sent = median([len(push.sent) for push in pushes])
            rows.append([f"{name}, {what}", *row("", pushes)[1:], f"{sent:.0f}"])
    told.table(["again", "seconds", "CPU", "the registry's CPU", "memory at most", "new in the registry", "requests that send"],
               rows)
    told.figure("again_s", {f"{name}, {what}": [push.took.seconds for push in pushes] for name, both in found.items()
                            for what, pushes in zip(("one file edited", "nothing edited"), both)})
    return found


def goals(told: Report, bound: float, first: dict[str, list[Push]], again: tuple[list[Push], list[Push]]) -> None:
    def seconds(pushes: list[Push]) -> float:
        return median([push.took.seconds for push in pushes])

    ours = first["kiln build"]
    edited, same = again
    told.goal("time of the first build, of the bound", seconds(ours) / bound, BOUND_GOAL)
    told.goal("times as fast as tar | crane append", seconds(first["tar \\| crane append"]) / seconds(ours), CRANE_GOAL,
              at_least=True)
    told.goal("memory at most", max(push.took.peak_mib for push in ours), MEMORY_GOAL_MIB, " MiB")
    told.goal("time after an edit, of the first", seconds(edited) / seconds(ours), AGAIN_GOAL)
    told.goal("bytes stored after an edit, of the first",
              median([push.stored_bytes for push in edited]) / median([push.stored_bytes for push in ours]), AGAIN_GOAL)
    told.goal("time after no edit, of the first", seconds(same) / seconds(ours), AGAIN_GOAL)
    told.goal("requests that send something after no edit", median([len(push.sent) for push in same]), 0)
    told.goal("CPU of the first build beside the bound's", median([push.took.cpu_s + push.registry_cpu_s for push in ours])
              / (bound * (os.cpu_count() or 1)), BOUND_GOAL)


def start_buildkit(work: pathlib.Path, target: PushTarget, stack: contextlib.ExitStack) -> tuple[buildkit.BuildKit | None, str]:
    """BuildKit, when it has built and pushed one small file; else why there is none. The other figures do not depend on it."""
    if absent := buildkit.lack():
        return None, absent
    try:
        builder = stack.enter_context(buildkit.BuildKit(work / "buildkit"))
        builder.build(sites.generated(work / "trial", 1, 1000).folder, f"{target.fresh()}:1")
        return builder, ""
    except (Failed, ServerError, go_tools.ToolError, OSError) as error:
        return None, f"it does not work here: {error}"


def measure(args: argparse.Namespace, work: pathlib.Path) -> None:
    told = Report("first_build", "The first build of a large site, and the next", args)
    site = sites.generated(work / "generated", 300, 20_000_000) if args.quick else sites.documentation(args.files)
    told.say(f"The site: {site}. Medians of {args.runs} runs in turns, the least and the largest in brackets.")
    with PushTarget(work / "registry") as target, contextlib.ExitStack() as stack:
        builder, absent = (None, "left out on request") if args.no_buildkit else start_buildkit(work, target, stack)
        if absent:
            told.say(f"BuildKit is not among them: {absent}.")
        bench = Bench(work, sites.copy(site, work / "site"), target, builder)
        bound = tell_bound(told, bench, args.runs)
        first = first_builds(told, bench, args.runs)
        again = builds_again(told, bench, args.runs)
        goals(told, bound, first, again["kiln build"])
    told.finish()


def main() -> int:
    parser = argparse.ArgumentParser(description="The first build of a large site, and the next, beside others.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--no-buildkit", action="store_true", help="leave BuildKit out; it needs root")
    report.add_arguments(parser)
    args = parser.parse_args()
    if args.quick:
        args.runs, args.no_buildkit = 1, True
    report.choose_release()
    try:
        with tempfile.TemporaryDirectory(prefix="kiln-bench-") as work:
            measure(args, pathlib.Path(work))
    except (Failed, sites.SiteError, go_tools.ToolError, RuntimeError) as error:
        print(f"first_build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
