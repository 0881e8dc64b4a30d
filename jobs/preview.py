"""What a blast would do, told while its text is still being written. Nothing is written to the store.

The plan freezes the same figures by the same gate; a text with fields is only rendered for everybody
there, so that here its counts are upper bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from jobs.engine.gate import REASONS, Gate, Message, own_text, when_sent
from jobs.plans import checked, eta_seconds
from store import audiences, texts
from store.audiences import Audience, Selection
from store.ledger import WAITS
from store.schema import members, passes
from store.settings import Settings
from store.times import now

VERDICTS = ("alert", "silent", "unproven", "nothing")
"""What a phone will do, from a lit screen down to nothing."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The counts of a blast that was not planned.

    messaged           passes that would be messaged, by verdict
    skipped_by_reason  those that would not
    deferred_by_reason of those messaged, the ones that wait for another moment
    deferred_until     the first and the last of these moments, by the same reasons
    exact              False for a text with fields: some members may turn out to lack a value
    """

    messaged: dict[str, int]
    skipped_by_reason: dict[str, int]
    deferred_by_reason: dict[str, int]
    deferred_until: dict[str, tuple[datetime, datetime]]
    exact: bool
    eta_seconds: float

    @property
    def to_send(self) -> int:
        """Passes that would be messaged."""
        return sum(self.messaged.values())

    @property
    def skipped(self) -> int:
        """Passes that would not."""
        return sum(self.skipped_by_reason.values())


@dataclass(frozen=True, slots=True)
class Seen:
    """What one member's phone would show: the rendered text, or the reason why none is sent.

    On the channel `google` the text stands on the pass; the alert's own words are Google's.
    """

    name: str
    external_id: str
    text: str
    verdict: str
    reason: str | None
    channel: str = "passkit"


def preview(
    connection: sa.Connection,
    settings: Settings,
    program_id: str,
    chosen: Audience | Selection,
    text: str,
    message: Message | None = None,
) -> Preview:
    """Count what a plan would find now. Raises UsageError as the plan does; an empty text is counted too."""
    text = checked(connection, program_id, text) if text.strip() else ""
    personal = texts.has_braces(text)
    gate = Gate(connection, settings.gate, program_id, message or Message(), at=now())
    answer = gate.answer(None if personal or not text else text)
    who = audiences.condition(connection, program_id, chosen)
    told = (answer.label("reason"), when_sent().label("sent"), gate.until().label("until"), passes.c.channel)
    query = gate.ask(who, *told).subquery()
    columns, until = (query.c.reason, query.c.sent, query.c.channel), query.c.until
    asked = sa.select(*columns, sa.func.count(), sa.func.min(until), sa.func.max(until)).group_by(*columns)
    messaged: dict[str, int] = {}
    deferred: dict[str, int] = {}
    skipped: dict[str, int] = {}
    moments: dict[str, tuple[datetime, datetime]] = {}
    open_on: dict[str, int] = {}
    for reason, sent, channel, count, first, last in connection.execute(asked):
        if reason is None or reason in WAITS:
            open_on[channel] = open_on.get(channel, 0) + count
        if reason in WAITS:
            deferred[reason] = deferred.get(reason, 0) + count
            known = moments.get(reason, (first, last))
            moments[reason] = (min(first, known[0]), max(last, known[1]))
        group, key = (messaged, sent) if reason is None or reason in WAITS else (skipped, reason)
        group[key] = group.get(key, 0) + count
    return Preview(
        {verdict: messaged[verdict] for verdict in VERDICTS if verdict in messaged},
        {reason: skipped[reason] for reason in REASONS if reason in skipped},
        deferred,
        moments,
        exact=not personal,
        eta_seconds=eta_seconds(open_on, settings),
    )


def see(
    connection: sa.Connection,
    settings: Settings,
    program_id: str,
    chosen: Audience | Selection,
    text: str,
    message: Message | None = None,
    *,
    number: int = 0,
) -> Seen | None:
    """What the `number`th member who can be messaged would see; None past the last one.

    They come in the order of their external ids, which an index gives without a look at all of them.
    Raises UsageError as the plan does; an empty text gives an empty text.
    """
    text = checked(connection, program_id, text) if text.strip() else ""
    gate = Gate(connection, settings.gate, program_id, message or Message(), at=now())
    answer = gate.answer(None)
    who = audiences.condition(connection, program_id, chosen)
    query = gate.ask(who, when_sent().label("verdict"), passes.c.shown_text, passes.c.channel, members)
    order = (members.c.external_id, passes.c.id)
    wanted = query.where(sa.or_(answer.is_(None), answer.in_(WAITS))).order_by(*order).offset(number).limit(1)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        return None
    own, reason = own_text(text, dict(row))
    told = row["verdict"]
    if reason is not None:
        told = "silent" if reason == "same_text" else "nothing"
    return Seen(row["name"], row["external_id"], own, told, reason, row["channel"])
