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
