"""A list of any length: a view over a query that fetches a page at a time and draws what is visible."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import work
from textual.color import Color
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.actions import Acting, bindings
from console.widgets.cells import Look, fit, line
from store.errors import PassbellError

PAGE = 100
"""Rows fetched at once: a little more than the tallest terminal shows."""
KEPT_PAGES = 12

Row = tuple[Any, tuple[Text | str, ...]]
"""A row's key, by which it is known across refreshes, and its cells.

A str is outside text; a Text holds text that is inert already, and its style may be a colour of the
theme: `Text("failed", "$error")`.
"""


class PageSource(Protocol):
    """A query as the table asks it. Both may raise PassbellError; its sentence is shown in place."""

    async def count(self) -> int:
        """How many rows there are."""
        ...

    async def page(self, offset: int, limit: int) -> list[Row]:
        """Rows from `offset` on."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """A column of so many cells; without a width it shares what is left.

    from_width  the column is left out where the table is narrower than this
    """

    key: str
    title: str
    width: int | None = None
    align: Literal["left", "right"] = "left"
    from_width: int = 0


class VirtualTable(Acting, ScrollView, can_focus=True):
    """Rows of a PageSource under one header. Only visible lines are drawn, only their pages are fetched."""

    BINDINGS = bindings("table")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--header", "table--cursor", "table--empty"}
    DEFAULT_CSS = """
    VirtualTable {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .table--header { color: $quiet; }
        & > .table--empty { color: $quiet; }
        & > .table--cursor { background: $primary-muted; color: $foreground; }
        &:focus > .table--cursor {
            background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
        }
    }
    """

    cursor_row = reactive(0, repaint=False)

    class Highlighted(Message):
        """The cursor is on another row; `key` is None where there are no rows."""

        def __init__(self, table: VirtualTable, key: Any) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> VirtualTable:
            """The table, so that `@on` can tell it by its id."""
            return self.table

    class Selected(Highlighted):
        """The row was opened, by Enter or a double click."""

    class Counted(Message):
        """The query was asked how many rows it has."""

        def __init__(self, table: VirtualTable, count: int) -> None:
            super().__init__()
            self.table, self.count = table, count

        @property
        def control(self) -> VirtualTable:
            """The table, so that `@on` can tell it by its id."""
            return self.table

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
        self.empty = empty
        self.stick_to_top = stick_to_top
        """Whether a cursor on the first row stays there when rows come in above it."""
        self.row_count = 0
        self._source: PageSource | None = None
        self._pages: OrderedDict[int, list[Row]] = OrderedDict()
        self._wanted: set[int] = set()
        self._told: Any = self
        self._loaded = False
        self._trouble = ""
        self._refreshing = self._refresh_again = False

    # What it shows

    def show(self, source: PageSource, *, empty: str | None = None) -> None:
        """Show another query from its first row. The old rows stay until the new ones are there."""
        self._source = source
        if empty is not None:
            self.empty = empty
        self._wanted.clear()
        self._begin(source)

    def show_nothing(self, reason: str) -> None:
        """Show no rows, and why there are none."""
        self._source, self.empty = None, reason
        self.workers.cancel_group(self, "begin")
        self._take(0, {})
        self._tell()

    def refresh_rows(self) -> None:
        """Ask again for what is visible; cursor and scroll stay with the row they are on."""
        if self._source is None:
            return
        if self._refreshing:
            self._refresh_again = True
            return
        self._refreshing = True
        self._renew(self._source)

    @property
    def cursor_key(self) -> Any:
        """The key of the row under the cursor; None where there is none, or it is not fetched yet."""
        row = self.row_at(self.cursor_row)
        return row[0] if row else None

    def row_at(self, index: int) -> Row | None:
        """The row, if it exists and is fetched."""
        rows = self._pages.get(index // PAGE)
        place = index % PAGE
        return rows[place] if rows is not None and place < len(rows) and index < self.row_count else None

    @work(group="begin", exclusive=True)
    async def _begin(self, source: PageSource) -> None:
        try:
            count, first = await source.count(), await source.page(0, PAGE)
        except PassbellError as error:
            self._take(0, {}, str(error))
            return
        if source is self._source:
            self.scroll_to(y=0, animate=False)
            self._take(max(count, len(first)), {0: first})
            self.cursor_row = 0
            self._tell()

    @work(group="renew")
    async def _renew(self, source: PageSource) -> None:
        key, index = self.cursor_key, self.cursor_row
        numbers = sorted({index // PAGE, *self._visible_pages()})
        try:
            count = await source.count()
            pages = {number: await source.page(number * PAGE, PAGE) for number in numbers}
        except PassbellError as error:
            if self._loaded or source is not self._source:
                raise
            self._take(0, {}, str(error))
        else:
            if source is self._source:
                self._exchange(count, pages, key if index == self.cursor_row else self.cursor_key)
        finally:
            self._refreshing = False
        if self._refresh_again:
            self._refresh_again = False
            self.refresh_rows()

    def _exchange(self, count: int, pages: dict[int, list[Row]], key: Any) -> None:
        """Take the rows as they are now; redraw only if something changed, and follow the cursor's row."""
        if count == self.row_count and all(self._pages.get(n) == rows for n, rows in pages.items()):
            return
        before = self.cursor_row
        if self.stick_to_top and not before:
            key = None
        self._take(count, pages)
        found = (n * PAGE + i for n, rows in pages.items() for i, row in enumerate(rows) if row[0] == key)
        after = next(found, before) if key is not None else before
        if after != before and self.scroll_offset.y:
            self.scroll_to(y=self.scroll_offset.y + after - before, animate=False)
        self.cursor_row = after
        self._tell()

    def _take(self, count: int, pages: dict[int, list[Row]], trouble: str = "") -> None:
        self._pages = OrderedDict(pages)
        self._wanted.clear()
        self.row_count, self._trouble, self._loaded = count, trouble, not trouble
        if (size := Size(self.size.width, count + 1)) != self.virtual_size:
            self.virtual_size = size
        self.cursor_row = self.validate_cursor_row(self.cursor_row)
        self.refresh()
        self.post_message(self.Counted(self, count))

    def _want(self, number: int) -> None:
        """Fetch a page that is about to be seen. Drawing asks for it, so it must not happen there."""
        if number not in self._wanted and self._source is not None:
            self._wanted.add(number)
            self.call_later(self._fetch_soon, number)

    def _fetch_soon(self, number: int) -> None:
        if self._source is not None and number in self._visible_pages():
            self._fetch(self._source, number)
        else:
            self._wanted.discard(number)

    @work(group="fetch")
    async def _fetch(self, source: PageSource, number: int) -> None:
        try:
            rows = await source.page(number * PAGE, PAGE)
        except PassbellError:
            self._wanted.discard(number)
            raise
        if source is not self._source or number not in self._wanted:
            return
        self._wanted.discard(number)
        self._pages[number] = rows
        while len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        self.refresh()
        self._tell()

    def _visible_pages(self) -> range:
        top = self.scroll_offset.y
        return range(top // PAGE, (top + max(self.size.height - 2, 0)) // PAGE + 1)

    # The cursor

    def validate_cursor_row(self, index: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(index, self.row_count - 1))

    def watch_cursor_row(self, before: int, after: int) -> None:
        """Redraw the two lines and keep the cursor in view."""
        for index in (before, after):
            y = index - self.scroll_offset.y + 1
            if 0 < y < self.size.height:
                self.refresh(Region(0, y, self.size.width, 1))
        top, height = self.scroll_offset.y, self._body_height
        if after < top:
            self.scroll_to(y=after, animate=False)
        elif after >= top + height:
            self.scroll_to(y=after - height + 1, animate=False)
        self._tell()

    @property
    def _body_height(self) -> int:
        return max(self.size.height - 1, 1)

    def _tell(self) -> None:
        """Say which row the cursor is on, once for each."""
        key = self.cursor_key
        if (key is None and (self.row_count or not self._loaded)) or (
            key == self._told and self._told is not self
        ):
            return
        self._told = key
        self.post_message(self.Highlighted(self, key))

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

    def action_select(self) -> None:
        """Open the row."""
        if (key := self.cursor_key) is not None:
            self.post_message(self.Selected(self, key))

    def on_click(self, event: Click) -> None:
        """A click moves the cursor, a second one opens the row."""
        index = self.scroll_offset.y + event.y - 1
        if event.y > 0 and index < self.row_count:
            self.cursor_row = index
            if event.chain == 2:
                self.action_select()

    # Drawing

    def on_resize(self, event: Resize) -> None:
        """Fit the columns anew, with the cursor still in view."""
        self.virtual_size = Size(event.size.width, self.row_count + 1)
        self.watch_cursor_row(self.cursor_row, self.cursor_row)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One visible line: the header, a row, a sentence where there are none, or nothing."""
        width, base = self.size.width, self.rich_style
        widths = share_out(self.columns, width)
        if y == 0:
            cells = [Text(column.title) for column in self.columns]
            return draw(self.columns, cells, widths, base + self._style("table--header"), width, self._look)
        index = self.scroll_offset.y + y - 1
        if index >= self.row_count:
            return self._sentence(y, width, base)
        row = self.row_at(index)
        if row is None:
            self._want(index // PAGE)
            return Strip([Segment(fit(" …", width), base + self._style("table--empty"))], width)
        if index // PAGE in self._pages:
            self._pages.move_to_end(index // PAGE)
        if index != self.cursor_row:
            return draw(self.columns, row[1], widths, base, width, self._look)
        look = _plainly if self.has_focus else self._look
        return draw(self.columns, row[1], widths, self.get_component_rich_style("table--cursor"), width, look)

    def _sentence(self, y: int, width: int, base: Style) -> Strip:
        if self.row_count or not (self._loaded or self._trouble):
            return Strip.blank(width, base)
        lines = Text(self._trouble or self.empty).wrap(self.app.console, max(width - 4, 10))
        text = lines[y - 2].plain if 2 <= y < len(lines) + 2 else ""
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
) -> Strip:
    """One line of cells, each in the width that its column was given."""
    segments: list[Segment] = []
    for column, cell, room in zip(columns, cells, widths, strict=True):
        if room:
            segments.append(Segment(" ", style))
            segments += line(cell, room, column.align, style, look)
    return Strip(segments).adjust_cell_length(width, style)


def share_out(columns: Sequence[Column], width: int) -> list[int]:
    """Cells for each column, 0 where it is left out: fixed ones first, the others share the rest."""
    shown = [column.from_width <= width for column in columns]
    taken = sum((column.width or 0) + 1 for column, on in zip(columns, shown, strict=True) if on)
    sharing = sum(1 for column, on in zip(columns, shown, strict=True) if on and not column.width)
    room, extra = divmod(max(width - taken - 1, 6 * sharing), sharing or 1)
    widths = []
    for column, on in zip(columns, shown, strict=True):
        share = room + (1 if extra > 0 else 0)
        extra -= 0 if column.width or not on else 1
        widths.append((column.width or share) if on else 0)
    return widths


def _plainly(_: str | Style) -> Style:
    """No colours of its own for a row under the cursor: they might vanish in the cursor's."""
    return Style.null()


class FunctionSource:
    """A PageSource made of two functions, each asked in a read transaction of its own off the UI's thread."""

    def __init__(
        self,
        read: Callable[[Callable[[Any], Any]], Any],
        count: Callable[[Any], int],
        page: Callable[[Any, int, int], list[Row]],
    ) -> None:
        """`read` is the app's `read`; `count(connection)` and `page(connection, offset, limit)` query."""
        self._read, self._count, self._page = read, count, page

    async def count(self) -> int:
        """How many rows there are."""
        return int(await self._read(self._count))

    async def page(self, offset: int, limit: int) -> list[Row]:
        """Rows from `offset` on."""
        rows: list[Row] = await self._read(lambda connection: self._page(connection, offset, limit))
        return rows
