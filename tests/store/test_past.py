"""Facts about the past, and the functions of a program: what each edge of them means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from store import audiences
from store.audiences import Selection
from store.database import Database
from store.errors import UsageError
from store.schema import members, passes, programs
from tests.store.crowd import NOW, add_members, member, open_store

one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    yield database
    database.close()


def found(database: Database, expression: str, now: datetime = NOW) -> set[str]:
    with database.read() as connection:
        wanted = audiences.condition(connection, "P1", Selection("where", expression), now)
        return set(connection.scalars(sa.select(members.c.external_id).where(wanted)))


def add_pass(database: Database, external_id: str, **values: datetime | None) -> None:
    with database.write() as connection:
        id_ = connection.scalar(sa.select(members.c.id).where(members.c.external_id == external_id))
        row = {"member_id": id_, "program_id": "P1", "channel": "passkit", "provider_id": f"p{external_id}"}
        connection.execute(passes.insert().values(**row, keys={}, status="installed", wallets=[], **values))


def test_the_last_activity_is_the_latest_that_is_known(database: Database) -> None:
    day = timedelta(days=1)
    add_members(
        database,
        [
            member("enrolled", created_at=NOW - 5 * day),
            member("updated", created_at=NOW - 9 * day, updated_at=NOW - 4 * day),
            member("installed", created_at=NOW - 9 * day, updated_at=NOW - 8 * day),
            member("unknown"),
        ],
    )
    add_pass(database, "installed", installed_at=NOW - 3 * day)
    assert found(database, "last_activity < NOW() - INTERVAL '4 days'") == {"enrolled"}
    assert found(database, "last_activity >= NOW() - INTERVAL '4 days'") == {"updated", "installed"}
    assert found(database, "days_since(last_activity) = 3") == {"installed"}
    assert found(database, "last_activity IS NULL") == {"unknown"}


@pytest.mark.parametrize(
    ("apart", "counts"), [(-601, True), (-600, False), (0, False), (60, False), (61, True), (3_600, True)]
)
@one_store
def test_an_update_that_our_own_message_caused_is_no_activity(
    database: Database, apart: int, counts: bool
) -> None:
    shown = NOW - timedelta(days=2)
    add_members(
        database,
        [member("1", created_at=NOW - timedelta(days=90), updated_at=shown + timedelta(seconds=apart))],
    )
    add_pass(database, "1", shown_at=shown)
    assert found(database, "last_activity > NOW() - INTERVAL '30 days'") == ({"1"} if counts else set())
    assert found(database, "last_updated > NOW() - INTERVAL '30 days'") == {"1"}


@pytest.mark.parametrize(
    ("zone", "now", "wanted"),
    [
        (None, datetime(2026, 11, 21, 12, tzinfo=UTC), {"today", "lately"}),
        ("Nowhere/At all", datetime(2026, 11, 21, 12, tzinfo=UTC), {"today", "lately"}),
        ("Pacific/Auckland", datetime(2026, 11, 20, 12, tzinfo=UTC), {"today", "lately"}),
        ("America/Los_Angeles", datetime(2026, 11, 21, 7, tzinfo=UTC), set()),
        (None, datetime(2026, 2, 28, tzinfo=UTC), {"28", "29"}),
        (None, datetime(2028, 2, 28, tzinfo=UTC), {"28"}),
        (None, datetime(2028, 2, 29, tzinfo=UTC), {"29"}),
        (None, datetime(2026, 3, 1, tzinfo=UTC), set()),
    ],
)
def test_a_birthday_is_of_the_programs_day(
    database: Database, zone: str | None, now: datetime, wanted: set[str]
) -> None:
    born = {"today": date(1990, 11, 21), "lately": date(2026, 11, 21), "28": date(1991, 2, 28)}
    born |= {"29": date(1992, 2, 29)}
    add_members(database, [member(name, birthday=day) for name, day in born.items()] + [member("none")])
    with database.write() as connection:
        connection.execute(programs.update().values(time_zone=zone))
    assert found(database, "birthday_today()", now) == wanted
    assert found(database, "NOT birthday_today()", now) == set(born) - wanted


def test_days_are_whole_ones(database: Database) -> None:
    ages = {"0": 0.0, "0.9": 0.9, "1": 1.0, "1.5": 1.5, "ahead": -0.1}
    add_members(
        database,
        [member(name, created_at=NOW - timedelta(days=age)) for name, age in ages.items()] + [member("no")],
    )
    assert found(database, "days_since(created_at) = 0") == {"0", "0.9"}
    assert found(database, "days_since(created_at) = 1") == {"1", "1.5"}
    assert found(database, "days_since(created_at) < 0") == {"ahead"}
    assert found(database, "days_since(created_at) > 0.5") == {"1", "1.5"}
    assert found(database, "NOT days_since(created_at) = 0.5") == set(ages)
    assert found(database, "days_since(created_at) IS NULL") == {"no"}


def save(database: Database, name: str, expression: str) -> None:
    with database.write() as connection:
        chosen = Selection("where", expression)
        audiences.save(connection, "P1", name, chosen, replace=True, now=NOW)


def test_audiences_are_sets(database: Database) -> None:
    add_members(
        database, [member("gold", tier_id="gold"), member("silver", tier_id="silver"), member("none")]
    )
    save(database, "golden", "tier = 'gold'")
    save(database, "precious", "in_audience('golden') OR tier = 'silver'")
    assert found(database, "NOT in_audience('golden')") == {"silver", "none"}
    assert found(database, "in_audience('precious') AND NOT in_audience('golden')") == {"silver"}


@one_store
def test_audiences_that_lead_back_are_refused(database: Database) -> None:
    save(database, "a", "points > 1")
    save(database, "b", "in_audience('a')")
    with pytest.raises(UsageError, match="leads back to itself"):
        save(database, "a", "points > 1 OR in_audience('b')")
    with pytest.raises(UsageError, match="leads back to itself"):
        save(database, "a", "NOT in_audience('a')")
    assert found(database, "in_audience('b')") == set()


@one_store
def test_audiences_lead_neither_too_far_nor_to_too_many(database: Database) -> None:
    save(database, "0", "points > 1")
    for number in range(1, 6):
        save(database, str(number), f"in_audience('{number - 1}')")
    assert found(database, "in_audience('4')") == set()
    with pytest.raises(UsageError, match="more than 5 steps"):
        found(database, "in_audience('5')")
    with pytest.raises(UsageError, match="more than 40 others"):
        found(database, " OR ".join(["in_audience('1')"] * 21))
