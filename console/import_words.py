"""Imports in words: what columns become, what became of rows, and what undoing means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console import words
from console.plain import inert
from jobs.intake.mapping import EXTERNAL_ID, LOCALE, NOTHING, PASSENGER, TIME_ZONE

if TYPE_CHECKING:
    from jobs.intake.undo import Undone

TARGETS = {
    EXTERNAL_ID: "the member's id",
    TIME_ZONE: "time zone",
    LOCALE: "language",
    PASSENGER: "the name",
    NOTHING: "nothing",
}
OUTCOMES = ("created", "new", "changed", "unchanged", "rejected")
LONGEST = 200
SHOWN = 10


def target(word: str) -> str:
    """What a column becomes: `the member's id`, `attribute zip`, `nothing`."""
    return TARGETS.get(word) or f"attribute {inert(word, LONGEST)}"


def mapping(targets: Mapping[str, str]) -> str:
    """A whole mapping: `id → the member's id; Postal code → zip; city; left out: Notes`."""
    kept = [
        column if column == word else f"{column} → {TARGETS.get(word, word)}"
        for column, word in targets.items()
        if word != NOTHING
    ]
    left = [column for column, word in targets.items() if word == NOTHING]
    return "; ".join(_some(kept) + ([f"left out: {', '.join(_some(left))}"] if left else []))


def counts(found: Mapping[str, int]) -> str:
    """`1,000 rows: 120 new, 30 changed`: what is not zero."""
    return f"{found['rows']:,} rows: {words.figures({word: found[word] for word in OUTCOMES})}"


def sample(one: Mapping[str, Any]) -> str:
    """A row's values: `zip: 1010 → 1020; city: Wien`; a value without an arrow was not there before."""
    before = one.get("before", {})
    told = []
    for name, value in one["attributes"].items():
        became = "taken away" if value is None else str(value)
        told.append(f"{name}: {before[name]} → {became}" if name in before else f"{name}: {became}")
    return "; ".join(told)


def importing(found: Mapping[str, int]) -> str:
    """What an import is about to do."""
    told = [f"{found['created']:,} boarding records are made."] if found["created"] else []
    touched = found["new"] + found["changed"]
    if touched or not told:
        told.append(f"{touched:,} members get other values.")
    if found["unchanged"]:
        told.append(f"{found['unchanged']:,} have all of them already.")
    if found["rejected"]:
        told.append(f"{found['rejected']:,} rows are left out, each for the reason that is listed.")
    return " ".join(told) + "\nAll of it or nothing; it can be undone."


def undoing(found: Mapping[str, int]) -> str:
    """What undoing an import is about to do."""
    restored = found.get("new", 0) + found.get("changed", 0)
    told = f"{restored:,} members become what they were before it."
    if made := found.get("created", 0):
        told += f" {made:,} boarding records that it made are taken out."
    return f"{told}\nWhat a sync or a person wrote there since then stays."


def undone(report: Undone) -> str:
    """What undoing an import did."""
    told = f"{report.restored:,} members are as they were before it"
    return told + (f", {report.removed:,} boarding records are gone" if report.removed else "")


def minute(at: datetime | None) -> str:
    """`2026-11-21 18:00`, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _some(names: list[str]) -> list[str]:
    return names if len(names) <= SHOWN else [*names[:SHOWN], f"{len(names) - SHOWN} more"]
