"""Tags that no phone can miss, and how far messages came, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from store import arrivals, audiences, issued, presets
from store.arrivals import Message
from store.audiences import Selection
from store.database import Database
from store.issued import NewPass
from store.schema import blasts, deliveries, members, passes, pushes_due
from store.times import rfc3339
from tests.store.crowd import NOW, add_members, member, open_store


def new(member_id: int, serial: str, channel: str = "apple") -> NewPass:
    google = channel == "google"
    return NewPass(
        member_id,
        "P1",
        channel,
        serial,
        f"338.{serial}" if google else serial,
        None if google else "pass.example",
        "secret " + serial,
    )


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    add_members(database, [member(str(number)) for number in range(4)])
    yield database
    database.close()


@pytest.fixture
def ids(database: Database) -> list[int]:
    """Three Apple passes and one for Google, all installed, in a running blast that accepted them all."""
    with database.write() as connection:
        held = list(connection.scalars(sa.select(members.c.id).order_by(members.c.id)))
        rows = [new(held[n], f"S{n}") for n in range(3)] + [new(held[3], "S3", "google")]
        ids = issued.add(connection, rows, at=NOW)
        connection.execute(passes.update().where(passes.c.id.in_(ids)).values(status="installed"))
        blast = {"id": 1, "account": "rehearsal", "program_id": "P1", "name": "one", "text": "Hello"}
        blast |= {"message_key": "k", "audience": "all", "state": "running", "plan_hash": "h"}
        connection.execute(blasts.insert().values(**blast, planned_at=NOW))
        for number, id_ in enumerate(ids, 1):
            row = {"id": number, "blast_id": 1, "pass_id": id_, "state": "accepted", "verdict": "alert"}
            channel = "google" if number == 4 else "apple"
            connection.execute(deliveries.insert().values(**row, channel=channel, accepted_at=NOW))
    return ids


def put(database: Database, messages: list[Message], at: datetime = NOW) -> None:
    with database.write() as connection:
        arrivals.put_texts(connection, messages, at=at)


def stands(database: Database, serial: str) -> issued.Issued:
    with database.read() as connection:
        found = issued.by_serial(connection, serial)
    assert found is not None
    return found


def test_a_pass_is_found_by_its_serial_and_by_what_its_provider_calls_it(
    database: Database, ids: list[int]
) -> None:
    with database.read() as connection:
        assert issued.by_id(connection, ids[0]) == stands(database, "S0")
        assert issued.by_serial(connection, "S9") is None
        found = issued.by_provider_id(connection, "google", "338.S3")
        assert found == stands(database, "S3")
        for wrong in (("google", "999.S3"), ("apple", "S3"), ("google", "S3"), ("apple", "338.S3")):
            assert issued.by_provider_id(connection, *wrong) is None


def test_each_change_has_a_higher_tag_and_a_later_second(database: Database, ids: list[int]) -> None:
    before = stands(database, "S0")
    for _ in range(3):  # all within one second
        with database.write() as connection:
            tag = issued.changed(connection, ids[:1], at=NOW)
        after = stands(database, "S0")
        assert tag == after.tag > before.tag
        assert after.changed_at - before.changed_at == timedelta(seconds=1)
        assert not after.changed_at.microsecond
        before = after
    with database.write() as connection:
        issued.changed(connection, ids[:1], at=NOW + timedelta(hours=1, milliseconds=300))
        assert issued.changed(connection, [], at=NOW) is None
    assert stands(database, "S0").changed_at == (NOW + timedelta(hours=1)).replace(microsecond=0)


def test_tags_grow_in_the_order_in_which_changes_become_visible(
    current_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_store(current_postgres_url)
    order: list[int] = []
    held, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with database.write() as connection:
            order.append(issued.next_tag(connection))
            held.set()
            go_on.wait(10)

    def second() -> None:
        with database.write() as connection:
            order.append(issued.next_tag(connection))

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert held.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    assert threads[1].is_alive()  # it waits for the first to be seen
    assert len(order) == 1
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == sorted(order)
    assert len(set(order)) == 2
    database.close()


def test_a_text_is_put_once_and_a_repeat_changes_nothing(database: Database, ids: list[int]) -> None:
    put(database, [Message(n + 1, ids[n], "Hello") for n in range(3)])
    first = stands(database, "S0")
    assert (first.shown_text, first.message_tag) == ("Hello", first.tag)
    assert first.tag == stands(database, "S2").tag  # one transaction, one tag
    put(database, [Message(1, ids[0], "Hello")], NOW + timedelta(minutes=1))
    assert stands(database, "S0") == first
    put(database, [Message(2, ids[1], "Hi Ann"), Message(3, ids[2], "Hi Bob")])
    assert [stands(database, serial).shown_text for serial in ("S0", "S1", "S2")] == [
        "Hello",
        "Hi Ann",
        "Hi Bob",
    ]


def test_the_funnel_counts_each_step_of_this_message_and_no_other(database: Database, ids: list[int]) -> None:
    put(database, [Message(n + 1, ids[n], "Hello") for n in range(3)])
    tag = stands(database, "S0").tag
    soon, late = NOW + timedelta(seconds=5), NOW + timedelta(hours=49)
    with database.write() as connection:
        arrivals.note_fetched(connection, ids[0], tag=tag - 1, at=soon)  # an old version
        arrivals.note_listed(connection, ids[:2], at=soon)
        arrivals.note_fetched(connection, ids[0], tag=tag, at=soon)
        arrivals.note_fetched(connection, ids[0], tag=tag, at=late)  # the first time counts
        arrivals.note_fetched(connection, ids[2], tag=tag, at=late)  # after two days nobody counts it
        arrivals.note_has_users(connection, 4, ids[3], True)
        arrivals.note_has_users(connection, 4, ids[3], True)
    with database.read() as connection:
        told = arrivals.funnel(connection, 1).as_json()
        assert arrivals.fetched(connection, [1, 2, 3, 4]) == {1, 3}
    apple = told["apple"]
    assert [apple[step]["count"] for step in ("accepted", "listed", "fetched")] == [3, 3, 1]
    assert (apple["planned"], apple["last_step"]) == (3, "fetched")
    assert apple["fetched"]["first_at"] == apple["fetched"]["last_at"] == rfc3339(soon)
    assert told["google"]["has_users"]["count"] == told["google"]["accepted"]["count"] == 1


def test_a_fetch_after_a_newer_message_belongs_to_the_newer_one(database: Database, ids: list[int]) -> None:
    put(database, [Message(1, ids[0], "Hello")])
    with database.write() as connection:
        blast = sa.select(blasts).where(blasts.c.id == 1)
        row = dict(connection.execute(blast).mappings().one())
        connection.execute(blasts.insert().values(**row | {"id": 2}))
        more = {"id": 9, "blast_id": 2, "pass_id": ids[0], "state": "accepted", "verdict": "alert"}
        connection.execute(deliveries.insert().values(**more, channel="apple", accepted_at=NOW))
    put(database, [Message(9, ids[0], "News")])
    with database.write() as connection:
        issued.changed(connection, ids[:1], at=NOW)  # points: the pass moves on, its message stays
        arrivals.note_fetched(connection, ids[0], tag=stands(database, "S0").tag + 1, at=NOW)
    with database.read() as connection:
        assert arrivals.fetched(connection, [1, 9]) == {9}


def test_an_apple_pass_on_no_phone_is_not_told_of_a_change(database: Database, ids: list[int]) -> None:
    with database.write() as connection:
        connection.execute(passes.update().where(passes.c.id == ids[1]).values(status="issued"))
        for _ in range(2):
            issued.tell(connection, ids, at=NOW)
    with database.read() as connection:
        assert set(connection.scalars(sa.select(pushes_due.c.pass_id))) == {ids[0], ids[2], ids[3]}


def test_a_nudge_goes_to_those_whose_phone_has_not_fetched_it(database: Database, ids: list[int]) -> None:
    put(database, [Message(n + 1, ids[n], "Hello") for n in range(3)])
    with database.write() as connection:
        connection.execute(passes.update().where(passes.c.channel == "apple").values(wallets=["apple"]))
        arrivals.note_fetched(connection, ids[0], tag=stands(database, "S0").tag, at=NOW)

    def meant(fetched: bool | None) -> list[str]:
        with database.read() as connection:
            chosen = Selection("where", presets.of_blast(1, fetched))
            condition = audiences.condition(connection, "P1", chosen, NOW)
            query = sa.select(members.c.external_id).where(condition).order_by(members.c.id)
            return list(connection.scalars(query))

    assert meant(None) == ["0", "1", "2", "3"]
    assert meant(True) == ["0"]
    assert meant(False) == ["1", "2"]  # the fourth has Google Wallet alone: nobody knows
