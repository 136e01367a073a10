"""The pages about the command, taken apart: tables of flags, links, examples with what they print."""

from __future__ import annotations

import dataclasses
import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
INDEX = DOCS / "command.md"
PAGES = {path.stem: path for path in sorted((DOCS / "command").glob("*.md"))}
CRANE = DOCS / "crane-users.md"
NOT_RUN = "<!-- not run: "


@dataclasses.dataclass
class Example:
    """A ```sh block; `expected` is the ```text block right below it, if there is one."""

    line: int
    script: str
    expected: str | None


def examples(path: pathlib.Path) -> list[Example]:
    """In order, without those that say why they are not run in a comment above them."""
    text = path.read_text()
    found = []
    for block in re.finditer(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```$)?", text, re.M | re.S):
        above = text[:block.start()].rstrip("\n").rpartition("\n")[2]
        if not above.startswith(NOT_RUN):
            line = text.count("\n", 0, block.start()) + 1
            found.append(Example(line, block[1], block[2]))
    return found


def flags_in_tables(text: str) -> dict[str, str]:
    """What the first cells of tables say: {"--tag": "DEST", "--dry-run": ""}."""
    flags = {}
    for cell in re.findall(r"^\| (`-.*?`) \|", text, re.M):
        for code in re.findall(r"`([^`]+)`", cell):
            name, _, value = code.replace("\\|", "|").partition(" ")
            if name.startswith("--"):
                name, equals, _ = name.partition("=")
                flags[name] = value if not equals else "[=HOST]"
    return flags


def section(title: str) -> str:
    """One section of the index."""
    return INDEX.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def linked_sections(path: pathlib.Path) -> set[str]:
    """The sections of the index that a page points at: {"platforms", "registries"}."""
    return set(re.findall(r"\(\.\./command\.md#([\w-]+)\)", path.read_text()))


def links(path: pathlib.Path) -> list[tuple[pathlib.Path, str]]:
    """Files of the tree that a page points at, each with its anchor or ""."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            found.append(((path.parent / file).resolve() if file else path, anchor))
    return found


def anchors(path: pathlib.Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def as_pattern(expected: str) -> str:
    """A regular expression over one_spaced() text: "…" is anything within a line, alone any lines."""
    lines = []
    for line in one_spaced(expected).split("\n"):
        words = r"(?:.*\n)*?.*" if line == "…" else re.escape(line).replace("…", ".*?")
        lines.append(words)
    return "\n".join(lines)


def one_spaced(text: str) -> str:
    """Columns of tables depend on what is in them."""
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))
