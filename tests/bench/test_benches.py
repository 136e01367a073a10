"""Every measurement still runs, with small sizes, and tells what it is there to tell. Its figures are not looked at."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest

import controller
import growth
import run

RUN = pathlib.Path(run.__file__)
DEADLINE_S = 600
# A line of what each prints: what is measured, and a figure.
TELLS = {
    "first_build": [r"^\| on \d+ cores \| [\d.]+ s \|$", r"^\| kiln build \| [\d.]+ s ", r"^\| tar \\\| crane append \| [\d.]+ s ",
                    r"^\| kiln build, nothing edited \| [\d.]+ s .* \| 0\.0 MB \|", r"^\* time of the first build, of the bound: [\d.]+"],
    "compression": [r"^\| kiln build --compression gzip-small \| [\d.]+ s ", r"^\| pigz -9, \d+ threads \| [\d.]+ s ",
                    r"^\* size with gzip-small, of gzip -9: [\d.]+"],
    "growth": [r"^\| 400 \| 2 MB \| [\d.]+ s ", r"^\| 8 \| 8 MB \| [\d.]+ s "],
    "push": [r"^kiln of curl, by the medians +\d+ %$"],
    "git_fetch": [r"^\| after a commit of one file \| [\d.]+ s ", r"^\| after commit 4 of one file \| [\d.]+ s "],
    "edit_to_digest": [r"^ConfigMap edited -> new digest: p50 \d+ ms", r"^the shortest way: p50 \d+ ms",
                       r"^times as long as the shortest way: p50 [\d.]+", r"^git push and webhook -> new digest: p50 \d+ ms"],
    "base_wave": [r"^Kiln, the new base +[\d.]+ s ", r"^crane rebase, in a loop +[\d.]+ s "],
    "small_sites": [r"^6 at once .* all Ready after [\d.]+ s", r"^restart over 10 .* Ready after [\d.]+ s"],
    "controller": [r"^  status writes +\d+/s", r"^  change -> reconcile +p50 [\d.]+ ms",
                   r"^  nobody watches +[\d.]+ / [\d.]+$"],
}


def measure(*words: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([RUN, *map(str, words)], env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=DEADLINE_S)


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> tuple[pathlib.Path, str]:
    """The folder with what all wrote, and what the run said."""
    out = tmp_path_factory.mktemp("bench")
    os.environ.setdefault("KILN_BIN_DIR", str(run.ROOT / "build" / "dev" / "bin"))
    done = measure("--quick", "--out", out)
    return out, done.stdout + done.stderr


def test_there_is_a_line_here_for_every_measurement():
    assert set(TELLS) == {bench.name for bench in run.BENCHES}


@pytest.mark.parametrize("name", TELLS)
def test_every_measurement_runs_and_tells_its_figures(quick, name):
    out, said = quick

    assert f"bench: {name} done in" in said, said[-4000:]
    text = (out / f"{name}.md").read_text()
    assert {line for line in TELLS[name] if not re.search(line, text, re.M)} == set(), text
    kept = json.loads((out / f"{name}.json").read_text())
    assert kept["quick"] and re.match(r"\d+ cores \(", kept["machine"]["machine"])
    assert text in (out / "report.md").read_text()


def test_growth_reads_what_controller_py_prints(quick):
    figures = growth.figures_of((quick[0] / "controller.md").read_text())

    assert figures["writes/s"] > 0 and 1 < figures["memory, MB"] < 1000
    with pytest.raises(growth.Failed, match="did not tell first read, s, writes/s"):
        growth.figures_of("nothing of the kind")


def test_one_that_fails_is_named_and_the_run_fails(tmp_path):
    program = tmp_path / "kiln"
    program.write_text("#!/bin/sh\necho 'error: no' >&2\nexit 1\n")
    program.chmod(0o755)

    done = measure("--quick", "--only", "push", "--out", tmp_path / "out", KILN_BIN_DIR=str(tmp_path))

    assert done.returncode == 1
    assert re.search(r"^bench: push FAILED in \d+ s\nbench: 0 done, 1 failed;", done.stdout, re.M), done.stdout


def test_without_a_program_it_says_what_to_do(tmp_path):
    done = measure("--quick", KILN_BIN_DIR=str(tmp_path))

    assert done.returncode == 1
    assert "kiln is not built; run:" in done.stderr


def test_a_measurement_that_there_is_not_is_refused():
    done = measure("--only", "push,pull")

    assert done.returncode == 2
    assert "there is no pull; --list tells what there is" in done.stderr


@pytest.mark.parametrize("each_ms, tells", [
    ({"API server": 3.0, "etcd": 0.5, "controller": 0.5}, f"controller 0.50 ms: at most {os.cpu_count() * 250}/s here"),
    ({"API server": 0.0, "controller": 0.0}, "controller 0.00 ms"),
])
def test_what_writes_cost_is_told_even_if_they_were_done_before_anyone_looked(each_ms, tells):
    assert controller.cpu_of_writes(each_ms).endswith(tells)
