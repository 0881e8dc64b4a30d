"""A blast's pace, latency and batches from its batches' counters, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import throughput
from store.database import Database
from store.schema import batches, blasts
from store.throughput import MOST_PARTS, STEPS, Stretch
from tests.store.crowd import NOW, open_store


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    """A store with two blasts that were never claimed."""
    database = open_store(current_url)
    blast: dict[str, Any] = {
        "account": "rehearsal",
        "program_id": "P1",
        "name": "one",
        "text": "Hello",
        "plan_hash": "h",
    }
    blast |= {"message_key": "k", "audience": "all", "state": "running", "planned_at": NOW}
    with database.write() as connection:
        connection.execute(blasts.insert(), [blast | {"id": 1}, blast | {"id": 2}])
    yield database
    database.close()


def batch(number: int, seconds: float, took: float | None = 1.0, **more: Any) -> dict[str, Any]:
    """A batch of the first blast, claimed so long after the first; None: not settled yet."""
    claimed: datetime = NOW + timedelta(seconds=seconds)
    settled = None if took is None else claimed + timedelta(seconds=took)
    row = {"id": number, "blast_id": 1, "worker": "w", "claimed_at": claimed, "settled_at": settled}
    return row | {"size": 10, "accepted": 10, "failed": 0, "returned": 0} | more


def look(database: Database, rows: list[dict[str, Any]], parts: int = MOST_PARTS) -> throughput.Throughput:
    if rows:
        with database.write() as connection:
            connection.execute(batches.insert(), rows)
    with database.read() as connection:
        return throughput.throughput(connection, 1, parts=parts)


def test_without_a_batch_there_is_nothing_to_tell(database: Database) -> None:
    found = look(database, [])
    assert (found.since, found.latency, list(found.done), list(found.strip)) == (None, None, [], [])
    assert found.as_json()["latency"] is None
    assert found.fastest == 0


def test_what_was_settled_stands_in_its_second_and_what_was_not_at_its_claim(database: Database) -> None:
    rows = [
        batch(1, 0.2, 0.7),
        batch(2, 0.9, 1.0, accepted=7, failed=3),
        batch(3, 3.5, None, accepted=4, failed=1),
        batch(4, 3.6, 0.2, blast_id=2),
    ]
    found = look(database, rows)
    assert (found.since, found.step) == (NOW, 1)
    assert list(found.done) == [10, 10, 0, 5]
    assert list(found.failed) == [0, 3, 0, 1]
    assert found.fastest == 10
    assert [(one.first, one.failed, one.worst) for one in found.strip] == [
        (1, 0, 0.0),
        (2, 3, pytest.approx(0.3)),
        (3, 1, pytest.approx(0.2)),
    ]


def test_a_long_blast_is_told_in_as_few_parts_and_nothing_is_lost(database: Database) -> None:
    rows = [batch(number, number * 7.3, failed=number % 3, accepted=10) for number in range(1, 301)]
    rows[-1] |= {"accepted": 0, "failed": 0}
    found = look(database, rows, parts=40)
    assert found.step == 60
    assert len(found.done) <= 40
    assert sum(found.done) == sum(row["accepted"] + row["failed"] for row in rows)
    assert sum(found.failed) == sum(row["failed"] for row in rows)
    assert len(found.strip) == 40
    assert sum(one.batches for one in found.strip) == 300
    assert [one.first for one in found.strip[1:]] == [one.last + 1 for one in found.strip[:-1]]
    assert found.strip[-1].worst is not None
    with database.read() as connection:
        worst = throughput.worst_batch(connection, 1, found.strip[0])
    assert worst == 2
    assert found.as_json()["batches"][0]["size"] == found.strip[0].size


def test_what_is_not_settled_at_all_is_told_as_unknown(database: Database) -> None:
    found = look(database, [batch(1, 0, None, accepted=0)])
    assert list(found.strip) == [Stretch(1, 1, 1, 10, 0, 0, None)]
    assert found.latency is None


def test_latency_is_of_messages_and_not_of_batches(database: Database) -> None:
    rows = [batch(number, number, 0.5, size=1) for number in range(1, 10)]
    found = look(database, [*rows, batch(10, 10, 4.0, size=91)]).latency
    assert found is not None
    assert (found.p50, found.p95, found.p99, found.batches) == (4.0, 4.0, 4.0, 10)


def test_latency_is_of_the_newest(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "NEWEST", 2)
    found = look(database, [batch(1, 0, 9.0), batch(2, 10, 1.0), batch(3, 12, 2.0)]).latency
    assert found is not None
    assert (found.p50, found.p99, found.batches) == (1.0, 2.0, 2)


@given(st.floats(0, 1e9), st.integers(2, 200))
def test_a_step_never_gives_too_many_parts(seconds: float, parts: int) -> None:
    step = throughput.step_for(seconds, parts)
    assert step >= 1
    assert seconds / step + 1 < parts + 1e-6
    assert step in STEPS or seconds / STEPS[-1] + 1 >= parts
