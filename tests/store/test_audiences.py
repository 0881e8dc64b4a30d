from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import pytest
import sqlalchemy as sa

from store import audiences, outline, presets, sizes
from store.audiences import Selection
from store.database import Database
from store.errors import Refused, UsageError
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


def save(
    database: Database, name: str, chosen: Selection, *, replace: bool = False, description: str | None = None
) -> audiences.Audience:
    with database.write() as connection:
        return audiences.save(
            connection, "P1", name, chosen, replace=replace, description=description, now=NOW
        )


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


def test_a_replaced_audience_stays_the_same_one(database: Database) -> None:
    first = save(
        database, "x", Selection("file", "ids.csv", ids(database, "001", "002")), description=" why "
    )
    with database.write() as connection:
        sizes.note(connection, first.id, 2, NOW)
    second = save(database, "x", RICH, replace=True)
    assert (second.id, second.created_at, second.description) == (first.id, first.created_at, "why")
    assert count(database, second) == 5
    with database.read() as connection:
        assert connection.execute(sa.select(audience_members)).all() == []
        assert [size.members for size in sizes.newest(connection, second.id)] == [2]
    third = save(
        database, "x", Selection("file", "ids.csv", ids(database, "003")), replace=True, description=""
    )
    assert (third.id, third.description, count(database, third)) == (first.id, "", 1)


@pytest.mark.parametrize("description", ["two\nlines", "\x1b[2J", "x" * 401])
def test_descriptions_are_one_printable_line(database: Database, description: str) -> None:
    with pytest.raises(UsageError, match="at most 400 printable characters"):
        save(database, "x", EVERYBODY, description=description)


def test_a_size_is_noted_once_an_hour(database: Database) -> None:
    saved = save(database, "x", EVERYBODY)
    hours = [(0.0, 10), (0.5, 11), (0.99, 12), (1.0, 13), (1.5, 14), (26.0, 15)]
    with database.write() as connection:
        for after, members_ in hours:
            sizes.note(connection, saved.id, members_, NOW + timedelta(hours=after))
        sizes.note(connection, saved.id + 1, 5, NOW)  # deleted meanwhile
        noted = sizes.newest(connection, saved.id)
        assert [(size.at, size.members) for size in noted] == [
            (NOW, 10),
            (NOW + timedelta(hours=1), 13),
            (NOW + timedelta(hours=26), 15),
        ]
        assert sizes.newest(connection, saved.id, most=2) == noted[1:]
        audiences.delete(connection, "P1", "x")
        assert sizes.newest(connection, saved.id) == []


def test_an_audience_that_another_names_is_not_deleted(database: Database) -> None:
    rich = save(database, "it's rich", RICH)
    save(database, "others", Selection("where", "NOT in_audience('it''s rich')"))
    save(database, "no call", Selection("where", "name = 'in_audience(it''s rich)'"))
    with database.write() as connection:
        assert audiences.uses(connection, rich) == audiences.Uses([], ["others"])
        with pytest.raises(Refused, match="it's rich is named by others: change or delete that first"):
            audiences.delete(connection, "P1", "it's rich")
        audiences.delete(connection, "P1", "others")
        audiences.delete(connection, "P1", "it's rich")
        assert [one.name for one in audiences.list_all(connection, "P1")] == ["no call"]


def test_an_audience_cannot_come_to_name_itself(database: Database) -> None:
    save(database, "a", RICH)
    save(database, "b", Selection("where", "in_audience('a') AND points < 800"))
    for expression in ("in_audience('a')", "points > 5 OR in_audience('b')"):
        with pytest.raises(UsageError, match="leads back to itself"):
            save(database, "a", Selection("where", expression), replace=True)
    with database.read() as connection:
        assert audiences.by_name(connection, "P1", "a").expression == "points > 500"


def test_the_key_is_the_same_for_the_same_choice(database: Database) -> None:
    def key(kind: Literal["all", "where", "file"], expression: str | None = None, *ids: int) -> str:
        return audiences.key("P1", Selection(kind, expression, ids))

    assert key("all") == "all"
    assert key("where", "points>500 and  tier = 'gold'") == key("where", "(points > 500) AND (tier='gold')")
    assert key("where", "points > 500") != key("where", "points >= 500")
    assert key("where", "points = -(-5)") == key("where", " points = -(-5) ")
    assert key("file", "a.csv", 2, 1, 1) == key("file", "b.csv", 1, 2) != key("file", "a.csv", 1)
    assert len(key("where", "name = '" + "x" * 4_000 + "'")) < 100
    saved = save(database, "x", RICH)
    assert audiences.key("P1", saved) == f"saved:{saved.id}"


def test_presets_are_right_and_say_what_they_need(database: Database) -> None:
    for preset in presets.PRESETS:
        if preset.field is None:
            chosen = presets.chosen(preset.name)
            count(database, chosen)
            assert outline.canonical(chosen.expression or "") == preset.expression
    assert presets.chosen("local=O'1").expression == "zip = 'O''1'"
    assert presets.chosen("Never-Messaged").expression == "last_message_at IS NULL"
    assert count(database, presets.chosen("whale")) == 5
    for words, told in {
        "local": "needs a value for zip",
        "local=": "needs a value for zip",
        "whale=5": "takes no value",
        "slumbr": "did you mean slumber",
        "xyz": "there are slumber, whale",
    }.items():
        with pytest.raises(UsageError, match=told):
            presets.chosen(words)


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
