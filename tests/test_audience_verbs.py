"""Saving and deleting an audience leave their marks in the audit; combining is saving; counting is noted."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from jobs import audiences as verbs
from store import audiences, audit, sizes
from store.audiences import Selection
from store.database import Database
from store.errors import UsageError
from store.schema import members
from tests.store.crowd import fill, open_store


def test_saving_and_deleting_are_audited(current_url: str) -> None:
    database = open_store(current_url)
    fill(database, 20)
    verbs.save(database, "P1", "gold", Selection("where", "tier = 'gold'"), actor="ann@box")
    with pytest.raises(UsageError, match="there already is an audience gold"):
        verbs.save(database, "P1", "gold", Selection("all"), actor="ann@box")
    verbs.delete(database, "P1", "gold", actor="ann@box")
    with pytest.raises(UsageError, match="there is no audience gold"):
        verbs.delete(database, "P1", "gold", actor="ann@box")
    with database.read() as connection:
        entries = audit.page(connection)
        assert audit.verify(connection) == (2, None)
    assert [(entry.act, entry.details["name"]) for entry in entries] == [
        ("audience.delete", "gold"),
        ("audience.save", "gold"),
    ]
    database.close()


def test_a_combination_follows_the_audiences_it_names(current_url: str) -> None:
    database = open_store(current_url)
    fill(database, 120)
    expressions = {"it's gold": "tier = 'gold'", "rich": "points > 5", "out": "opted_out"}
    sets = {}
    for name, expression in expressions.items():
        verbs.save(database, "P1", name, Selection("where", expression), actor="ann@box")
        sets[name] = ids(database, name)
    for union, intersect, minus, meant in (
        (["it's gold", "rich"], [], ["out"], (sets["it's gold"] | sets["rich"]) - sets["out"]),
        (["it's gold"], ["rich"], [], sets["it's gold"] & sets["rich"]),
        ([], ["it's gold", "rich"], ["out"], (sets["it's gold"] & sets["rich"]) - sets["out"]),
        (["rich"], [], [], sets["rich"]),
    ):
        chosen = verbs.combination(union=union, intersect=intersect, minus=minus)
        verbs.save(database, "P1", "made", chosen, replace=True, actor="ann@box")
        assert ids(database, "made") == meant != set()
    verbs.save(database, "P1", "rich", Selection("where", "points > 400"), replace=True, actor="ann@box")
    assert ids(database, "made") == ids(database, "rich") < sets["rich"]
    with pytest.raises(UsageError, match="an audience to begin with"):
        verbs.combination(minus=["out"])
    with pytest.raises(UsageError, match=r"no audience 'rick'.*did you mean 'rich'"):
        verbs.save(database, "P1", "x", verbs.combination(union=["rick"]), actor="ann@box")
    database.close()


def ids(database: Database, name: str) -> set[int]:
    with database.read() as connection:
        wanted = audiences.condition(connection, "P1", audiences.by_name(connection, "P1", name))
        return set(connection.execute(sa.select(members.c.id).where(wanted)).scalars())


def test_counting_notes_the_size(current_url: str) -> None:
    database = open_store(current_url)
    fill(database, 20)
    saved = verbs.save(database, "P1", "all", Selection("where", "name IS NOT NULL OR TRUE = vip"), actor="a")
    numbers = {verbs.count(database, "P1", saved) for _ in range(2)}
    with database.read() as connection:
        assert [size.members for size in sizes.newest(connection, saved.id)] == list(numbers)
        assert [entry.act for entry in audit.page(connection)] == ["audience.save"]
    database.close()
