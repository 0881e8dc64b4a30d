"""The ledger as a state machine: whatever order things come in, no reachable state is an unsound one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from store import claims, holds, jumps, ledger, schedules, settlements
from store.claims import Claimed
from store.database import Database
from store.errors import Refused
from store.schema import attempts, batches, blasts, deliveries
from store.settlements import Settlement
from tests.store.crowd import NOW, open_store
from tests.store.test_ledger import accepted, again, failed, planned

ACCOUNT = "rehearsal"
PASSES = 5
LEASE = timedelta(seconds=60)
UNDO = timedelta(seconds=10)
GRACE = timedelta(seconds=900)
PROBE = timedelta(seconds=15)
WAIT = timedelta(seconds=60)
STARTABLE = ("planned", "scheduled", "missed")
ENDS = ("accepted", "skipped", "held_out")
OUTCOMES = ("accepted", "failed", "timeout", "skipped", "later", "unknown", "unsent")

number = st.integers(0, 2)
"""Which blast is meant, of as many as there are."""


class LedgerMachine(RuleBasedStateMachine):
    """Operators, two workers, their deaths, a schedule and a clock that is set, in any order."""

    database: Database

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.in_hand: list[tuple[str, int, int, Claimed]] = []
        self.states: dict[int, str] = {}
        self.tries: Counter[int] = Counter()
        self.figures: dict[int, Counter[str]] = {}
        self.stands: dict[int, str] = {}
        with self.database.write() as connection:
            for table in (attempts, deliveries, batches, blasts):
                connection.execute(table.delete())
        self.blasts = [planned(self.database, PASSES, 1), planned(self.database, PASSES, 1)]
        with self.database.write() as connection:
            schedules.start(connection, self.blasts[0], at=self.now, sends_from=None)
        self.take("one", self.blast(self.blasts[0]), 3)

    def among(self, number: int, *states: str) -> ledger.Blast:
        """A blast in one of these states, or any where there is none."""
        found = [blast_id for blast_id in self.blasts if self.stands[blast_id] in states] or self.blasts
        return self.blast(found[number % len(found)])

    # What operators say

    @precondition(lambda self: len(self.blasts) < 3)
    @rule()
    def plan(self) -> None:
        self.blasts.append(planned(self.database, PASSES, 1))

    @precondition(lambda self: any(state in STARTABLE for state in self.stands.values()))
    @rule(number=number, undo=st.booleans(), ahead=st.sampled_from([None, None, 5, 100]))
    def launch(self, number: int, undo: bool, ahead: int | None) -> None:
        """Now, with an undo window or without, or at a moment that lies ahead."""
        blast = self.among(number, *STARTABLE)
        with self.database.write() as connection:
            if ahead is None:
                until = self.now + UNDO if undo else None
                schedules.start(connection, blast.id, at=self.now, sends_from=until)
            else:
                send_at = self.now + timedelta(seconds=ahead)
                schedules.schedule(connection, blast.id, send_at=send_at, at=self.now)

    @rule(number=number, to=st.sampled_from(["running", "running", "cancelled", "paused", "held"]))
    def say(self, number: int, to: str) -> None:
        """Resume, cancel, pause, hold; `running` is no start, which is another rule."""
        blast = self.among(
            number, *(("paused", "held") if to == "running" else ("running", "paused", "held"))
        )
        if to == "running" and blast.state in (*STARTABLE, "finished"):
            return
        why: dict[str, Any] = {}
        if to == "held":
            why = {"hold_reason": "a reason", "probe_at": self.now + PROBE}
        with self.database.write() as connection:
            if to == blast.state or to in ledger.STEPS[blast.state]:
                ledger.step(connection, blast.id, to, at=self.now, **why)
                return
            with pytest.raises(Refused):
                ledger.step(connection, blast.id, to, at=self.now, **why)

    @precondition(lambda self: "failed" in self.states.values())
    @rule(number=number, reason=st.sampled_from([None, "timeout"]))
    def retry(self, number: int, reason: str | None) -> None:
        blast = self.among(number)
        with self.database.write() as connection:
            if blast.state in ("cancelled", *STARTABLE):
                with pytest.raises(Refused):
                    ledger.retry(connection, blast.id, reason=reason, at=self.now)
                return
            which = sa.select(deliveries.c.id).where(ledger.failed_where(blast.id, reason=reason))
            wanted = set(connection.scalars(which))
            assert ledger.retry(connection, blast.id, reason=reason, at=self.now) == len(wanted)
        for delivery_id in wanted:
            del self.states[delivery_id]

    # What workers do

    @rule(worker=st.sampled_from(["one", "two"]), number=number, limit=st.integers(1, 4))
    def claim(self, worker: str, number: int, limit: int) -> None:
        self.take(worker, self.among(number, *(ledger.STEPS if number == 0 else ("running",))), limit)

    def take(self, worker: str, blast: ledger.Blast, limit: int) -> None:
        with self.database.write() as connection:
            batch_id, claimed = claims.claim(
                connection,
                blast.id,
                worker=worker,
                limit=limit,
                lease_until=self.now + LEASE,
                at=self.now,
                look=lambda *_: {},
            )
        assert len(claimed) <= limit
        if not claimed:
            return
        assert blast.state == "running"
        assert blast.sends_from is None or blast.sends_from <= self.now
        self.figures[batch_id] = Counter(size=len(claimed))
        self.in_hand += [(worker, blast.id, batch_id, one) for one in claimed]
        self.tries.update(one.id for one in claimed)

    @precondition(lambda self: self.in_hand)
    @rule(which=st.integers(0, 9), how=st.sampled_from(OUTCOMES))
    def settle_a_batch(self, which: int, how: str) -> None:
        """All that is in hand of it ends alike."""
        self.settle(self.in_hand[which % len(self.in_hand)][2], [how] * PASSES)

    @precondition(lambda self: self.in_hand)
    @rule(which=st.integers(0, 9), hows=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=3))
    def settle_some(self, which: int, hows: list[str]) -> None:
        """Part of a batch, each with an outcome of its own."""
        self.settle(self.in_hand[which % len(self.in_hand)][2], hows)

    def settle(self, batch_id: int, hows: list[str]) -> None:
        """What is this batch's no more is left alone."""
        blast_id = next(blast_id for _, blast_id, batch, _ in self.in_hand if batch == batch_id)
        ours = [one for _, _, batch, one in self.in_hand if batch == batch_id]
        ended = [self.ending(one, how) for one, how in zip(ours, hows, strict=False)]
        live = self.live(batch_id)
        cancelled = self.blast(blast_id).state == "cancelled"
        with self.database.write() as connection:
            stale = settlements.settle(connection, blast_id, batch_id, ended, at=self.now)
        assert stale == sum(each.delivery_id not in live for each in ended)
        for each in ended:
            self.in_hand = [
                held for held in self.in_hand if (held[2], held[3].id) != (batch_id, each.delivery_id)
            ]
            if each.delivery_id not in live:
                continue
            state = each.state
            if cancelled and state == "pending":
                state = "failed" if each.outcome == "unknown" else "skipped"
            self.figures[batch_id]["returned" if state == "pending" else state] += 1
            self.tries[each.delivery_id] -= not each.counts

    def ending(self, one: Claimed, how: str) -> Settlement:
        """How a delivery ends."""
        if how == "unsent":
            return Settlement(one.id, one.pass_id, "pending", how, due_at=self.now, counts=False)
        if how == "skipped":
            return Settlement(one.id, one.pass_id, "skipped", how, reason="opted_out")
        if how in ("failed", "timeout"):
            return failed(one, how)
        return accepted(one) if how == "accepted" else again(one, self.now, how)

    @precondition(lambda self: self.in_hand)
    @rule(worker=st.sampled_from(["one", "two"]), dies=st.booleans())
    def keep_or_lose(self, worker: str, dies: bool) -> None:
        """A worker renews its leases, or was killed and is found to be dead: then it settles nothing more."""
        mine = sorted({batch_id for who, _, batch_id, _ in self.in_hand if who == worker})
        with self.database.write() as connection:
            if dies:
                claims.end_leases_of(connection, worker, at=self.now)
            else:
                claims.renew(connection, mine, lease_until=self.now + LEASE)
        if dies:
            self.in_hand = [held for held in self.in_hand if held[0] != worker]

    @precondition(lambda self: "held" in self.stands.values())
    @rule(works=st.booleans())
    def probe(self, works: bool) -> None:
        """Look whether held blasts may go on; nobody else looks meanwhile."""
        with self.database.write() as connection:
            if not holds.take_look(connection, ACCOUNT, at=self.now, every=PROBE):
                return
            assert not holds.take_look(connection, ACCOUNT, at=self.now, every=PROBE)
        with self.database.write() as connection:
            for held in holds.waiting(connection, ACCOUNT) if works else []:
                ledger.step(connection, held.id, "running", at=self.now)
            holds.end_look(connection, ACCOUNT, next_at=self.now + PROBE)

    # Time

    @rule(seconds=st.sampled_from([0, 6, 61, 1_000, -3_600]), is_set=st.booleans(), ticks=st.booleans())
    def time(self, seconds: int, is_set: bool, ticks: bool) -> None:
        """It passes, or the clock is set; some worker may tick then."""
        jump = timedelta(seconds=seconds)
        self.now += jump
        with self.database.write() as connection:
            if seconds < 0:
                jumps.shorten_waits(connection, ACCOUNT, at=self.now, wait=WAIT)
                jumps.pull_in(connection, ACCOUNT, at=self.now, lease=LEASE, longest_wait=WAIT)
            elif is_set:
                jumps.extend_leases(connection, ACCOUNT, until=self.now + LEASE)
                jumps.keep_windows(connection, ACCOUNT, at=self.now, jump=jump)
        if ticks:
            self.tick()

    def tick(self) -> None:
        with self.database.write() as connection:
            jumps.pull_in(connection, ACCOUNT, at=self.now, lease=LEASE, longest_wait=WAIT)
            claims.release_expired(connection, ACCOUNT, at=self.now)
            for blast_id in ledger.running_blasts(connection, ACCOUNT):
                ledger.finish_if_done(connection, blast_id, at=self.now)
            schedules.come_due(connection, ACCOUNT, at=self.now, grace=GRACE)

    # What always holds

    @invariant()
    def the_ledger_is_sound(self) -> None:
        with self.database.read() as connection:
            found = {row.id: row for row in connection.execute(sa.select(blasts))}
            rows = connection.execute(sa.select(deliveries)).all()
            of_batches = connection.execute(sa.select(batches)).all()
        self.stands = {blast.id: blast.state for blast in found.values()}
        self.each_delivery_is_sound(rows)
        for blast in found.values():
            self.a_blast_is_sound(blast, Counter(row.state for row in rows if row.blast_id == blast.id))
        for row in of_batches:
            told = self.figures[row.id]
            assert (row.size, row.accepted, row.failed, row.returned) == tuple(
                told[name] for name in ("size", "accepted", "failed", "returned")
            )

    def each_delivery_is_sound(self, rows: Sequence[Any]) -> None:
        before, self.states = self.states, {row.id: row.state for row in rows}
        assert before.keys() <= self.states.keys()
        on_their_way = [row.pass_id for row in rows if row.state == "sending"]
        assert len(on_their_way) == len(set(on_their_way))
        for row in rows:
            was = before.get(row.id)
            assert was == row.state or was not in (*ENDS, "failed")
            assert (row.due_at is not None) == (row.state in ("pending", "sending"))
            assert (row.lease_until is not None) == (row.state == "sending")
            assert (row.accepted_at is not None) == (row.state == "accepted")
            assert row.attempts == self.tries[row.id]
            assert 0 <= row.attempts_forgiven <= row.attempts

    def a_blast_is_sound(self, blast: Any, counts: Counter[str]) -> None:
        assert sum(counts[state] for state in ledger.STATES) == PASSES
        assert (blast.finished_at is not None) == (blast.state in ("finished", "cancelled"))
        assert (blast.hold_reason is not None) == (blast.state == "held")
        assert blast.state != "scheduled" or blast.send_at is not None
        if blast.state == "finished":
            assert not counts["pending"] + counts["sending"]
        if blast.state == "cancelled":
            assert not counts["pending"]
        if blast.state in STARTABLE:
            assert counts == {"pending": PASSES - 1, "skipped": 1}

    def teardown(self) -> None:
        """From wherever it stands, a healthy worker brings every blast to its end."""
        for blast in map(self.blast, self.blasts):
            with self.database.write() as connection:
                if blast.state in STARTABLE:
                    schedules.start(connection, blast.id, at=self.now, sends_from=None)
                elif blast.state in ("paused", "held"):
                    ledger.step(connection, blast.id, "running", at=self.now)
        self.in_hand.clear()
        for _ in range(4):
            self.now += 2 * LEASE
            self.tick()
            running = [blast for blast in map(self.blast, self.blasts) if blast.state == "running"]
            if not running:
                break
            for blast in running:
                self.take("healthy", blast, PASSES)
            for _, blast_id, batch_id, one in self.in_hand:
                with self.database.write() as connection:
                    settlements.settle(connection, blast_id, batch_id, [accepted(one)], at=self.now)
                self.figures[batch_id]["accepted"] += 1
            self.in_hand.clear()
        self.tick()
        self.the_ledger_is_sound()
        assert set(self.stands.values()) <= {"finished", "cancelled"}

    def blast(self, blast_id: int) -> ledger.Blast:
        with self.database.read() as connection:
            return ledger.get(connection, blast_id)

    def live(self, batch_id: int) -> set[int]:
        """Deliveries that are this batch's to settle."""
        query = sa.select(deliveries.c.id).where(
            deliveries.c.batch_id == batch_id, deliveries.c.state == "sending"
        )
        with self.database.read() as connection:
            return set(connection.scalars(query))


@pytest.mark.slow
def test_no_order_of_things_brings_the_ledger_into_an_unsound_state(current_url: str) -> None:
    on_disk = current_url.startswith("postgresql")

    class Machine(LedgerMachine):
        """The machine on this database."""

        database = open_store(current_url if on_disk else "sqlite:///:memory:")

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=8 if on_disk else 50, stateful_step_count=40)
    )
    Machine.database.close()
