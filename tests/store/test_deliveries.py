"""Deliveries, batches and tries as people look at them, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store import claims, deliveries, enrolments, ledger, programs, settlements
from store.claims import Claimed
from store.database import Database
from store.deliveries import Which
from store.errors import UsageError
from store.migrations import migrate
from store.programs import Program
from store.schema import blasts as blasts_table
from store.schema import deliveries as deliveries_table
from store.settlements import Settlement
from tests.store.test_members import holder

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    migrate(database)
    with database.write() as connection:
        programs.upsert_program(connection, Program("p1", "rehearsal", "membership", "Café"))
        holders = [enrolments.storable(holder(number)) for number in range(6)]
        enrolments.upsert_page(connection, "p1", holders, message_key="news", seen_at=NOW)
    yield database
    database.close()


def add_blast(database: Database, name: str = "first", **more: Any) -> int:
    """A running blast over all six passes: pending, but for the last, which is skipped."""
    values: dict[str, Any] = {"account": "rehearsal", "program_id": "p1", "name": name, "text": "the text"}
    values |= {"message_key": "news", "audience": "all", "state": "running", "plan_hash": ""}
    with database.write() as connection:
        statement = blasts_table.insert().values(**values | {"planned_at": NOW, "started_at": NOW} | more)
        blast_id = int(connection.execute(statement.returning(blasts_table.c.id)).scalar_one())
        rows = [
            {
                "blast_id": blast_id,
                "pass_id": number + 1,
                "state": "skipped" if number == 5 else "pending",
                "reason": "opted_out" if number == 5 else None,
                "verdict": "nothing" if number == 5 else "alert",
                "text": "her own" if number == 1 else None,
                "due_at": None if number == 5 else NOW,
            }
            for number in range(6)
        ]
        connection.execute(deliveries_table.insert(), rows)
    return blast_id


def work(database: Database, blast_id: int, *ends: dict[str, Any]) -> int:
    """One batch, whose deliveries end so one after the other."""
    with database.write() as connection:
        batch, claimed = claims.claim(
            connection, blast_id, worker="w", limit=len(ends), lease_until=LATER, at=NOW, look=lambda *_: {}
        )
        settled = [_settled(one, **end) for one, end in zip(claimed, ends, strict=True)]
        settlements.settle(connection, blast_id, batch, settled, at=NOW)
    return batch


def _settled(claimed: Claimed, state: str, **more: Any) -> Settlement:
    outcome = {"accepted": "accepted", "failed": "gone", "pending": "later"}[state]
    return Settlement(claimed.id, claimed.pass_id, state, outcome, **more)


ACCEPTED = {"state": "accepted"}
GONE = {"state": "failed", "reason": "not_found", "detail": "PassKit knows no such pass", "code": "HTTP 404"}
BUSY = {"state": "failed", "reason": "busy", "detail": "503", "code": "HTTP 503"}
AGAIN = {"state": "pending", "reason": "timeout", "detail": "no answer", "due_at": LATER}


def test_a_page_tells_all_that_the_commands_print(database: Database) -> None:
    blast_id = add_blast(database)
    batch = work(database, blast_id, ACCEPTED, GONE)
    with database.read() as connection:
        first, second, *_, last = deliveries.page(connection, blast_id)
    assert {key: value for key, value in first.items() if key != "id"} == {
        "member": "M-0000",
        "name": "Name 0000",
        "pass": "pass-0",
        "channel": "passkit",
        "state": "accepted",
        "reason": None,
        "detail": None,
        "code": None,
        "attempts": 1,
        "text": "the text",
        "batch": batch,
        "accepted_at": "2026-11-21T12:00:00.000000Z",
        "listed_at": None,
        "fetched_at": None,
        "has_users": None,
    }
    told = [second[key] for key in ("state", "reason", "detail", "code", "text", "accepted_at")]
    assert told == ["failed", "not_found", "PassKit knows no such pass", "HTTP 404", "her own", None]
    assert [last[key] for key in ("state", "reason", "batch")] == ["skipped", "opted_out", None]


def test_pages_follow_each_other_by_offset_and_by_ids(database: Database) -> None:
    blast_id = add_blast(database)
    add_blast(database, "second")
    with database.read() as connection:
        whole = deliveries.page(connection, blast_id)
        assert len(whole) == deliveries.count(connection, blast_id) == 6
        assert deliveries.page(connection, blast_id, offset=2, limit=2) == whole[2:4]
        ids = deliveries.ids(connection, blast_id)
        assert deliveries.by_ids(connection, ids[4:]) == whole[4:]


def test_pages_and_counts_by_state_reason_and_batch(database: Database) -> None:
    blast_id = add_blast(database)
    work(database, blast_id, ACCEPTED, GONE)
    batch = work(database, blast_id, BUSY, ACCEPTED)
    filters = [
        (Which("failed"), ["M-0001", "M-0002"]),
        (Which("failed", "busy"), ["M-0002"]),
        (Which(reason="opted_out"), ["M-0005"]),
        (Which(batch_id=batch), ["M-0002", "M-0003"]),
        (Which("accepted", batch_id=batch), ["M-0003"]),
        (Which("held_out"), []),
    ]
    with database.read() as connection:
        for chosen, expected in filters:
            assert [row["member"] for row in deliveries.page(connection, blast_id, chosen)] == expected
            assert deliveries.count(connection, blast_id, chosen) == len(expected)


def test_a_state_that_there_is_not_is_refused_with_those_that_there_are(database: Database) -> None:
    with database.read() as connection, pytest.raises(UsageError, match="'done': choose from pending, send"):
        deliveries.page(connection, 1, Which("done"))


def test_one_delivery_comes_with_its_tries(database: Database) -> None:
    blast_id = add_blast(database)
    batch = work(database, blast_id, AGAIN)
    with database.read() as connection:
        (row,) = deliveries.page(connection, blast_id, limit=1)
        found, tried = deliveries.get(connection, row["id"])
    assert (found["member"], found["verdict"]) == ("M-0000", "alert")
    assert found["due_at"] == "2026-11-21T12:01:00.000000Z"
    assert tried == [deliveries.Attempt(NOW, batch, "later", "timeout", "no answer", None)]


def test_a_delivery_that_there_is_not(database: Database) -> None:
    with database.read() as connection, pytest.raises(UsageError, match="there is no delivery 99"):
        deliveries.get(connection, 99)


def test_batches_with_failures_come_first(database: Database) -> None:
    blast_id = add_blast(database)
    clean = work(database, blast_id, ACCEPTED)
    broken = work(database, blast_id, GONE, BUSY)
    newer = work(database, blast_id, AGAIN)
    with database.read() as connection:
        assert deliveries.batch_count(connection, blast_id) == 3
        found = deliveries.batch_page(connection, blast_id)
        assert deliveries.batch_page(connection, blast_id, offset=1, limit=1) == found[1:2]
    assert [one.id for one in found] == [broken, newer, clean]
    assert found[0] == deliveries.Batch(broken, "w", NOW, NOW, 2, 0, 2, 0)
    assert (found[1].returned, found[2].accepted) == (1, 1)


def test_why_the_deliveries_of_batches_are_failed_now(database: Database) -> None:
    blast_id = add_blast(database)
    mixed = work(database, blast_id, BUSY, GONE)
    busy = work(database, blast_id, BUSY, BUSY)
    gone = deliveries.Failure("not_found", "PassKit knows no such pass", 1, "HTTP 404")
    with database.write() as connection:
        page = [one.id for one in deliveries.batch_page(connection, blast_id)]
        found = deliveries.failures_of_batches(connection, blast_id, page)
        ledger.retry(connection, blast_id, reason="busy", at=NOW)
        after = [one.id for one in deliveries.batch_page(connection, blast_id)]
        left = deliveries.failures_of_batches(connection, blast_id, after)
    assert page == [busy, mixed]
    assert found[busy] == [deliveries.Failure("busy", "503", 2, "HTTP 503")]
    assert found[mixed] == [deliveries.Failure("busy", "503", 1, "HTTP 503"), gone]
    assert after == [mixed, busy]
    assert left == {mixed: [gone]}


def test_blasts_with_their_figures_the_newest_first(database: Database) -> None:
    first = add_blast(database)
    second = add_blast(database, "second", state="planned", started_at=None)
    add_blast(database, "real", account="live")
    work(database, first, ACCEPTED, GONE)
    with database.read() as connection:
        newest, oldest = deliveries.blast_page(connection, "rehearsal")
        assert deliveries.blast_page(connection, "rehearsal", offset=1) == [oldest]
        assert deliveries.blast_count(connection, "rehearsal") == 2
        assert deliveries.blast_page(connection, "live", offset=1) == []
    assert (newest.id, newest.name, newest.program, newest.state) == (second, "second", "Café", "planned")
    assert (oldest.id, oldest.started_at, oldest.planned) == (first, NOW, 6)
    states = {"pending": 3, "sending": 0, "accepted": 1, "failed": 1, "skipped": 1, "held_out": 0}
    assert (oldest.states, oldest.never_sent) == (states, 0)
    with database.write() as connection:
        ledger.step(connection, first, "cancelled", at=NOW)
        (_, cancelled) = deliveries.blast_page(connection, "rehearsal")
    assert (cancelled.states["skipped"], cancelled.never_sent) == (4, 3)


def test_figures_of_finished_blasts_are_counted_once(database: Database) -> None:
    blast_id = add_blast(database, state="finished", finished_at=NOW)
    known: dict[tuple[int, datetime], deliveries.Figures] = {}
    with database.read() as connection:
        first = deliveries.blast_page(connection, "rehearsal", known=known)
        assert deliveries.blast_page(connection, "rehearsal", known=known) == first
    assert list(known) == [(blast_id, NOW)]
    with database.write() as connection:
        retried = {"state": "running", "finished_at": None}
        connection.execute(blasts_table.update().values(**retried))
        connection.execute(deliveries_table.update().values(state="accepted"))
        (running,) = deliveries.blast_page(connection, "rehearsal", known=known)
        connection.execute(blasts_table.update().values(state="finished", finished_at=LATER))
        (again,) = deliveries.blast_page(connection, "rehearsal", known=known)
    assert running.states == again.states == dict.fromkeys(first[0].states, 0) | {"accepted": 6}


def test_failures_by_reason_the_commonest_first(database: Database) -> None:
    blast_id = add_blast(database)
    work(database, blast_id, GONE, BUSY, ACCEPTED)
    batch = work(database, blast_id, BUSY)
    with database.read() as connection:
        found = deliveries.failures(connection, blast_id)
        of_batch = deliveries.failures(connection, blast_id, batch_id=batch)
    gone = deliveries.Failure("not_found", "PassKit knows no such pass", 1, "HTTP 404")
    assert found == [deliveries.Failure("busy", "503", 2, "HTTP 503"), gone]
    assert of_batch == [deliveries.Failure("busy", "503", 1, "HTTP 503")]
