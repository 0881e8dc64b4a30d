"""What is known of one member, in words: who it is, what it said, what was sent to it, and what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.content import Content

from console import words
from console.plain import inert
from console.widgets.cells import wrapped
from console.wishes import preferences_in_words, untold_in_words
from jobs.moments import zone_of
from store import consents, members, opt_outs, pass_events, preferences, programs, suppressions
from store.consents import PURPOSES, Consent
from store.pass_events import Event
from store.preferences import Change, Preferences
from store.suppressions import Suppression
from store.times import now

if TYPE_CHECKING:
    import sqlalchemy as sa

WIDTH = 66
"""Cells of a line, so that the smallest terminal shows it whole; a large one shows two columns."""
NAMES = 18
LONGEST = 300
EVENTS = 50
"""Events of the passes that are shown."""
FACTS = (
    ("external_id", "id"),
    ("email", "e-mail"),
    ("phone", "phone"),
    ("tier", "tier"),
    ("points", "points"),
    ("secondary_points", "secondary points"),
    ("tier_points", "tier points"),
    ("birthday", "birthday"),
    ("status", "status"),
    ("opted_out", "opted out"),
    ("expires_at", "expires"),
    ("created_at", "member since"),
    ("updated_at", "last changed"),
    ("synced_at", "last synced"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """One member as the store knows it.

    facts    as `members.show` has them
    consents the record that holds, by purpose
    untold   the withdrawal that PassKit does not know; see `opt_outs.state`
    life     what happened to the passes, the newest first, at most EVENTS; each with the pass's channel
    time_zone  the program's
    """

    facts: Mapping[str, Any]
    consents: Mapping[str, Consent]
    asked: Preferences
    suppressed: Sequence[Suppression]
    untold: Mapping[str, Any] | None
    said: Sequence[Consent]
    changes: Sequence[Change]
    life: Sequence[tuple[str, Event]]
    time_zone: str | None


def read(connection: sa.Connection, account: str, program_id: str, external_id: str) -> Known:
    """All of it. Raises UsageError where there is no such program or member."""
    program = programs.get(connection, program_id, account)
    member = members.get(connection, program_id, external_id)
    id_, channels = member.id, {one.id: one.channel for one in member.passes}
    happened = pass_events.of_member(connection, id_, EVENTS)
    happened.sort(key=lambda one: one.at, reverse=True)
    return Known(
        members.show(connection, program_id, external_id),
        consents.latest(connection, id_),
        preferences.get(connection, id_),
        suppressions.of_member(connection, id_),
        opt_outs.state(connection, id_),
        consents.history(connection, id_),
        preferences.history(connection, id_),
        [(channels[one.pass_id], one) for one in happened],
        program.time_zone,
    )


def who(known: Known) -> Content:
    """The name, what keeps messages away, and the fields."""
    facts = known.facts
    lines = [Content.styled(inert(facts["name"], 160) or "no name", "bold")]
    if kept := _kept_away(known):
        lines.append(Content.styled(" · ".join(kept), "$text-error"))
    lines.append(Content(""))
    lines += [_fact(word, _spelled(key, facts[key])) for key, word in FACTS if facts[key] not in (None, "")]
    return Content("\n").join(lines)


def may(known: Known) -> Content:
    """What the member consented to and asked for, and who suppressed it."""
    lines = [_heading("Consents"), *(_consent(purpose, known.consents.get(purpose)) for purpose in PURPOSES)]
    if known.untold is not None:
        lines.append(_fact("the withdrawal", untold_in_words(known.untold)))
    lines += [Content(""), _heading("Preferences")]
    asked = preferences_in_words(known.asked)
    lines += [_fact(name, wish) for name, wish in asked.items() if wish is not None]
    lines += [Content(""), _heading("Suppressed")]
    lines += [_suppression(one) for one in known.suppressed] or [Content("No.")]
    return Content("\n").join(lines)


def has(known: Known) -> Content:
    """Attributes, passes and the last messages."""
    lines = []
    if known.facts["attributes"]:
        lines = [_heading("Attributes")]
        lines += [_fact(name, value) for name, value in sorted(known.facts["attributes"].items())]
        lines.append(Content(""))
    lines.append(_heading("Passes"))
    for one in known.facts["passes"]:
        wallets = ", ".join(one["wallets"]) or "no wallet known"
        if one["channel"] == "apple":
            wallets = "on 1 device" if one["devices"] == 1 else f"on {one['devices']} devices"
        lines.append(_fact(one["channel"], f"{one['status']}, {wallets}"))
        lines.append(_fact("serial", one["serial"]) if "serial" in one else _fact("id", one["id"]))
        lines.append(_fact("shows", one["shown_text"] or "no message yet"))
    lines += [Content(""), _heading("Last messages")]
    lines += [_delivery(one) for one in known.facts["deliveries"]] or [Content("None yet.")]
    return Content("\n").join(lines)


def past(known: Known) -> Content:
    """How consents and preferences came about, the newest first."""
    told = [(one.at, _said(one), one.actor) for one in known.said]
    told += [(one.at, _changed(one), f"{one.source}, {one.actor}") for one in known.changes]
    told.sort(key=lambda entry: entry[0], reverse=True)
    lines = [_happened(at, what, by) for at, what, by in told]
    return Content("\n").join(
        [*_life(known), _heading("History"), *(lines or [Content("Nothing was said yet.")])]
    )


KINDS = {"external_id": "id", "email": "e-mail", "phone": "phone"}
"""What somebody is suppressed by."""


def _kept_away(known: Known) -> list[str]:
    withdrawn = [f"withdrew {purpose}" for purpose, one in known.consents.items() if not one.given]
    held = ["suppressed"] if any(one.in_force(now()) for one in known.suppressed) else []
    return withdrawn + held + (["opted out in PassKit"] if known.facts["opted_out"] else [])


def _heading(text: str) -> Content:
    return Content.styled(text, "bold $text-primary")


def _spelled(key: str, value: Any) -> object:
    """Whole numbers without a point, moments as people read them."""
    if key.endswith("_at"):
        return f"{value[:10]} {value[11:16]} UTC"
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fact(name: str, value: object, style: str = "") -> Content:
    """A name and its fact, long facts broken under each other."""
    shown = str(value) if not isinstance(value, bool) else "yes" if value else "no"
    return Content.assemble(
        (f"{inert(name, NAMES):<{NAMES}} ", "$quiet"), (_hanging(shown, NAMES + 1), style)
    )


def _hanging(text: str, indent: int) -> str:
    return f"\n{'':{indent}}".join(wrapped(inert(text, LONGEST), WIDTH - indent))


def _consent(purpose: str, one: Consent | None) -> Content:
    if one is None:
        return _fact(purpose, "nothing was said", "$quiet")
    told = f"{_word(one)} {_moment(one.at)}, {_where(one)}"
    return _fact(purpose, told, "$text-success" if one.given else "$text-error")


def _word(one: Consent) -> str:
    return "given" if one.given else "withdrawn"


def _where(one: Consent) -> str:
    wording = f", wording {one.wording}" if one.wording else ""
    return f"source {one.source}{wording}"


def _suppression(one: Suppression) -> Content:
    where = "in this program" if one.scope else "in every program"
    until = f"until {_moment(one.expires_at)}" if one.expires_at else "for ever"
    holds = one.in_force(now())
    told = f"{KINDS[one.kind]}, {where}, {until}{'' if holds else ' (over)'}: {one.reason}"
    return _fact(f"number {one.id}", told, "$text-error" if holds else "$quiet")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _said(one: Consent) -> str:
    ip = f", from {one.ip}" if one.ip else ""
    return f"{one.purpose} {_word(one)}, {_where(one)}{ip}"


def _changed(one: Change) -> str:
    return "; ".join(
        f"{name.replace('_', ' ')}: {_value(one.before[name])} -> {_value(one.after[name])}"
        for name in one.after
    )


def _value(value: Any) -> str:
    if value is None:
        return "default"
    return ", ".join(value) or "nothing" if isinstance(value, list) else str(value)


def _life(known: Known) -> list[Content]:
    """What happened to the passes, by the program's clock."""
    if not known.life:
        return []
    zone, _ = zone_of(known.time_zone)
    lines = [_heading(f"What happened to the passes ({zone.key})")]
    for channel, one in known.life:
        what = f"{words.CHANNELS[channel]} pass {one.kind.replace('_', ' ')}"
        if one.details:
            what += ": " + "; ".join(f"{name}: {_in_json(value)}" for name, value in one.details.items())
        if one.source != channel:
            what += f" ({words.TELLERS[one.source]})"
        at = one.at.astimezone(zone)
        lines.append(Content.assemble((f"{at:%Y-%m-%d %H:%M}  ", "$quiet"), _hanging(what, 18)))
    return [*lines, Content("")]


def _in_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _happened(at: datetime, what: str, by: str) -> Content:
    return Content.assemble(
        (f"{at:%Y-%m-%d %H:%M}  ", "$quiet"), _hanging(what, 18), (f"\n{'':18}by {inert(by, 60)}", "$quiet")
    )


def _delivery(one: dict[str, Any]) -> Content:
    why = f": {words.reason(one['reason'])}" if one["reason"] else ""
    said = _hanging(f"{one['state']}{why}", 7)
    return Content.assemble(
        (f"{one['blast']:>5}  ", "$quiet"),
        inert(one["text"] or one["name"], 60),
        (f"\n       {said}", "$quiet"),
    )
