"""What is said of a saved audience, in commands and on screens: its sizes over time, and where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.audiences import Uses
    from store.sizes import Size

NEWEST = 3
"""Blasts that are named; older ones are counted."""
BARS = "▁▂▃▄▅▆▇█"
LEVEL = "▄"
MOST_BARS = 12


def how_many(count: int) -> str:
    """`1 member`, `1,400 members`."""
    return "1 member" if count == 1 else f"{count:,} members"


def sparkline(sizes: Sequence[Size]) -> str:
    """A bar for each of the newest sizes, from the smallest of them to the largest: `▁▃█`."""
    numbers = [size.members for size in sizes[-MOST_BARS:]]
    low, high = min(numbers, default=0), max(numbers, default=0)
    if low == high:
        return LEVEL * len(numbers)
    return "".join(BARS[(number - low) * (len(BARS) - 1) // (high - low)] for number in numbers)


def sizes_in_words(sizes: Sequence[Size]) -> str:
    """`90 on 2026-11-20 18:00, 93 on 2026-11-21 18:00 (UTC)`: the oldest known and the newest."""
    told = [f"{size.members:,} on {size.at:%Y-%m-%d %H:%M}" for size in (*sizes[:1], *sizes[1:][-1:])]
    return f"{', '.join(told)} (UTC)" if told else "none yet"


def uses_in_words(uses: Uses) -> str:
    """`blast 7 (Rolls), blast 3 (Hello) and 4 older; the audience treat`."""
    told = [f"blast {id_} ({name})" for id_, name in uses.blasts[:NEWEST]]
    older = len(uses.blasts) - len(told)
    parts = [", ".join(told) + (f" and {older} older" if older else "")] if told else []
    return "; ".join(parts + [f"the audience {name}" for name in uses.audiences]) or "nothing yet"
