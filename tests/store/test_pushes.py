"""Own passes that changed: taken up by one worker at a time, told, put off, and changed again meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from store import issued, pushes
from store.database import Database
from store.issued import NewPass
from store.schema import issued as issued_passes
from store.schema import members, passes, pushes_due
from tests.store.crowd import NOW, add_members, member, open_store

LEASE = timedelta(minutes=5)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    """Two Apple passes, one of them on no phone, and one for Google; all changed."""
    database = open_store(current_url)
    add_members(database, [member(str(number)) for number in range(3)])
    with database.write() as connection:
        held = list(connection.scalars(sa.select(members.c.id).order_by(members.c.id)))
        rows = [
            NewPass(held[0], "P1", "apple", "S0", "S0", "pass.example", "t"),
            NewPass(held[1], "P1", "apple", "S1", "S1", "pass.example", "t"),
            NewPass(held[2], "P1", "google", "S2", "338.S2", None, "t"),
        ]
        ids = issued.add(connection, rows, at=NOW)
        connection.execute(passes.update().where(passes.c.id == ids[0]).values(status="installed"))
        issued.tell(connection, ids, at=NOW)
    yield database
    database.close()


def take(database: Database, minutes: float = 0) -> list[pushes.Due]:
    at = NOW + timedelta(minutes=minutes)
    with database.write() as connection:
        return pushes.take(connection, "rehearsal", at=at, lease=LEASE, limit=10)


def test_each_is_taken_up_once_until_its_lease_is_over(database: Database) -> None:
    found = take(database)
    assert [(one.channel, one.attempts) for one in found] == [("apple", 1), ("google", 1)]
    assert take(database) == []
    assert [one.attempts for one in take(database, minutes=6)] == [2, 2]
    with database.read() as connection:
        assert not pushes.any_due(connection, "live", at=NOW + timedelta(hours=1))


def test_who_was_told_is_done_unless_the_pass_has_changed_again(database: Database) -> None:
    apple, google = take(database)
    with database.write() as connection:
        issued.tell(connection, [apple.pass_id], at=NOW + timedelta(seconds=1))
        pushes.told(connection, [apple, google])
    with database.read() as connection:
        assert list(connection.scalars(sa.select(pushes_due.c.pass_id))) == [apple.pass_id]
    assert [one.attempts for one in take(database, minutes=1)] == [1]


def test_a_failure_is_put_off_or_given_up(database: Database) -> None:
    apple, google = take(database)
    with database.write() as connection:
        pushes.failed(connection, apple, detail="no answer", due_at=NOW + timedelta(minutes=10))
        pushes.failed(connection, google, detail="x" * 900, due_at=None)
    assert take(database, minutes=9) == []
    assert [one.pass_id for one in take(database, minutes=10)] == [apple.pass_id]
    with database.read() as connection:
        given_up = connection.execute(sa.select(pushes_due).where(pushes_due.c.due_at.is_(None))).one()
    assert (given_up.pass_id, given_up.detail) == (google.pass_id, "x" * 200)


def test_what_google_has_not_taken_is_known(database: Database) -> None:
    _, google = take(database)
    with database.write() as connection:
        assert pushes.unplaced(connection, [google.pass_id]) == {google.pass_id}
        connection.execute(
            issued_passes.update().where(issued_passes.c.pass_id == google.pass_id).values(placed_at=NOW)
        )
        assert pushes.unplaced(connection, [google.pass_id]) == frozenset()
