"""Programs: what lists and look-ups say, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from store import enrolments, programs
from store.database import Database
from store.errors import UsageError
from store.migrations import migrate
from store.programs import Program, Tier
from tests.store.test_members import holder

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    migrate(database)
    yield database
    database.close()


def keep(database: Database, *found: Program) -> None:
    with database.write() as connection:
        for one in found:
            programs.upsert_program(connection, one)


def a_program(id_: str = "p1", name: str = "Café Linden", **more: Any) -> Program:
    return Program(id_, more.pop("account", "rehearsal"), "membership", name, ("PROJECT_PUBLISHED",), **more)


def test_a_second_sync_updates_and_keeps_what_the_provider_does_not_say(database: Database) -> None:
    keep(database, a_program())
    with database.write() as connection:
        programs.mark_synced(connection, "p1", message_field="meta.news", at=NOW)
    keep(database, a_program(name="Café Löwe", time_zone="Europe/Vienna"))
    with database.read() as connection:
        found = programs.get(connection, "p1", "rehearsal")
    assert found == a_program(
        name="Café Löwe", time_zone="Europe/Vienna", message_field="meta.news", synced_at=NOW
    )
    assert found.as_json()["synced_at"] == "2026-11-21T12:00:00.000000Z"


def test_a_list_counts_members_and_those_within_reach(database: Database) -> None:
    keep(database, a_program(), a_program("p2", "Other"), a_program("p3", "Live one", account="live"))
    page = [
        holder(1),
        holder(2, pass_status="PASS_ISSUED"),
        holder(3, opted_out=True),
        holder(4, status="EXPIRED"),
        holder(5, status="DELETED"),
        holder(6, pass_status="PASS_UNINSTALLED"),
    ]
    with database.write() as connection:
        enrolments.upsert_page(connection, "p1", page, message_key="news", seen_at=NOW)
        rows = programs.list_programs(connection, "rehearsal")
    assert [(row.program.id, row.members, row.reachable) for row in rows] == [("p1", 5, 1), ("p2", 0, 0)]
    assert rows[0].as_json()["reachable"] == 1


def test_a_list_of_no_programs_is_empty(database: Database) -> None:
    with database.read() as connection:
        assert programs.list_programs(connection, "live") == []


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ((), "unknown"),
        (("ok", "ok"), "ok"),
        (("ok", "unknown"), "unknown"),
        (("unknown", "no_placeholder", "ok"), "no_placeholder"),
        (("no_change_message", "no_field", "no_placeholder"), "no_field"),
    ],
)
def test_the_worst_tier_speaks_for_the_program(states: tuple[str, ...], worst: str) -> None:
    assert programs.worst(states) == worst


def test_tiers_are_replaced_whole(database: Database) -> None:
    keep(database, a_program())
    with database.write() as connection:
        programs.replace_tiers(
            connection, "p1", [Tier("a", "A", "t1", "ok"), Tier("b", "B", None, "unknown")]
        )
        programs.replace_tiers(
            connection, "p1", [Tier("c", "C", "t1", "no_field"), Tier("a", "A2", "t2", "ok")]
        )
        assert programs.list_tiers(connection, "p1") == [
            Tier("a", "A2", "t2", "ok"),
            Tier("c", "C", "t1", "no_field"),
        ]
        assert programs.list_programs(connection, "rehearsal")[0].message_field_state == "no_field"
        programs.replace_tiers(connection, "p1", [])
        assert programs.list_tiers(connection, "p1") == []


def test_a_program_is_found_by_id_name_or_their_beginning(database: Database) -> None:
    keep(database, a_program("4f9aBcD"), a_program("7xY", "Coupons"))
    with database.read() as connection:
        for wanted in ("4f9", "4f9aBcD", "Café Linden", "café", "CAFÉ LINDEN", " Café Linden "):
            assert programs.get(connection, wanted, "rehearsal").id == "4f9aBcD"


def test_an_exact_name_wins_over_a_beginning(database: Database) -> None:
    keep(database, a_program("1", "Linden"), a_program("2", "Linden Live"))
    with database.read() as connection:
        assert programs.get(connection, "Linden", "rehearsal").id == "1"


def test_what_is_not_found_is_told_with_what_is_near(database: Database) -> None:
    keep(database, a_program("1", "Linden Live"), a_program("2", "Linden Coupons"))
    for wanted, says in (
        ("Lin", "could be any of: 'Linden Coupons' (2), 'Linden Live' (1)"),
        ("Lindne Live", "there is no program 'Lindne Live'; near: 'Linden Live' (1)"),
        ("", "there is no program ''"),
        ("zzz%", "there is no program 'zzz%'; there are: "),
    ):
        with database.read() as connection, pytest.raises(UsageError) as told:
            programs.get(connection, wanted, "rehearsal")
        assert says in str(told.value)


def test_the_other_account_has_programs_of_its_own(database: Database) -> None:
    keep(database, a_program())
    with database.read() as connection, pytest.raises(UsageError, match="none has been synced yet"):
        programs.get(connection, "p1", "live")
