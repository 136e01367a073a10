"""docs/testing.md and `make help` have every suite and every target, each once."""

from __future__ import annotations

import re
import subprocess

import pages

ROOT = pages.DOCS.parent
PAGE = (pages.DOCS / "testing.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
# No suites: what suites share.
SHARED = {"support"}


def kinds() -> list[list[str]]:
    """The cells of the table of kinds."""
    table = PAGE.partition("| kind | where |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()[2:]]


def help_of_make() -> str:
    return subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          check=True).stdout


def test_each_kind_of_test_stands_there_once():
    names = [row[0] for row in kinds()]

    assert len(names) > 15
    assert sorted(names) == sorted(set(names))


def test_each_suite_has_one_line():
    told = [name for row in kinds() for name in set(re.findall(r"`tests/(\w+)", row[1]))]
    there_are = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "._"}

    assert sorted(told) == sorted(there_are - SHARED)


def test_each_target_that_the_page_names_is_one_of_make():
    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", PAGE, re.M))

    assert len(named) > 8
    assert {name for name in named if not re.search(rf"^(?:[a-z0-9-]+ )*{name}(?: [a-z0-9-]+)*:", MAKEFILE, re.M)} == set()


def test_make_lists_every_target_that_has_a_sentence():
    described = re.findall(r"^([^\s:]+):.*## ", MAKEFILE, re.M)

    assert len(described) > 20
    assert re.findall(r"^  make (\S+)", help_of_make(), re.M) == described
