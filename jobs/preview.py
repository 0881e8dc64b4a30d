"""What a blast would do, told while its text is still being written. Nothing is written to the store.

The plan freezes the same figures by the same gate; a text with fields is only rendered for everybody
there, so that here its counts are upper bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobs.engine.gate import REASONS, Gate, Message
from jobs.engine.verdicts import own_text, verdict, when_sent
from jobs.plans import checked, eta_seconds
from store import audiences, lengths, texts, views
from store.audiences import Audience, Selection
from store.ledger import VERDICTS, WAITS
from store.schema import members, passes
from store.settings import Settings
from store.times import now
from store.views import Held

RANKED = 40
"""Members at either end whose texts are rendered, to find the longest and the shortest."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A blast that is thought of: to whom, what, and under which settings."""

    settings: Settings
    program_id: str
    chosen: Audience | Selection
    text: str
    message: Message = Message()  # noqa: RUF009 (it never changes)

    def put(self, connection: sa.Connection) -> tuple[str, Gate, sa.ColumnElement[bool]]:
        """The text as it would be planned, the gate as it stands now, and who is meant."""
        text = checked(connection, self.program_id, self.text) if self.text.strip() else ""
        gate = Gate(connection, self.settings.gate, self.program_id, self.message, at=now())
        return text, gate, audiences.condition(connection, self.program_id, self.chosen)


@dataclass(frozen=True, slots=True)
class Preview:
    """The counts of a blast that was not planned.

    messaged           passes that would be messaged, by verdict
    skipped_by_reason  those that would not
    deferred_by_reason of those messaged, the ones that wait for another moment
    deferred_until     the first and the last of these moments, by the same reasons
    verdicts           every pass of the audience by what its phone will do: all of VERDICTS, 0 where none
    exact              False for a text with fields: some members may turn out to lack a value
    """

    messaged: dict[str, int]
    skipped_by_reason: dict[str, int]
    deferred_by_reason: dict[str, int]
    deferred_until: dict[str, tuple[datetime, datetime]]
    verdicts: dict[str, int]
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

    def as_json(self) -> dict[str, Any]:
        """The counts as the commands print them."""
        return {
            "verdicts": self.verdicts,
            "exact": self.exact,
            "skipped_by_reason": self.skipped_by_reason,
            "deferred_by_reason": self.deferred_by_reason,
            "eta_seconds": self.eta_seconds,
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What one member's phone would show: the rendered text, or the reason why none is sent.

    On the channel `google` the text stands on the pass; the alert's own words are Google's.

    wallets  where the pass is held: "apple", "google", "other"; empty where not known
    waits    the reason why it is sent at another moment; None: it would be sent now
    """

    name: str
    external_id: str
    text: str
    verdict: str
    reason: str | None
    channel: str = "passkit"
    wallets: tuple[str, ...] = ()
    waits: str | None = None

    def holds(self, wallet: str) -> bool | None:
        """Whether this pass is in that wallet, "apple" or "google"; None where it is not known."""
        if self.channel != "passkit":
            return self.channel == wallet
        return wallet in self.wallets if self.wallets else None

    def as_json(self) -> dict[str, Any]:
        """The member as the commands print it."""
        return {
            "external_id": self.external_id,
            "name": self.name,
            "characters": len(self.text),
            "text": self.text,
            "verdict": self.verdict,
            "reason": self.reason,
            "waits": self.waits,
            "channel": self.channel,
            "wallets": list(self.wallets),
        }


@dataclass(frozen=True, slots=True)
class Extremes:
    """The members whose text is the longest and the shortest, in characters, of all who can be messaged.

    None where nobody can. With a text without fields both are the first member: it is the same for all.
    A text that is over the limit with some member's values has that member as its longest.
    """

    longest: Seen | None
    shortest: Seen | None


def preview(connection: sa.Connection, asked: Asked) -> Preview:
    """Count what a plan would find now. Raises UsageError as the plan does; an empty text is counted too."""
    text, gate, who = asked.put(connection)
    personal = texts.has_braces(text)
    answer = gate.answer(None if personal or not text else text)
    sent = when_sent()
    told = (answer.label("reason"), sent.label("sent"), gate.until().label("until"), passes.c.channel)
    # Found once: a database would else put the gate's questions into each of the columns below.
    query = gate.ask(who, *told).cte("asked").prefix_with("MATERIALIZED")
    columns = (query.c.reason, query.c.sent, query.c.channel)
    phone = verdict(query.c.reason, query.c.sent)
    counted = (sa.func.count(), sa.func.min(query.c.until), sa.func.max(query.c.until))
    groups = sa.select(*columns, phone, *counted).group_by(*columns)
    messaged: dict[str, int] = {}
    deferred: dict[str, int] = {}
    skipped: dict[str, int] = {}
    moments: dict[str, tuple[datetime, datetime]] = {}
    open_on: dict[str, int] = {}
    verdicts = dict.fromkeys(VERDICTS, 0)
    for reason, does, channel, phones, count, first, last in connection.execute(groups):
        verdicts[phones] += count
        if reason is None or reason in WAITS:
            open_on[channel] = open_on.get(channel, 0) + count
        if reason in WAITS:
            deferred[reason] = deferred.get(reason, 0) + count
            known = moments.get(reason, (first, last))
            moments[reason] = (min(first, known[0]), max(last, known[1]))
        group, key = (messaged, does) if reason is None or reason in WAITS else (skipped, reason)
        group[key] = group.get(key, 0) + count
    return Preview(
        {verdict: messaged[verdict] for verdict in VERDICTS if verdict in messaged},
        {reason: skipped[reason] for reason in REASONS if reason in skipped},
        deferred,
        moments,
        verdicts,
        exact=not personal,
        eta_seconds=eta_seconds(open_on, asked.settings),
    )


def see(connection: sa.Connection, asked: Asked, *, number: int = 0) -> Seen | None:
    """What the `number`th member who can be messaged would see; None past the last one.

    They come in the order of their external ids, which an index gives without a look at all of them.
    Raises UsageError as the plan does; an empty text gives an empty text.
    """
    text, gate, who = asked.put(connection)
    answer = gate.answer(None)
    wanted = gate.ask(who, *_told(answer)).where(_is_open(answer))
    order = (members.c.external_id, passes.c.id)
    row = connection.execute(wanted.order_by(*order).offset(number).limit(1)).first()
    return None if row is None else _seen(text, row._mapping)


def of_verdict(
    connection: sa.Connection,
    asked: Asked,
    *,
    wanted: str,
    offset: int = 0,
    limit: int = 100,
    held: Held | None = None,
) -> list[Seen]:
    """The passes that `preview` counts under that verdict, in the order of their members' external ids.

    Where the text has fields those who turn out to lack a value are still among them, with their reason.
    """
    text, gate, who = asked.put(connection)
    answer = gate.answer(None if texts.has_braces(text) or not text else text)
    query = gate.ask(who, passes.c.id).where(verdict(answer, when_sent()) == wanted)
    query = query.order_by(members.c.external_id, passes.c.id)
    ids = views.window(connection, query, offset, limit, held)
    rows = gate.ask_about(passes.c.id, ids, passes.c.id.label("pass_id"), *_told(answer))
    found = {row.pass_id: row for row in connection.execute(rows)}
    return [_seen(text, found[id_]._mapping) for id_ in ids if id_ in found]


def extremes(connection: sa.Connection, asked: Asked) -> Extremes:
    """Whose text is the longest and whose the shortest, of the whole audience.

    The database puts the members in order by the lengths of their values, and those at either end are
    rendered as the plan renders them. Raises UsageError as `see` does.
    """
    text, gate, who = asked.put(connection)
    if not texts.has_braces(text):
        first = see(connection, asked)
        return Extremes(first, first)
    answer = gate.answer(None)
    length, complete = lengths.added(connection, text, gate.at)
    # First only ids are put in order: a whole row for each member would have to be carried along.
    everybody = gate.ask(who, passes.c.id, length.label("length")).where(_is_open(answer), complete)
    ranked = everybody.cte("ranked").prefix_with("MATERIALIZED")
    ends = [
        sa.select(ranked.c.id).order_by(order, ranked.c.id).limit(RANKED).subquery()
        for order in (ranked.c.length.desc(), ranked.c.length)
    ]
    both = sa.union_all(*(sa.select(end.c.id) for end in ends))
    ids = {id_ for (id_,) in connection.execute(both)}
    rows = connection.execute(gate.ask_about(passes.c.id, sorted(ids), *_told(answer)))
    found = sorted((_seen(text, row._mapping) for row in rows), key=lambda one: one.external_id)
    fit = [one for one in found if one.reason in (None, "same_text")]
    over = [one for one in found if one.reason == "too_long"]
    return Extremes(
        next(iter(over), None) or max(fit, key=lambda one: len(one.text), default=None),
        min(fit, key=lambda one: len(one.text), default=None),
    )


def _is_open(answer: sa.ColumnElement[str | None]) -> sa.ColumnElement[bool]:
    return sa.or_(answer.is_(None), answer.in_(WAITS))


def _told(answer: sa.ColumnElement[str | None]) -> tuple[sa.ColumnElement[Any] | sa.Table, ...]:
    """A member with what `_seen` has to know of a pass and of the gate's answer."""
    of_pass = (passes.c.shown_text, passes.c.channel, passes.c.wallets)
    return answer.label("answer"), when_sent().label("sent"), *of_pass, members


def _seen(text: str, row: Mapping[Any, Any]) -> Seen:
    """One member's text, or what stands against it: the gate's answer, then that of the member's values."""
    own, reason = own_text(text, dict(row))
    waits = row["answer"] if row["answer"] in WAITS else None
    if row["answer"] is not None and waits is None:
        reason = row["answer"]
    told = row["sent"] if reason is None else "silent" if reason == "same_text" else "nothing"
    wallets = tuple(row["wallets"])
    return Seen(row["name"], row["external_id"], own, told, reason, row["channel"], wallets, waits)
