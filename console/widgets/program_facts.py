"""What is known of one program, in words: who can be reached, and what keeps phones from alerting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.content import Content

from console import words
from console.expiry import Weak
from console.keymap import key_of, keyed
from console.plain import inert
from console.wishes import rules_in_words
from store import issued, members, programs, rules, templates
from store.members import Reach
from store.programs import STATES, Program, Tier
from store.rules import Rules
from store.settings import Settings
from store.times import now

if TYPE_CHECKING:
    import sqlalchemy as sa

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


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a program.

    held, own  the rules that hold, and those of the program itself
    template   the version in force, of a program of our own
    issued     by channel, passes of our own: those issued, and those in a wallet
    """

    tiers: Sequence[Tier]
    reach: Reach
    held: Rules
    own: Mapping[str, Any]
    template: int | None
    issued: Mapping[str, tuple[int, int]]


def read(connection: sa.Connection, settings: Settings, program: Program) -> Known:
    """All of it."""
    return Known(
        programs.list_tiers(connection, program.id),
        members.reach(connection, program.id),
        rules.effective(connection, settings.gate, program.id),
        rules.own(connection, program.id),
        templates.newest_version(connection, program.id) if program.own else None,
        issued.counts(connection, program.id) if program.own else {},
    )


def facts(program: Program, known: Known, settings: Settings, weak: Sequence[Weak] = ()) -> Content:
    """The program's name, its designs, how far its messages get, and the rules they go by.

    `weak` are the credentials that need somebody, which own passes hang on.
    """
    lines = [Content.assemble((inert(program.name, 60), "bold"), (f"  {inert(program.id, 40)}", "$quiet"))]
    tiers, field = known.tiers, settings.passkit.message_field
    if program.own:
        lines += [
            Content.styled(inert(one.sentence, 300), "$text-error" if one.fails else "$text-warning")
            for one in weak
        ]
        lines += _own(known, settings)
    elif program.synced_at is None:
        lines.append(Content(keyed("Never synced: press <programs.sync> to read its members.")))
    elif program.message_field != field:
        lines.append(
            Content.styled(
                f"Synced for another message field than {field}: press {key_of('programs.sync')} first.",
                "$text-warning",
            )
        )
    found = {tier.message_field_state for tier in tiers}
    lines += [_designs(state, tiers) for state in STATES if state in found]
    if told := _reach(known.reach, own=program.own):
        lines.append(Content.styled(told, "$quiet"))
    lines.append(_rules(known.held, known.own))
    return Content("\n").join(lines)


def _own(known: Known, settings: Settings) -> list[Content]:
    """Who issues its passes, by which template, and what became of them."""
    design = f"template {known.template}" if known.template else "no template: `passbell templates add`"
    told = [
        f"{words.CHANNELS[channel]} {count:,} issued, {held:,} in a wallet"
        for channel, (count, held) in known.issued.items()
    ]
    issuer = inert(words.own_account(settings), 120)
    return [
        Content.assemble(("Issued by passbell ", "$quiet"), f"as {issuer}, {design}"),
        Content(" · ".join(told) or "No pass yet: `passbell passes issue` makes them."),
    ]


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


def _reach(reach: Reach, *, own: bool) -> str:
    told = [
        (reach.opted_out, "opted out"),
        (reach.not_installed, "not in a wallet"),
        (reach.google_only, "Google only" if own else "Google only: no sound"),
    ]
    return " · ".join(f"{count:,} {said}" for count, said in told if count)
