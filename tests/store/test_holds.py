"""Held blasts: one look at a time over all workers, and the designs that a blast needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa

from store import holds, ledger
from store.database import Database
from store.schema import blasts, deliveries, members, programs, tiers
from tests.store.crowd import NOW, open_store
from tests.store.test_ledger import planned, running

EVERY = timedelta(seconds=5)
SECOND = timedelta(seconds=1)


def held(database: Database, *, probe_at: datetime | None = NOW + EVERY) -> int:
    blast_id = running(database)
    with database.write() as connection:
        ledger.step(connection, blast_id, "held", at=NOW, hold_reason="the key", probe_at=probe_at)
    return blast_id


def take(database: Database, at: datetime, account: str = "rehearsal") -> bool:
    with database.write() as connection:
        return holds.take_look(connection, account, at=at, every=EVERY)


def end(database: Database, at: datetime) -> None:
    with database.write() as connection:
        holds.end_look(connection, "rehearsal", next_at=at + EVERY)


def test_a_look_is_taken_once_when_due_and_again_after_it_ended(current_url: str) -> None:
    database = open_store(current_url)
    held(database)
    assert not take(database, NOW + EVERY - SECOND)
    assert not take(database, NOW + EVERY, "live")
    assert take(database, NOW + EVERY)
    assert not take(database, NOW + EVERY + SECOND)
    end(database, NOW + 8 * SECOND)
    assert not take(database, NOW + 12 * SECOND)
    assert take(database, NOW + 13 * SECOND)
    database.close()


def test_a_look_that_takes_its_time_is_the_only_one_whatever_else_is_held_meanwhile(current_url: str) -> None:
    database = open_store(current_url)
    held(database)
    assert take(database, NOW + EVERY)
    held(database, probe_at=NOW + 2 * EVERY)
    for seconds in range(10, 36):
        assert not take(database, NOW + seconds * SECOND)
    # Longer than that none takes: it died with its worker.
    assert take(database, NOW + EVERY + holds.LONGEST + holds.SLACK)
    database.close()


def test_a_blast_that_waits_for_the_operator_is_not_looked_at(current_url: str) -> None:
    database = open_store(current_url)
    asks, waits = held(database, probe_at=None), held(database)
    urgent = held(database)
    with database.write() as connection:
        connection.execute(blasts.update().where(blasts.c.id == urgent).values(urgent=True))
        holds.end_look(connection, "rehearsal", next_at=NOW)
        assert [blast.id for blast in holds.waiting(connection, "rehearsal")] == [urgent, waits]
        assert holds.waiting(connection, "live") == []
        assert ledger.get(connection, asks).probe_at is None
        holds.reword(connection, waits, reason="the quota")
        assert ledger.get(connection, waits).hold_reason == "the quota"
        ledger.step(connection, waits, "running", at=NOW)
        holds.reword(connection, waits, reason="too late")
        assert ledger.get(connection, waits).hold_reason is None
    database.close()


def test_of_many_workers_one_looks(current_url: str) -> None:
    database = open_store(current_url)
    held(database)
    held(database)
    together = Barrier(4)

    def try_it(_: int) -> int:
        together.wait(10)
        return sum(take(database, NOW + EVERY + turn * timedelta(milliseconds=1)) for turn in range(5))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(try_it, range(4))) == 1
    database.close()


@pytest.mark.parametrize("state", ["ok", "unknown"])
def test_the_designs_of_a_blast_are_those_of_who_is_still_to_be_messaged(
    current_url: str, state: str
) -> None:
    database = open_store(current_url)
    blast_id = planned(database, 10, 2)
    designs = [("gold", "Gold", "T1", state), ("silver", "Silver", "T1", "ok"), ("iron", "Iron", "T2", "ok")]
    mute = [("lead", "Lead", "T3", "no_field"), ("none", "None", None, "unknown"), ("tin", "Tin", "T4", "ok")]
    names = ("id", "name", "template_id", "message_field_state")
    worn = ["gold", "gold", "silver", "iron", "lead", "none", "gone", None, "tin", "tin"]
    with database.write() as connection:
        connection.execute(
            tiers.insert(),
            [{"program_id": "P1", **dict(zip(names, one, strict=True))} for one in designs + mute],
        )
        for number, tier in enumerate(worn, start=1):
            connection.execute(members.update().where(members.c.id == number).values(tier_id=tier))
        # The last two are skipped by the plan, and with them the tier Tin.
        assert holds.designs(connection, blast_id) == {"T1": "Gold, Silver", "T2": "Iron"}
        assert holds.kind(connection, ledger.get(connection, blast_id)) == "membership"
        first = sa.select(sa.func.min(deliveries.c.id)).scalar_subquery()
        sent = deliveries.update().where(deliveries.c.blast_id == blast_id, deliveries.c.id <= first + 2)
        connection.execute(sent.values(state="accepted", due_at=None))
        assert holds.designs(connection, blast_id) == {"T2": "Iron"}
        connection.execute(programs.update().values(kind="coupon"))
        assert holds.kind(connection, ledger.get(connection, blast_id)) == "coupon"
    database.close()
