"""The rows of a list that are at hand: a few pages of them, and which one to fetch next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from console.widgets.table.rows import PAGE, Row

KEPT_PAGES = 12
NEAR = PAGE // 2
"""Rows from the edge of a page within which the next one in the scroll's direction is fetched ahead."""


class Pages:
    """Of `count` rows those that were fetched and are not forgotten yet.

    age  counts how often all rows were exchanged: a page asked for before that is none of theirs
    """

    def __init__(self) -> None:
        self.count = 0
        self.age = 0
        self._kept: OrderedDict[int, list[Row]] = OrderedDict()

    def __len__(self) -> int:
        """How many pages are at hand."""
        return len(self._kept)

    def row_at(self, index: int) -> Row | None:
        """The row, if it exists and is at hand."""
        rows = self._kept.get(index // PAGE)
        place = index % PAGE
        return rows[place] if rows is not None and place < len(rows) and index < self.count else None

    def take(self, count: int, pages: Mapping[int, list[Row]]) -> None:
        """Exchange all rows."""
        self.count, self._kept = count, OrderedDict(pages)
        self.age += 1

    def keep(self, number: int, rows: list[Row]) -> None:
        """Add a page; those that were not drawn for longest are forgotten."""
        self._kept[number] = rows
        while len(self._kept) > KEPT_PAGES:
            self._kept.popitem(last=False)

    def touch(self, index: int) -> None:
        """A row was drawn: its page is forgotten last."""
        self._kept.move_to_end(index // PAGE)

    def same(self, count: int, pages: Mapping[int, list[Row]]) -> bool:
        """Whether nothing has changed."""
        return count == self.count and all(self._kept.get(number) == rows for number, rows in pages.items())

    def missing(self, top: int, height: int, towards: int) -> int | None:
        """The page to fetch next: one that is seen from row `top` on, else the one that a scroll comes to.

        `towards` is below 0 for a scroll upwards, above for one downwards, 0 for none yet.
        """
        seen, last = visible(top, height), (self.count - 1) // PAGE
        for number in seen:
            if number <= last and number not in self._kept:
                return number
        if not towards:
            return None
        ahead = seen[-1] + 1 if towards > 0 else seen[0] - 1
        beyond = ahead * PAGE - (top + height) if towards > 0 else top - seen[0] * PAGE
        return ahead if beyond < NEAR and 0 <= ahead <= last and ahead not in self._kept else None


def visible(top: int, height: int) -> range:
    """The pages of `height` rows from row `top` on."""
    return range(top // PAGE, (top + height - 1) // PAGE + 1)


def place_of(key: Any, pages: Mapping[int, list[Row]]) -> int | None:
    """The place of a row in the list, if it is on these pages."""
    places = (n * PAGE + i for n, rows in pages.items() for i, row in enumerate(rows) if row[0] == key)
    return next(places, None)
