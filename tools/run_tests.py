#!/usr/bin/python3
"""Runs the tests of one build folder and counts them: C++ by ctest, then the Python suites.

    run_tests.py --build build/dev [--label unit] [--no-cluster] [--no-python | --python PATH…] [--strict]

Around them runs a cluster (tests/cluster) with the CRD applied. What tests find in the environment:
    KUBECONFIG, KILN_REGISTRY, KILN_CLUSTER_DIR   that cluster, its registry and its folder
    KILN_TOOLS_PATH                               folders of kubectl, crane, registry …, as in PATH
    KILN_BIN_DIR                                  the folder of kiln and kiln-controller
A test that lacks its program skips and says so. With --strict (the default where CI is set) a
skipped test is a failure. What programs built with sanitizers find counts as a failure, whoever ran them and
whatever came of that. The last line is the count; exit code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
import go_tools  # noqa: E402  (found through the line above)
from certificates import CertificateError  # noqa: E402
from cluster import Cluster, ClusterError  # noqa: E402
from server_process import ServerError  # noqa: E402

CTEST_DEADLINE_S = 30 * 60
PYTEST_DEADLINE_S = 30 * 60
NO_TESTS = 5  # pytest's exit code
FINDINGS = "findings"  # The folder of the sanitizers' reports, in the build folder.
SHOWN_OF_A_FINDING = 8000
# Folders whose tests mostly wait, for retries or for servers of their own: one process for each file, all at once.
WAITS = {"tests/docs", "tests/faults"}
# Folders whose tests start servers of their own and mostly wait for them: one after another, beside all the others.
BESIDE = {"tests/bench", "tests/chart", "tests/cluster", "tests/determinism", "tests/kubernetes", "tests/library",
          "tests/model"}
# Not part of a run of all tests: `make e2e` has them.
APART = {"tests/e2e"}


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)
    skipped: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: Count) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def count_cases(report: pathlib.Path) -> Count:
    """The cases of a JUnit report, as gtest, pytest and ctest write it."""
    count = Count()
    for case in xml.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name')}".lstrip(".")
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed.append(name)
        elif skip is not None or case.get("status") in ("notrun", "disabled"):
            reason = (skip.get("message") or "") if skip is not None else "it is disabled"
            count.skipped.append(f"{name}: {' '.join(reason.split()) or 'no reason given'}")
        else:
            count.passed += 1
    return count


def count_ctest(ctest_report: pathlib.Path, gtest_reports: pathlib.Path) -> Count:
    """One for each case of a gtest program, one for each test of another kind."""
    count = Count()
    for entry in xml.parse(ctest_report).iter("testcase"):
        name, failed = entry.get("name"), entry.get("status") != "run"
        report = gtest_reports / (name.replace("/", "_") + ".xml")
        if report.exists():
            cases = count_cases(report)
            if failed and not cases.failed:
                cases.failed.append(f"{name} (the program as a whole)")
            count.add(cases)
        elif failed:
            count.failed.append(name)
        else:
            count.passed += 1
    return count


def run_ctest(build: pathlib.Path, label: str | None, environment: dict[str, str]) -> Count:
    reports = build.absolute() / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    (reports / "gtest").mkdir(parents=True)
    command = ["ctest", "--test-dir", str(build), "--output-on-failure", "--no-tests=error",
               "--parallel", str(os.cpu_count()), "--output-junit", str(reports / "ctest.xml")]
    command += ["--label-regex", f"^{label}$"] if label else []
    run = subprocess.run(command, env={**environment, "GTEST_OUTPUT": f"xml:{reports}/gtest/"},
                         stdin=subprocess.DEVNULL, timeout=CTEST_DEADLINE_S)
    if not (reports / "ctest.xml").exists():
        return Count(failed=[f"ctest (it ended with exit code {run.returncode})"])
    count = count_ctest(reports / "ctest.xml", reports / "gtest")
    if run.returncode != 0 and not count.failed:
        count.failed.append(f"ctest (it ended with exit code {run.returncode})")
    return count


def python_suites() -> list[str]:
    """Every folder below tests/ and tools/ that holds Python tests."""
    files = [path for top in ("tests", "tools") for pattern in ("test_*.py", "*_test.py")
             for path in (ROOT / top).rglob(pattern)]
    return sorted({str(path.parent.relative_to(ROOT)) for path in files} - APART)


@dataclasses.dataclass
class Suite:
    """What one pytest process runs."""

    name: str
    files: list[pathlib.Path]

    def run(self, build: pathlib.Path, environment: dict[str, str]) -> Count:
        """What it prints comes in one piece at its end, so that suites may run side by side."""
        report = build.absolute() / "reports" / (self.name.replace("/", "_") + ".xml")
        report.parent.mkdir(exist_ok=True)
        report.unlink(missing_ok=True)
        run = subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
             f"--junit-xml={report}", *map(str, self.files)],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=PYTEST_DEADLINE_S)
        print(f"\nPython tests of {self.name}\n{run.stdout}", end="", flush=True)
        cases = count_cases(report) if report.exists() else Count()
        if run.returncode not in (0, NO_TESTS) and not cases.failed:
            cases.failed.append(f"{self.name} (pytest ended with exit code {run.returncode})")
        return cases


def tests_in(folder: str) -> list[pathlib.Path]:
    return sorted(path for pattern in ("test_*.py", "*_test.py") for path in (ROOT / folder).glob(pattern))


def run_at_once(runs: list[Callable[[], Count]]) -> Count:
    count = Count()
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        for cases in pool.map(lambda run: run(), runs):
            count.add(cases)
    return count


def run_folder(folder: str, build: pathlib.Path, environment: dict[str, str]) -> Count:
    """One process, because the helper modules of two folders may have equal names."""
    if folder not in WAITS:
        return Suite(folder, tests_in(folder)).run(build, environment)
    suites = [Suite(str(path.relative_to(ROOT)), [path]) for path in tests_in(folder)]
    return run_at_once([functools.partial(suite.run, build, environment) for suite in suites])


def run_lane(folders: list[str], build: pathlib.Path, environment: dict[str, str]) -> Count:
    count = Count()
    for folder in folders:
        count.add(run_folder(folder, build, environment))
    return count


def run_chosen(paths: list[pathlib.Path], build: pathlib.Path, environment: dict[str, str]) -> Count:
    """Of files and folders: one process for the chosen files of each folder, one after another."""
    chosen: dict[str, list[pathlib.Path]] = {}
    for path in paths:
        whole = path.absolute()
        folder = str((whole if whole.is_dir() else whole.parent).relative_to(ROOT))
        chosen.setdefault(folder, []).extend(tests_in(folder) if whole.is_dir() else [whole])
    count = Count()
    for folder, files in chosen.items():
        count.add(Suite(folder, files).run(build, environment))
    return count


def run_pytest(build: pathlib.Path, environment: dict[str, str]) -> Count:
    folders = python_suites()
    print(f"\nPython tests of {len(folders)} folders; each is shown when it is done", flush=True)
    lanes = ([folder for folder in folders if folder in BESIDE], [folder for folder in folders if folder not in BESIDE])
    return run_at_once([functools.partial(run_lane, lane, build, environment) for lane in lanes])


def sanitizer_options(build: pathlib.Path) -> dict[str, str]:
    """For programs with sanitizers in them: the first finding ends a program, and goes into a file."""
    options = f"halt_on_error=1:print_stacktrace=1:log_path={build.absolute()}/{FINDINGS}/of"
    # Tests that put a library of their own in front (faketime) put it in front of the sanitizer, too.
    return {"ASAN_OPTIONS": f"{options}:verify_asan_link_order=0", "UBSAN_OPTIONS": options,
            "TSAN_OPTIONS": f"{options}:suppressions={ROOT / 'tools' / 'tsan_suppressions.txt'}",
            "LSAN_OPTIONS": "report_objects=1"}


def sanitizer_findings(build: pathlib.Path) -> Count:
    """Each report is shown, and counts as a failure."""
    count = Count()
    for report in sorted((build / FINDINGS).glob("of.*")):
        text = report.read_text(errors="replace")
        print(f"\n{report}\n{text[:SHOWN_OF_A_FINDING]}", flush=True)
        summary = next((line for line in text.splitlines() if line.startswith("SUMMARY: ")), "no summary")
        count.failed.append(f"{report.name}: {summary.removeprefix('SUMMARY: ')}")
    return count


@contextlib.contextmanager
def environment_of_tests(build: pathlib.Path, with_cluster: bool):
    """A dict for subprocess; the cluster lives as long as the block."""
    shutil.rmtree(build / FINDINGS, ignore_errors=True)
    (build / FINDINGS).mkdir(parents=True)
    environment = {**os.environ, "KILN_BIN_DIR": str(build.absolute() / "bin"), **sanitizer_options(build)}
    if not with_cluster:
        yield environment
        return
    with Cluster() as cluster:
        cluster.kubectl("apply", "-f", str(ROOT / "crds"))
        cluster.wait_established("imagebuilds.kiln.build")
        yield {**environment, "KUBECONFIG": str(cluster.kubeconfig),
               "KUBECACHEDIR": str(cluster.directory / "kubectl-cache"),
               "KILN_REGISTRY": cluster.registry().address,
               "KILN_CLUSTER_DIR": str(cluster.directory),
               "KILN_TOOLS_PATH": str(cluster.directory / "bin")}


def summarise(count: Count, strict: bool) -> int:
    print()
    for name in count.skipped:
        print(f"skipped: {name}")
    for name in count.failed:
        print(f"FAILED: {name}")
    if strict and count.skipped:
        print("A skipped test proves nothing, and here (CI, or --strict) it counts as failed.")
    print(f"{count.passed} passed, {len(count.failed)} failed, {len(count.skipped)} skipped", flush=True)
    return 1 if count.failed or (strict and count.skipped) or not count.passed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the tests of one build folder.")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="such as build/dev")
    parser.add_argument("--label", help="only C++ tests with this label: unit or integration")
    parser.add_argument("--no-cluster", action="store_true", help="start no cluster")
    python = parser.add_mutually_exclusive_group()
    python.add_argument("--no-python", action="store_true", help="leave the Python suites out")
    python.add_argument("--python", nargs="+", type=pathlib.Path, metavar="PATH",
                        help="of the Python suites only these files and folders")
    parser.add_argument("--strict", action="store_true", default=bool(os.environ.get("CI")),
                        help="a skipped test is a failure (the default where CI is set)")
    args = parser.parse_args()
    try:
        with environment_of_tests(args.build, not args.no_cluster) as environment:
            count = run_ctest(args.build, args.label, environment)
            if args.python:
                count.add(run_chosen(args.python, args.build, environment))
            elif not args.no_python:
                count.add(run_pytest(args.build, environment))
            count.add(sanitizer_findings(args.build))
    except (ClusterError, ServerError, CertificateError, go_tools.ToolError, OSError,
            subprocess.TimeoutExpired) as error:
        print(f"run_tests: {error}")
        return 1
    return summarise(count, args.strict)


if __name__ == "__main__":
    sys.exit(main())
