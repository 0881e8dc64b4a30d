from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from store import audiences, explain
from store.audiences import Selection
from store.database import Database
from store.schema import members
from tests.store.crowd import NOW
from tests.store.test_predicates import peopled, predicates, select

one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = peopled(current_url)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (
            "last_updated < NOW() - INTERVAL '30 days' AND points_balance > 500",
            "members where\n"
            "  last_updated is before 2026-10-22 12:00 UTC (30 days ago) "
            "(members without last_updated are left out)\n"
            "  and points_balance is more than 500 (members without points_balance are left out)",
        ),
        (
            "opted_out = FALSE AND (messages_30d = 0 OR NOT (received('It''s late') AND wallet <> 'apple'))",
            "members where\n"
            "  opted_out is false\n"
            "  and any of:\n"
            "    messages_30d is 0\n"
            "    or not all of:\n"
            "      a message of the blast 'It's late' was accepted for them\n"
            "      and for none of their passes wallet is 'apple'",
        ),
        ("NOT in_audience('rich')", "members where they are not in the audience 'rich'"),
        ("zip IS NOT NULL", "members where zip is known"),
        ("days_since(installed_at) BETWEEN 1 AND 3", "members where for one of their passes days since "
         "installed_at is between 1 and 3"),
        ("zip > 5", "members where zip is more than 5 (members without a number in zip are left out)"),
        ("birthday = CURRENT_DATE", "members where birthday is 2026-11-21 (today) "
         "(members without birthday are left out)"),
        ("name LIKE 'A%' AND NOT name IN ('a\nb', '')", "members where\n  name looks like 'A%'\n"
         "  and not: name is one of 'a b', an empty text"),
    ],
)  # fmt: skip
@one_store
def test_an_expression_in_words(database: Database, expression: str, words: str) -> None:
    with database.read() as connection:
        assert explain.explain(connection, "P1", expression, NOW) == words


@pytest.mark.parametrize(
    ("expression", "join", "texts"),
    [
        ("points > 5", "and", ["points > 5"]),
        ("a = 1 AND b BETWEEN 1 AND 2 and c = 'x AND y'", "and",
         ["a = 1", "b BETWEEN 1 AND 2", "c = 'x AND y'"]),
        ("a = 1 AND b = 2 OR c = 3", "or", ["a = 1 AND b = 2", "c = 3"]),
        (" ( (a = ')' OR (b = 2 AND c = 3)) ) ", "or", ["a = ')'", "(b = 2 AND c = 3)"]),
        ("(a = 1) AND (b = 2)", "and", ["(a = 1)", "(b = 2)"]),
        ("NOT (a = 1 AND b = 2)", "and", ["NOT (a = 1 AND b = 2)"]),
    ],
)  # fmt: skip
def test_the_outermost_parts_as_written(expression: str, join: str, texts: list[str]) -> None:
    assert explain.clauses(expression) == (join, texts)


@one_store
def test_the_parts_together_mean_the_whole(database: Database) -> None:
    @settings(max_examples=80, suppress_health_check=list(HealthCheck))
    @given(predicates)
    def same(expression: str) -> None:
        whole = set(select(database, expression))
        with database.read() as connection:
            join, parts = explain.parts(connection, "P1", expression, NOW)
            told = explain.explain(connection, "P1", expression, NOW)
        assert told.replace("\n", "").isprintable()
        each = [set(select(database, part.text)) for part in parts]
        assert (set.intersection if join == "and" else set.union)(*each) == whole

    same()


def test_which_part_decides_for_a_member(database: Database) -> None:
    expression = "points > 5 AND opted_out = FALSE AND (tier = 'gold' OR in_audience('listed'))"
    with database.read() as connection:
        for id_ in range(1, 41):
            row = connection.execute(sa.select(members).where(members.c.id == id_)).one()
            found = explain.evaluate(connection, "P1", id_, expression, NOW)
            assert [truth for _, _, truth in found[:2]] == [
                None if row.points is None else row.points > 5,
                not row.opted_out,
            ]
            assert found[2][0] == "(tier = 'gold' OR in_audience('listed'))"
            if id_ < 40:
                assert found[2][2] is True
            else:
                assert found[2][2] is (None if row.tier_id is None else row.tier_id == "gold")


@one_store
def test_how_many_each_part_selects_alone(database: Database) -> None:
    with database.read() as connection:
        _, parts = explain.parts(connection, "P1", "points > 5 AND tier = 'gold'", NOW)
        counts = explain.counts(connection, "P1", parts, NOW)
        assert counts == [
            audiences.count(connection, "P1", Selection("where", text), NOW)
            for text in ("points > 5", "tier = 'gold'")
        ]
