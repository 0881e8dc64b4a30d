"""What a member's screen asks: for a consent or its withdrawal, a suppression or its end, preferences.

Each page gives the sentence that tells what was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.audience_words import how_many
from console.desk import Desk
from console.plain import inert
from console.screens.form import Form, Question
from console.widgets.member_facts import KINDS, Known
from console.wishes import DEFAULT, wish, wish_in_words
from jobs import consents, preferences, suppressions
from jobs.intake import cells
from store.consents import PURPOSES, Said
from store.errors import UsageError
from store.times import now

GIVEN = (
    "Only for what the member really said: it is kept for good, with source and wording. PassKit is not "
    "told, since its interface cannot clear an opt-out; one that is set there has to be cleared there."
)
WITHDRAWN = (
    "Nothing more is sent for this purpose, not even of blasts that run. A worker tells PassKit of "
    "marketing, where it can: it keeps no opt-out for boarding passes, and no purpose other than that one."
)
SUPPRESSED = (
    "Whoever has this id, e-mail or phone gets no messages of any kind from now on, not even of blasts "
    "that run or as a new member. Only a hash of it is kept. It ends at its expiry, or when it is lifted."
)
WISHES = (
    "An empty field, or default, is as the program has it. Quiet hours are written 21:00-08:00, by the "
    "member's own clock, or none."
)
ASKED = {
    "declined": ("Declines", "categories, with commas"),
    "quiet_hours": ("Quiet hours", DEFAULT),
    "most_a_day": ("Most a day", DEFAULT),
    "most_a_week": ("Most a week", DEFAULT),
    "language": ("Language", "such as de-AT"),
    "time_zone": ("Time zone", "such as Europe/Vienna"),
}
SOURCE = Question("source", "Where it was said", "console", hint="a form, a till, a call ...")


def consent(desk: Desk, known: Known, *, given: bool) -> Form[str]:
    """Ask for which purpose, where and in which words."""
    program_id, external_id = known.facts["program"], known.facts["external_id"]

    def record(answers: Mapping[str, str]) -> str:
        said = Said(answers["purpose"], given, answers["source"], now(), answers["wording"])
        verb = consents.give if given else consents.withdraw
        spoken = verb(desk.database, program_id, external_id, said, actor=desk.actor)
        done = f"{external_id} {'gave' if given else 'withdrew'} {said.purpose}."
        return f"{done} {spoken.note}." if spoken.note else done

    questions = (
        Question("purpose", "Purpose", "marketing", [(one, one) for one in PURPOSES]),
        SOURCE,
        Question("wording", "Version of the words", hint="such as 2026-03; may be empty"),
    )
    return Form(
        f"{_who(known)} {'consents to' if given else 'withdraws'}",
        questions,
        GIVEN if given else WITHDRAWN,
        record,
        yes="Record consent" if given else "Withdraw",
        danger=given,
    )


def suppress(desk: Desk, known: Known) -> Form[str]:
    """Ask by what, where, why and until when."""
    held = {kind: known.facts[kind] for kind in KINDS if known.facts[kind]}

    def add(answers: Mapping[str, str]) -> str:
        kind, expires = answers["kind"], answers["expires"].strip()
        try:
            expires_at = cells.moment(expires) if expires else None
        except ValueError as error:
            raise UsageError(f"expires: {error}") from None
        added = suppressions.add(
            desk.database,
            desk.settings,
            kind,
            held[kind],
            scope=answers["scope"],
            reason=answers["reason"],
            expires_at=expires_at,
            actor=desk.actor,
        )
        stood = "Suppressed" if added.new else "Was suppressed already"
        return f"{stood}: {how_many(added.suppression.members)} known now."

    questions = (
        Question("reason", "Reason", hint="such as complaint"),
        Question("expires", "Expires", hint="such as 2027-01-31; empty: never"),
        Question("kind", "By", next(iter(held)), [(one, f"{KINDS[one]} {held[one]}") for one in held]),
        Question(
            "scope",
            "In",
            known.facts["program"],
            [(known.facts["program"], "this program"), ("", "every program")],
        ),
    )
    title = f"No more messages to {_who(known)}"
    return Form(title, questions, SUPPRESSED, add, yes="Suppress", danger=True)


def lift(desk: Desk, known: Known) -> Form[str]:
    """Ask which suppression is to end."""

    def remove(answers: Mapping[str, str]) -> str:
        gone = suppressions.remove(desk.database, int(answers["number"]), actor=desk.actor)
        return f"Lifted: {how_many(gone.members)} free of it."

    held = known.suppressed
    choices = [(str(one.id), f"{one.id}: {one.reason}") for one in held]
    means = "; ".join(f"number {one.id}, by {KINDS[one.kind]}, means {how_many(one.members)}" for one in held)
    sentence = (
        f"All whom it means can be messaged again at once, if nothing else keeps messages away: {means}."
    )
    return Form(
        f"Lift a suppression of {_who(known)}",
        [Question("number", "Which", choices[0][0], choices)],
        sentence,
        remove,
        yes="Lift",
        danger=True,
    )


def wishes(desk: Desk, known: Known) -> Form[str]:
    """Ask for all preferences; those that were not touched stay as they are, even odd ones."""
    before = {name: inert(wish_in_words(name, known.asked)) for name in ASKED}

    def change(answers: Mapping[str, str]) -> str:
        wanted: dict[str, Any] = {}
        for name, (called, _) in ASKED.items():
            given = answers[name].strip() or DEFAULT
            if given == (before[name] or DEFAULT):
                continue
            if name == "declined":
                wanted[name] = [] if given == DEFAULT else [one for one in given.split(",") if one.strip()]
            else:
                wanted[name] = wish(name, given, called)
        _, changed = preferences.change(
            desk.database,
            known.facts["program"],
            known.facts["external_id"],
            wanted,
            source=answers["source"],
            actor=desk.actor,
        )
        what = ", ".join(name.replace("_", " ") for name in changed.after) if changed else "nothing"
        return f"Changed {what}."

    questions = [Question(name, called, before[name], hint=hint) for name, (called, hint) in ASKED.items()]
    title = f"What {_who(known)} asked for"
    return Form(title, [*questions, SOURCE], WISHES, change, yes="Save")


def _who(known: Known) -> str:
    name = known.facts["name"][:30].strip()
    id_ = known.facts["external_id"]
    return f"{name} ({id_})" if name else id_
