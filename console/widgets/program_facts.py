"""What is known of one program, in words: who can be reached, and what keeps phones from alerting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from textual.content import Content

from console import words
from console.plain import inert
from console.wishes import rules_in_words
from store.members import Reach
from store.programs import STATES, Program, Tier
from store.rules import Rules
from store.times import now

ALERTS = {
    "ok": ("can alert", "$success"),
    "unknown": ("may alert", "$warning"),
    "no_placeholder": ("not all alert", "$error"),
    "no_change_message": ("not all alert", "$error"),
    "no_field": ("not all alert", "$error"),
}
"""A program's worst design in two words, and their colour."""

SIGNS = {"ok": ("●", "$text-success"), "unknown": ("◌", "$text-warning")}
SHOWN_TIERS = 6


def facts(
    program: Program, tiers: Sequence[Tier], reach: Reach, held: Rules, own: Mapping[str, Any], field: str
) -> Content:
    """The program's name, its designs, how far its messages get, and the rules they go by."""
    lines = [Content.assemble((inert(program.name, 60), "bold"), (f"  {inert(program.id, 40)}", "$quiet"))]
    if program.own:
        lines.append(Content("Our own: passbell issues its passes. `passbell passes issue` hands them out."))
    elif program.synced_at is None:
        lines.append(Content("Never synced: press s to read its members."))
    elif program.message_field != field:
        lines.append(
            Content.styled(f"Synced for another message field than {field}: press s first.", "$text-warning")
        )
    found = {tier.message_field_state for tier in tiers}
    lines += [_designs(state, tiers) for state in STATES if state in found]
    if told := _reach(reach):
        lines.append(Content.styled(told, "$quiet"))
    lines.append(_rules(held, own))
    return Content("\n").join(lines)


def since(moment: datetime | None) -> str:
    """`2 h ago`, `never`."""
    if moment is None:
        return "never"
    seconds = (now() - moment).total_seconds()
    if seconds < 60:
        return "just now"
    for span, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= span:
            return f"{int(seconds // span)} {unit} ago"
    return "just now"


def _designs(state: str, tiers: Sequence[Tier]) -> Content:
    """One line for all designs in the same state."""
    sign, colour = SIGNS.get(state, ("○", "$text-error"))
    names = [inert(tier.name, 40) for tier in tiers if tier.message_field_state == state]
    if len(names) > SHOWN_TIERS:
        names[SHOWN_TIERS:] = [f"{len(names) - SHOWN_TIERS} more"]
    return Content.assemble(
        (f"{sign} ", colour), ", ".join(names), (f": {words.FIELD_STATES[state]}", "$quiet")
    )


def _rules(held: Rules, own: Mapping[str, Any]) -> Content:
    """What holds, and whether the program says so itself; a pair of quiet hours is one rule."""
    count = sum(value is not None for name, value in own.items() if name != "quiet_to")
    whose = f"Rules, {count} of its own:" if count else "Rules of the settings:"
    return Content.assemble((f"{whose} ", "$quiet"), " · ".join(rules_in_words(held)))


def _reach(reach: Reach) -> str:
    told = [
        (reach.opted_out, "opted out"),
        (reach.not_installed, "not in a wallet"),
        (reach.google_only, "Google only: no sound"),
    ]
    return " · ".join(f"{count:,} {said}" for count, said in told if count)
