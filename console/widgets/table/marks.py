"""Rows taken out of a list: those that are marked, wherever they are in it, and text for the clipboard."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich.text import Text

from console.plain import inert
from console.widgets.table.rows import Column, PageSource, Row
from store.view import View

STRIDE = 1_000
"""Rows asked for at once where a whole list is gone through."""


class Marks:
    """Keys of marked rows, in the order in which they were marked.

    away  those that were looked for and are not in the list as it is looked at
    """

    def __init__(self) -> None:
        self.keys: dict[Any, None] = {}
        self.away: frozenset[Any] = frozenset()

    def toggle(self, key: Any) -> None:
        """Mark a row that is in the list, or take its mark away."""
        if key in self.keys:
            del self.keys[key]
        else:
            self.keys[key] = None
        self.away -= {key}

    def put(self, keys: Iterable[Any]) -> None:
        """Mark these, which are in the list, and no others."""
        self.keys, self.away = dict.fromkeys(keys), frozenset()

    @property
    def here(self) -> list[Any]:
        """Those that are in the list, as far as that is known."""
        return [key for key in self.keys if key not in self.away]

    def in_words(self) -> str:
        """`3 marked, 1 of them hidden by the filter`; "" for none."""
        if not self.keys:
            return ""
        hidden = f", {len(self.away):,} of them hidden by the filter" if self.away else ""
        return f"{len(self.keys):,} marked{hidden}"


async def picked(source: PageSource, view: View, keys: Collection[Any]) -> list[Row]:
    """The rows with these keys in the order of the list; those that it does not show are left out."""
    found: list[Row] = []
    total, offset = await source.count(view), 0
    while offset < total and len(found) < len(keys):
        found += [row for row in await source.page(view, offset, STRIDE) if row[0] in keys]
        offset += STRIDE
    return found


async def every_key(source: PageSource, view: View) -> list[Any]:
    """The keys of all rows."""
    total = await source.count(view)
    return [row[0] for at in range(0, total, STRIDE) for row in await source.page(view, at, STRIDE)]


def as_text(columns: Sequence[Column], rows: Iterable[Row], hidden: frozenset[str]) -> str:
    """The rows' cells parted by tabs, a line each, without the columns that are taken out."""
    return "\n".join(
        "\t".join(
            cell_text(cell) for column, cell in zip(columns, cells, strict=True) if column.key not in hidden
        )
        for _, cells in rows
    )


def cell_text(cell: Text | str) -> str:
    """What a cell says. It does nothing where it is pasted: escape sequences are spelled out."""
    return cell.plain if isinstance(cell, Text) else inert(cell)
