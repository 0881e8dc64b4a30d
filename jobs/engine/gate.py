"""The gate: the one place that decides whether a pass may be messaged, in one order.

CHECKS is that order. The first check that fails decides: its word is the reason. Most reasons skip the
pass; those in WAITS put it off to a moment at which the whole gate is asked again. A plan asks for every
pass of an audience at once, and each claim asks again for what it takes, since a consent may have been
withdrawn in between; both by the same SQL. The channel's fresh look at the pass, just before it is
written, asks the provider what only the provider knows.

The gate fails closed: what cannot be evaluated is not sent. A time zone that nobody knows is a reason, and
an error in the evaluation ends the plan or holds the blast.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobs.engine import quiet
from jobs.engine.past import DAY, MONTH, WEEK, Past
from store import rules as program_rules
from store import zones
from store.claims import Answer
from store.database import among, as_table, has_item, later
from store.ledger import WAITS
from store.programs import INACTIVE
from store.rules import Rules
from store.schema import (
    arrivals,
    blasts,
    consents,
    deliveries,
    members,
    passes,
    preferences,
    suppressed,
    suppressions,
    tiers,
)
from store.sections import GateSettings
from store.times import Moment

REASONS = {
    "program_inactive": "the program has been deleted at the provider",
    "inactive": "the membership has expired or was deleted",
    "gone": "the provider no longer knows the pass",
    "not_installed": "the pass is in no wallet: never added, removed, or its updates are switched off",
    "no_message_field": "the pass's design has no message field that makes a phone alert",
    "opted_out": "opted out of messages",
    "suppressed": "on the suppression list",
    "withdrawn": "withdrew consent to messages of this purpose",
    "no_consent": "never consented to messages of this purpose",
    "declined": "does not want messages of this category",
    "unknown_time_zone": "has quiet hours, and neither member, program nor settings name a time zone",
    "quiet_hours": "it is the member's quiet hours: waits for their end",
    "frequency_cap": "has had as many messages as the member may get in this time",
    "too_soon": "the pass was messaged a moment ago: waits for its turn",
    "attention_budget": "the pass has had as many messages as it may get in this time",
    "no_value": "the text names a field that this member does not have, and gives no word to use instead",
    "too_long": "the text with this member's values is over the limit",
    "same_text": "the pass shows this very text already: a phone stays silent",
}
"""Why a pass is not messaged, or not now, in the order in which the gate asks."""

GOOGLE_ALERTS_A_DAY = 3
"""Google alerts for three messages to an object in 24 hours and no more (Google Wallet's documentation)."""

Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Message:
    """What the gate has to know of a message beside its text.

    purpose   marketing | service; service messages pass over the checks that the settings name
    category  what members may decline; None: of no category
    blast_id  the blast that it belongs to, if there is one yet: its own deliveries are no past of it
    """

    purpose: str = "marketing"
    category: str | None = None
    blast_id: int | None = None

    def passed_over(self, settings: GateSettings) -> frozenset[str]:
        """The checks that are not for this message."""
        words = set(program_rules.service_skips(settings) if self.purpose == "service" else ())
        return frozenset(words | ({"unknown_time_zone"} if "quiet_hours" in words else set()))


class Gate:
    """The gate of one program, as it stands at one moment, for one kind of message.

    Its conditions are for queries that `ask` has joined. Only those are there that can apply: without
    a suppression nobody is looked up in the list.
    """

    def __init__(
        self,
        connection: sa.Connection,
        settings: GateSettings,
        program_id: str,
        message: Message,
        *,
        at: datetime,
        scope: Condition | None = None,
        member_id: int | None = None,
    ) -> None:
        """`scope` is a condition on `deliveries`: those that will be asked for; None: the whole program.

        `member_id` is given where one member alone will be asked for.
        """
        self.rules: Rules = program_rules.effective(connection, settings, program_id)
        self.at = at
        self.passed_over = message.passed_over(settings)
        self._connection, self._program_id, self._message = connection, program_id, message
        self._settings = settings
        self._preferred = _any(connection, sa.select(preferences.c.member_id))
        self._windows: sa.CTE | None = None
        self._windows = self._read_windows(scope, member_id)
        self._past = Past(at, message.blast_id)
        self._conditions = dict(self._build())

    def condition(self, word: str) -> Condition | None:
        """What is true of passes that fail this check; None where nobody can fail it."""
        return self._conditions.get(word)

    def answer(self, text: str | sa.ColumnElement[str | None] | None) -> sa.ColumnElement[str | None]:
        """The first reason against messaging a pass now, NULL where there is none.

        `text` is None where it differs by member; the caller then compares the rendered text itself.
        A pass whose state is not known (a boarding record from a file) is let through: the channel's
        own look decides.
        """
        found = [(self._conditions[word], word) for word in REASONS if word in self._conditions]
        if text is not None:
            found.append((passes.c.shown_text == text, "same_text"))
        return sa.case(*((condition, sa.literal(word)) for condition, word in found), else_=sa.null())

    def until(self) -> sa.ColumnElement[datetime | None]:
        """Where the answer is in WAITS, the moment at which to ask again; of no meaning elsewhere."""
        cases: list[tuple[Any, Any]] = []
        if self._windows is not None and "quiet_hours" in self._conditions:
            cases.append((self._conditions["quiet_hours"], self._windows.c.until))
        if "too_soon" in self._conditions:
            seconds = self.rules.pass_interval_minutes * 60
            spaced = later(self._connection, self._past.last_to_pass(), seconds)
            cases.append((self._conditions["too_soon"], spaced))
        return sa.case(*cases, else_=sa.null()) if cases else sa.cast(sa.null(), Moment)

    def figures(self) -> dict[str, sa.ColumnElement[Any]]:
        """What the checks of the past count, for queries of `ask`: messages in other blasts."""
        return {
            "to_member_in_24_hours": self._past.to_member(DAY),
            "to_member_in_7_days": self._past.to_member(WEEK),
            "to_pass_in_24_hours": self._past.to_pass(DAY),
            "to_pass_in_30_days": self._past.to_pass(MONTH),
            "last_to_pass": self._past.last_to_pass(),
        }

    def ask(self, who: Condition, *columns: sa.ColumnElement[Any] | sa.Table) -> sa.Select[Any]:
        """The program's passes whose members fit `who`, joined as the conditions want them."""
        return self._join(sa.select(*columns), passes).where(members.c.program_id == self._program_id, who)

    def ask_about(
        self, key: sa.ColumnElement[int], ids: Sequence[int], *columns: sa.ColumnElement[Any] | sa.Table
    ) -> sa.Select[Any]:
        """The same for some of the program's passes, by their ids or by those of their members."""
        # Without the program's own id, by which SQLite would go through all its members to find a few.
        return self._join(sa.select(*columns), passes).where(among(self._connection, key, ids))

    def look(self, delivery_ids: Sequence[int]) -> dict[int, Answer]:
        """Ask again for deliveries that are about to leave: those that may not, and why.

        A delivery that may have arrived is not asked for its text: the channel looks whether it is there. Nor
        is one that brought the text onto the pass itself, and was given back before a phone was told.
        """
        its_own = sa.exists().where(arrivals.c.delivery_id == deliveries.c.id)
        text = sa.case(
            (
                sa.and_(deliveries.c.attempts == 0, ~its_own),
                sa.func.coalesce(deliveries.c.text, blasts.c.text),
            ),
            else_=sa.null(),
        )
        source = deliveries.join(blasts, blasts.c.id == deliveries.c.blast_id).join(
            passes, passes.c.id == deliveries.c.pass_id
        )
        columns = (deliveries.c.id, self.answer(text).label("answer"), self.until().label("until"))
        query = self._join(sa.select(*columns), source)
        asked = query.where(among(self._connection, deliveries.c.id, delivery_ids)).subquery()
        found = self._connection.execute(sa.select(asked).where(asked.c.answer.is_not(None)))
        return {
            row.id: Answer(row.answer, REASONS[row.answer], row.until if row.answer in WAITS else None)
            for row in found
        }

    def _join(self, query: sa.Select[Any], source: sa.FromClause) -> sa.Select[Any]:
        tier = sa.and_(tiers.c.program_id == members.c.program_id, tiers.c.id == members.c.tier_id)
        joined = source.join(members, members.c.id == passes.c.member_id).outerjoin(tiers, tier)
        if self._preferred:
            joined = joined.outerjoin(preferences, preferences.c.member_id == members.c.id)
        if self._windows is not None:
            joined = joined.outerjoin(self._windows, self._windows.c.whose == self._whose())
        return query.select_from(joined)

    def _build(self) -> Iterator[tuple[str, Condition]]:
        """The checks that can apply, each with what is true of those who fail it."""
        found = itertools.chain(
            self._about_the_pass(), self._about_consent(), self._about_the_hour(), self._about_the_past()
        )
        return ((word, condition) for word, condition in found if word not in self.passed_over)

    def _about_the_pass(self) -> Iterator[tuple[str, Condition]]:
        if not self.rules.active:
            yield "program_inactive", sa.true()
        yield "inactive", members.c.status.in_(INACTIVE)
        yield "gone", passes.c.status == "gone"
        yield "not_installed", passes.c.status.not_in(("installed", "unknown"))
        mute = ("no_field", "no_change_message", "no_placeholder")
        yield "no_message_field", tiers.c.message_field_state.in_(mute)

    def _about_consent(self) -> Iterator[tuple[str, Condition]]:
        yield "opted_out", members.c.opted_out
        if _any(self._connection, sa.select(suppressed.c.member_id)):
            holds = sa.or_(suppressions.c.expires_at.is_(None), suppressions.c.expires_at > self.at)
            listed = suppressed.join(suppressions, suppressions.c.id == suppressed.c.suppression_id)
            query = sa.select(sa.literal(1)).select_from(listed)
            yield "suppressed", query.where(suppressed.c.member_id == members.c.id, holds).exists()
        purpose = self._message.purpose
        if _any(self._connection, sa.select(consents.c.id).where(consents.c.purpose == purpose)):
            newest = (
                sa.select(consents.c.given)
                .where(consents.c.member_id == members.c.id, consents.c.purpose == purpose)
                .order_by(consents.c.id.desc())
                .limit(1)
                .correlate(members)
                .scalar_subquery()
            )
            yield "withdrawn", newest.is_(sa.false())
            if self.rules.consent == "given":
                yield "no_consent", newest.is_(None)
        elif self.rules.consent == "given":
            yield "no_consent", sa.true()
        if self._message.category is not None and self._preferred:
            yield "declined", has_item(self._connection, preferences.c.declined, self._message.category)

    def _about_the_hour(self) -> Iterator[tuple[str, Condition]]:
        if self._windows is not None:
            yield "unknown_time_zone", self._windows.c.known == 0
            yield "quiet_hours", self._windows.c.known == 1

    def _about_the_past(self) -> Iterator[tuple[str, Condition]]:
        if not self._has_past():
            return
        caps = [(DAY, "most_a_day"), (WEEK, "most_a_week")]
        conditions = [
            self._past.to_member(span) >= self._most(name)
            for span, name in caps
            if self._preferred or getattr(self.rules, name)
        ]
        if conditions:
            yield "frequency_cap", sa.or_(*conditions)
        if self.rules.pass_interval_minutes:
            since = self.at - timedelta(minutes=self.rules.pass_interval_minutes)
            yield "too_soon", self._past.last_to_pass() > sa.literal(since, Moment)
        budgets: list[tuple[Condition, timedelta, int]] = []
        if self._settings.google_over_budget == "skip":
            budgets.append((passes.c.channel == "google", DAY, GOOGLE_ALERTS_A_DAY))
        budgets += [
            (sa.true(), span, most)
            for span, most in ((DAY, self.rules.pass_most_a_day), (MONTH, self.rules.pass_most_a_month))
            if most
        ]
        spent = [sa.and_(which, self._past.to_pass(span) >= most) for which, span, most in budgets]
        if spent:
            yield "attention_budget", sa.or_(*spent)

    # The hour

    def _read_windows(self, scope: Condition | None, member_id: int | None) -> sa.CTE | None:
        """Those for whom it is quiet now, with its end, or for whom nobody can tell; None: nobody.

        As a table, since members may have as many quiet hours and zones as they like.
        """
        own = sa.and_(
            preferences.c.quiet_from.is_not(None), preferences.c.quiet_from != preferences.c.quiet_to
        )
        if self.rules.quiet is None and not (
            self._preferred and _any(self._connection, sa.select(preferences.c.member_id).where(own))
        ):
            return None
        hours = (preferences.c.quiet_from, preferences.c.quiet_to)
        columns = (members.c.time_zone, *(hours if self._preferred else (sa.null(), sa.null())))
        source = passes if scope is None else deliveries.join(passes, passes.c.id == deliveries.c.pass_id)
        query = self._join(sa.select(*columns).distinct(), source)
        query = query.where(members.c.program_id == self._program_id if scope is None else scope)
        if member_id is not None:
            query = query.where(members.c.id == member_id)
        ends: list[tuple[str, int, datetime]] = []
        for name, start, out in self._connection.execute(query):
            wanted = self.rules.quiet if start is None else (start, out)
            if wanted is None or wanted[0] == wanted[1]:
                continue
            zone = zones.first_known(name, self.rules.time_zone)
            until = quiet.ends(wanted, zone, self.at) if zone is not None else None
            if zone is None or until is not None:
                ends.append((_spelled(name, start, out), int(zone is not None), until or self.at))
        if not ends:
            return None
        kinds: dict[str, Any] = {"whose": sa.Text(), "known": sa.Integer(), "until": Moment()}
        # Materialized, SQLite makes an index of it: thousands of members may each have hours of their own.
        return as_table(self._connection, ends, kinds).cte("windows").prefix_with("MATERIALIZED")

    def _whose(self) -> sa.ColumnElement[str]:
        """A member's zone and quiet hours in one text, as `_spelled` has it."""
        parts = [members.c.time_zone]
        parts += [preferences.c.quiet_from, preferences.c.quiet_to] if self._preferred else []
        zone, *hours = (sa.func.coalesce(part, "") for part in parts)
        start, out = hours or ("", "")
        return zone + "|" + start + "|" + out

    # The past

    def _has_past(self) -> bool:
        """Whether somebody may have been messaged in the time of a check."""
        spans = [DAY, timedelta(minutes=self.rules.pass_interval_minutes)]  # a day: Google's budget
        spans += [WEEK] if self.rules.most_a_week or self._preferred else []
        spans += [MONTH] if self.rules.pass_most_a_month else []
        return self._past.is_there(self._connection, self._program_id, max(spans))

    def _most(self, name: str) -> sa.ColumnElement[int]:
        """The member's own limit, else the program's; without either, one that nobody reaches."""
        general = getattr(self.rules, name) or sa.null()
        own = preferences.c[name] if self._preferred else sa.null()
        return sa.func.coalesce(own, general, 1_000_000)


def _spelled(time_zone: str | None, start: str | None, out: str | None) -> str:
    return f"{time_zone or ''}|{start or ''}|{out or ''}"


def _any(connection: sa.Connection, query: sa.Select[Any]) -> bool:
    return connection.execute(query.limit(1)).first() is not None
