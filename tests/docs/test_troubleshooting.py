"""docs/troubleshooting.md has a line for every reason that a condition can have, and for no other."""

from __future__ import annotations

import re

import pages

SOURCES = pages.DOCS.parent / "controller" / "imagebuild"
# A reason is always written as one word in quotes right behind one of these.
A_REASON = re.compile(r'(?:return \{|return |halt\(|\? |: |\{|kReady, (?:true|false), |reconciling\(|reason = )"([A-Z][a-z]+(?:[A-Z][a-z]+)*)"')
# Written in the same way, and something else: why a build began, the type of an Event.
NO_REASON = {"BaseChanged", "ContentChanged", "ConfigMap", "Restored", "SpecChanged", "Created", "Warning", "Building", "True",
             "False", "Unknown", "Adopted", "Requested", "Secret"}


def reasons_of_the_code() -> set[str]:
    text = "".join(path.read_text() for path in SOURCES.glob("*.cc"))
    return set(A_REASON.findall(text)) - NO_REASON


def reasons_of_the_page() -> set[str]:
    table = (pages.DOCS / "troubleshooting.md").read_text().partition("\n## Reasons\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.M))


def test_every_reason_has_a_line():
    assert len(reasons_of_the_code()) > 15
    assert reasons_of_the_code() - reasons_of_the_page() == set()


def test_no_line_is_about_a_reason_that_is_gone():
    text = "".join(path.read_text() for path in SOURCES.glob("*.cc"))

    assert {reason for reason in reasons_of_the_page() if f'"{reason}"' not in text} == set()
