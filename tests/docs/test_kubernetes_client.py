"""docs/kubernetes-client.md has a line for each known failure. That its tests exist: test_named_tests.py."""

from __future__ import annotations

import named_tests
import pages

PAGE = pages.DOCS / "kubernetes-client.md"
LINES = [f"K{number}" for number in range(1, 26)]


def test_every_known_failure_has_one_line_with_what_kiln_does():
    rows = [row for table in named_tests.tables(PAGE) for row in table if "line" in row]

    assert [row["line"] for row in rows] == LINES
    assert all(row["what Kiln does"] for row in rows)


def test_every_known_failure_names_a_test_with_a_real_api_server():
    real = {function.name for folder in ("kubernetes", "scenarios") for file in
            (named_tests.TESTS / folder).glob("test_*.py") for function in named_tests.functions(file)}

    rows = [row for table in named_tests.tables(PAGE) for row in table if "line" in row]

    assert [row["line"] for row in rows if not any(
        name in real or name.startswith("ApiServer") for name in named_tests.named(row["test"]))] == []
