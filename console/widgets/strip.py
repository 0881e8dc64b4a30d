"""A blast's batches as a heat strip, in the order of their claims: where in its time did messages fail?"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from console import plots
from store.throughput import Stretch, Throughput

COLOURS = ("$quiet", "$text-success", "$text-warning", "$text-warning", "$text-error")
"""The colour of each level; its sign says the same."""
HEAD = "Batches  "
REST = 32
"""Cells beside the strip."""


class Strip(Static):
    """A cell for each batch or for several: the taller, the more failed in the worst of them. One line."""

    DEFAULT_CSS = "Strip { display: none; height: 1; padding: 0 2; }"

    class Chosen(Message):
        """A cell with these batches was clicked."""

        def __init__(self, stretches: tuple[Stretch, ...]) -> None:
            super().__init__()
            self.stretches = stretches

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._stretches: tuple[Stretch, ...] = ()

    def show(self, found: Throughput) -> None:
        """Show a blast's batches."""
        if self._stretches != (stretches := tuple(found.strip)):
            self._stretches = stretches
            self.display = bool(stretches)
            self.refresh()

    @property
    def _cells(self) -> int:
        return max(self.content_size.width - len(HEAD) - REST, 10)

    def render(self) -> Content:
        """The strip, and in figures what it shows."""
        cells = plots.strip([one.worst for one in self._stretches], self._cells)
        batches, failed = (
            sum(getattr(one, name) for one in self._stretches) for name in ("batches", "failed")
        )
        told = f"  {batches:,} claimed, {failed:,} passes failed"
        alike = ((level, "".join(sign for sign, _ in run)) for level, run in groupby(cells, itemgetter(1)))
        shown = ((signs, COLOURS[level]) for level, signs in alike)
        return Content.assemble((HEAD, "$quiet"), *shown, (told, "$quiet"))

    def on_click(self, event: events.Click) -> None:
        """Tell which batches were meant."""
        place = event.x - self.styles.padding.left - len(HEAD)
        parts = list(plots.spans(len(self._stretches), self._cells))
        if 0 <= place < len(parts):
            start, end = parts[place]
            self.post_message(self.Chosen(self._stretches[start:end]))
