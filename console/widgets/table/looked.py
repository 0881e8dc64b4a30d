"""A list that is looked at in other ways: a column in hand, an order, filters, some columns taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.text import Text
from textual import work

from console.keymap import keyed
from console.plots import sign
from console.widgets.table import views
from console.widgets.table.grid import Grid
from console.widgets.table.paged import Said
from console.widgets.table.rows import Column
from store.view import View


class Looked(Grid):
    """Keeps its view and its columns from one sitting to the next, and says so where they are not its own."""

    class Viewed(Said, namespace="virtual_table"):
        """The list is looked at in another way, or with other columns."""

        def __init__(self, table: Looked, view: View) -> None:
            super().__init__(table)
            self.view = view

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "Nothing here yet.",
        stick_to_top: bool = False,
        remembered: str = "",
        id: str | None = None,  # noqa: A002 (the name that every widget has for it)
        classes: str | None = None,
    ) -> None:
        super().__init__(columns, empty=empty, stick_to_top=stick_to_top, id=id, classes=classes)
        self.remembered = remembered
        """The name under which view and columns are kept from one sitting to the next; "" for not at all."""
        self._column = 0
        self._wanted: View | None = None

    def on_mount(self) -> None:
        """Take up what was remembered."""
        memory = getattr(self.app, "memory", None) if self.remembered else None
        if memory is not None:
            self.view = views.from_json(memory.get(f"{self.remembered}.view"), self.columns)
            hidden = memory.get(f"{self.remembered}.columns")
            self.hidden = views.hidden_from_json(hidden, self.columns)
            self._say_so()

    # The view

    @property
    def column(self) -> Column:
        """The column in hand."""
        return self.columns[self._place()]

    def _place(self) -> int:
        """Its place: the nearest that is shown, where it is left out."""
        shown = [place for place, width in enumerate(self.widths) if width] or [0]
        return min(shown, key=lambda place: abs(place - self._column))

    async def look(self, view: View) -> None:
        """Show the list looked at in another way. Raises UsageError for a filter that means nothing."""
        await super().look(view)
        self._changed()

    def change(self, how: Callable[[View], View]) -> None:
        """The same from a key. Keys that come quicker than the rows add up."""
        self._wanted = how(self._wanted or self.view)
        self._take_up(self._wanted)

    @work(group="look", exclusive=True)
    async def _take_up(self, view: View) -> None:
        """What means nothing is told in a toast, and the rows stay."""
        try:
            await self.look(view)
        finally:
            if self._wanted is view:
                self._wanted = None

    def take_out(self, hidden: frozenset[str]) -> None:
        """Show all columns but these."""
        self.hidden = hidden
        self.refresh()
        self._changed()

    def _changed(self) -> None:
        memory = getattr(self.app, "memory", None) if self.remembered else None
        if memory is not None:
            memory.put(f"{self.remembered}.view", views.as_json(self.view) if self.view != View() else None)
            memory.put(f"{self.remembered}.columns", sorted(self.hidden) or None)
        self._say_so()
        self.refresh_bindings()
        self.post_message(self.Viewed(self, self.view))

    def _say_so(self) -> None:
        """Whatever makes the list another than it is by itself is said under its header."""
        told = [views.in_words(self.view, self.columns), self.also_said()]
        if self.view.filters:
            told.append(keyed("<table.all> shows all"))
        self.say(f" {sign('dot')} ".join(filter(None, told)))

    def also_said(self) -> str:
        """What else is said under the header; "" for nothing."""
        return ""

    def titles(self, widths: list[int]) -> list[Text | str]:
        """The header's cells: the column in hand underlined, an arrow where the list is ordered."""
        cells: list[Text | str] = []
        for place, (column, room) in enumerate(zip(self.columns, widths, strict=True)):
            title = column.title
            if column.key == self.view.order and room:
                arrow = sign("down" if self.view.descending else "up")
                title = f"{title} {arrow}" if len(title) + 2 <= room else title[: room - 1] + arrow
            in_hand = self.has_focus and place == self._place()
            cells.append(Text(title, "bold underline" if in_hand else ""))
        return cells

    def why_none(self) -> str:
        """What is said where there are no rows: a filter may be why."""
        if self.view.filters and self._shown is not None:
            return keyed("No row is like that. <table.all> takes the filter away and shows all.")
        return self.empty

    def needs_order(self) -> str:
        """Whether the list can be ordered by the column in hand."""
        return self._why_not_asked("ordered")

    def needs_filter(self) -> str:
        """Whether the column in hand can be filtered."""
        return self._why_not_asked("filtered")

    def _why_not_asked(self, done: str) -> str:
        asked, title = getattr(self._source, "asked", ()), self.column.title or self.column.key
        if self.column.key in asked:
            return ""
        if not any(column.key in asked for column in self.columns):
            return f"This list cannot be {done}: it is short, or in the order of what happened."
        return f"This list cannot be {done} by {title}: choose another column with the arrow keys."

    def needs_filters(self) -> str:
        """Whether a filter is on."""
        return "" if self.view.filters else "No filter is on: all rows are here."

    def action_left(self) -> None:
        """The column to the left."""
        self._step(-1)

    def action_right(self) -> None:
        """The column to the right."""
        self._step(1)

    def _step(self, by: int) -> None:
        shown = [place for place, width in enumerate(self.widths) if width]
        if shown:
            at = shown.index(self._place()) + by
            self._column = shown[max(0, min(at, len(shown) - 1))]
            self.refresh()

    def action_order(self) -> None:
        """By the column in hand, then the other way, then as it is by itself."""
        column = self.column.key
        self.change(lambda view: views.ordered(view, column))

    def action_all(self) -> None:
        """Take all filters away."""
        self.change(lambda view: replace(view, filters=()))

    @property
    def fields(self) -> tuple[str, ...]:
        """What an export writes of the columns that are not taken out."""
        shown = [column for column in self.columns if column.key not in self.hidden]
        names = [(column.key,) if column.fields is None else column.fields for column in shown]
        return tuple(dict.fromkeys(name for several in names for name in several))
