#!/usr/bin/python3
"""run_tests.py: what it counts, and what it does not let pass."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pathlib
import tempfile
import unittest
from unittest import mock

import run_tests
from run_tests import Count

GTEST = """<testsuites><testsuite name="Digest">
<testcase name="Parses" status="run" result="completed" classname="Digest"/>
<testcase name="Rejects" status="run" result="completed" classname="Digest">{inner}</testcase>
</testsuite></testsuites>"""
CTEST = """<testsuite>
<testcase name="unit/core/oci" classname="unit/core/oci" status="{status}"/>
<testcase name="layers" classname="layers" status="{status}"/>
</testsuite>"""


class CountTest(unittest.TestCase):
    def count(self, inner: str, status: str) -> Count:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "ctest.xml").write_text(CTEST.format(status=status))
            (folder / "unit_core_oci.xml").write_text(GTEST.format(inner=inner))
            return run_tests.count_ctest(folder / "ctest.xml", folder)

    def test_cases_of_a_program_are_counted_not_the_program(self):
        self.assertEqual(self.count("", "run"), Count(passed=3))

    def test_a_skipped_case_is_named_with_its_reason(self):
        count = self.count('<skipped message="no crane&#10;on PATH"/>', "run")
        self.assertEqual(count, Count(passed=2, skipped=["Digest.Rejects: no crane on PATH"]))

    def test_a_failed_case_is_named(self):
        count = self.count('<failure message="1 != 2"/>', "fail")
        self.assertEqual(count, Count(passed=1, failed=["Digest.Rejects", "layers"]))

    def test_a_program_that_dies_after_its_cases_has_failed(self):
        count = self.count("", "fail")
        self.assertEqual(count.failed, ["unit/core/oci (the program as a whole)", "layers"])


class SummaryTest(unittest.TestCase):
    def code(self, count: Count, strict: bool = False) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = run_tests.summarise(count, strict)
        return code, out.getvalue().splitlines()[-1]

    def test_the_last_line_counts(self):
        self.assertEqual(self.code(Count(passed=3)), (0, "3 passed, 0 failed, 0 skipped"))

    def test_a_failure_is_a_failure(self):
        self.assertEqual(self.code(Count(3, ["a"])), (1, "3 passed, 1 failed, 0 skipped"))

    def test_a_skip_is_a_failure_where_nothing_may_be_skipped(self):
        self.assertEqual(self.code(Count(3, [], ["a"]))[0], 0)
        self.assertEqual(self.code(Count(3, [], ["a"]), strict=True)[0], 1)

    def test_no_test_at_all_is_a_failure(self):
        self.assertEqual(self.code(Count())[0], 1)


class AtOnceTest(unittest.TestCase):
    def test_suites_that_run_at_once_are_all_counted_and_shown(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            suites = []
            for number, claim in enumerate(("True", "1 == 2")):
                file = folder / f"test_{number}.py"
                file.write_text(f"def test_it(): assert {claim}\n")
                suites.append(functools.partial(run_tests.Suite(f"suite-{number}", [file]).run, folder, dict(os.environ)))
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown):
                count = run_tests.run_at_once(suites)

        self.assertEqual((count.passed, len(count.failed)), (1, 1))
        self.assertIn("assert 1 == 2", shown.getvalue())

    def test_every_folder_is_in_one_lane(self):
        seen = []
        lane = run_tests.run_lane
        run_tests.run_lane = lambda folders, *_: (seen.extend(folders), Count(passed=len(folders)))[1]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                count = run_tests.run_pytest(pathlib.Path("build"), {})
        finally:
            run_tests.run_lane = lane

        self.assertEqual(sorted(seen), run_tests.python_suites())
        self.assertEqual(count.passed, len(seen))

    def test_the_folders_with_a_way_of_their_own_exist(self):
        self.assertEqual((run_tests.WAITS | run_tests.BESIDE) - set(run_tests.python_suites()), set())


class ChosenTest(unittest.TestCase):
    def test_files_of_one_folder_are_one_process_and_a_folder_is_all_its_files(self):
        runs = []
        with mock.patch.object(run_tests.Suite, "run", lambda suite, *_: runs.append(suite) or Count(passed=1)):
            with contextlib.chdir(run_tests.ROOT):
                count = run_tests.run_chosen([pathlib.Path(path) for path in (
                    "tests/scenarios/test_crashes.py", "tests/docs", "tests/scenarios/test_git.py")],
                    pathlib.Path("build"), {})

        self.assertEqual(count.passed, 2)
        self.assertEqual([(run.name, [file.name for file in run.files]) for run in runs], [
            ("tests/scenarios", ["test_crashes.py", "test_git.py"]),
            ("tests/docs", [file.name for file in run_tests.tests_in("tests/docs")])])


class SanitizersTest(unittest.TestCase):
    def test_what_a_sanitizer_finds_is_a_failure_whoever_ran_the_program(self):
        with tempfile.TemporaryDirectory() as name:
            build = pathlib.Path(name)
            with run_tests.environment_of_tests(build, with_cluster=False) as environment:
                place = environment["ASAN_OPTIONS"].partition("log_path=")[2].partition(":")[0]
                pathlib.Path(f"{place}.77").write_text("==77==ERROR\nSUMMARY: AddressSanitizer: heap-use-after-free x.cc:1\n")
                shown = io.StringIO()
                with contextlib.redirect_stdout(shown):
                    count = run_tests.sanitizer_findings(build)
            with run_tests.environment_of_tests(build, with_cluster=False):
                self.assertEqual(run_tests.sanitizer_findings(build).failed, [], "those of an earlier run are gone")

        self.assertEqual(count.failed, ["of.77: AddressSanitizer: heap-use-after-free x.cc:1"])
        self.assertIn("==77==ERROR", shown.getvalue())


if __name__ == "__main__":
    unittest.main()
