"""Every command of a page, here or in docs/, is run by a test, or says above it why not."""

from __future__ import annotations

import re

import pytest

import named_tests
import pages
from test_links import ROOT, markdown_pages


def complaints(path) -> list[str]:
    """What is wrong with the blocks of commands of a page."""
    wrong = []
    blocks = pages.blocks(path)
    for block in blocks:
        where = f"{path.name}:{block.line}"
        if block.language != "sh":
            wrong.append(f"{where}: commands stand in a block of ```sh without a prompt, what they print below it in one of ```text")
        if block.runs and path not in pages.RUN:
            wrong.append(f"{where}: nothing runs this; say why above it: <!-- not run: … -->, or name a test: <!-- run by `…` -->")
        if block.tests and (not named_tests.named(block.tests) or set(named_tests.named(block.tests)) - named_tests.there_are()):
            wrong.append(f"{where}: there is no test {block.tests}")
        if block.comment and not block.tests and len(block.reason.split()) < 3:
            wrong.append(f"{where}: this is no reason: {block.comment}")
        wrong += [f"{where}: no line has \"{words}\"" for words in block.without if words not in block.script]
    written = re.findall(r"^<!-- *(?:not run|run by)", path.read_text(), re.M | re.I)
    if len(written) != sum(bool(block.comment) for block in blocks):
        wrong.append(f"{path.name}: a comment about what is run stands above no block, or is written in another way")
    return wrong


def test_every_block_of_commands_is_run_or_says_why_not():
    assert [wrong for name in markdown_pages() for wrong in complaints(ROOT / name)] == []


def test_the_pages_that_are_run_have_something_to_run():
    assert [path.name for path in pages.RUN if not pages.examples(path)] == []


@pytest.mark.parametrize("text, complaint", [
    ("```sh\nls\n```\n", "page.md:1: nothing runs this"),
    ("```console\nls\n```\n", "page.md:1: commands stand in a block of ```sh"),
    ("```\n$ ls\n```\n", "page.md:1: commands stand in a block of ```sh"),
    ("<!-- not run: later -->\n```sh\nls\n```\n", "page.md:2: this is no reason"),
    ("<!-- run by `test_that_is_gone` -->\n```sh\nls\n```\n", "page.md:2: there is no test `test_that_is_gone`"),
    ('<!-- not run: lines with "make": it takes minutes -->\n```sh\nls\n```\n', 'page.md:2: no line has "make"'),
    ("<!-- not run: it takes minutes -->\n\nand then\n\n```yaml\na: 1\n```\n", "page.md: a comment about what is run"),
])
def test_a_block_that_is_neither_is_found(text, complaint, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)

    assert any(wrong.startswith(complaint) for wrong in complaints(page)), complaints(page)


def test_lines_that_are_not_run_are_taken_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('<!-- not run: lines with "make", "ssh": they take minutes -->\n```sh\nmake all\nls\nssh host\n```\n')

    assert [block.commands() for block in pages.examples(page)] == ["ls\n"]
