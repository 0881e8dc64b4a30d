"""Events of a business, taken in: what a till, a shop or a booking system says happened to a pass.

An event counts once, by its id, and wholly or not at all. Those of one request that issue passes are a
transaction each, the others one together; each transaction has its audit entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from jobs.intake import events, own
from jobs.intake.events import BALANCE, CREATED, KEPT, REDEEMED, UPDATED, Incoming
from jobs.passes import changes
from jobs.passes.issue import Issuers, issue_in, issuers
from store import audit, heard, imports, issued, pass_events, preferences, programs
from store import members as members_store
from store.database import Database, lock, lock_rows
from store.errors import Refused, UsageError
from store.pass_events import Event
from store.programs import INACTIVE, Program
from store.schema import members, passes
from store.settings import Settings

ACTOR = "events"
SOURCE = "events"
REDEEMED_STATUS = "REDEEMED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event.

    status  taken | duplicate | refused
    code    what it would be as an HTTP status: 200; 400 where the event is wrong in itself, 409 where the
            state of things forbids it
    passes  how many passes it was recorded with
    detail  why it was refused, or what was left as it was; empty: nothing to say
    """

    id: str | None
    status: str
    code: int = 200
    passes: int = 0
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """The outcome as the answer tells it."""
        told = {"id": self.id, "status": self.status, "code": self.code, "passes": self.passes}
        return told | ({"detail": self.detail} if self.detail else {})


def take_in(
    database: Database, settings: Settings, documents: Sequence[Any], *, at: datetime
) -> list[Outcome]:
    """Take in the events of a request that came at this moment, in their order; an outcome for each."""
    intake = _Intake(database, settings, at)
    outcomes: list[Outcome] = []
    for document, event in ((one, _read(one, at)) for one in documents):
        if isinstance(event, Incoming):
            intake.waiting.append(event)
        else:
            outcomes += intake.flush()
            outcomes.append(_refused(document.get("id") if isinstance(document, dict) else None, event))
    return outcomes + intake.flush()


class _Intake:
    """One request's events."""

    def __init__(self, database: Database, settings: Settings, at: datetime) -> None:
        self._database, self._settings, self._at = database, settings, at
        self._issuers: Issuers | None = None
        self.waiting: list[Incoming] = []

    def flush(self) -> list[Outcome]:
        """Take in those that wait."""
        waiting, self.waiting = self.waiting, []
        outcomes: list[Outcome] = []
        for together in _transactions(waiting):
            if together[0].type == CREATED and self._issuers is None:
                try:
                    self._issuers = issuers(self._settings, self._database)
                except (UsageError, Refused) as error:
                    outcomes += [_refused(one.id, error) for one in together]
                    continue
            outcomes += self._in_one(together)
        return outcomes

    def _in_one(self, together: Sequence[Incoming]) -> list[Outcome]:
        with self._database.write() as connection:
            # One at a time: two that change the same members in another order would wait for each other.
            lock(connection, "events")
            batch = _Batch(connection, self._settings, self._issuers, self._at)
            outcomes = [batch.take(event) for event in together]
            batch.finish(together, outcomes)
        return outcomes


class _Batch:
    """The events of one transaction. Rows are written first, tags taken after them, the audit comes last:
    everybody goes in this order, so that nobody waits crosswise."""

    def __init__(
        self, connection: sa.Connection, settings: Settings, by: Issuers | None, at: datetime
    ) -> None:
        self._connection, self._settings, self._by, self._at = connection, settings, by, at
        self._touched: dict[str, dict[int, set[str]]] = {}
        self._voided: list[int] = []
        self._programs: dict[str, Program] = {}

    def take(self, event: Incoming) -> Outcome:
        """One event, wholly or not at all."""
        step = self._connection.begin_nested()
        try:
            fresh = heard.take(self._connection, SOURCE, event.id, until=event.at + KEPT, at=self._at)
            outcome = self._effect(event) if fresh else Outcome(event.id, "duplicate")
        except (UsageError, Refused) as error:
            step.rollback()
            return _refused(event.id, error)
        step.commit()
        return outcome

    def finish(self, together: Sequence[Incoming], outcomes: Sequence[Outcome]) -> None:
        """What comes last in a transaction: tags for the passes that changed, and the audit."""
        if self._voided:
            # Told first: who is told goes by the state that phones know.
            changes.passes_changed(self._connection, self._voided, at=self._at)
            gone = passes.update().where(passes.c.id.in_(self._voided))
            self._connection.execute(gone.values(status="invalidated"))
        for program_id, touched in sorted(self._touched.items()):
            changes.members_changed(self._connection, program_id, touched, at=self._at)
        taken = [event for event, one in zip(together, outcomes, strict=True) if one.status == "taken"]
        if taken:
            counts = {
                kind: sum(one.type == kind for one in taken) for kind in sorted({e.type for e in taken})
            }
            details = {"taken": counts, "ids": [one.id for one in taken]}
            audit.append(self._connection, actor=ACTOR, act="events.take", subject="events", details=details)

    def _effect(self, event: Incoming) -> Outcome:
        if event.type == CREATED:
            return self._created(event)
        program, member_id, pass_ids = self._whose(event)
        note = ""
        if event.type in (UPDATED, BALANCE):
            note = self._changed(event, program, member_id, pass_ids)
        elif not pass_ids:
            raise Refused("there is no pass that it could be recorded with")
        elif event.type == REDEEMED and program.own and program.kind == "coupon":
            self._redeem(event, member_id, pass_ids)
        self._record(event, pass_ids)
        return Outcome(event.id, "taken", passes=len(pass_ids), detail=note)

    def _created(self, event: Incoming) -> Outcome:
        program = self._program(event.program)
        if not program.own:
            raise Refused(f"{program.name} is PassKit's: members are enrolled there")
        assert self._by is not None
        secret = self._settings.consent_secret
        given = dict(event.given)
        issue_in(self._connection, program, event.external_id, given, self._by, secret=secret, actor=ACTOR)
        _, _, pass_ids = self._whose(event)
        return Outcome(event.id, "taken", passes=len(pass_ids))

    def _changed(self, event: Incoming, program: Program, member_id: int, pass_ids: list[int]) -> str:
        """Write what an event says of the member; returns what was left as it was, in words."""
        if not program.own:
            raise Refused(
                f"{program.name} is PassKit's: members are changed there, and the next sync sees it"
            )
        known = next(iter(imports.states(self._connection, members.c.id == member_id, own=True).values()))
        if event.type == BALANCE:
            newest = pass_events.newest(self._connection, pass_ids, ["balance_changed"])
            if newest is not None and newest > event.at:
                return "a later balance is known: it stays"
        wished = preferences.own_columns(self._connection, [member_id]).get(member_id, set())
        given = {name: value for name, value in event.given.items() if name not in wished}
        change = imports.changed(known, given)
        if change is not None:
            own.update(self._connection, [change], self._settings.consent_secret)
            touched = self._touched.setdefault(program.id, {}).setdefault(member_id, set())
            touched.update(changes.names(change.before))
        kept = sorted(wished.intersection(event.given))
        return f"the member's own choice stays: {', '.join(kept)}" if kept else ""

    def _redeem(self, event: Incoming, member_id: int, pass_ids: list[int]) -> None:
        """A coupon is good for once: its passes are void from now on."""
        query = sa.select(passes.c.id).where(passes.c.id.in_(pass_ids), passes.c.status != "invalidated")
        good = [id_ for id_ in self._connection.scalars(query) if id_ not in self._voided]
        if not good:
            raise Refused("the coupon was redeemed, or made void, before")
        self._voided += good
        status = members.update().where(members.c.id == member_id)
        self._connection.execute(status.values(status=REDEEMED_STATUS))

    def _record(self, event: Incoming, pass_ids: Sequence[int]) -> None:
        details = {"id": event.id, "data": dict(event.data)}
        told = [Event(id_, event.kind, event.at, SOURCE, details) for id_ in pass_ids]
        pass_events.add(self._connection, told)

    def _whose(self, event: Incoming) -> tuple[Program, int, list[int]]:
        """The program, the member (locked) and the passes that an event is about."""
        if event.serial:
            one = issued.by_serial(self._connection, event.serial)
            if one is None:
                raise Refused("there is no pass with this serial")
            program = self._program(one.program_id)
            if event.program and self._program(event.program).id != program.id:
                raise Refused("the pass with this serial is of another program")
            member_id = one.member_id
        else:
            program = self._program(event.program)
            member_id = members_store.get(self._connection, program.id, event.external_id).id
        lock_rows(self._connection, members.c.id, [member_id])
        query = sa.select(passes.c.id).where(passes.c.member_id == member_id, passes.c.status != "gone")
        if self._connection.scalar(sa.select(members.c.status).where(members.c.id == member_id)) in INACTIVE:
            raise Refused("the member has left")
        return program, member_id, list(self._connection.scalars(query.order_by(passes.c.id)))

    def _program(self, name: str) -> Program:
        if name not in self._programs:
            self._programs[name] = programs.get(self._connection, name, self._settings.account)
        return self._programs[name]


def _read(document: Any, at: datetime) -> Incoming | UsageError:
    try:
        return events.read(document, at=at)
    except UsageError as error:
        return error


def _transactions(waiting: Sequence[Incoming]) -> Iterator[list[Incoming]]:
    """Events in their order, by transaction."""
    for creates, run in groupby(waiting, key=lambda one: one.type == CREATED):
        if creates:
            yield from ([one] for one in run)
        else:
            yield list(run)


def _refused(id_: Any, error: UsageError | Refused) -> Outcome:
    known = id_ if isinstance(id_, str) and len(id_) <= 200 and id_.isprintable() else None
    return Outcome(known, "refused", 409 if isinstance(error, Refused) else 400, detail=str(error))
