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


if __name__ == "__main__":
    unittest.main()
