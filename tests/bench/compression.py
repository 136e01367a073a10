#!/usr/bin/python3
"""Measures the three ways to compress a layer: how fast a whole build is with each, and how small, beside gzip, pigz and zstd.

    tests/bench/compression.py [--runs 3] [--files 50000] [--quick] [--json FILE]

`kiln build` reads the site's files, checks and packs them, compresses on all cores and writes an OCI layout; the others read a tar
that is there already and write one file, so they have less to do. In turns; MB/s are those of the files, by the median.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
from typing import Callable

import report
from programs import Failed, Took, kiln, manifest, run, shell
from report import Report, median, spread

import sites
from world import binary

GZIP_GOAL_MB_S = 450
SMALL_GOAL = 1.01  # Of what gzip -9 makes.
PROFILES = ("gzip", "gzip-small", "zstd")


class Bench:
    def __init__(self, work: pathlib.Path, site: sites.Site) -> None:
        self.site = site
        self._work = work
        self._out = work / "out"
        self._tar = work / "site.tar"
        self._manifest = manifest(work / "site.yaml")
        run("tar", "-C", site.folder, "-cf", self._tar, ".")
        self.tar_bytes = self._tar.stat().st_size

    def builds(self) -> dict[str, Callable[[], tuple[Took, int]]]:
        """By name; each answers what it took and how many bytes it made."""
        cores = os.cpu_count()
        lines = {"gzip -6": "gzip -6", "gzip -9": "gzip -9", f"pigz -6, {cores} threads": f"pigz -6 -p {cores}",
                 f"pigz -9, {cores} threads": f"pigz -9 -p {cores}", f"zstd -3, {cores} threads": f"zstd -q -3 -T{cores}",
                 f"zstd -9, {cores} threads": f"zstd -q -9 -T{cores}"}
        return ({f"kiln build --compression {profile}": lambda profile=profile: self._kiln(profile) for profile in PROFILES}
                | {name: lambda line=line: self._other(line) for name, line in lines.items()})

    def _kiln(self, profile: str) -> tuple[Took, int]:
        self._clean()
        took = kiln("build", "-f", self._manifest, "--local-content", f"/srv={self.site.folder}", "-t", f"oci:{self._out}",
                    "--compression", profile, "--progress", "none", cache=self._work / "cache")
        return took, sum(path.stat().st_size for path in (self._out / "blobs").rglob("*") if path.is_file())

    def _other(self, line: str) -> tuple[Took, int]:
        self._clean()
        took = shell(f"{line} -c <'{self._tar}' >'{self._out}'")
        return took, self._out.stat().st_size

    def _clean(self) -> None:
        shutil.rmtree(self._out, ignore_errors=True)
        self._out.unlink(missing_ok=True)
        shutil.rmtree(self._work / "cache", ignore_errors=True)
        os.sync()


def library_alone(site: sites.Site) -> str:
    """What one core does with ISA-L and nothing else."""
    lines = run(binary("bench_bound"), site.folder).out.splitlines()
    values = {name: float(value) for name, value in (line.split() for line in lines)}
    return f"ISA-L, level 2, alone: {values['tar_bytes'] / 1e6 / max(values['compress'], 1e-6):.0f} MB/s on one core."


def measure(args: argparse.Namespace, work: pathlib.Path) -> None:
    told = Report("compression", "Three ways to compress, beside gzip, pigz and zstd", args)
    site = sites.generated(work / "generated", 300, 20_000_000) if args.quick else sites.documentation(args.files)
    bench = Bench(work, site)
    versions = ", ".join(f"{name} {report.package_version(name)}" for name in ("gzip", "pigz", "zstd"))
    told.say(f"The site: {site}; as a tar {bench.tar_bytes / 1e6:.0f} MB. Medians of {args.runs} runs in turns. {versions}.")
    told.say(library_alone(site))
    found: dict[str, list[tuple[Took, int]]] = {}
    for _ in range(args.runs):
        for name, build in bench.builds().items():
            found.setdefault(name, []).append(build())
            print(f"  {name}: {found[name][-1][0].seconds:.2f} s", file=sys.stderr, flush=True)
    speed = {name: site.megabytes / median([took.seconds for took, _ in runs]) for name, runs in found.items()}
    size = {name: runs[0][1] for name, runs in found.items()}
    told.table(["what", "time", "MB/s", "CPU", "size", "of the tar"],
               [[name, spread([took.seconds for took, _ in runs]), f"{speed[name]:.0f}",
                 f"{median([took.cpu_s for took, _ in runs]):.2f} s", f"{size[name] / 1e6:.1f} MB",
                 f"{size[name] / bench.tar_bytes:.1%}"] for name, runs in found.items()])
    told.figure("mb_s", speed)
    told.figure("bytes", size)
    small, pigz = "kiln build --compression gzip-small", f"pigz -9, {os.cpu_count()} threads"
    told.goal("a build with gzip, MB/s", speed["kiln build --compression gzip"], GZIP_GOAL_MB_S, at_least=True)
    told.goal("size with gzip-small, of gzip -9", size[small] / size["gzip -9"], SMALL_GOAL)
    told.goal("times as fast with gzip-small as pigz -9", speed[small] / speed[pigz], 1, at_least=True)
    told.finish()


def main() -> int:
    parser = argparse.ArgumentParser(description="Three ways to compress, beside gzip, pigz and zstd.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--files", type=int, default=50_000)
    report.add_arguments(parser)
    args = parser.parse_args()
    if args.quick:
        args.runs = 1
    report.choose_release()
    try:
        with tempfile.TemporaryDirectory(prefix="kiln-bench-") as work:
            measure(args, pathlib.Path(work))
    except (Failed, sites.SiteError, RuntimeError) as error:
        print(f"compression: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
