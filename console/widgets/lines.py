"""Lines to read, of which only those in view are made and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style

SELECTED = "$screen-selection-foreground on $screen-selection-background"
Line = Callable[[], Content]
"""Makes a line's words when it comes into view."""


class Lines(ScrollView, can_focus=False):
    """Its owner scrolls it. What the mouse marks can be copied, as in any text."""

    DEFAULT_CSS = "Lines { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }"

    _ground = Style.null()
    _selected: Selection | None = None
    _lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Show other lines."""
        self._lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of one picture: what is the same for all of them is found out once."""
        self._ground, self._selected = self.visual_style, self.text_selection
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """A line in view."""
        width, place, ground = self.size.width, self.scroll_offset.y + y, self._ground
        if place >= len(self._lines):
            return Strip.blank(width, ground.rich_style)
        words = self._lines[place]()
        if self._selected is not None and (span := self._selected.get_span(place)) is not None:
            start, end = span
            words = words.stylize(SELECTED, start, None if end == -1 else end)
        pieces = words.render(ground, "", self.app.stylesheet.parse_style)
        strip = Strip([Segment(text, style.rich_style) for text, style in pieces])
        return strip.adjust_cell_length(width, ground.rich_style).apply_offsets(0, place)

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """What the mouse marked."""
        return selection.extract("\n".join(line().plain for line in self._lines)), "\n"
