"""A list of any length that can be looked at in many ways: ordered, filtered, marked, copied, exported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual import work
from textual.events import Click
from textual.screen import Screen

from console.actions import Acting, bindings
from console.keymap import key_of, keyed
from console.plain import inert
from console.widgets.table.looked import Looked
from console.widgets.table.marks import Marks, as_text, cell_text, every_key, picked
from console.widgets.table.rows import PageSource, Row
from store.view import View

MOST_MARKS = 10_000
"""Rows that are marked at once: more than that is a filter, or an audience."""
MOST_COPIED = 1_000_000
"""Characters that terminals hand on to a clipboard, the more patient ones of them."""


def in_hand(screen: Screen[Any]) -> VirtualTable:
    """The list of a screen that has the focus, else its first one."""
    focused = screen.focused
    return focused if isinstance(focused, VirtualTable) else screen.query(VirtualTable).first()


class VirtualTable(Acting, Looked):
    """Rows with keys and marks. Marks are of keys: they stay through scrolls, filters and refreshes."""

    BINDINGS = bindings("table")

    class Selected(Looked.Highlighted, namespace="virtual_table"):
        """The row was opened, by Enter or a double click."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._marks = Marks()

    # Its windows

    def action_filter(self) -> None:
        """Type what the column in hand has to hold."""
        from console.screens.list_filter import FilterScreen

        self.app.push_screen(FilterScreen(self))

    def action_columns(self) -> None:
        """Choose the columns."""
        from console.screens.list_columns import ColumnsScreen

        self.app.push_screen(ColumnsScreen(self))

    @property
    def exported_whole(self) -> bool:
        """Whether an export always writes every field."""
        return bool(getattr(self._source, "exported_whole", False))

    def needs_export(self) -> str:
        """Whether there is something that can be exported."""
        if getattr(self._source, "exported", None) is None:
            return keyed(
                "This list has no export. Mark its rows with <table.mark> and copy them with <table.copy>."
            )
        return "" if self.row_count else "There is no row to export."

    def action_export(self) -> None:
        """Write what is seen into a file."""
        from console.screens.list_export import ExportScreen

        if (exported := getattr(self._source, "exported", None)) is not None:
            self.app.push_screen(ExportScreen(self, exported(self.view)))

    # Marks, and what is taken out

    async def look(self, view: View) -> None:
        """Show the list looked at in another way, and find which marked rows it hides. Raises UsageError."""
        filters = self.view.filters
        await super().look(view)
        if self._marks.keys and self.view.filters != filters:
            self._find_marked()

    def also_said(self) -> str:
        """How many rows are marked."""
        return self._marks.in_words()

    def show(self, source: PageSource, *, empty: str | None = None, same: bool = False) -> None:
        """Show another query from its first row; `same`: it is of the same things, so their marks stay."""
        super().show(source, empty=empty)
        if not same:
            self._marks.put(())
            self._say_so()
        elif self._marks.keys:
            self._find_marked()

    @property
    def marked(self) -> list[Any]:
        """Keys of the marked rows, without those that are known not to be in the list as it is looked at."""
        return self._marks.here

    @property
    def marks_away(self) -> int:
        """How many marked rows are known not to be in the list as it is looked at."""
        return len(self._marks.away)

    def is_marked(self, key: Any) -> bool:
        """Whether the row is marked."""
        return key in self._marks.keys

    def mark(self, keys: Iterable[Any]) -> None:
        """Mark these rows of the list and no others."""
        self._marks.put(keys)
        self._say_so()
        self.refresh()

    def _toggle(self, index: int) -> None:
        if (row := self.row_at(index)) is not None:
            self._marks.toggle(row[0])
            self.refresh_row(index)
            self._say_so()

    @work(group="marks", exclusive=True)
    async def _find_marked(self) -> None:
        """Look which of the marked rows a new filter hides."""
        if self._source is not None:
            there = {row[0] for row in await picked(self._source, self.view, self._marks.keys)}
            self._marks.away = frozenset(self._marks.keys) - there
            self._say_so()

    async def taken(self) -> list[Row]:
        """The marked rows that the list shows, in its order; without marks the row under the cursor.

        Raises PassbellError.
        """
        if self._marks.keys and self._source is not None:
            rows = await picked(self._source, self.view, self._marks.keys)
            self._marks.away = frozenset(self._marks.keys) - {row[0] for row in rows}
            self._say_so()
            return rows
        row = self.row_at(self.cursor_row)
        return [row] if row is not None else []

    def needs_row(self) -> str:
        """Whether the cursor is on a row."""
        return "" if self.cursor_key is not None else "There is no row under the cursor."

    def needs_few(self) -> str:
        """Whether the list is short enough to mark all of it."""
        if self._marks.keys or self.row_count <= MOST_MARKS:
            return self.needs_row() if not self._marks.keys else ""
        most = f"at most {MOST_MARKS:,} are marked at once"
        return f"This list has {self.row_count:,} rows, and {most}: filter it first."

    def action_mark(self) -> None:
        """Mark the row, or take its mark away, and go on to the next."""
        self._toggle(self.cursor_row)
        self.cursor_row += 1

    def action_mark_all(self) -> None:
        """Mark all rows of the list; where some are marked, none."""
        if self._marks.keys:
            self.mark(())
        else:
            self._mark_all()

    @work(group="marks", exclusive=True)
    async def _mark_all(self) -> None:
        if self._source is not None:
            self.mark(await every_key(self._source, self.view))

    @work(group="copy", exclusive=True)
    async def action_copy(self) -> None:
        """Copy the marked rows, or the one under the cursor."""
        rows = await self.taken()
        left = f" {len(self._marks.away):,} more are hidden by the filter." if self._marks.away else ""
        self._copy(
            as_text(self.columns, rows, self.hidden),
            f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'} copied.{left}",
        )

    def action_copy_cell(self) -> None:
        """Copy what the column in hand says of the row under the cursor."""
        if (row := self.row_at(self.cursor_row)) is not None:
            text = cell_text(row[1][self._place()])
            self._copy(text, f"{self.column.title or 'Cell'} copied: {inert(text, 60) or 'it is empty'}")

    def _copy(self, text: str, told: str) -> None:
        if len(text) > MOST_COPIED:
            much = f"Too much for a clipboard: {len(text):,} characters."
            told = f"{much} Press {key_of('table.export')} to write a file."
        else:
            self.app.copy_to_clipboard(text)
        self.app.notify(told, markup=False)

    def action_select(self) -> None:
        """Open the row."""
        if (key := self.cursor_key) is not None:
            self.post_message(self.Selected(self, key))

    def on_click(self, event: Click) -> None:
        """A title orders; a row takes the cursor, with ctrl or in front of it a mark, twice it is opened."""
        if event.y == 0:
            self._click_title(event.x)
            return
        index = self.scroll_offset.y + event.y - self._head
        if event.y < self._head or index >= self.row_count:
            return
        self.cursor_row = index
        if event.ctrl or event.x == 0:
            self._toggle(index)
        elif event.chain == 2:
            self.action_select()

    def _click_title(self, x: int) -> None:
        right = 0
        for place, width in enumerate(self.widths):
            right += width + 1 if width else 0
            if x < right:
                self._column = place
                self.refresh()
                if not self.needs_order():
                    self.action_order()
                return
