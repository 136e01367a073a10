#!/usr/bin/python3
"""Checks rules of the house that no compiler and no formatter checks.

    check_style.py [--root DIR]

Exit code 1 if a rule is broken. Files that are longer than they should be are warnings, unless
LONG_FILES gives the reason. To break a rule on purpose, say why on the same line:

    co_await send(Request{});  // style: co-await-braces: Request has a constructor

The rules are the functions below called `rule_…`; the first line of each says what it wants.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import sys
from typing import Iterator

CODE_FOLDERS = ("core/", "controller/", "cli/", "tests/", "examples/")
SKIPPED_FOLDERS = {".git", "build", "__pycache__", ".pytest_cache", "corpus", ".cache"}
TEXT_SUFFIXES = {".h", ".cc", ".py", ".sh", ".md", ".txt", ".yaml", ".yml", ".json", ".cmake", ""}
TAB_FILES = ("Makefile", "go.mod", "go.sum", "LICENSE")
MAX_LINES = 500
# Longer than MAX_LINES for a reason.
LONG_FILES = {
    "crds/kiln.build_imagebuilds.yaml": "one CRD is one document",
    "tests/crds/bad_manifests.yaml": "one table of cases, by the order of the fields",
}
# What must not be written, and what to write instead. Regular expressions.
FORBIDDEN = {
    r"(?<![\w.$}/])/(?:home|Users|work)/\w+/": "a path of somebody's machine: write it relative to the root",
    r"(?i)\b(?:black|white)list": "write allow-list or deny-list",
    r"(?i)\blorem ipsum\b": "write an example that means something",
}
# Only in C++ below core/, controller/ and cli/.
FORBIDDEN_IN_PROGRAMS = {
    r"\busing namespace std\s*;": "name what you use",
    r"\b(?:strcpy|strcat|sprintf|gets|system|popen|mktemp|tmpnam)\s*\(": "it has a safe counterpart in core/base",
}
_EXCUSE = re.compile(r"style: ([a-z-]+): \S+")

Finding = tuple[int, str]  # line (from 1), sentence


class File:
    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.is_cpp = path.endswith((".h", ".cc")) and path.startswith(CODE_FOLDERS)
        # Same length, same lines, but without comments and without what strings hold.
        self.code = _without_comments(text) if self.is_cpp else ""

    def line_at(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


def _without_comments(text: str) -> str:
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^(\s]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
        re.S)

    def blank(found: re.Match) -> str:
        quote = '"' if found[0][0] in 'R"' else "'" if found[0][0] == "'" else " "
        inner = re.sub(r"[^\n]", "_" if quote != " " else " ", found[0])
        return quote + inner[1:-1] + quote if len(inner) > 1 else inner

    return pattern.sub(blank, text)


def _closing(code: str, opening: int) -> int:
    """Where the bracket at `opening` ends; the end of the text if it does not."""
    depth = 0
    for at in range(opening, len(code)):
        if code[at] in "([{":
            depth += 1
        elif code[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at
    return len(code)


_LAMBDA_HEAD = re.compile(r"\[([^\[\]]*)\]\s*(?:\((?:[^{}();]|\([^{}();]*\))*\)\s*)?"
                          r"(?:mutable|noexcept|constexpr|\s)*(?:->[^{};()]*)?$")


def _lambda_captures(code: str, brace: int) -> str | None:
    """What the lambda captures whose body starts at `brace`; None if no lambda's body does."""
    found = _LAMBDA_HEAD.search(code[max(0, brace - 300):brace].rstrip())
    return found[1].strip() if found else None


def rule_co_await_braces(file: File) -> Iterator[Finding]:
    """No aggregate temporary, such as `{…}` or a lambda with captures, inside a co_await expression."""
    for found in re.finditer(r"\bco_await\b", file.code):
        at, depth = found.end(), 0
        while at < len(file.code):
            sign = file.code[at]
            if sign == "{":
                captures = _lambda_captures(file.code, at)
                if captures != "":
                    what = "a value in braces" if captures is None else f"a lambda with captures [{captures}]"
                    yield file.line_at(at), (f"{what} inside a co_await expression, which g++ 12 "
                                             "miscompiles: give it a name on the line before, and move it in")
                    break
                at = _closing(file.code, at)
            elif sign in "([":
                depth += 1
            elif sign in ")]":
                depth -= 1
            if depth < 0 or sign == ";":
                break
            at += 1


def rule_co_await_choice(file: File) -> Iterator[Finding]:
    """No co_await behind the `?` of a conditional expression."""
    for found in re.finditer(r"\bco_await\b", file.code):
        begin = max(file.code.rfind(sign, 0, found.start()) for sign in ";{}")
        if "?" in file.code[begin + 1:found.start()]:
            yield file.line_at(found.start()), (
                "a co_await behind the ? of a conditional expression, whose value g++ 12 destroys twice: "
                "write an if")


def rule_lambda_coroutines(file: File) -> Iterator[Finding]:
    """No coroutine is a lambda with captures: they die with the lambda, before the coroutine does."""
    if file.path.startswith("tests/"):
        return  # There the lambda stands in the test's body and outlives what it runs.
    head = re.compile(r"(?<![\w\])\[])\[(?!\[)([^\[\]]+)\]\s*(\([^{};]*?\))?\s*"
                      r"(?:mutable|noexcept|\s)*(?:->[^{};]*?)?\{")
    for found in head.finditer(file.code):
        body = file.code[found.end() - 1:_closing(file.code, found.end() - 1)]
        body = _without_inner_lambdas(body[1:])
        if re.search(r"\bco_(?:await|return|yield)\b", body):
            yield file.line_at(found.start()), (
                f"a coroutine that is a lambda with captures [{found[1].strip()}], which may die before it: "
                "write a function that takes them by value")


def _without_inner_lambdas(body: str) -> str:
    at = 0
    while (at := body.find("{", at)) >= 0:
        if _lambda_captures(body, at) is not None:
            body = body[:at] + body[_closing(body, at) + 1:]
        else:
            at += 1
    return body


def rule_own_header_first(file: File) -> Iterator[Finding]:
    """The first include of a.cc is its a.h, so that every header is seen to compile alone."""
    if not file.path.endswith(".cc") or not file.is_cpp or file.path.startswith("tests/"):
        return
    header = file.path[:-3] + ".h"
    includes = re.findall(r'^#include ["<]([^">]+)', file.text, re.M)
    if header in includes and includes[0] != header:
        yield 1, f'the first include must be its own header, "{header}"'


def rule_todo_issue(file: File) -> Iterator[Finding]:
    """Work left over has an issue: TODO(#12)."""
    for number, line in enumerate(file.lines, 1):
        found = re.search(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))", line)
        if found and file.is_cpp:
            yield number, f"{found[1]} without an issue: write TODO(#12), or do it now"


def rule_white_space(file: File) -> Iterator[Finding]:
    """No tabs, nothing at the end of a line, one line break at the end of the file."""
    name = file.path.rpartition("/")[2]
    for number, line in enumerate(file.lines, 1):
        if line.endswith("\r"):
            yield number, "a line that ends as on Windows: write a line feed only"
        elif line != line.rstrip() and name not in TAB_FILES:
            yield number, "white space at the end of the line"
        if "\t" in line and name not in TAB_FILES:
            yield number, "a tab: write spaces"
    if file.text and (not file.text.endswith("\n") or file.text.endswith("\n\n")):
        yield len(file.lines), "must end in exactly one line break"


def rule_forbidden_words(file: File) -> Iterator[Finding]:
    """What FORBIDDEN lists."""
    rules = dict(FORBIDDEN)
    if file.is_cpp and not file.path.startswith("tests/"):
        rules |= FORBIDDEN_IN_PROGRAMS
    for pattern, advice in rules.items():
        for found in re.finditer(pattern, file.text):
            yield file.line_at(found.start()), f'"{found[0].strip()}": {advice}'


def rule_unit_tests_do_not_sleep(file: File) -> Iterator[Finding]:
    """Time is a parameter: unit tests advance it."""
    if file.path.startswith("tests/unit/"):
        for found in re.finditer(r"\bthis_thread::sleep_(?:for|until)|\busleep\(", file.code):
            yield file.line_at(found.start()), "sleeps: use a clock that the test moves, or wait for the event"


RULES = {name.removeprefix("rule_").replace("_", "-"): rule
         for name, rule in list(globals().items()) if name.startswith("rule_")}


def findings(path: str, text: str) -> list[str]:
    """All complaints about one file, as "path:line: sentence [rule]"."""
    file = File(path, text)
    result = []
    for name, rule in RULES.items():
        for line, sentence in rule(file):
            if name not in _EXCUSE.findall(file.lines[line - 1]):
                result.append((line, f"{path}:{line}: {sentence} [{name}]"))
    return [text for _, text in sorted(result)]


def files_of(root: pathlib.Path) -> Iterator[tuple[str, str]]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS
                            and not (folder == str(root) and f.startswith("build")))
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if path.suffix in TEXT_SUFFIXES and not path.is_symlink():
                data = path.read_bytes()
                if b"\0" not in data:
                    yield str(path.relative_to(root)), data.decode(errors="replace")


def length_findings(lengths: dict[str, int]) -> tuple[list[str], list[str]]:
    """Warnings about long files, and errors of the list that excuses some."""
    warnings = [f"{path}: {lines} lines, more than {MAX_LINES}: split it, or give the reason in LONG_FILES"
                for path, lines in lengths.items()
                if lines > MAX_LINES and path not in LONG_FILES
                and path.endswith((".h", ".cc", ".py", ".sh", ".yaml"))]
    errors = [f"tools/check_style.py: LONG_FILES excuses {path}, which "
              f"{'has ' + str(lengths[path]) + ' lines' if path in lengths else 'does not exist'}"
              for path in LONG_FILES if lengths.get(path, 0) <= MAX_LINES]
    errors += [f"tools/check_style.py: LONG_FILES gives no reason for {path}"
               for path, reason in LONG_FILES.items() if len(reason.split()) < 3]
    return warnings, errors


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks rules that no compiler checks.")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[1])
    args = parser.parse_args()
    problems, lengths = [], {}
    for path, text in files_of(args.root):
        lengths[path] = text.count("\n")
        if path not in ("tools/check_style.py", "tools/check_style_test.py"):  # They hold examples.
            problems += findings(path, text)
    warnings, errors = length_findings(lengths)
    for warning in warnings:
        print(f"warning: {warning}")
    for problem in problems + errors:
        print(problem)
    count = len(problems) + len(errors)
    print(f"style: {count} problems" if count else f"style: {len(lengths)} files hold to the rules")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
