"""Pages taken apart: commands with what they print, tables of flags, links."""

from __future__ import annotations

import dataclasses
import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
INDEX = DOCS / "command.md"
PAGES = {path.stem: path for path in sorted((DOCS / "command").glob("*.md"))}
CRANE = DOCS / "crane-users.md"
README = DOCS.parent / "README.md"
TUTORIAL = DOCS / "tutorial.md"
INSTALL = DOCS / "install.md"
CLUSTER = DOCS.parent / "tests" / "cluster" / "README.md"
# Their commands are for a cluster where an ImageBuild `site` is ready in the namespace `web`.
WITH_A_SITE = [DOCS / f"{name}.md" for name in ("git", "gitops", "imagebuild", "operations", "troubleshooting", "webhooks")]
WITH_A_SITE.append(DOCS.parent / "examples" / "README.md")
# All whose commands are run, see test_command_docs.py and test_cluster_docs.py.
RUN = [INDEX, *PAGES.values(), README, TUTORIAL, INSTALL, CLUSTER, *WITH_A_SITE]
_COMMENT = re.compile(r'<!-- (?:not run: (?:lines with (?P<lines>"[^"]+"(?:, "[^"]+")*): )?(?P<reason>[^"].*)'
                      r'|run by (?P<tests>`.+`)) -->')


@dataclasses.dataclass
class Block:
    """A block of commands; `expected` is the ```text block right below it, if there is one.

    `reason` is why it is not run, from a comment above it: `<!-- not run: REASON -->`. That of
    `<!-- not run: lines with "WORDS", "WORDS": REASON -->` holds for these lines alone (`without`).
    `tests` are those that run it, from `<!-- run by `file.py::test` -->`.
    """

    line: int
    language: str
    script: str
    expected: str | None
    comment: str
    without: list[str]
    reason: str
    tests: str

    @property
    def runs(self) -> bool:
        """Whether it is run together with the others of its page."""
        return not self.tests and (not self.reason or bool(self.without))

    def commands(self) -> str:
        """Without the lines that are not run."""
        return "".join(line for line in self.script.splitlines(keepends=True)
                       if not any(words in line for words in self.without))


def blocks(path: pathlib.Path) -> list[Block]:
    """All blocks of commands, in order: ```sh, ```console and the like, and any with a prompt."""
    text = path.read_text()
    found = []
    for block in re.finditer(r"^```(\w*)\n(.*?)^```$\n?(?:^```text\n(.*?)^```$)?", text, re.M | re.S):
        prompt = re.match(r"\$ ", block[2])
        if block[1] not in ("sh", "bash", "shell", "console") and not prompt:
            continue
        above = text[:block.start()].rstrip("\n").rpartition("\n")[2]
        comment = _COMMENT.fullmatch(above)
        words = comment.groupdict() if comment else {}
        found.append(Block(text.count("\n", 0, block.start()) + 1, "console" if prompt else block[1], block[2], block[3],
                           above if comment else "", re.findall('"([^"]+)"', words.get("lines") or ""),
                           words.get("reason") or "", words.get("tests") or ""))
    return found


def examples(path: pathlib.Path) -> list[Block]:
    """Those that are run, in order."""
    return [block for block in blocks(path) if block.runs]


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
