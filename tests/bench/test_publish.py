"""Figures come to the page they are for, and to nothing else of it; plots are the same each time."""

from __future__ import annotations

import json
import pathlib
import xml.etree.ElementTree as xml

import pytest

import plots
import publish

MACHINE = {"machine": "2 cores (some CPU), 4 GiB", "instructions of the CPU": "avx2", "temporary files": "ext4", "system": "Debian",
           "servers and peers": "crane v0", "Kiln": "abc of a day", "day": "2026-01-02"}
TABLE = {"name": "push", "quick": False, "machine": MACHINE, "figures": {}, "parts": [
    {"text": "Some words."}, {"header": ["what", "time"], "rows": [["kiln", "1 s"]]}, {"goal": "speed: 2 (goal: at most 3): met"}]}
COMPRESSION = {"name": "compression", "quick": False, "machine": MACHINE, "parts": [], "figures": {
    "mb_s": {"kiln build --compression gzip": 400, "pigz -9, 2 threads": 40}, "bytes": {
        "kiln build --compression gzip": 5e6, "pigz -9, 2 threads": 4e6}}}


def write(folder: pathlib.Path, page: str, *kept: dict) -> tuple[pathlib.Path, pathlib.Path]:
    (folder / "figures").mkdir()
    for one in kept:
        (folder / "figures" / f"{one['name']}.json").write_text(json.dumps(one))
    (folder / "page.md").write_text(page)
    return folder / "figures", folder / "page.md"


def test_what_is_between_the_marks_is_replaced_and_the_rest_stays(tmp_path):
    before = "# Title\n<!-- figures: push -->\nold\n<!-- end of figures -->\nby hand\n<!-- figures: growth -->\nkept\n<!-- end of figures -->\n"
    figures, page = write(tmp_path, before, TABLE)

    publish.publish(figures, page, tmp_path / "pictures")

    text = page.read_text()
    assert "old" not in text and text.startswith("# Title\n<!-- figures: push -->\nMeasured on 2026-01-02: 2 cores (some CPU)")
    assert "\n\nSome words.\n\n| what | time |\n| --- | --- |\n| kiln | 1 s |\n\n- speed: 2 (goal: at most 3): met\n<!-- end" in text
    assert text.endswith("by hand\n<!-- figures: growth -->\nkept\n<!-- end of figures -->\n")


def test_what_a_script_printed_stands_as_it_was_printed(tmp_path):
    printed = {"name": "push", "quick": False, "machine": MACHINE, "output": "curl  1 MiB/s\nkiln  2 MiB/s\n"}

    assert publish.rendered(printed, []).endswith("\n\n```text\ncurl  1 MiB/s\nkiln  2 MiB/s\n```\n")


def test_the_same_figures_draw_the_same_picture(tmp_path):
    figures, page = write(tmp_path, "<!-- figures: compression -->\n<!-- end of figures -->\n", COMPRESSION)

    publish.publish(figures, page, tmp_path / "one")
    publish.publish(figures, page, tmp_path / "two")

    picture = (tmp_path / "one" / "compression.svg").read_text()
    assert picture == (tmp_path / "two" / "compression.svg").read_text()
    assert "\n![compression](two/compression.svg)\n" in page.read_text()
    texts = [element.text for element in xml.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert "gzip (Kiln)" in texts and "pigz -9" in texts


def test_a_longer_time_is_a_longer_bar():
    picture = xml.fromstring(plots.bars("t", "s", [plots.Bar("a & b", 1, plots.OURS), plots.Bar("c", 4, plots.OTHERS)]))

    widths = [float(bar.get("width")) for bar in picture.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)


@pytest.mark.parametrize("kept, says", [
    ({**TABLE, "quick": True}, "the figures of push are of a quick run; run: make bench ONLY=push"),
    ({**TABLE, "name": "pull"}, "has no place for the figures of pull"),
])
def test_figures_that_do_not_belong_there_are_refused(tmp_path, kept, says):
    figures, page = write(tmp_path, "<!-- figures: push -->\nold\n<!-- end of figures -->\n", kept)

    with pytest.raises(SystemExit, match=says):
        publish.publish(figures, page, tmp_path / "pictures")

    assert "old" in page.read_text()
