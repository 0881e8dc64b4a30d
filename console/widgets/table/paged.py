"""A cursor over the rows of a query: the pages that are seen are fetched, and followed when they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import work
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.timer import Timer

from console.widgets.table.pages import Pages, place_of, visible
from console.widgets.table.rows import PAGE, Column, PageSource, Row
from store.errors import PassbellError, Refused, UsageError
from store.view import View

AGAIN = 2.0
"""Seconds after which a list that could not be read is asked for again."""

SENTENCE = 3
"""Lines in place of rows where there are none: the sentence that says why, under an empty one."""


class Said(Message):
    """Something that a list says."""

    def __init__(self, table: Paged) -> None:
        super().__init__()
        self.table = table

    @property
    def control(self) -> Paged:
        """The list, so that `@on` can tell it by its id."""
        return self.table


class Paged(ScrollView, can_focus=True):
    """Rows of a PageSource with a cursor. Only the pages that are seen are fetched, one at a time."""

    cursor_row = reactive(0, repaint=False)

    class Highlighted(Said, namespace="virtual_table"):
        """The cursor is on another row; `key` is None where there are no rows."""

        def __init__(self, table: Paged, key: Any) -> None:
            super().__init__(table)
            self.key = key

    class Counted(Said, namespace="virtual_table"):
        """The query was asked how many rows it has."""

        def __init__(self, table: Paged, count: int) -> None:
            super().__init__(table)
            self.count = count

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "Nothing here yet.",
        stick_to_top: bool = False,
        id: str | None = None,  # noqa: A002 (the name that every widget has for it)
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        self.hidden: frozenset[str] = frozenset()
        """Keys of the columns that are taken out."""
        self.view = View()
        self.empty = empty
        self.stick_to_top = stick_to_top
        """Whether a cursor on the first row stays there when rows come in above it."""
        self.line = ""
        """What is said under the header; "" takes no line."""
        self._head = 1
        self._source: PageSource | None = None
        self._shown: tuple[PageSource, View] | None = None
        """What the rows at hand are of, while what was asked for last is on its way."""
        self._pages = Pages()
        self._towards = 0
        self._told: Any = self
        self._loaded = False
        self._trouble = ""
        self._again: Timer | None = None
        self._refreshing = self._refresh_again = self._filling = False

    # What it shows

    def show(self, source: PageSource, *, empty: str | None = None) -> None:
        """Show another query from its first row. The old rows stay until the new ones are there."""
        self._source = source
        self.empty = self.empty if empty is None else empty
        self._begin(source, self.view)

    def show_nothing(self, reason: str) -> None:
        """Show no rows, and why there are none."""
        self._source, self._shown, self.empty = None, None, reason
        self.workers.cancel_group(self, "begin")
        self._take(0, {})
        self._tell()

    def refresh_rows(self) -> None:
        """Ask again for what is visible; cursor and scroll stay with the row they are on."""
        if self._refreshing:
            self._refresh_again = True
        elif self._source is not None:
            self._refreshing = True
            self._renew(self._source, self.view)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return self._pages.count

    @property
    def cursor_key(self) -> Any:
        """The key of the row under the cursor; None where there is none, or it is not fetched yet."""
        row = self.row_at(self.cursor_row)
        return row[0] if row else None

    def row_at(self, index: int) -> Row | None:
        """The row, if it exists and is fetched."""
        return self._pages.row_at(index)

    async def look(self, view: View) -> None:
        """Show the list looked at in another way, from its first row.

        Raises UsageError for a filter that means nothing: the rows stay, and so does the view.
        """
        source = self._source
        if source is None:
            self.view = view
            return
        count, first = await source.count(view), await source.page(view, 0, PAGE)
        if source is not self._source:
            await self.look(view)
            return
        self.view = view
        self._start(source, count, first)

    @work(group="begin", exclusive=True)
    async def _begin(self, source: PageSource, view: View) -> None:
        try:
            count, first = await source.count(view), await source.page(view, 0, PAGE)
        except PassbellError as error:
            if self._asks(source, view):
                self._shown = source, view
                self._fail(error)
            return
        if self._asks(source, view):
            self._start(source, count, first)

    def _asks(self, source: PageSource, view: View) -> bool:
        return source is self._source and view is self.view

    def _start(self, source: PageSource, count: int, first: list[Row]) -> None:
        self._shown = source, self.view
        self._towards = 0
        self.scroll_to(y=0, animate=False)
        self._take(max(count, len(first)), {0: first})
        self.cursor_row = 0
        self._tell()

    @work(group="renew")
    async def _renew(self, source: PageSource, view: View) -> None:
        key, index = self.cursor_key, self.cursor_row
        numbers = sorted({index // PAGE, *visible(self.scroll_offset.y, self._body_height)})
        try:
            count = await source.count(view)
            pages = {number: await source.page(view, number * PAGE, PAGE) for number in numbers}
        except PassbellError as error:
            if self._loaded or not self._asks(source, view):
                raise
            self._fail(error)
        else:
            if self._asks(source, view):
                self._shown = source, view
                self._exchange(count, pages, key if index == self.cursor_row else self.cursor_key)
        finally:
            self._refreshing = False
        if self._refresh_again:
            self._refresh_again = False
            self.refresh_rows()

    def _fail(self, error: PassbellError) -> None:
        """Say why there are no rows. What may pass by itself, such as a store out of reach, is waited for."""
        lasts = isinstance(error, UsageError | Refused)
        again = "" if lasts else ". The list comes by itself as soon as it can be read."
        self._take(0, {}, f"{error}{again}")
        if self._again is not None:
            self._again.stop()
        self._again = None if lasts else self.set_timer(AGAIN, self.refresh_rows)

    def _exchange(self, count: int, pages: dict[int, list[Row]], key: Any) -> None:
        """Take the rows as they are now; redraw only if something changed, and follow the cursor's row."""
        if self._loaded and self._pages.same(count, pages):
            return
        before = self.cursor_row
        if self.stick_to_top and not before:
            key = None
        self._take(count, pages)
        found = place_of(key, pages) if key is not None else None
        after = before if found is None else found
        if after != before and self.scroll_offset.y:
            self.scroll_to(y=self.scroll_offset.y + after - before, animate=False)
        self.cursor_row = after
        self._tell()

    def _take(self, count: int, pages: dict[int, list[Row]], trouble: str = "") -> None:
        self._pages.take(count, pages)
        self._trouble, self._loaded = trouble, not trouble
        self._measure(self.size.width)
        self.cursor_row = self.validate_cursor_row(self.cursor_row)
        self.refresh()
        self.post_message(self.Counted(self, count))

    def _measure(self, width: int) -> None:
        if (size := Size(width, (self.row_count or SENTENCE) + self._head)) != self.virtual_size:
            self.virtual_size = size

    # What is fetched

    def _want(self) -> None:
        """Fetch what is about to be seen. Drawing asks for it, so it must not happen there."""
        if not self._filling and self._shown is not None:
            self._filling = True
            self.call_later(self._fill)

    @work(group="fetch")
    async def _fill(self) -> None:
        """Fetch what is missing page by page: what was passed by meanwhile, with a key held down, is not."""
        try:
            while self._shown is not None:
                (source, view), age = self._shown, self._pages.age
                number = self._pages.missing(self.scroll_offset.y, self._body_height, self._towards)
                if number is None:
                    break
                rows = await source.page(view, number * PAGE, PAGE)
                if age == self._pages.age:
                    self._pages.keep(number, rows)
                    self.refresh()
                    self._tell()
        finally:
            self._filling = False

    def watch_scroll_y(self, before: float, after: float) -> None:
        """Keep in mind where to, and fetch ahead."""
        super().watch_scroll_y(before, after)
        self._towards = 1 if after > before else -1
        self._want()

    # The cursor

    def validate_cursor_row(self, index: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(index, self.row_count - 1))

    def watch_cursor_row(self, before: int, after: int) -> None:
        """Redraw the two lines and keep the cursor in view."""
        self.refresh_row(before)
        self.refresh_row(after)
        top, height = self.scroll_offset.y, self._body_height
        if after < top:
            self.scroll_to(y=after, animate=False)
        elif after >= top + height:
            self.scroll_to(y=after - height + 1, animate=False)
        self._tell()

    def refresh_row(self, index: int) -> None:
        """Draw one row again, if it is seen."""
        y = index - self.scroll_offset.y + self._head
        if self._head <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    @property
    def _body_height(self) -> int:
        return max(self.size.height - self._head, 1)

    def _tell(self) -> None:
        """Say which row the cursor is on, once for each."""
        key = self.cursor_key
        known = key is not None or (self._loaded and not self.row_count)
        if known and (self._told is self or key != self._told):
            self._told = key
            self.post_message(self.Highlighted(self, key))
