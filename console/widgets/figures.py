"""Figures with what they mean beside them, the numbers in one column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.content import Content

from console import words
from console.plain import inert
from console.widgets.cells import wrapped
from jobs.preview import Preview
from store.ledger import Tally

NAMES = 10
"""Cells of the column of names."""

ROOM = 9
"""Cells of the numbers' column: up to 9,999,999."""

COLOURS = {
    "alert": "$text-success",
    "silent": "$text-warning",
    "unproven": "$text-warning",
    "nothing": "$quiet",
}
"""A verdict's colour. Its words say the same without colours."""

STATE_COLOURS = {
    "running": "$success",
    "finished": "$quiet",
    "held": "$error",
    "paused": "$warning",
    "planned": "$accent",
    "scheduled": "$accent",
    "missed": "$warning",
    "cancelled": "$quiet",
    "accepted": "$success",
    "failed": "$error",
}
"""The colour of a blast's or delivery's state, where it has one."""

SHORT = {
    "alert": "phones show it on the lock screen",
    "silent": "passes change silently (Google)",
    "unproven": "may alert: wallet or design unknown",
}
"""Verdicts of what is sent, where there is little room."""

OWN = {
    "alert": words.VERDICTS["alert"],
    "silent": "the pass shows this very text already",
    "unproven": "Google Wallet: the pass gets the text; Google words its own alert, or gives none",
}
OWN_SHORT = {
    "alert": SHORT["alert"],
    "silent": "passes change silently",
    "unproven": "Google words its own alert, or none",
}
"""The same of passes that we issue."""

WHERE = {
    "LIVE": "Real phones get this message.",
    "REHEARSAL": "The stand-in PassKit answers: no phone gets anything.",
}

OWN_STAND_INS = "Stand-ins for Apple and Google: no phone gets anything."

Line = tuple[int, str, str]
"""A number, its words, and the number's style."""


def mode_line(mode: str, *, own: bool = False) -> Content:
    """LIVE or REHEARSAL, and what that means, over a question that sends something; `own`: to own passes."""
    where = OWN_STAND_INS if own and mode == "REHEARSAL" else WHERE[mode]
    return Content.assemble((f" {mode} ", "bold reverse"), "  ", where)


def figure_lines(lines: Iterable[Line], width: int) -> Content:
    """One figure after the other, their words broken at so many cells beside the numbers."""
    told = []
    for number, meaning, style in lines:
        hanging = f"\n{'':{ROOM + 2}}".join(wrapped(inert(meaning), width - ROOM - 2))
        told.append(Content.assemble((f"{number:>{ROOM},}", style), "  ", Content(hanging)))
    return Content("\n").join(told)


def fact_lines(facts: Mapping[str, str], width: int) -> list[Content]:
    """A name and its fact a line, long facts broken under each other; empty ones are left out."""
    lines = []
    for name, fact in facts.items():
        broken = [line for part in fact.strip().split("\n") for line in wrapped(inert(part), width - NAMES)]
        if any(broken):
            hanging = f"\n{'':{NAMES}}".join(broken)
            lines.append(Content.assemble((f"{name:<{NAMES}}", "$quiet"), Content(hanging)))
    return lines


def messaged_lines(messaged: dict[str, int], *, short: bool = False, own: bool = False) -> list[Line]:
    """Passes that are messaged, by what their phones will do; `own`: passes that we issue."""
    meanings = (OWN_SHORT if short else OWN) if own else SHORT if short else words.VERDICTS
    return [(number, meanings[verdict], COLOURS[verdict]) for verdict, number in messaged.items()]


def skipped_lines(skipped_by_reason: dict[str, int], *, short: bool = False) -> list[Line]:
    """Passes that are not, by reason; `short` leaves the explanation behind its colon out."""
    told = {reason: words.reason(reason) for reason in skipped_by_reason}
    return [
        (number, told[reason].partition(":")[0] if short else told[reason], "$quiet")
        for reason, number in skipped_by_reason.items()
    ]


def waiting_lines(told: Tally | Preview, time_zone: str | None) -> list[Line]:
    """Passes that are messaged later, by what they wait for."""
    return [
        (number, f"wait: {words.waiting(reason, told.deferred_until[reason], time_zone)}", "$text-warning")
        for reason, number in told.deferred_by_reason.items()
    ]


def messaged_of(tally: Tally) -> dict[str, int]:
    """The verdicts of a planned blast's pending deliveries.

    Skipped ones have the verdict `silent` where the text is the same, and `nothing` otherwise.
    """
    same = tally.skipped_by_reason.get("same_text", 0)
    left = dict(tally.verdicts) | {"silent": tally.verdicts.get("silent", 0) - same}
    return {verdict: left[verdict] for verdict in ("alert", "silent", "unproven") if left.get(verdict)}
