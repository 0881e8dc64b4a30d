"""One way to look at a list, apart from what it means: the first screen is drawn before that is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a list. All filters hold at once; the list's own order is that of no column.

    order       the key of the column that it is ordered by; "" for the list's own order
    descending  whether from the last to the first
    filters     pairs of a column's key and what was typed for it, as people type it: `gold`, `>500`
    search      what was typed for the whole list
    """

    order: str = ""
    descending: bool = False
    filters: tuple[tuple[str, str], ...] = ()
    search: str = ""
