"""Pictures are well-formed, and show what they are given."""

from __future__ import annotations

import pathlib
import sys
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import svg  # noqa: E402  (found through the line above)


def words(picture: str) -> list[str]:
    return [each.text for each in xml.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_a_terminal_shows_its_lines_letter_by_letter():
    picture = svg.terminal(["$ kubectl get <all> & more", "", "NAME   READY"], "an example")

    assert words(picture) == ["$\u00a0kubectl\u00a0get\u00a0<all>\u00a0&\u00a0more", "NAME\u00a0\u00a0\u00a0READY"]


def test_a_plot_has_a_line_for_each_series_and_tells_what_happened_when():
    panels = [svg.Panel("builds", {"succeeded": [(0, 0), (10, 40)], "failed": [(0, 0), (10, 3)]}),
              svg.Panel("memory", {"resident": [(0, 16), (10, 24)]}, " MB")]
    picture = svg.plot(panels, [(2.5, "the registry is away")], "an example")

    lines = list(xml.fromstring(picture).iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == 3
    assert {"builds", "succeeded", "failed", "memory", "1  the registry is away", "20 MB"} <= set(words(picture))
    tops = [float(line.get("points").split(",")[-1]) for line in lines[:2]]
    assert tops[0] < tops[1], "40 stands higher than 3"


def test_axes_have_few_round_numbers():
    assert svg.steps(95, 8) == [0, 20, 40, 60, 80]
    assert svg.steps(40, 3) == [0, 20, 40]
    assert svg.steps(1, 3) == [0, 0.5, 1]
    assert svg.steps(0.07, 3) == [0, 0.05]
