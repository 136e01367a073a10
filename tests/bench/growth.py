#!/usr/bin/python3
"""Measures how time and memory grow with the number of files, with their size, and with the number of ImageBuilds.

    tests/bench/growth.py [--runs 3] [--large] [--quick] [--json FILE]

1. `kiln build` with a push to a registry on loopback: 1,000, 10,000 and 100,000 files of 5 KB.
2. The same with files of 1 MB, 10 MB to 1 GB together; 5 GB with --large.
3. 100, 1,000 and 10,000 ImageBuilds: controller.py, whose figures these are.

Each build is a first one, with an empty cache and an empty registry. Medians.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import report
from programs import Failed, PushTarget, Took, kiln, manifest
from report import Report, median, spread

import sites

HERE = pathlib.Path(__file__).resolve().parent
COUNTS = (1_000, 10_000, 100_000)
FILE_BYTES = 5_000
SIZES_MB = (10, 100, 1_000)
LARGE_MB = 5_000
IMAGE_BUILDS = (100, 1_000, 10_000)
DEADLINE_S = 3600


def builds(work: pathlib.Path, target: PushTarget, files: int, size: int, runs: int) -> list[Took]:
    site = sites.generated(work / "site", files, size)
    made = manifest(work / "site.yaml")
    found = []
    for _ in range(runs):
        repository = target.fresh()
        found.append(kiln("build", "-f", made, "--local-content", f"/srv={site.folder}", "-t", f"{repository}:1",
                          "--progress", "none", cache=work / "cache"))
        shutil.rmtree(work / "cache", ignore_errors=True)
    shutil.rmtree(site.folder)
    return found


def row(what: str, size: int, found: list[Took]) -> list[str]:
    seconds = median([took.seconds for took in found])
    return [what, f"{size / 1e6:,.0f} MB", spread([took.seconds for took in found]),
            f"{median([took.cpu_s for took in found]):.2f} s", f"{size / 1e6 / seconds:.0f}",
            f"{max(took.peak_mib for took in found):.0f} MiB"]


def keep(told: Report, name: str, found: dict[int, list[Took]]) -> None:
    told.figure(name, {"of": list(found), "seconds": [median([took.seconds for took in runs]) for runs in found.values()],
                       "mib": [max(took.peak_mib for took in runs) for runs in found.values()]})


def grow_files(told: Report, work: pathlib.Path, target: PushTarget, args: argparse.Namespace) -> None:
    counts = (100, 400) if args.quick else COUNTS
    found = {count: builds(work, target, count, count * FILE_BYTES, args.runs) for count in counts}
    told.table(["files", "together", "first build and push", "CPU", "MB/s", "memory at most"],
               [row(f"{count:,}", count * FILE_BYTES, runs) for count, runs in found.items()])
    keep(told, "files", found)


def grow_bytes(told: Report, work: pathlib.Path, target: PushTarget, args: argparse.Namespace) -> None:
    sizes = (2, 8) if args.quick else SIZES_MB + ((LARGE_MB,) if args.large else ())
    found = {size: builds(work, target, size, size * 1_000_000, args.runs) for size in sizes}
    told.table(["files of 1 MB", "together", "first build and push", "CPU", "MB/s", "memory at most"],
               [row(f"{size:,}", size * 1_000_000, runs) for size, runs in found.items()])
    keep(told, "megabytes", found)


def figures_of(text: str) -> dict[str, float]:
    """What controller.py says. Errors: Failed if it does not say all of it."""
    wanted = {"first read, s": r"first read +([\d.]+) s", "writes/s": r"status writes +(\d+)/s",
              "memory, MB": r"resident memory +([\d.]+) MB", "at most, MB": r"resident memory .*highest ([\d.]+) MB",
              "restart, s": r"all looked at after ([\d.]+) s", "after a restart, MB": r"restart: resident memory +([\d.]+) MB"}
    found = {name: re.search(pattern, text) for name, pattern in wanted.items()}
    if lacking := [name for name, match in found.items() if not match]:
        raise Failed(f"controller.py did not tell {', '.join(lacking)}:\n{text}")
    return {name: float(match[1]) for name, match in found.items()}


def image_builds(count: int) -> dict[str, float]:
    command = [HERE / "controller.py", "--builds", str(count), "--patches", str(min(count, 50))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"controller.py: {done.stderr[-2000:]}")
    return figures_of(done.stdout)


def grow_image_builds(told: Report) -> None:
    found = {count: image_builds(count) for count in IMAGE_BUILDS}
    told.table(["ImageBuilds", *found[IMAGE_BUILDS[0]]],
               [[f"{count:,}", *(f"{value:g}" for value in values.values())] for count, values in found.items()])
    told.figure("image_builds", {"of": list(found), "mb": [one["at most, MB"] for one in found.values()],
                                 "restart_s": [one["restart, s"] for one in found.values()]})


def main() -> int:
    parser = argparse.ArgumentParser(description="How time and memory grow.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="also 5 GB")
    report.add_arguments(parser)
    args = parser.parse_args()
    if args.quick:
        args.runs = 1
    report.choose_release()
    told = Report("growth", "How time and memory grow", args)
    told.say(f"Generated files, one in ten like a picture. Medians of {args.runs} runs.")
    try:
        with tempfile.TemporaryDirectory(prefix="kiln-bench-") as name, PushTarget(pathlib.Path(name) / "registry") as target:
            grow_files(told, pathlib.Path(name), target, args)
            grow_bytes(told, pathlib.Path(name), target, args)
        if not args.quick:  # It would be another controller.py --builds 20.
            grow_image_builds(told)
    except (Failed, RuntimeError) as error:
        print(f"growth: {error}", file=sys.stderr)
        return 1
    told.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
