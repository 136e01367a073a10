#!/usr/bin/python3
"""Runs the fuzzers of build/fuzz for a while each and says what came of it.

    run.py [--seconds 60] [--jobs 1] [--keep] [NAME…]

New inputs go to build/fuzz/corpus/NAME and are found there by the next run; what crashes goes to
build/fuzz/crashes/NAME-…. With --keep the smallest set that reaches as much as both folders do
replaces what is in tests/fuzz/corpus/NAME, but for seeds and named crashes. Each fuzzer is one line
of the table at the end; exit code 1 if one of them found something.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "fuzz"
NEVER_DROPPED = ("seed-", "crash-")  # Thought of by people; found and corrected.
MEMORY_MB = 1024
ALLOCATION_MB = 160  # One of zstd's window, which may have 128 MiB.
SECONDS_AN_INPUT = 10
KEPT_BYTES = 96 * 1024  # Of all that --keep leaves of one fuzzer's finds.

# What else than NAME.dict a fuzzer is told: its dictionary and how long an input may be.
DICTIONARIES = {"manifest": "json", "docker_manifest": "json", "index": "json", "config": "json", "docker_config": "json",
                "hook_body": "json", "json_scan": "json", "lfs_answer": "json", "token_answer": "json",
                "layer_index": "tar", "tar_entry": "tar", "ignore_rules": "glob"}
MAX_BYTES = {"glob": 256, "reference": 640, "token_answer": 512, "lfs_pointer": 1024,
             "challenge": 2048, "git_ref": 2048, "url": 2048,
             "tar_entry": 16384, "compressed_tar": 8192, "layer_index": 16384}
DEFAULT_MAX_BYTES = 4096


@dataclasses.dataclass
class Outcome:
    name: str
    seconds: int
    runs: int
    coverage: int
    features: int
    inputs: int
    failed: bool

    def line(self) -> str:
        result = "FOUND SOMETHING" if self.failed else "nothing"
        return (f"| {self.name} | {self.seconds // 60} | {self.runs:,} | {self.coverage:,} "
                f"| {self.features:,} | {self.inputs:,} | {result} |")


def names() -> list[str]:
    return sorted(path.name.removesuffix("_fuzz.cc") for path in HERE.glob("*_fuzz.cc"))


def options(name: str) -> list[str]:
    dictionary = HERE / "dictionaries" / f"{DICTIONARIES.get(name, name)}.dict"
    return [f"-max_len={MAX_BYTES.get(name, DEFAULT_MAX_BYTES)}", f"-timeout={SECONDS_AN_INPUT}",
            f"-rss_limit_mb={MEMORY_MB}", f"-malloc_limit_mb={ALLOCATION_MB}",
            *([f"-dict={dictionary}"] if dictionary.exists() else [])]


def grown(name: str) -> pathlib.Path:
    folder = BUILD / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def last_number(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def fuzz(name: str, seconds: int) -> Outcome:
    crashes, log = BUILD / "crashes", BUILD / "logs" / f"{name}.log"
    crashes.mkdir(exist_ok=True)
    log.parent.mkdir(exist_ok=True)
    command = [str(BUILD / "bin" / f"fuzz_{name}"), f"-max_total_time={seconds}",
               "-print_final_stats=1", f"-artifact_prefix={crashes}/{name}-", *options(name),
               str(grown(name)), str(HERE / "corpus" / name)]
    symbolizer = shutil.which("llvm-symbolizer-16") or shutil.which("llvm-symbolizer")
    with log.open("wb") as out:
        done = subprocess.run(["nice", "-n", "19", *command], stdout=out, stderr=out,
                              stdin=subprocess.DEVNULL, check=False, timeout=seconds + 600,
                              env=os.environ | ({"ASAN_SYMBOLIZER_PATH": symbolizer} if symbolizer else {}))
    text = log.read_text(errors="replace")
    outcome = Outcome(name, seconds, last_number(r"stat::number_of_executed_units: (\d+)", text)
                      or last_number(r"#(\d+)\t", text),
                      last_number(r"cov: (\d+)", text), last_number(r"ft: (\d+)", text),
                      last_number(r"corp: (\d+)", text), done.returncode != 0)
    print(outcome.line(), flush=True)
    if outcome.failed:
        print(f"    see {log}, and {crashes}", flush=True)
    return outcome


def keep(name: str) -> None:
    """The finds that are worth keeping: of those that reach something new, the smallest."""
    kept = HERE / "corpus" / name
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(BUILD / "bin" / f"fuzz_{name}"), "-set_cover_merge=1", *options(name),
                        folder, str(kept), str(grown(name))], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        thought_of = {path.read_bytes() for path in kept.iterdir()
                      if path.name.startswith(NEVER_DROPPED)}
        for old in kept.iterdir():
            if not old.name.startswith(NEVER_DROPPED):
                old.unlink()
        room = KEPT_BYTES
        for path in sorted(pathlib.Path(folder).iterdir(), key=lambda p: (p.stat().st_size, p.name)):
            room -= path.stat().st_size
            if room >= 0 and path.read_bytes() not in thought_of:
                shutil.copyfile(path, kept / path.name)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the fuzzers of build/fuzz.")
    parser.add_argument("--seconds", type=int, default=60, help="for each")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--keep", action="store_true", help="then renew tests/fuzz/corpus")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(names()))
    if unknown:
        print(f"fuzz: there is no {', '.join(unknown)}; there are {', '.join(names())}")
        return 2

    print("| fuzzer | minutes | runs | coverage | features | inputs | found |\n"
          "|---|---|---|---|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        outcomes = list(pool.map(lambda name: fuzz(name, args.seconds), args.names or names()))
        if args.keep:
            list(pool.map(keep, args.names or names()))
    found = sum(outcome.failed for outcome in outcomes)
    print(f"fuzz: {len(outcomes)} fuzzers, {found} found something")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
