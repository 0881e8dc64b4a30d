"""The rows of a list under one header, as they are drawn, and the keys that move among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.color import Color
from textual.events import Resize
from textual.geometry import Region
from textual.strip import Strip

from console.plots import sign
from console.widgets.cells import Look, fit, line
from console.widgets.table.paged import Paged
from console.widgets.table.rows import Column, share_out

NOTICED = 0.3
"""Seconds: a list that has rows by then need not say that it reads them."""


class Grid(Paged):
    """Only visible lines are drawn, each when it is asked for."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--cursor",
        "table--empty",
        "table--line",
        "table--mark",
    }
    DEFAULT_CSS = """
    Grid {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .table--header { color: $quiet; }
        & > .table--empty { color: $quiet; }
        & > .table--line { color: $text-warning; text-style: bold; }
        & > .table--mark { color: $text-accent; text-style: bold; }
        & > .table--cursor { background: $primary-muted; color: $foreground; }
        &:focus > .table--cursor {
            background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
        }
    }
    """

    _reading = False
    _ground = Style.null()
    _shares: list[int] = []
    _broken: tuple[str, int, list[str]] = "", 0, []
    """What is said where there are no rows, the width it was broken for, and its lines."""

    def action_cursor_up(self) -> None:
        """One row up."""
        self.cursor_row -= 1

    def action_cursor_down(self) -> None:
        """One row down."""
        self.cursor_row += 1

    def action_page_up(self) -> None:
        """One page up."""
        self.cursor_row -= self._body_height

    def action_page_down(self) -> None:
        """One page down."""
        self.cursor_row += self._body_height

    def action_first(self) -> None:
        """The first row."""
        self.cursor_row = 0

    def action_last(self) -> None:
        """The last row."""
        self.cursor_row = self.row_count - 1

    # Drawing

    def on_resize(self, event: Resize) -> None:
        """Fit the columns anew, with the cursor still in view."""
        self._measure(event.size.width)
        self.watch_cursor_row(self.cursor_row, self.cursor_row)
        self.refresh()

    @property
    def widths(self) -> list[int]:
        """Cells of each column as the list is now, 0 for those that are left out."""
        return share_out(self.columns, self.size.width, self.hidden)

    def titles(self, widths: list[int]) -> list[Text | str]:
        """The header's cells."""
        return [Text(column.title) for column in self.columns]

    def is_marked(self, key: Any) -> bool:
        """Whether the row's mark is drawn."""
        return False

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of one picture: what is the same for all of them is found out once."""
        self._ground, self._shares = self.rich_style, self.widths
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One visible line: the header, what is said under it, a row, or a sentence where there are none."""
        width, base, widths = self.size.width, self._ground, self._shares
        if y == 0:
            style = base + self._style("table--header")
            return draw(self.columns, self.titles(widths), widths, style, width, self._look)
        if y < self._head:
            return Strip([Segment(fit(f" {self.line}", width), base + self._style("table--line"))], width)
        index = self.scroll_offset.y + y - self._head
        if index >= self.row_count:
            return self._sentence(y - self._head, width, base)
        row = self.row_at(index)
        if row is None:
            self._want()
            return Strip([Segment(fit(f" {sign('more')}", width), base + self._style("table--empty"))], width)
        self._pages.touch(index)
        mark = (sign("full"), self._style("table--mark")) if self.is_marked(row[0]) else None
        if index != self.cursor_row:
            return draw(self.columns, row[1], widths, base, width, self._look, mark)
        look = _plainly if self.has_focus else self._look
        style = self.get_component_rich_style("table--cursor")
        return draw(self.columns, row[1], widths, style, width, look, mark and (mark[0], Style.null()))

    def on_mount(self) -> None:
        """Say that rows are on their way where that takes longer than one would notice."""
        self.set_timer(NOTICED, self._say_reading)

    def _say_reading(self) -> None:
        if not self._loaded:
            self._reading = True
            self.refresh()

    def say(self, sentence: str) -> None:
        """Say something under the header; "" takes the line away."""
        if sentence != self.line:
            self.line, self._head = sentence, 2 if sentence else 1
            self._measure(self.size.width)
            self.watch_cursor_row(self.cursor_row, self.cursor_row)
            self.refresh()

    def why_none(self) -> str:
        """What is said where there are no rows."""
        return self.empty

    def _sentence(self, y: int, width: int, base: Style) -> Strip:
        if self.row_count:
            return Strip.blank(width, base)
        if self._loaded or self._trouble:
            told = self._trouble or self.why_none()
        else:
            told = f"Reading {sign('more')}" if self._reading else ""
        if self._broken[:2] != (told, width):
            wrapped = Text(told).wrap(self.app.console, max(width - 4, 10))
            self._broken = told, width, [line.plain for line in wrapped]
        lines = self._broken[2]
        text = lines[y - 1] if 1 <= y < len(lines) + 1 else ""
        return Strip([Segment(fit("  " + text, width), base + self._style("table--empty"))], width)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)

    def _look(self, style: str | Style) -> Style:
        """A cell's own style; `$error` and its like are the theme's colours."""
        if isinstance(style, str) and style.startswith("$"):
            colour = self.app.theme_variables[style[1:]]
            if colour.startswith("auto"):  # a paler shade of the text's own colour
                return Style(dim=True)
            return Style(color=Color.parse(colour).rich_color)
        return style if isinstance(style, Style) else Style.parse(style or "none")


def draw(
    columns: Sequence[Column],
    cells: Sequence[Text | str],
    widths: list[int],
    style: Style,
    width: int,
    look: Look,
    mark: tuple[str, Style] | None = None,
) -> Strip:
    """One line of cells, each in the width that its column was given; a mark takes the first cell."""
    segments: list[Segment] = []
    for column, cell, room in zip(columns, cells, widths, strict=True):
        if room:
            lead = Segment(" ", style)
            if mark is not None and not segments:
                lead = Segment(mark[0], style + mark[1])
            segments.append(lead)
            segments += line(cell, room, column.align, style, look)
    return Strip(segments).adjust_cell_length(width, style)


def _plainly(_: str | Style) -> Style:
    """No colours of its own for a row under the cursor: they might vanish in the cursor's."""
    return Style.null()
