"""Pages that say which test proves what they say: each of these tests exists, and no line lacks one."""

from __future__ import annotations

import pytest

import named_tests
import pages

PAGES = ["differences.md", "git.md", "hostile-input.md", "kubernetes-client.md", "registries.md", "webhooks.md"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_tests_that_exist_and_a_test_in_every_line(page):
    assert named_tests.missing(pages.DOCS / page) == []


def test_a_test_that_is_gone_and_a_line_without_one_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("| what | tests |\n|---|---|\n| a `kiln.build` | `Digest.OfBytesIsTheirSha256` |\n"
                    "| b | |\n| c | `Digest.IsGone`, `fuzz/manifest`, `docs/test_named_tests.py::test_gone` |\n")

    assert named_tests.missing(page) == ["there is no test Digest.IsGone",
                                         "there is no test docs/test_named_tests.py::test_gone",
                                         "no test is named for: b | "]


def test_tests_are_known_by_what_a_reader_would_call_them():
    assert {"DigestRefuses.WithAReasonThatNamesTheBrokenPart", "fuzz/tar_entry",
            "test_named_tests.py::test_tests_are_known_by_what_a_reader_would_call_them",
            "tests/crds/test_limits.py::test_takes_so_many_and_no_more"} <= named_tests.there_are()
