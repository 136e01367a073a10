#!/usr/bin/python3
"""Runs every measurement, one after another, and writes what they say to build/bench: `make bench`.

    tests/bench/run.py                        all of them, on a quiet machine: about an hour
    tests/bench/run.py --only first_build     one; the figures of the others stay as they were
    tests/bench/run.py --quick                small sizes, several at once: whether they run, not how fast
    tests/bench/run.py --list                 their names, and how long each takes

For each there is NAME.json and NAME.md, and report.md has all of them. The program is the release build's, or what
$KILN_BIN_DIR holds. publish.py makes docs/benchmarks.md of it. Exit code 1 if one failed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import report
from world import binary  # Found through `report`.

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / "build" / "bench"
DEADLINE_S = 3 * 3600
QUICK_JOBS = 3


@dataclasses.dataclass(frozen=True)
class Bench:
    """One script. Those that are not `own` print text alone: their machine's facts come from here."""

    name: str
    title: str
    minutes: float  # On two quiet cores.
    args: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    own: bool = False
    quick_env: dict[str, str] = dataclasses.field(default_factory=dict)

    def command(self, out: pathlib.Path, quick: bool) -> list[str]:
        script = str(HERE / f"{self.name}.py")
        if self.own:
            return [script, "--json", str(out / f"{self.name}.json"), *(["--quick"] if quick else self.args)]
        words = self.quick if quick else self.args
        programs = {"KILN": "kiln", "CONTROLLER": "kiln-controller"}
        return [script, *(binary(programs[word]) if word in programs else word for word in words)]


BENCHES = (
    Bench("first_build", "The first build of a large site, and the next", 12, own=True),
    Bench("compression", "Three ways to compress, beside gzip, pigz and zstd", 8, own=True),
    Bench("growth", "How time and memory grow", 8, own=True),
    Bench("push", "Pushes beside curl", 3, quick_env={"KILN_BENCH_MB": "8", "KILN_BENCH_ROUNDS": "1"}),
    Bench("git_fetch", "Content from a git repository of 50,000 files", 4,
          ("--kiln", "KILN", "--controller", "CONTROLLER"),
          ("--kiln", "KILN", "--controller", "CONTROLLER", "--files", "200", "--megabytes", "2")),
    Bench("edit_to_digest", "From an edit to the new digest", 2, ("--edits", "150"), quick=("--edits", "3")),
    Bench("base_wave", "A new base for 1,000 ImageBuilds, beside crane rebase", 6,
          quick=("--builds", "6", "--namespaces", "2", "--concurrent", "2")),
    Bench("small_sites", "Many small sites, beside a controller made with go-containerregistry", 9, ("--rival",),
          ("--burst", "6", "--sites", "10", "--idle", "1")),
    Bench("controller", "10,000 ImageBuilds, beside a controller made with controller-runtime", 8, ("--rival",),
          ("--builds", "20", "--patches", "20", "--namespaces", "2")),
)


@dataclasses.dataclass
class Ended:
    code: int
    text: str
    seconds: float


def run_one(bench: Bench, out: pathlib.Path, quick: bool, aloud: bool) -> Ended:
    """`aloud`: what it prints is shown while it works."""
    environment = {**os.environ, **(bench.quick_env if quick else {})}
    began = time.monotonic()
    head = "" if bench.own else heading(bench)
    if aloud:
        print(head, end="", flush=True)
    lines = [head]
    # Errors of a quick one are part of what is told, because it is told at the end.
    with subprocess.Popen(bench.command(out, quick), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=None if aloud else subprocess.STDOUT, text=True, errors="replace") as process:
        for line in process.stdout:
            lines.append(line)
            if aloud:
                print(line, end="", flush=True)
    ended = Ended(process.returncode, "".join(lines), time.monotonic() - began)
    if ended.code == 0:
        keep(bench, out, ended, quick)
    return ended


def heading(bench: Bench) -> str:
    facts = "".join(f"- {what}: {value}\n" for what, value in report.machine().items())
    return f"# {bench.title}\n\n{facts}\n"


def keep(bench: Bench, out: pathlib.Path, ended: Ended, quick: bool) -> None:
    (out / f"{bench.name}.md").write_text(ended.text, encoding="utf-8")
    if not bench.own:
        text = ended.text.removeprefix(heading_of(ended.text))
        value = {"name": bench.name, "title": bench.title, "quick": quick, "machine": report.machine(), "output": text}
        (out / f"{bench.name}.json").write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def heading_of(text: str) -> str:
    """What heading() put there: up to the empty line behind the facts."""
    return "\n\n".join(text.split("\n\n")[:2]) + "\n\n"


def write_report(out: pathlib.Path) -> None:
    texts = [path.read_text(encoding="utf-8") for bench in BENCHES if (path := out / f"{bench.name}.md").exists()]
    (out / "report.md").write_text("\n".join(texts), encoding="utf-8")


def run_all(benches: list[Bench], out: pathlib.Path, quick: bool) -> dict[str, Ended]:
    if not quick:
        return {bench.name: run_one(bench, out, quick, aloud=True) for bench in benches}
    with concurrent.futures.ThreadPoolExecutor(QUICK_JOBS) as pool:
        ended = pool.map(lambda bench: run_one(bench, out, quick, aloud=False), benches)
        found = dict(zip((bench.name for bench in benches), ended))
    for one in found.values():
        print(one.text, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs every measurement.")
    parser.add_argument("--only", metavar="NAME,NAME", help="these alone")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether they run, not how fast")
    parser.add_argument("--list", action="store_true", help="tell the names")
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{bench.name:16} {bench.minutes:4g} min  {bench.title}" for bench in BENCHES))
        return 0
    wanted = args.only.split(",") if args.only else [bench.name for bench in BENCHES]
    if unknown := set(wanted) - {bench.name for bench in BENCHES}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; --list tells what there is")
    report.choose_release()
    try:
        binary("kiln")
    except RuntimeError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    ended = run_all([bench for bench in BENCHES if bench.name in wanted], args.out, args.quick)
    write_report(args.out)
    failed = [name for name, one in ended.items() if one.code != 0]
    for name, one in ended.items():
        print(f"bench: {name} {'FAILED' if one.code else 'done'} in {one.seconds:.0f} s")
    print(f"bench: {len(ended) - len(failed)} done, {len(failed)} failed; all figures: {args.out / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
