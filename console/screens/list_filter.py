"""What a column of a list has to hold, typed over the list while its rows follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Click
from textual.screen import Screen
from textual.widgets import Input, Label, Static

from console.actions import bindings
from console.plain import inert_lines
from console.screens.drawn import Window
from console.widgets.table import VirtualTable, views
from store.errors import UsageError

if TYPE_CHECKING:
    from textual.timer import Timer

DEBOUNCE = 0.08
"""Seconds without a key press after which the list is asked."""


class FilterScreen(Window[None]):
    """One line over the list, under its header. Enter keeps the filter, Escape leaves it as it was."""

    BINDINGS = bindings("filter")
    AUTO_FOCUS = "#words"
    CSS = """
    FilterScreen {
        background: transparent; align: left top;
        & > #filter { width: 1fr; height: auto; background: $surface; }
        & #line { height: 1; background: $boost; }
        & #line Label { width: auto; max-width: 40%; padding: 0 1; text-style: bold; color: $text-warning; }
        & #line Input { width: 1fr; padding: 0; background: $boost; }
        & #wrong { display: none; height: auto; max-height: 4; padding: 0 1; color: $text-error; }
    }
    """

    def __init__(self, table: VirtualTable) -> None:
        super().__init__()
        self._table, self._before, self._column = table, table.view, table.column
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """The column's title and what is typed for it."""
        words = dict(self._before.filters).get(self._column.key, "")
        with Vertical(id="filter"):
            with Horizontal(id="line"):
                yield Label(f"{self._column.title or self._column.key} has", markup=False)
                hint = "a part of it; =all of it, !without it; a number may be >500 or 10..20"
                yield Input(words, id="words", compact=True, placeholder=hint)
            yield Static(id="wrong", markup=False)

    def on_mount(self) -> None:
        """Lie over the line under the list's header, wherever the screen under it puts that."""
        self._table.screen.screen_layout_refresh_signal.subscribe(self, self._lie)
        self._lie()

    def _lie(self, moved: Screen[Any] | None = None) -> None:
        region, box = self._table.content_region, self.query_one("#filter")
        box.styles.offset = (region.x, min(region.y + 1, max(self.size.height - 2, 0)))
        box.styles.width = region.width

    @on(Input.Changed, "#words")
    def _typed(self) -> None:
        self._stop()
        self._typing = self.set_timer(DEBOUNCE, self._follow)

    def _stop(self) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._typing = None

    def _follow(self) -> None:
        self._look(self.query_one("#words", Input).value)

    @work(group="look", exclusive=True)
    async def _look(self, words: str, *, close: bool = False) -> None:
        """Let the list follow. What means nothing is told here, and the rows stay as they were."""
        view = views.filtered(self._table.view, self._column.key, words)
        wrong = self.query_one("#wrong", Static)
        try:
            if view != self._table.view:
                await self._table.look(view)
        except UsageError as error:
            wrong.update(inert_lines(str(error)))
            wrong.display = True
            return
        wrong.display = False
        if close:
            self.dismiss()

    @on(Input.Submitted, "#words")
    def _keep(self) -> None:
        self._stop()
        self._look(self.query_one("#words", Input).value, close=True)

    def on_click(self, event: Click) -> None:
        """A click on the list keeps what is typed."""
        if event.widget is self:
            self._keep()

    def action_close(self) -> None:
        """Leave it as it was."""
        self._stop()
        self._leave()

    @work(group="look", exclusive=True)
    async def _leave(self) -> None:
        words = dict(self._before.filters).get(self._column.key, "")
        view = views.filtered(self._table.view, self._column.key, words)
        if view != self._table.view:
            await self._table.look(view)
        self.dismiss()
