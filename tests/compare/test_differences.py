"""docs/differences.md and the tests that it names do not drift apart."""

from __future__ import annotations

import ast
import pathlib

import layered
import named_tests
from world import ROOT

HERE = pathlib.Path(__file__).parent
PAGE = ROOT / "docs" / "differences.md"


def marked_tests() -> set[str]:
    """The names of all tests that have the marker `difference`."""
    return {test.name for file in HERE.glob("test_*.py") for test in named_tests.functions(file)
            if any(ast.unparse(mark) == "pytest.mark.difference" for mark in test.decorator_list)}


def test_every_difference_has_one_line_and_every_line_a_test():
    assert sorted(named_tests.named(PAGE.read_text())) == sorted(marked_tests())


def test_the_cases_of_layers_that_tools_disagree_on_exist():
    assert {layers for _, layers in layered.DISAGREEING} <= set(layered.LAYERS)


def test_every_tool_that_disagrees_on_layers_is_in_the_table():
    table = PAGE.read_text().partition("| the upper layer has |")[2]

    for who, _ in layered.DISAGREEING:
        assert who in table.lower(), who
