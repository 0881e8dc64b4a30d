"""The business's own segments over 100,000 members, and the way in which SQLite finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from store import audiences
from store.audiences import Selection
from store.database import Database
from store.schema import members
from tests.store.crowd import NOW, add_past, fill, fill_many, many, open_store

MANY = 100_000


def ids(database: Database, expression: str) -> list[int]:
    with database.read() as connection:
        wanted = audiences.condition(connection, "P1", Selection("where", expression), NOW)
        query = sa.select(members.c.id).where(members.c.program_id == "P1", wanted)
        return list(connection.scalars(query.order_by(members.c.id)))


def long_ago(row: dict[str, Any]) -> bool:
    return row["updated_at"] is not None and row["updated_at"] < NOW - timedelta(days=30)


def rich(row: dict[str, Any]) -> bool:
    return row["points"] is not None and row["points"] > 500


def near(row: dict[str, Any]) -> bool:
    zip_ = row["attributes"].get("zip")
    return zip_ == "90210" or (type(zip_) is int and zip_ == 90210)


SEGMENTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "last_updated < NOW() - INTERVAL '30 days'": long_ago,
    "points_balance > 500": rich,
    "zip = '90210'": near,
    "last_updated < NOW() - INTERVAL '30 days' AND points_balance > 500 AND zip = '90210'": (
        lambda row: long_ago(row) and rich(row) and near(row)
    ),
    "(zip = '90210' OR tier = 'gold') AND NOT opted_out": (
        lambda row: (near(row) or row["tier_id"] == "gold") and not row["opted_out"]
    ),
    "NOT points_balance > 500 AND received('Two for one')": (
        lambda row: row["points"] is not None and not rich(row) and row["id"] % 3 == 0
    ),
    "birthday_today()": lambda row: (row["birthday"].month, row["birthday"].day) == (NOW.month, NOW.day),
    "days_since(last_updated) >= 30": (
        lambda row: row["updated_at"] is not None and row["updated_at"] <= NOW - timedelta(days=30)
    ),
}


@pytest.mark.slow
def test_segments_give_the_same_members_on_both_and_the_right_ones(
    tmp_path: Path, current_postgres_url: str
) -> None:
    rows = list(many(MANY))
    databases = [open_store(f"sqlite:///{tmp_path / 'many.db'}"), open_store(current_postgres_url)]
    for database in databases:
        fill_many(database, rows)
    for expression, means in SEGMENTS.items():
        wanted = [row["id"] for row in rows if means(row)]
        assert 100 < len(wanted) < MANY
        for database in databases:
            assert ids(database, expression) == wanted, (expression, database.dialect)
    for database in databases:
        database.close()


def test_a_sample_is_the_first_by_name_wherever_those_are(
    current_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_store(current_url)
    fill(database)
    for first in (10, 10_000):  # with few names looked at first, and with all
        monkeypatch.setattr(audiences, "FIRST_NAMES", first)
        for expression in ("points >= 0", "points >= 0 AND tier = 'gold'", "external_id = '00007'"):
            with database.read() as connection:
                chosen = Selection("where", expression)
                wanted = audiences.condition(connection, "P1", chosen, NOW)
                query = sa.select(members.c.id).where(wanted)
                ordered = connection.scalars(query.order_by(members.c.name, members.c.external_id)).all()
                assert audiences.sample(connection, "P1", chosen, limit=7, now=NOW) == ordered[:7]
    database.close()


@pytest.fixture
def on_sqlite(current_sqlite_url: str) -> Iterator[Database]:
    database = open_store(current_sqlite_url)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("expression", "index"),
    [
        ("points > 500 AND tier = 'gold'", "COVERING INDEX ix_members_segments"),
        ("last_updated < NOW() OR birthday_today()", "COVERING INDEX ix_members_segments"),
        ("points > 500 AND messages_30d = 0", "COVERING INDEX ix_members_segments"),
        ("last_activity < NOW() AND points > 1", "COVERING INDEX ix_passes_member_id_status_installed_at"),
        ("messages_30d = 0", "ix_deliveries_accepted_pass (pass_id=? AND accepted_at>?)"),
        ("last_message_at IS NULL", "ix_deliveries_accepted_pass (pass_id=?)"),
        ("received('Two for one')", "(blast_id=? AND pass_id=?)"),
        ("zip = '90210'", "INDEX ix_members_program_id_status_opted_out (program_id=?)"),
    ],
)
def test_sqlite_counts_by_the_index_that_is_there_for_it(
    on_sqlite: Database, expression: str, index: str
) -> None:
    fill(on_sqlite, 20)
    add_past(on_sqlite)
    plans: list[str] = []
    with on_sqlite.read() as connection:

        @sa.event.listens_for(connection, "before_cursor_execute")
        def note(_: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
            if statement.startswith("SELECT count"):
                plans.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

        audiences.count(connection, "P1", Selection("where", expression), NOW)
    assert any(index in step for step in plans), plans
