"""The life of a pass and the messages taken in, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from store import heard, pass_events
from store.database import Database
from store.pass_events import Event
from store.schema import heard as heard_table
from store.schema import members, passes
from tests.store.crowd import NOW, add_program, member

HOUR = timedelta(hours=1)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    with database.write() as connection:
        add_program(connection, "P1")
        for number in (1, 2):
            connection.execute(members.insert().values(id=number, **member(f"m{number}")))
        for number, owner in ((1, 1), (2, 1), (3, 2)):
            row = {"id": number, "member_id": owner, "program_id": "P1", "channel": "apple"}
            row |= {"provider_id": f"s{number}", "keys": {}, "status": "issued", "wallets": []}
            connection.execute(passes.insert().values(**row))
    yield database
    database.close()


def kept(database: Database) -> set[tuple[str, str]]:
    with database.read() as connection:
        found = connection.execute(sa.select(heard_table.c.source, heard_table.c.nonce))
        return {(source, nonce) for source, nonce in found}


def test_a_member_s_events_are_those_of_its_passes_the_last_told_first(database: Database) -> None:
    told = [
        Event(1, "created", NOW, "passbell"),
        Event(2, "installed", NOW + HOUR, "google", {"wallet": "google ☕"}),
        Event(3, "installed", NOW, "apple"),
        Event(1, "loyalty.hello", NOW - HOUR, "events", {"n": 1, "deep": {"list": [None, True]}}),
    ]
    with database.write() as connection:
        pass_events.add(connection, told)
        pass_events.add(connection, [])
    with database.read() as connection:
        assert pass_events.of_member(connection, 1, 10) == [told[3], told[1], told[0]]
        assert pass_events.of_member(connection, 1, 1) == [told[3]]
        assert pass_events.newest(connection, [1, 2], ["installed", "created"]) == NOW + HOUR
        assert pass_events.newest(connection, [1, 2], ["redeemed"]) is None
    assert told[1].as_json() == {
        "kind": "installed",
        "at": "2026-11-21T13:00:00.000000Z",
        "source": "google",
        "details": {"wallet": "google ☕"},
    }


def test_a_message_is_taken_once_from_each_source(database: Database) -> None:
    with database.write() as connection:
        assert heard.take(connection, "google", "n1", until=NOW + HOUR, at=NOW)
        assert not heard.take(connection, "google", "n1", until=NOW + HOUR, at=NOW)
        assert heard.take(connection, "passkit", "n1", until=NOW + HOUR, at=NOW)
    with database.write() as connection:
        assert not heard.take(connection, "passkit", "n1", until=NOW + 2 * HOUR, at=NOW + HOUR)


def test_what_is_rolled_back_was_not_heard(database: Database) -> None:
    def take_and_fail() -> None:
        with database.write() as connection:
            heard.take(connection, "google", "n1", until=NOW + HOUR, at=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        take_and_fail()
    with database.write() as connection:
        assert heard.take(connection, "google", "n1", until=NOW + HOUR, at=NOW)


def test_old_messages_are_forgotten(database: Database) -> None:
    with database.write() as connection:
        for number in range(3):
            heard.take(connection, "events", f"n{number}", until=NOW + number * HOUR, at=NOW)
    with database.write() as connection:
        heard.take(connection, "google", "new", until=NOW + 9 * HOUR, at=NOW + 1.5 * HOUR)
    assert kept(database) == {("events", "n2"), ("google", "new")}
