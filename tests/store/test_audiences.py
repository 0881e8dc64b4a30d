from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from store import audiences
from store.audiences import Selection
from store.database import Database
from store.errors import UsageError
from store.schema import audience_members, members
from tests.store.crowd import NOW, add_members, add_program, member, open_store

EVERYBODY = Selection("all")
RICH = Selection("where", "points > 500")


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = open_store(current_url)
    with database.write() as connection:
        add_program(connection, "P2")
    rows = [member(f"{n:03}", name=f"N{n:03}", points=float(n * 100)) for n in range(10)]
    rows += [member("gone", name="A", status="DELETED", points=9_000.0), member("late", status="EXPIRED")]
    rows.append(member("elsewhere", program_id="P2", points=9_000.0))
    add_members(database, rows)
    yield database
    database.close()


def ids(database: Database, *external_ids: str) -> list[int]:
    with database.read() as connection:
        query = sa.select(members.c.id).where(members.c.external_id.in_(external_ids))
        return list(connection.execute(query.order_by(members.c.external_id)).scalars())


def count(database: Database, chosen: audiences.Audience | Selection) -> int:
    with database.read() as connection:
        return audiences.count(connection, "P1", chosen, NOW)


def save(database: Database, name: str, chosen: Selection, *, replace: bool = False) -> audiences.Audience:
    with database.write() as connection:
        return audiences.save(connection, "P1", name, chosen, replace=replace, now=NOW)


def test_all_leaves_out_the_expired_and_deleted(database: Database) -> None:
    assert count(database, EVERYBODY) == 10


def test_a_predicate_stays_inside_its_program(database: Database) -> None:
    assert count(database, RICH) == 5


def test_a_saved_choice_means_the_same_as_the_choice(database: Database) -> None:
    named = Selection("file", "ids.csv", ids(database, "001", "002", "gone"))
    for name, chosen in {"all": EVERYBODY, "rich": RICH, "named": named}.items():
        saved = save(database, name, chosen)
        assert count(database, saved) == count(database, chosen)
        with database.read() as connection:
            assert audiences.by_name(connection, "P1", name) == saved
            assert audiences.load(connection, saved.id) == saved
    with database.read() as connection:
        assert [saved.name for saved in audiences.list_all(connection, "P1")] == ["all", "named", "rich"]
        assert audiences.list_all(connection, "P2") == []


def test_a_file_audience_keeps_members_of_its_program_only(database: Database) -> None:
    saved = save(database, "mixed", Selection("file", "ids.csv", ids(database, "001", "elsewhere")))
    with database.read() as connection:
        kept = connection.execute(sa.select(audience_members.c.member_id)).scalars().all()
    assert kept == ids(database, "001")
    assert count(database, saved) == 1


def test_no_ids_select_nobody(database: Database) -> None:
    assert count(database, Selection("file", "ids.csv", [])) == 0
    assert count(database, save(database, "nobody", Selection("file", "ids.csv", []))) == 0


def test_more_ids_than_a_statement_has_parameters(database: Database) -> None:
    named = Selection("file", "ids.csv", range(1, 200_001))
    assert count(database, named) == 12


def test_a_sample_is_ordered_by_name(database: Database) -> None:
    with database.read() as connection:
        found = audiences.sample(connection, "P1", RICH, limit=3)
    with database.read() as connection:
        names = [
            connection.execute(sa.select(members.c.name).where(members.c.id == number)).scalar_one()
            for number in found
        ]
    assert names == ["A", "N006", "N007"]


def test_a_name_in_use_is_replaced_only_when_asked(database: Database) -> None:
    save(database, "x", EVERYBODY)
    with pytest.raises(UsageError, match="there already is an audience x"):
        save(database, "x", RICH)
    assert save(database, "x", RICH, replace=True).expression == "points > 500"
    with database.read() as connection:
        assert [saved.kind for saved in audiences.list_all(connection)] == ["where"]


def test_a_wrong_predicate_is_not_saved(database: Database) -> None:
    with pytest.raises(UsageError, match="did you mean points"):
        save(database, "x", Selection("where", "pints > 5"))
    with database.read() as connection:
        assert audiences.list_all(connection) == []


@pytest.mark.parametrize("expression", [None, "", "  "])
def test_an_empty_predicate_selects_nobody(database: Database, expression: str | None) -> None:
    with pytest.raises(UsageError, match="selects nobody"):
        count(database, Selection("where", expression))


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "a\x1bb", "\u202eabc"])
def test_names_are_printable_and_not_too_long(database: Database, name: str) -> None:
    with pytest.raises(UsageError, match="1 to 80 printable characters"):
        save(database, name, EVERYBODY)


def test_an_unknown_name_is_told_with_the_nearest(database: Database) -> None:
    save(database, "gold members", EVERYBODY)
    with database.write() as connection:
        with pytest.raises(UsageError, match="did you mean gold members"):
            audiences.by_name(connection, "P1", "gold member")
        with pytest.raises(UsageError, match="there is no audience"):
            audiences.by_name(connection, "P2", "gold members")
        audiences.delete(connection, "P1", "gold members")
        with pytest.raises(UsageError, match="there is no audience"):
            audiences.delete(connection, "P1", "gold members")


def test_who_is_meant_in_words(database: Database) -> None:
    assert audiences.in_words(EVERYBODY) == "all active members"
    assert audiences.in_words(save(database, "rich", RICH)) == "rich (where points > 500)"
    assert audiences.in_words(Selection("file", "ids.csv")) == "members in ids.csv"
