"""What home shows: the mode, who sends, the accounts, and how much was sent, drawn for a width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text
from textual.content import Content

from console.overview_words import NEEDS, account_in_words, days_in_words, pace_in_words, workers_in_words
from console.plain import inert
from console.plots import bar, sparkline
from console.widgets.cells import fit
from console.widgets.figures import STATE_COLOURS
from console.widgets.table.rows import Row
from jobs.overview import NAMES, Need, Overview, Running

if TYPE_CHECKING:
    from console.expiry import Weak

NAME = 9
"""Cells of the names at the left."""
BAR = 10
"""Cells of a bar."""
REACH = {"LIVE": "messages reach real phones", "REHEARSAL": "no message leaves this machine"}
MODE_COLOURS = {"LIVE": "$error", "REHEARSAL": "$success"}
NEED_COLOURS = {
    "no_worker": "$error",
    "held": "$error",
    "unusable": "$error",
    "missed": "$error",
    "failed": "$error",
    "waits": "$warning",
    "paused": "$warning",
    "expiring": "$warning",
}
URGENT = ("no_worker", "held", "unusable", "missed", "failed")
"""What is marked, so that no colour is needed to find it."""


def draw(found: Overview, weak: Sequence[Weak], width: int, *, tall: bool) -> Content:
    """The glance. `tall` has a line for each day."""
    lines = [_mode(found), _line("Workers", workers_in_words(found), width, bool(found.workers))]
    for one in found.accounts:
        short = [each.short for each in weak if each.short.startswith(NAMES[one.channel])]
        told = ", ".join([account_in_words(one, found.at), *short])
        well = not (one.held or one.rests or short)
        lines.append(_line(NAMES[one.channel], told, width, well, tall=tall))
    days = [day.accepted for day in found.days]
    if tall:
        lines += [Content(""), Content.styled("Accepted a day", "$quiet"), *_days(found, width)]
    else:
        told = f"{sparkline(days, len(days))}  {days_in_words(found)}"
        lines.append(_line("Today", told, width, True))
    return Content("\n").join(lines)


def _mode(found: Overview) -> Content:
    whose = ", ".join(f"{NAMES[one.channel]} {one.whose}" for one in found.accounts)
    return Content.assemble(
        (f" {found.mode} ", f"bold reverse {MODE_COLOURS[found.mode]}"),
        f" {REACH[found.mode]}",
        (f": {inert(whose, 120)}" if found.mode == "LIVE" else "", "$quiet"),
    )


def _line(name: str, told: str, width: int, well: bool, *, tall: bool = False) -> Content:
    """A name and what is said of it, cut to one line where there is no room for more."""
    told, room = inert(told, 400), max(width - NAME, 10)
    if not tall:
        told = fit(told, min(cell_len(told), room))
    return Content.assemble((f"{name:<{NAME}}", "$quiet"), (told, "" if well else "$text-warning"))


def _days(found: Overview, width: int) -> list[Content]:
    most = max(*(day.accepted for day in found.days), 1)
    room = max(width - 30, 10)
    lines = []
    for day in found.days:
        last = day is found.days[-1]
        name = "today" if last else f"{day.begins:%a %m-%d}"
        drawn = bar(day.accepted / most, room)
        style = "bold" if last else ""
        lines.append(
            Content.assemble((f"{name:<{NAME}} ", style), (drawn, "$success"), f" {day.accepted:>11,}")
        )
    return [*lines, Content.styled(days_in_words(found), "$quiet")]


def blast_row(one: Running) -> Row:
    """A blast under way."""
    share = one.done / one.to_send if one.to_send else 0.0
    colour = STATE_COLOURS[one.state]
    name = inert(one.name, 200)
    cells: tuple[Any, ...] = (
        str(one.id),
        Text.assemble(("urgent ", "$warning"), name) if one.urgent else name,
        Text(f"! {one.state}" if one.state == "held" else one.state, colour),
        Text(f"{bar(share, BAR)}{int(share * 100):4d}%"),
        Text(f"! {one.states['failed']:,}", "$error") if one.states["failed"] else "0",
        pace_in_words(one),
    )
    return one.id, cells


def need_key(one: Need) -> tuple[Any, ...]:
    """What a need is known by while its figures change."""
    return one.kind, one.blast, one.program, one.sentence if one.blast is None else ""


def need_row(one: Need) -> Row:
    """Something that needs a person."""
    word = f"! {NEEDS[one.kind]}" if one.kind in URGENT else f"  {NEEDS[one.kind]}"
    return need_key(one), (Text(word, NEED_COLOURS.get(one.kind, "")), one.sentence)
