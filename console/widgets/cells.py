"""Text cut and padded to columns of cells, as a terminal counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from console.plain import inert
from console.plots import sign

Align = Literal["left", "right"]
Look = Callable[[str | Style], Style]
"""Gives the style behind a name: `bold`, or a colour of the theme such as `$error`."""


def fit(text: str, width: int, align: Align = "left") -> str:
    """The text in exactly `width` cells; what is cut off leaves an ellipsis."""
    missing = width - cell_len(text)
    if missing >= 0:
        return " " * missing + text if align == "right" else text + " " * missing
    return set_cell_size(set_cell_size(text, max(width - 1, 0)).rstrip() + sign("more"), width)


def line(cell: Text | str, width: int, align: Align, base: Style, look: Look) -> list[Segment]:
    """One cell in exactly `width` cells. A str is outside text: made inert, never markup."""
    if isinstance(cell, str):
        return [Segment(fit(inert(cell, width * 2 + 2), width, align), base)]
    fitted = fit(cell.plain, width, align)
    base += look(cell.style)
    if not cell.spans:
        return [Segment(fitted, base)]
    lead = max(len(fitted) - len(cell.plain), 0) if align == "right" else 0
    spans = [(span.start + lead, span.end + lead, look(span.style)) for span in cell.spans]
    edges = sorted({0, len(fitted), *(min(edge, len(fitted)) for span in spans for edge in span[:2])})
    return [
        Segment(fitted[start:end], sum((style for a, b, style in spans if a <= start < b), base))
        for start, end in pairwise(edges)
    ]


def wrapped(paragraph: str, width: int) -> Iterator[str]:
    """Lines of whole words in at most `width` cells; a word wider than a line is broken."""
    line = ""
    for word in paragraph.split():
        for piece in chop_cells(word, width):
            longer = f"{line} {piece}" if line else piece
            if cell_len(longer) <= width:
                line = longer
            else:
                yield line
                line = piece
    yield line
