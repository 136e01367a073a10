"""The tests that a page names, and those that there are.

A page names a test of C++ as `Suite.Test`, one of Python as `file.py::test` (the file as it is called, or
with as much of its path as one likes) or as `test` alone, and a fuzzer's kept corpus as `fuzz/name`.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
_NAME = re.compile(r"`((?:[A-Z]\w+\.[A-Z]\w+)|(?:[\w/.-]+\.py::)?test_\w+|fuzz/\w+)`")
_CPP = re.compile(r"^TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", re.M)


def named(text: str) -> list[str]:
    """The tests that a text names, in order."""
    return _NAME.findall(text)


def functions(file: pathlib.Path) -> list[ast.FunctionDef]:
    """The tests of one Python file."""
    return [node for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


@functools.cache
def there_are() -> frozenset[str]:
    """Every name by which a page can name a test."""
    names = {f"{suite}.{test}" for file in TESTS.rglob("*_test.cc")
             for suite, test in _CPP.findall(file.read_text())}
    names |= {f"fuzz/{file.name.removesuffix('_fuzz.cc')}" for file in TESTS.glob("fuzz/*_fuzz.cc")}
    for file in [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("t*/**/*_test.py")]:
        parts = file.relative_to(ROOT).parts
        for function in functions(file):
            names.add(function.name)
            names |= {"/".join(parts[at:]) + "::" + function.name for at in range(len(parts))}
    return frozenset(names)


def tables(page: pathlib.Path) -> list[list[dict[str, str]]]:
    """The tables of a page: each row's cells by the heading of their column."""
    found: list[list[dict[str, str]]] = []
    heading: list[str] = []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not line.startswith("|"):
            heading = []
        elif not heading:
            heading = cells
            found.append([])
        elif set(line) - set("|-: "):
            found[-1].append(dict(zip(heading, cells, strict=True)))
    return found


def missing(page: pathlib.Path) -> list[str]:
    """What a page names that there is not, and the rows of its tables that have a column "test" or
    "tests" without one in it. Empty if all is well."""
    wrong = [f"there is no test {name}" for name in named(page.read_text()) if name not in there_are()]
    for row in (row for table in tables(page) for row in table):
        heading = next((name for name in row if name.lower() in ("test", "tests")), None)
        if heading and not named(row[heading]):
            wrong.append("no test is named for: " + " | ".join(row.values()))
    return wrong
