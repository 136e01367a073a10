"""Plots as SVG, written by hand: the same figures give the same bytes on every machine."""

from __future__ import annotations

import dataclasses
import html
import math

WIDTH = 720
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"
INK, FAINT = "#222222", "#bbbbbb"
OURS, OTHERS, LIMIT = "#b5451d", "#5b7a99", "#777777"
SERIES = ("#b5451d", "#2f6f9f", "#4c8c4a")


@dataclasses.dataclass(frozen=True)
class Bar:
    label: str
    value: float
    color: str


@dataclasses.dataclass(frozen=True)
class Point:
    label: str
    x: float
    y: float
    color: str


@dataclasses.dataclass(frozen=True)
class Line:
    label: str
    xs: list[float]
    ys: list[float]


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, color: str = INK) -> str:
    return (f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}' fill='{color}' {FONT}>"
            f"{html.escape(words)}</text>")


def _line(x1: float, y1: float, x2: float, y2: float, color: str = FAINT) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{color}'/>"


def _picture(height: float, title: str, parts: list[str]) -> str:
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:.0f}' role='img'>",
                      f"<title>{html.escape(title)}</title>", f"<rect width='{WIDTH}' height='{height:.0f}' fill='white'/>",
                      _text(16, 26, title, size=15), *parts, "</svg>", ""])


def number(value: float) -> str:
    """With as many digits as a reader wants: 0.43, 12.0, 3,500."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def bars(title: str, unit: str, what: list[Bar]) -> str:
    left, right, step = 250, 90, 30
    most = max(bar.value for bar in what) or 1
    parts = [_line(left, 40, left, 48 + step * len(what))]
    for at, bar in enumerate(what):
        y, length = 48 + step * at, (WIDTH - left - right) * bar.value / most
        parts += [_text(left - 8, y + 15, bar.label, anchor="end"),
                  f"<rect x='{left}' y='{y}' width='{max(length, 1):.1f}' height='20' fill='{bar.color}'/>",
                  _text(left + max(length, 1) + 6, y + 15, f"{number(bar.value)} {unit}")]
    return _picture(64 + step * len(what), title, parts)


class _Axis:
    """A logarithmic one: ticks at powers of ten, at 1, 2 and 5 of each where there are few, evenly where even these are."""

    def __init__(self, values: list[float], begin: float, end: float) -> None:
        self._low, self._high = math.log10(min(values)) - 0.08, math.log10(max(values)) + 0.08
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        return self._begin + (math.log10(value) - self._low) / (self._high - self._low) * (self._end - self._begin)

    def ticks(self) -> list[float]:
        if self._high - self._low < 0.7:
            low, high = 10 ** self._low, 10 ** self._high
            step = 10.0 ** math.floor(math.log10((high - low) / 2))
            step = next(step * times for times in (1, 2, 5) if (high - low) / (step * times) <= 6)
            return [step * count for count in range(math.ceil(low / step), math.floor(high / step) + 1)]
        steps = (1,) if self._high - self._low > 2.5 else (1, 2, 5)
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        every = [step * 10.0 ** decade for decade in decades for step in steps]
        return [tick for tick in every if self._low <= math.log10(tick) <= self._high]


def _frame(x: _Axis, y: _Axis, x_name: str, y_name: str, box: tuple[float, float, float, float]) -> list[str]:
    left, top, right, bottom = box
    parts = []
    for tick in x.ticks():
        parts += [_line(x.at(tick), top, x.at(tick), bottom), _text(x.at(tick), bottom + 18, f"{tick:,.10g}", anchor="middle")]
    for tick in y.ticks():
        parts += [_line(left, y.at(tick), right, y.at(tick)), _text(left - 6, y.at(tick) + 4, f"{tick:,.10g}", anchor="end")]
    return [*parts, _text((left + right) / 2, bottom + 38, x_name, anchor="middle"), _text(left - 40, top - 10, y_name)]


def points(title: str, x_name: str, y_name: str, what: list[Point]) -> str:
    box = (70.0, 70.0, WIDTH - 40.0, 380.0)
    x = _Axis([point.x for point in what], box[0], box[2])
    y = _Axis([point.y for point in what], box[3], box[1])
    parts = _frame(x, y, x_name, y_name, box)
    middle = (box[0] + box[2]) / 2
    for point in what:
        right = x.at(point.x) > middle
        above = -6 if point.color != OURS else 18  # Ours stand below, so that neighbours do not cover each other.
        parts += [f"<circle cx='{x.at(point.x):.1f}' cy='{y.at(point.y):.1f}' r='5' fill='{point.color}'/>",
                  _text(x.at(point.x) + (-9 if right else 9), y.at(point.y) + above, point.label,
                        anchor="end" if right else "start")]
    return _picture(box[3] + 50, title, parts)


def lines(title: str, x_name: str, y_name: str, what: list[Line]) -> str:
    box = (70.0, 70.0, WIDTH - 150.0, 340.0)
    x = _Axis([value for line in what for value in line.xs], box[0], box[2])
    y = _Axis([value for line in what for value in line.ys], box[3], box[1])
    parts = _frame(x, y, x_name, y_name, box)
    for line, color in zip(what, SERIES):
        spots = [(x.at(one), y.at(other)) for one, other in zip(line.xs, line.ys)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in spots)
        parts += [f"<polyline points='{path}' fill='none' stroke='{color}' stroke-width='2'/>",
                  *(f"<circle cx='{a:.1f}' cy='{b:.1f}' r='4' fill='{color}'/>" for a, b in spots),
                  _text(spots[-1][0] + 10, spots[-1][1] + 4, line.label, color=color)]
    return _picture(box[3] + 50, title, parts)
