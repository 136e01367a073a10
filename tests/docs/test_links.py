"""Links between the pages of the tree lead somewhere: to a file, and to a heading of it."""

from __future__ import annotations

import subprocess

import pages

ROOT = pages.DOCS.parent


def markdown_pages() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True,
                            text=True, check=True)
    return listed.stdout.splitlines()


def dead_links(page) -> list[str]:
    return [f"{target.name}#{anchor}" if anchor else target.name for target, anchor in pages.links(page)
            if not target.exists() or (anchor and anchor not in pages.anchors(target))]


def test_links_lead_somewhere():
    names = markdown_pages()

    assert len(names) > 40
    assert {name: dead for name in names if (dead := dead_links(ROOT / name))} == {}


def test_a_link_to_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One heading\n[a](page.md#one-heading) [b](page.md#another) [c](gone.md) [d](https://example.com)\n")

    assert dead_links(page) == ["page.md#another", "gone.md"]
