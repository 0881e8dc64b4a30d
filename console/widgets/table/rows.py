"""Rows, the columns that they have, and the queries that give them a page at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rich.text import Text

from store.view import View

PAGE = 100
"""Rows fetched at once: a little more than the tallest terminal shows."""

Row = tuple[Any, tuple[Text | str, ...]]
"""A row's key, by which it is known across refreshes, and its cells.

A str is outside text; a Text holds text that is inert already, and its style may be a colour of the
theme: `Text("failed", "$error")`.
"""

Read = Callable[[Callable[[Any], Any]], Awaitable[Any]]
"""The app's `read`: runs what it is given on a connection, in a read transaction off the UI's thread."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of so many cells; without a width it shares what is left.

    key         by which a View orders and filters; the queries behind the list know it
    from_width  the column is left out where the list is narrower than this
    fields      what an export writes for it; None for the field called as its key
    """

    key: str
    title: str
    width: int | None = None
    align: Literal["left", "right"] = "left"
    from_width: int = 0
    fields: tuple[str, ...] | None = None


class PageSource(Protocol):
    """A query as the list asks it. Both may raise PassbellError; its sentence is shown in place.

    One that can be ordered and filtered has `asked` besides: the keys of the columns that a View may name.
    One that can be exported has `exported`, which gives what is written where it is looked at in a way.
    """

    async def count(self, view: View) -> int:
        """How many rows there are when they are looked at like this."""
        ...

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Rows from `offset` on."""
        ...


class FunctionSource:
    """A PageSource made of two functions, each asked in a read transaction of its own off the UI's thread."""

    def __init__(
        self,
        read: Read,
        count: Callable[[Any, View], int],
        page: Callable[[Any, View, int, int], list[Row]],
        asked: Collection[str] = (),
        exported: Callable[[View], Any] | None = None,
    ) -> None:
        """`count(connection, view)` and `page(connection, view, offset, limit)` query."""
        self._read, self._count, self._page = read, count, page
        self.asked, self.exported = frozenset(asked), exported

    async def count(self, view: View) -> int:
        """How many rows there are."""
        return int(await self._read(lambda connection: self._count(connection, view)))

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Rows from `offset` on."""
        rows: list[Row] = await self._read(lambda connection: self._page(connection, view, offset, limit))
        return rows


def share_out(columns: Sequence[Column], width: int, hidden: frozenset[str] = frozenset()) -> list[int]:
    """Cells for each column, 0 where it is left out: fixed ones first, the others share the rest."""
    shown = [column.from_width <= width and column.key not in hidden for column in columns]
    taken = sum((column.width or 0) + 1 for column, on in zip(columns, shown, strict=True) if on)
    sharing = sum(1 for column, on in zip(columns, shown, strict=True) if on and not column.width)
    room, extra = divmod(max(width - taken - 1, 6 * sharing), sharing or 1)
    widths = []
    for column, on in zip(columns, shown, strict=True):
        share = room + (1 if extra > 0 else 0)
        extra -= 0 if column.width or not on else 1
        widths.append((column.width or share) if on else 0)
    return widths
