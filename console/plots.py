"""What is drawn with cells: signs, bars, and plots of a few lines. Pure functions, no colours.

A share lies between 0 and 1; what lies outside is taken as the nearer of the two, and what is no number
as 0. A width below 1 draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

Level = Literal[0, 1, 2, 3, 4]
"""0: nothing to tell yet, 1: all well, 2: up to a tenth is wrong, 3: up to a half, 4: more."""

SIGNS = {
    "full": "●",
    "empty": "○",
    "box": "▣",
    "heavy": "━",
    "light": "─",
    "yes": "✓",
    "no": "✗",
    "more": "…",
    "up": "↑",
    "down": "↓",
    "to": "→",
    "back": "←",
    "dot": "·",
    "block": "█",
    "dense": "▓",
    "medium": "▒",
    "thin": "░",
    "upper": "▀",
    "lower": "▄",
    "at_most": "≤",
    "at_least": "≥",
    "side": "│",
    "top_left": "╭",
    "top_right": "╮",
    "bottom_left": "╰",
    "bottom_right": "╯",
}
PLAIN = {
    "full": "*",
    "empty": "o",
    "box": "#",
    "heavy": "=",
    "light": "-",
    "yes": "+",
    "no": "x",
    "more": "~",
    "up": "^",
    "down": "v",
    "to": ">",
    "back": "<",
    "dot": "-",
    "block": "#",
    "dense": "=",
    "medium": "?",
    "thin": ".",
    "upper": " ",
    "lower": " ",
    "at_most": "<",
    "at_least": ">",
    "side": "|",
    "top_left": "+",
    "top_right": "+",
    "bottom_left": "+",
    "bottom_right": "+",
}
"""The same where a terminal has ASCII only."""
STEPS = {False: " ▁▂▃▄▅▆▇█", True: " ._-:=+*#"}
"""Heights of one cell in eighths, by whether they are ASCII."""
HEAT = {False: "·▁▃▅█", True: ".-+x#"}
"""The sign of each level, by whether it is ASCII."""

_plain = False


def use_ascii(on: bool) -> None:
    """Draw with ASCII from now on, or with the house's signs again."""
    global _plain
    _plain = on


def is_ascii() -> bool:
    """Whether ASCII is drawn."""
    return _plain


def sign(name: str) -> str:
    """A sign of one cell by its name in SIGNS."""
    return (PLAIN if _plain else SIGNS)[name]


def filled(share: float, width: int) -> int:
    """How many of so many cells a share fills: all only where nothing is missing, and one for a little."""
    share = _share(share)
    cells = math.floor(share * width)
    return max(min(1, width), cells) if share else 0


def bar(share: float, width: int) -> str:
    """A heavy line over a light one, `width` cells."""
    cells = filled(share, width)
    return sign("heavy") * cells + sign("light") * (width - cells)


def sparkline(values: Sequence[float], width: int) -> str:
    """The values as heights of one line, `width` cells; what is not 0 is seen."""
    return area(values, width, 1)[0]


def area(values: Sequence[float], width: int, height: int) -> list[str]:
    """The values as filled columns over `height` lines of `width` cells, the highest one filling it.

    Where there are more values than cells a cell is the mean of its values; where there are fewer, a
    value takes several cells.
    """
    steps, drawn = STEPS[_plain], spread([_number(value) for value in values], width)
    highest = max(drawn, default=0.0)
    eighths = [_eighths(value / highest if highest else 0.0, height) for value in drawn]
    return [
        "".join(steps[min(max(column - 8 * below, 0), 8)] for column in eighths).ljust(max(width, 0))
        for below in reversed(range(height))
    ]


def spread(values: Sequence[float], width: int) -> list[float]:
    """As many values as cells: means of several, or each several times."""
    count = len(values)
    if not count:
        return []
    if count < width:
        return [values[cell * count // width] for cell in range(width)]
    return [math.fsum(part) / len(part) for part in (values[a:b] for a, b in spans(count, width))]


def strip(values: Sequence[float | None], width: int) -> list[tuple[str, Level]]:
    """A cell for each value, or for several that lie side by side: then the worst of them is shown.

    A value is the share that went wrong, None where nothing is known yet. `spans` says which values a
    cell stands for.
    """
    cells: list[tuple[str, Level]] = []
    for start, end in spans(len(values), width):
        known = [_share(value) for value in values[start:end] if value is not None]
        level = _level(max(known)) if known else 0
        cells.append((HEAT[_plain][level], level))
    return cells


def spans(count: int, width: int) -> Iterator[tuple[int, int]]:
    """Where the values begin and end (not included) that each of at most `width` cells stands for."""
    cells = min(count, width)
    return ((cell * count // cells, (cell + 1) * count // cells) for cell in range(cells))


def _level(wrong: float) -> Level:
    return 1 if not wrong else 2 if wrong <= 0.1 else 3 if wrong <= 0.5 else 4


def _eighths(share: float, height: int) -> int:
    return max(1, round(share * height * 8)) if share else 0


def _number(value: float) -> float:
    """A value that can be drawn: finite, not below 0."""
    return min(value, 1e300) if value > 0 else 0.0


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0) if not math.isnan(value) else 0.0
