"""Pictures as SVG text: what a terminal shows, and lines over time. No library, so that the same data is the same file."""

from __future__ import annotations

import dataclasses
import html
import math

FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
SANS = "system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif"
COLOURS = ("#0b6e99", "#d9730d", "#4d7c0f", "#9333ea")
CHARACTER_PX = 7.8  # of 13 px
LINE_PX = 19
WIDTH_PX = 860
PANEL_PX = 130
LEFT_PX, RIGHT_PX = 64, 16


def text(x: float, y: float, words: str, **attributes: str | float) -> str:
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    shown = "".join(f' {name}="{html.escape(str(value))}"' for name, value in names.items())
    return f'<text x="{x:g}" y="{y:g}"{shown}>{html.escape(words, quote=False)}</text>'


def picture(width: float, height: float, parts: list[str], title: str) -> str:
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" role="img">\n<title>{html.escape(title)}</title>\n' + "\n".join(parts) + "\n</svg>\n")


def terminal(lines: list[str], title: str) -> str:
    """A window with these lines. One that begins with "$ " is what somebody typed."""
    columns = max(map(len, lines))
    width, height = columns * CHARACTER_PX + 32, len(lines) * LINE_PX + 58
    parts = [f'<rect width="{width:g}" height="{height:g}" rx="9" fill="#1e2430"/>']
    parts += [f'<circle cx="{20 + 18 * n}" cy="19" r="5.5" fill="{colour}"/>'
              for n, colour in enumerate(("#ec6a5e", "#f4bf4f", "#61c554"))]
    for number, line in enumerate(lines):
        words = line.rstrip()
        if words:
            # The length is said, so that columns meet in whatever font the viewer has.
            parts.append(text(16, 52 + number * LINE_PX, words.replace(" ", "\u00a0"), font_family=FONT, font_size=13,
                              fill="#8fd0ff" if words.startswith("$ ") else "#e6e9ef",
                              textLength=f"{len(words) * CHARACTER_PX:g}"))
    return picture(width, height, parts, title)


@dataclasses.dataclass
class Panel:
    """One pair of axes. `lines` are (seconds, value) by name."""

    title: str
    lines: dict[str, list[tuple[float, float]]]
    unit: str = ""


def plot(panels: list[Panel], marks: list[tuple[float, str]], title: str) -> str:
    """The panels one below the other, over the same seconds. `marks` say what happened when."""
    end = max((second for panel in panels for points in panel.lines.values() for second, _ in points), default=1) or 1
    legend_px = 22 + 17 * len(marks)
    height = legend_px + len(panels) * PANEL_PX + 40
    parts = [f'<rect width="{WIDTH_PX}" height="{height}" fill="#ffffff"/>']

    def x(second: float) -> float:
        return LEFT_PX + second / end * (WIDTH_PX - LEFT_PX - RIGHT_PX)

    for number, (second, words) in enumerate(marks, 1):
        parts.append(text(LEFT_PX, 4 + 17 * number, f"{number}  {words}", font_family=SANS, font_size=12, fill="#333"))
        parts.append(f'<line x1="{x(second):.1f}" x2="{x(second):.1f}" y1="{legend_px}" y2="{height - 34}" stroke="#999" '
                     'stroke-dasharray="3 3"/>')
        parts.append(text(x(second) + 3, legend_px + 4, str(number), font_family=SANS, font_size=11, fill="#333"))
    for number, panel in enumerate(panels):
        parts += _panel(panel, legend_px + number * PANEL_PX, x, end)
    for second in steps(end, 8):
        parts.append(text(x(second), height - 16, f"{second:g} s", font_family=SANS, font_size=11, fill="#555",
                          text_anchor="middle"))
    return picture(WIDTH_PX, height, parts, title)


def _panel(panel: Panel, top: float, x, end: float) -> list[str]:
    base, high = top + PANEL_PX - 8, top + 30
    most = max((value for points in panel.lines.values() for _, value in points), default=0) or 1
    scale = steps(most, 3)
    most = max(most, scale[-1])

    def y(value: float) -> float:
        return base - value / most * (base - high)

    parts = [text(LEFT_PX, top + 20, panel.title, font_family=SANS, font_size=13, font_weight="bold", fill="#222")]
    for value in scale:
        parts.append(f'<line x1="{LEFT_PX}" x2="{x(end):g}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#e3e3e3"/>')
        parts.append(text(LEFT_PX - 6, y(value) + 4, f"{value:g}{panel.unit}", font_family=SANS, font_size=11, fill="#555",
                          text_anchor="end"))
    name_x = float(WIDTH_PX - RIGHT_PX)
    for number, (name, points) in enumerate(panel.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        if len(panel.lines) > 1:
            parts.append(text(name_x, top + 20, name, font_family=SANS, font_size=12, fill=colour, text_anchor="end"))
            name_x -= len(name) * 6.6 + 18
    return parts


def steps(most: float, about: int) -> list[float]:
    """Round numbers from 0 to at most `most`, about so many."""
    step = 10 ** math.floor(math.log10(most / about))
    step *= next(factor for factor in (1, 2, 5, 10) if most / (step * factor) <= about)
    return [step * n for n in range(int(most / step + 1e-9) + 1)]
