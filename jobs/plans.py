"""Planning: audience, text and moment are frozen, each pass through the gate; the verb and its plan.

One transaction with its audit entry. What happens to a plan afterwards is jobs/blasts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobs import moments
from jobs.engine.gate import Gate, Message
from jobs.engine.verdicts import own_text, verdict, when_sent
from store import audiences, audit, differences, ledger, plans, preferences, programs, sizes, texts, views
from store.audiences import Audience, Selection, in_words
from store.consents import PURPOSES
from store.database import Database
from store.differences import Difference
from store.errors import Refused, UsageError
from store.fields import fields_of
from store.ledger import WAITS, Blast, Tally
from store.schema import deliveries, members, passes
from store.settings import Settings
from store.times import now, rfc3339

REQUESTS_PER_MESSAGE = {"passkit": 2, "apple": 1, "google": 3}
"""PassKit: the pass is read and then written, since a write replaces its free data whole."""
CHUNK = 5_000
SLICE = 100_000
"""Members that the gate is asked for at once: half a second, in which nobody can stop a plan."""

Progress = Callable[[str, int, int], None]
"""What a plan calls now and then: what it does, for how many members or passes that is done, and for how many
it is to be; 0 where nobody knows yet. What it raises takes all of it back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A frozen blast: who, what, what phones will do, and what is other than in the plan before.

    difference  to the newest earlier plan of the same audience; None where there is none
    """

    blast: Blast
    tally: Tally
    eta_seconds: float
    difference: Difference | None = None

    def as_json(self) -> dict[str, Any]:
        """The plan as `blasts plan --json` prints it."""
        return {
            "id": self.blast.id,
            "program": self.blast.program_id,
            "name": self.blast.name,
            "text": self.blast.text,
            "hash": self.blast.plan_hash,
            "counts": self.tally.counts,
            "verdicts": self.tally.verdicts,
            "skipped_by_reason": self.tally.skipped_by_reason,
            "deferred_by_reason": self.tally.deferred_by_reason,
            "purpose": self.blast.purpose,
            "category": self.blast.category,
            "eta_seconds": self.eta_seconds,
            "send_at": rfc3339(self.blast.send_at),
            "urgent": self.blast.urgent,
            "account": self.blast.account,
            "difference": self.difference.as_json() if self.difference is not None else None,
        }


def plan(
    database: Database,
    settings: Settings,
    *,
    program: str,
    chosen: Audience | Selection,
    text: str,
    name: str | None = None,
    send_at: datetime | None = None,
    urgent: bool = False,
    purpose: str = "marketing",
    category: str | None = None,
    actor: str,
    progress: Progress = lambda doing, done, total: None,
) -> Plan:
    """Freeze audience and text: one delivery for each pass, pending or skipped with a reason.

    The gate is asked for the moment of sending: `send_at`, which is kept for the launch, else now. `urgent`
    is kept, too: the blast goes before those that are not. `purpose` is marketing or service, `category`
    what members may decline.
    Raises UsageError for a text, predicate or program that is wrong and Refused where nobody is
    meant or the program was read for another message field. Nothing is written then.
    """
    at = now()
    if send_at is not None:
        moments.check(send_at, at=at)
    with database.write() as connection:
        found = programs.get(connection, program, settings.account)
        text = checked(connection, found.id, text)
        # Boarding records come from files: PassKit lists none, so no sync reads their texts.
        listed = found.issuer == "passkit" and found.kind != "flight"
        if listed and found.message_field != settings.passkit.message_field:
            raise Refused(
                f"{found.name} was not yet synced for the message field {settings.passkit.message_field}: "
                "run `passbell sync` first"
            )
        personal = texts.has_braces(text)
        who = audiences.condition(connection, found.id, chosen, now=at)
        category = preferences.category(category) if category is not None else None
        message = Message(checked_purpose(purpose), category)
        gate = Gate(connection, settings.gate, found.id, message, at=send_at or at)
        blast_id = plans.create(
            connection,
            account=settings.account,
            program_id=found.id,
            name=(name or "").strip() or " ".join(text.split())[:40],
            text=text,
            message_key=settings.message_key,
            audience=in_words(chosen),
            audience_key=audiences.key(found.id, chosen),
            purpose=message.purpose,
            category=message.category,
            rules=gate.rules.as_json(),
            send_at=send_at,
            urgent=urgent,
            at=at,
        )
        progress("finding who is meant", 0, 0)
        meant = sa.select(members.c.id).where(members.c.program_id == found.id, who).order_by(members.c.id)
        for some in _slices(views.every_id(connection, meant), progress):
            asked = _asked(gate, some, None if personal else text)
            plans.freeze(connection, blast_id, asked, at=at)
        if personal:
            _render(connection, blast_id, text, progress)
        progress("counting", 0, 0)
        tally = ledger.tally(connection, blast_id)
        if not tally.planned:
            raise Refused(
                f"nobody in {found.name} is in this audience ({in_words(chosen)}): nothing was planned"
            )
        if isinstance(chosen, Audience) and sizes.is_due(sizes.newest(connection, chosen.id), at):
            sizes.note(connection, chosen.id, audiences.count(connection, found.id, chosen, at), at)
        blast = plans.seal(connection, blast_id)
        audit.append(
            connection,
            actor=actor,
            act="blast.plan",
            subject=str(blast_id),
            details={
                "program": found.id,
                "text": text,
                "hash": blast.plan_hash,
                "counts": tally.counts,
                "send_at": rfc3339(send_at),
                "urgent": urgent,
                "purpose": purpose,
                "category": category,
            },
            at=at,
        )
    database.analyze(deliveries)
    with database.read() as connection:
        return look_at(connection, settings, blast.id)


def look_at(connection: sa.Connection, settings: Settings, blast_id: int) -> Plan:
    """A blast as it was planned, with its counts as they stand now."""
    blast, tally = ledger.get(connection, blast_id), ledger.tally(connection, blast_id)
    difference = differences.to_previous(connection, blast_id)
    return Plan(blast, tally, eta_seconds(tally.open_on, settings, blast), difference)


def plan_again(
    database: Database,
    settings: Settings,
    blast_id: int,
    *,
    actor: str,
    progress: Progress = lambda doing, done, total: None,
) -> Plan:
    """Plan a blast anew as it was planned: same audience, text, purpose and name, asked now.

    Its moment is kept if it lies ahead. The earlier plan stays as it is. Raises Refused where it belongs
    to the other account or is scheduled, UsageError where its audience was deleted.
    """
    with database.read() as connection:
        before = ledger.get(connection, blast_id)
        same_account(before, settings)
        if before.state == "scheduled":
            raise Refused(f"blast {blast_id} is scheduled and would start beside a new one: cancel it first")
        chosen = audiences.of_blast(connection, before)
    ahead = before.send_at is not None and before.send_at > now()
    return plan(
        database,
        settings,
        program=before.program_id,
        chosen=chosen,
        text=before.text,
        name=before.name,
        send_at=before.send_at if ahead else None,
        urgent=before.urgent,
        purpose=before.purpose,
        category=before.category,
        actor=actor,
        progress=progress,
    )


def same_account(blast: Blast, settings: Settings) -> None:
    """Raise Refused where these settings are not those of the blast's account."""
    if blast.account != settings.account:
        raise Refused(
            f"blast {blast.id} was planned in {blast.account.upper()}, and this is {settings.mode}: "
            "it can only be touched with the settings it was planned with"
        )


def checked_purpose(purpose: str) -> str:
    """The purpose, if there is one of that name."""
    if purpose not in PURPOSES:
        raise UsageError(f"a message's purpose is one of {', '.join(PURPOSES)}, not {purpose!r}")
    return purpose


def checked(connection: sa.Connection, program_id: str, text: str) -> str:
    """The text as it would be planned. Raises UsageError for one that cannot be sent in this program."""
    text = texts.check(text)
    if texts.has_braces(text):
        fields = fields_of(connection, program_id)
        own = [name for name, field in fields.items() if field.source == "attribute"]
        texts.check_fields(text, [*texts.BUILT_IN, *own])
    return text


def eta_seconds(open_on: Mapping[str, int], settings: Settings, blast: Blast | None = None) -> float:
    """Seconds that so many deliveries take, by channel, at the accounts' rates or the blast's own.

    Channels send side by side.
    """
    rates = {
        "passkit": settings.passkit.rate_per_second,
        "apple": settings.apple.rate_per_second,
        "google": settings.google.rate_per_second,
    }
    own = blast.rate_per_second if blast is not None else None
    seconds = (
        count * REQUESTS_PER_MESSAGE[channel] / min(rates[channel], own or rates[channel])
        for channel, count in open_on.items()
    )
    return round(max(seconds, default=0.0), 1)


def _slices(meant: Sequence[int], progress: Progress) -> Iterator[Sequence[int]]:
    """Who is meant, so many at a time that one can see it go on, and stop it."""
    for start in range(0, len(meant), SLICE):
        progress("asking the gate", start, len(meant))
        yield meant[start : start + SLICE]


def _asked(gate: Gate, member_ids: Sequence[int], text: str | None) -> sa.Select[Any]:
    """Each pass of these members with the gate's answer; see plans.freeze. The ids ascend."""
    columns = (
        passes.c.id.label("pass_id"),
        passes.c.channel,
        gate.answer(text).label("reason"),
        gate.until().label("until"),
        when_sent().label("sent"),
    )
    about = gate.ask_about(members.c.id, member_ids, *columns)
    # Without it Postgres reads the passes of all members for each slice.
    about = about.where(passes.c.member_id.between(member_ids[0], member_ids[-1]))
    # Found once: a database would else put the gate's questions into each of the columns below.
    asked = about.cte("asked").prefix_with("MATERIALIZED")
    told = verdict(asked.c.reason, asked.c.sent).label("verdict")
    return sa.select(asked.c.pass_id, asked.c.channel, asked.c.reason, asked.c.until, told).order_by(
        asked.c.pass_id
    )


def _render(connection: sa.Connection, blast_id: int, text: str, progress: Progress) -> None:
    """Render the text for each pending delivery; what cannot be rendered is skipped with its reason.

    One that is put off and would be silent now is asked for its text again when it is due, as any other.
    """
    after = done = 0
    total = ledger.tally(connection, blast_id).states["pending"]
    query = (
        sa.select(
            deliveries.c.id,
            deliveries.c.reason,
            passes.c.shown_text,
            members.c.name,
            members.c.external_id,
            members.c.tier_id,
            members.c.points,
            members.c.attributes,
        )
        .join(passes, passes.c.id == deliveries.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
        .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
        .order_by(deliveries.c.id)
        .limit(CHUNK)
    )
    while rows := connection.execute(query.where(deliveries.c.id > after)).mappings().all():
        after = rows[-1]["id"]
        own_texts, skipped = {}, {}
        for row in rows:
            own, why_not = own_text(text, dict(row))
            if why_not is None or (why_not == "same_text" and row["reason"] in WAITS):
                own_texts[row["id"]] = own
            else:
                skipped[row["id"]] = why_not
        plans.write_texts(connection, own_texts, skipped)
        done += len(rows)
        progress("writing texts", done, total)
