"""How a list is looked at: the next way on a key, the words for it, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from console.plain import inert
from console.plots import sign
from console.widgets.table.rows import Column
from store.view import View

LONGEST = 40
"""Characters of a filter's words that are repeated over the rows."""


def ordered(view: View, key: str) -> View:
    """By this column from its first to its last; where it is that already, the other way, then not at all."""
    if view.order != key:
        return replace(view, order=key, descending=False)
    return (
        replace(view, descending=True) if not view.descending else replace(view, order="", descending=False)
    )


def filtered(view: View, key: str, words: str) -> View:
    """With these words for a column; with none, without its filter. A new one comes last."""
    filters = dict(view.filters)
    if words.strip():
        filters[key] = words.strip()
    else:
        filters.pop(key, None)
    return replace(view, filters=tuple(filters.items()))


def in_words(view: View, columns: Sequence[Column]) -> str:
    """`only TIER gold, POINTS >500` and `by NAME, descending`; "" for the whole list in its own order."""
    titles = {column.key: column.title or column.key for column in columns}
    told = []
    if view.filters:
        only = ", ".join(f"{titles.get(key, key)} {inert(words, LONGEST)}" for key, words in view.filters)
        told.append(f"only {only}")
    if view.order:
        told.append(
            f"by {titles.get(view.order, view.order)}, {'descending' if view.descending else 'ascending'}"
        )
    return f" {sign('dot')} ".join(told)


def as_json(view: View) -> dict[str, Any]:
    """What is remembered of it."""
    return {
        "order": view.order,
        "descending": view.descending,
        "filters": [list(one) for one in view.filters],
    }


def from_json(value: Any, columns: Sequence[Column]) -> View:
    """What was remembered, without what is of another kind, or of columns that there are no more."""
    if not isinstance(value, Mapping):
        return View()
    keys = {column.key for column in columns}
    order, filters = value.get("order"), value.get("filters")
    pairs = [tuple(one) for one in filters if isinstance(one, list)] if isinstance(filters, list) else []
    known = order if isinstance(order, str) and order in keys else ""
    return View(
        order=known,
        descending=bool(known) and value.get("descending") is True,
        filters=tuple(
            (one[0], one[1])
            for one in pairs
            if len(one) == 2 and all(isinstance(part, str) for part in one) and one[0] in keys
        ),
    )


def hidden_from_json(value: Any, columns: Sequence[Column]) -> frozenset[str]:
    """The columns that were taken out, unless that would leave none."""
    known = {column.key for column in columns}
    hidden = {key for key in value if isinstance(key, str)} & known if isinstance(value, list) else set()
    return frozenset(hidden) if hidden != known else frozenset()
