"""Suppressions: whatever is written first, a member and what suppresses it find each other."""

from __future__ import annotations

import hmac
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.intake import flights
from store import enrolments, keys, programs, suppressions
from store.database import Database
from store.errors import PassbellError, UsageError
from store.programs import Program
from store.schema import members, suppressed
from store.schema import suppressions as table
from store.suppressions import Entry, Hasher
from tests.store.test_members import holder

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def secret() -> str:
    return "s" * 40


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    with database.write() as connection:
        for id_ in ("p1", "p2"):
            programs.upsert_program(connection, Program(id_, "rehearsal", "membership", id_.upper()))
    yield database
    database.close()


def put(
    database: Database, *holders: dict[str, Any], program: str = "p1", secret: keys.Secret = secret
) -> None:
    fit = [enrolments.storable(one) for one in holders]
    with database.write() as connection:
        enrolments.upsert_page(connection, program, fit, message_key="news", seen_at=NOW, secret=secret)


def entry(kind: str, value: str, scope: str = "", expires_at: datetime | None = None) -> Entry:
    plain = suppressions.check_value(kind, value)
    return Entry(scope, kind, Hasher(secret)(kind, plain), "test", expires_at)


def add(database: Database, *entries: Entry) -> tuple[int, int]:
    with database.write() as connection:
        return suppressions.add(connection, secret, entries, at=NOW, actor="ann")


def links(database: Database) -> set[tuple[str, str]]:
    """(external id, kind) of all that are linked."""
    query = (
        sa.select(members.c.external_id, table.c.kind)
        .join(suppressed, suppressed.c.member_id == members.c.id)
        .join(table, table.c.id == suppressed.c.suppression_id)
    )
    with database.read() as connection:
        return {(row.external_id, row.kind) for row in connection.execute(query)}


def test_a_suppression_finds_members_and_members_find_it(database: Database) -> None:
    put(database, holder(1, phone="+43 660 123-4567"))
    assert add(database, entry("email", " M1@Example.COM "), entry("phone", "0043660 1234567")) == (2, 1)
    assert links(database) == {("M-0001", "email"), ("M-0001", "phone")}
    put(database, holder(1, phone="+43 660 123-4567", email="new@example.com"))
    assert links(database) == {("M-0001", "phone")}
    put(database, holder(2, email="m1@example.com"), program="p2")
    assert links(database) == {("M-0001", "phone"), ("M-0002", "email")}
    assert add(database, entry("external_id", "M-0002", scope="p1")) == (1, 0)
    put(database, holder(2, provider_id="x"))
    assert ("M-0002", "external_id") in links(database)


def test_a_member_who_is_renamed_takes_the_new_id_s_suppression(database: Database) -> None:
    add(database, entry("external_id", "NEW"), entry("external_id", "M-0001"))
    put(database, holder(1))
    assert links(database) == {("M-0001", "external_id")}
    put(database, holder(1, external_id="NEW"))
    assert links(database) == {("NEW", "external_id")}
    with database.read() as connection:
        (one,) = [one for one in suppressions.page(connection) if one.members]
        assert one.hash == Hasher(secret)("external_id", "NEW")


def test_boarding_records_are_found_too(database: Database) -> None:
    record = flights.Record("BA/117", {"keys": {}, "passenger": "Ann"}, {})
    add(database, entry("external_id", "BA/117"))
    with pytest.raises(PassbellError, match="was not given"), database.write() as connection:
        flights.create(connection, "p1", [record])
    with database.write() as connection:
        flights.create(connection, "p1", [record], secret)
    assert links(database) == {("BA/117", "external_id")}


def test_removal_frees_at_once_and_the_last_one_forgets_the_secret(database: Database) -> None:
    put(database, holder(1))
    add(database, entry("email", "m1@example.com"), entry("email", "other@example.com"))
    with database.write() as connection:
        gone = suppressions.remove(connection, [one.id for one in suppressions.page(connection)])
    assert [one.members for one in gone] == [1, 0]
    assert links(database) == set()
    with database.write() as connection:
        keys.keep(connection, lambda: "another secret")


def test_adding_again_never_shortens(database: Database) -> None:
    soon, late = NOW + timedelta(days=1), NOW + timedelta(days=9)
    steps = [(soon, soon), (late, late), (soon, late), (None, None), (late, None)]
    for given_, kept in steps:
        add(database, entry("email", "a@example.com", expires_at=given_))
        with database.read() as connection:
            (one,) = suppressions.page(connection)
        assert one.expires_at == kept
    two = [entry("email", "b@example.com", expires_at=at) for at in (None, soon)]
    assert add(database, *two) == (1, 0)
    with database.read() as connection:
        assert [one.expires_at for one in suppressions.page(connection)] == [None, None]
    assert one.in_force(NOW)
    assert not suppressions.Suppression(1, "", "email", "", "", soon, NOW, "").in_force(soon)


def test_another_secret_writes_nothing(database: Database) -> None:
    put(database, holder(1))
    add(database, entry("email", "m1@example.com"))
    for wrong, told in (
        (lambda: "another", "set consent.secret as on the other machines"),
        (lambda: "  ", "consent.secret is empty"),
        (keys.none_here, "was not given"),
    ):
        with pytest.raises(PassbellError, match=told):
            put(database, holder(2), secret=wrong)
        with pytest.raises(PassbellError, match=told), database.write() as connection:
            suppressions.add(connection, wrong, [], at=NOW, actor="ann")
    with database.read() as connection:
        assert connection.scalars(sa.select(members.c.external_id)).all() == ["M-0001"]


def test_the_list_holds_no_value(database: Database) -> None:
    put(database, holder(1))
    add(database, entry("email", "secret-name@example.com"), entry("phone", "+436601234567"))
    with database.read() as connection:
        told = str([one.as_json() for one in suppressions.page(connection)])
    assert "secret-name" not in told
    assert "660123" not in told


PEOPLE = st.builds(
    lambda number, email, phone: holder(number, email=email, phone=phone),
    st.integers(1, 4),
    st.sampled_from(["a@x.at", "A@X.AT ", "b@x.at", ""]),
    st.sampled_from(["+43 1 2345", "00431 2345", "0431 2345", "+4319999", ""]),
)
PUT = st.tuples(st.just("put"), st.lists(PEOPLE, max_size=3), st.sampled_from(["p1", "p2"]))
ENTRIES = st.tuples(
    st.sampled_from([("email", "a@x.at"), ("phone", "+4312345"), ("external_id", "M-0001")]),
    st.sampled_from(["", "p1", "p2"]),
)
ADD = st.tuples(st.just("add"), ENTRIES, st.none())
REMOVE = st.tuples(st.just("remove"), ENTRIES, st.none())


@settings(max_examples=25)
@given(st.lists(st.one_of(PUT, ADD, REMOVE), max_size=8))
def test_any_order_of_writes_gives_the_same_links(
    tmp_path_factory: pytest.TempPathFactory, current_file: Path, steps: list[tuple[str, Any, Any]]
) -> None:
    with sqlite3.connect(current_file) as source:
        path = tmp_path_factory.mktemp("links") / "store.db"
        with sqlite3.connect(path) as target:
            source.backup(target)
    database = Database(f"sqlite:///{path}")
    try:
        with database.write() as connection:
            for id_ in ("p1", "p2"):
                programs.upsert_program(connection, Program(id_, "rehearsal", "membership", id_))
        for word, what, program in steps:
            if word == "put":
                put(database, *what, program=program)
                continue
            (kind, value), scope = what
            one = entry(kind, value, scope)
            if word == "add":
                add(database, one)
            else:
                with database.write() as connection:
                    found = suppressions.find(connection, scope, kind, one.hash)
                    suppressions.remove(connection, [found.id] if found else [])
        with database.read() as connection:
            people = connection.execute(sa.select(members)).all()
            wanted = {
                (person.id, one.id)
                for one in suppressions.page(connection)
                for person in people
                if one.scope in ("", person.program_id)
                and one.hash
                == Hasher(secret)(
                    one.kind, suppressions.normalised(one.kind, getattr(person, one.kind) or "?")
                )
            }
            assert {tuple(row) for row in connection.execute(sa.select(suppressed))} == wanted
    finally:
        database.close()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("email", ["Ann@Example.com", " ann@example.com", "ANN@EXAMPLE.COM\n"]),
        ("email", ["jos\u00e9@x.es", "jose\u0301@x.es", "JOSE\u0301@X.ES"]),
        ("phone", ["+43 (660) 123-45", "004366012345", "+43\u00a0660.123/45", "\uff0b4366012345"]),
        ("external_id", ["01234"]),
    ],
)
def test_spellings_of_one_value_are_one(kind: str, values: list[str]) -> None:
    assert len({suppressions.check_value(kind, value) for value in values}) == 1


def test_the_hash_is_an_hmac() -> None:
    key = keys.derive(secret, "suppressions")
    plain = hmac.new(key, b"email\0a@example.com", "sha256").hexdigest()
    assert Hasher(secret)("email", "a@example.com") == plain


def test_ids_keep_their_zeros_and_case() -> None:
    assert len({suppressions.check_value("external_id", value) for value in ("01", "1", "a1", "A1")}) == 4


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", ""), ("email", "no-at"), ("email", "a@b\x1b[2J"), ("email", "a" * 250 + "@x.at"),
        ("email", "a@b@c"), ("phone", "call me"), ("phone", "+"), ("phone", "12"), ("phone", "+43x660123"),
        ("external_id", ""), ("external_id", "a\0b"), ("name", "Ann"),
    ],
)  # fmt: skip
def test_what_nobody_can_have_is_refused(kind: str, value: str) -> None:
    with pytest.raises(UsageError):
        suppressions.check_value(kind, value)


def test_neither_side_misses_what_the_other_has_not_committed(database: Database) -> None:
    """A page and a suppression written at the same time, in both orders."""
    other = Database(database.url.render_as_string(hide_password=False))
    for number, page_first in ((1, True), (2, False)):
        inside, go_on = threading.Event(), threading.Event()

        def late(number: int, page_first: bool, inside: threading.Event, go_on: threading.Event) -> None:
            with other.write() as connection:
                if page_first:
                    fit = [enrolments.storable(holder(number))]
                    enrolments.upsert_page(
                        connection, "p1", fit, message_key="news", seen_at=NOW, secret=secret
                    )
                else:
                    one = entry("email", f"m{number}@example.com")
                    suppressions.add(connection, secret, [one], at=NOW, actor="ann")
                inside.set()
                go_on.wait(10)

        thread = threading.Thread(target=late, args=(number, page_first, inside, go_on))
        thread.start()
        assert inside.wait(10)
        second = threading.Thread(
            target=(lambda n: add(database, entry("email", f"m{n}@example.com")))
            if page_first
            else (lambda n: put(database, holder(n))),
            args=(number,),
        )
        second.start()
        second.join(0.2)  # it waits for the first, which has not committed
        go_on.set()
        thread.join(10)
        second.join(10)
    other.close()
    assert links(database) == {("M-0001", "email"), ("M-0002", "email")}
