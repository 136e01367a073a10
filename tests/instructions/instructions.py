#!/usr/bin/python3
"""Counts the instructions of small builds and compares them with what is recorded: slower code is seen on a busy machine.

    tests/instructions/instructions.py             counts, compares; exit code 1 if there are too many
    tests/instructions/instructions.py --record    counts, and writes them down in recorded.json

The program is the release build's, run by valgrind (callgrind) with one worker thread and an environment of its own. Valgrind
imitates a processor with AVX2 and without SHA and AVX-512 instructions wherever there is AVX2, so the same program has the
same count on all such machines; another compiler has another count, and its own line in recorded.json. Of each build two are
counted: all instructions, four in five of which are SHA-256 without SHA instructions, and those of Kiln's own code.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))
import sites  # noqa: E402  (found through the line above)
from programs import manifest  # noqa: E402

RECORDED = pathlib.Path(__file__).with_name("recorded.json")
STAND_IN = pathlib.Path(__file__).with_name("openat2_stand_in.c")
TOLERANCE = 0.03
FILES, BYTES = 400, 6_000_000
OLD = 1_600_000_000  # When all files were written, whenever that is.
SETTLED_S = 3  # Kiln does not remember what it read of files that were written a moment ago.
DEADLINE_S = 300

Counts = dict[str, int]  # By "BUILD, all" and "BUILD, kiln itself".


class CannotCount(Exception):
    """The message says why, and what to do."""


def compiler_of(build: pathlib.Path) -> str:
    """Such as "GNU 12.2.0 x86_64". Errors: CannotCount if it is no release build."""
    try:
        cache = (build / "CMakeCache.txt").read_text()
        kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache, re.M)[1]
        facts = next(build.glob("CMakeFiles/*/CMakeCXXCompiler.cmake")).read_text()
    except (OSError, StopIteration, TypeError):
        raise CannotCount(f"{build} holds no build; run: make build") from None
    if kind != "Release":
        raise CannotCount(f"{build} is of the type {kind or 'none'}; counts are recorded of Release")
    name, version = (re.search(rf'^set\(CMAKE_CXX_COMPILER_{what} "(.*)"\)', facts, re.M)[1] for what in ("ID", "VERSION"))
    return f"{name} {version} {platform.machine()}"


def comparable_machine() -> bool:
    return "avx2" in pathlib.Path("/proc/cpuinfo").read_text()


class Counter:
    """Builds of one site in one folder, one after another."""

    def __init__(self, program: pathlib.Path, work: pathlib.Path, files: int = FILES, size: int = BYTES) -> None:
        self._program = program
        self._work = work
        self._stand_in = work / "stand_in.so"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", self._stand_in, STAND_IN], check=True)
        self.site = sites.generated(work / "site", files, size)
        self._make_old()
        manifest(work / "site.yaml")

    def _make_old(self) -> None:
        for path in self.site.folder.rglob("*"):
            os.utime(path, (OLD, OLD))

    def _settle(self) -> None:
        """Waits until no file was written a moment ago, so that every run remembers the same."""
        newest = max(path.stat().st_ctime for path in self.site.folder.rglob("*"))
        while (left := newest + SETTLED_S - time.time()) > 0:
            time.sleep(min(left, SETTLED_S))

    def edit(self) -> None:
        os.utime(sites.edit(self.site, "one edit"), (OLD + 1, OLD + 1))

    def build(self) -> tuple[int, int]:
        """How many instructions, and how many of kiln itself. Names are relative and the environment is fixed, so that no
        length differs."""
        self._settle()
        profile = self._work / "profile"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", str(self._program), "build",
                   "-f", "site.yaml", "--local-content", "/srv=site", "-t", "oci:out:1", "--jobs", "1", "--cache-dir", "cache",
                   "--progress", "none"]
        done = subprocess.run(command, cwd=self._work, capture_output=True, text=True, timeout=DEADLINE_S,
                              env={"PATH": os.defpath, "HOME": "/nonexistent", "TMPDIR": str(self._work),
                                   "LD_PRELOAD": str(self._stand_in)})
        if done.returncode != 0 or not profile.exists():
            raise CannotCount(f"kiln build under valgrind failed ({done.returncode}):\n{done.stderr[-2000:]}")
        costs = costs_by_object(profile.read_text())
        return sum(costs.values()), sum(cost for name, cost in costs.items() if name == str(self._program.resolve()))


def costs_by_object(profile: str) -> dict[str, int]:
    """Instructions of each program and library, without what they call. Source: valgrind's "Callgrind Format Specification"."""
    names: dict[str, str] = {}
    costs: dict[str, int] = {}
    current, of_callee = "", False
    for line in profile.splitlines():
        if found := re.match(r"ob=\((\d+)\)(?: (.*))?$", line):
            current = names.setdefault(found[1], found[2] or "")
        elif line.startswith("cob="):  # The object of a callee; it may be named here first.
            found = re.match(r"cob=\((\d+)\)(?: (.*))?$", line)
            names.setdefault(found[1], found[2] or "")
        elif line.startswith("calls="):
            of_callee = True  # The next line is what the call cost, which stands at the callee, too.
        elif found := re.match(r"[+*\-\d]\S* (\d+)$", line):
            if not of_callee:
                costs[current] = costs.get(current, 0) + int(found[1])
            of_callee = False
    return costs


def count(program: pathlib.Path, work: pathlib.Path) -> Counts:
    counter = Counter(program, work)
    counts: Counts = {}

    def add(what: str) -> None:
        counts[f"{what}, all"], counts[f"{what}, kiln itself"] = counter.build()

    add("first build")
    counter.edit()
    add("one file edited")
    add("nothing edited")
    return counts


def compare(recorded: Counts, counted: Counts) -> tuple[list[str], bool]:
    """What to say about each, and whether any is too many."""
    lines, too_many = [], False
    for what, now in counted.items():
        if what not in recorded:
            lines.append(f"{what}: {now:,} instructions, and nothing recorded: run with --record, commit recorded.json")
            too_many = True
            continue
        change = now / recorded[what] - 1
        line = f"{what}: {now:,} instructions, {recorded[what]:,} recorded ({change:+.2%})"
        if change > TOLERANCE:
            too_many = True
            line += (f": more than {TOLERANCE:.0%} too many. Find what costs more (valgrind --tool=callgrind on a build with"
                     " -g, callgrind_annotate). If it is worth it: --record, and say in the commit why")
        elif change < -TOLERANCE:
            line += ": far fewer. Run with --record and commit recorded.json, or the gain may be lost unseen"
        lines.append(line)
    return lines, too_many


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts the instructions of small builds.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--record", action="store_true", help="write the counts down instead of comparing")
    args = parser.parse_args()
    try:
        compiler = compiler_of(args.build)
        if not comparable_machine():
            print("instructions: this processor has no AVX2, so counts are not comparable; nothing was checked")
            return 0
        with tempfile.TemporaryDirectory(prefix="kiln-instructions-") as work:
            counted = count(args.build.absolute() / "bin" / "kiln", pathlib.Path(work))
    except (CannotCount, OSError, subprocess.SubprocessError) as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 1
    everything = json.loads(RECORDED.read_text())
    if args.record:
        RECORDED.write_text(json.dumps({**everything, compiler: counted}, indent=2, sort_keys=True) + "\n")
        print(f"instructions: recorded for {compiler}: {counted}")
        return 0
    if compiler not in everything:
        print(f"instructions: nothing is recorded for {compiler}, only for {', '.join(everything)}; run with --record")
        return 1
    lines, too_many = compare(everything[compiler], counted)
    print(f"instructions, {compiler}")
    print("\n".join(f"  {line}" for line in lines))
    return 1 if too_many else 0


if __name__ == "__main__":
    sys.exit(main())
