"""Outlines: text to rows to text, the same each time round and with the same members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from store import outline
from store.audiences import Selection, condition
from store.database import Database
from store.errors import UsageError
from store.outline import Group, Row, TextOnly, put, read, spell, tidy
from store.schema import members
from tests.store.crowd import NOW, fill, open_store

GOLD, RICH, NEAR = Row("tier", "=", ("'gold'",)), Row("points", ">", ("500",)), Row("zip", "=", ("'90210'",))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_store(f"sqlite:///{tmp_path_factory.mktemp('crowd') / 'passbell.db'}")
    fill(database, 250)
    yield database
    database.close()


def ids(database: Database, expression: str) -> list[int]:
    with database.read() as connection:
        wanted = condition(connection, "P1", Selection("where", expression), NOW)
        return list(connection.execute(sa.select(members.c.id).where(wanted)).scalars())


@pytest.mark.parametrize(
    ("expression", "canonical"),
    [
        ("points>500 and tier='gold'", "points > 500 AND tier = 'gold'"),
        ("500 <= points", "points >= 500"),
        ("(((points > 5)))", "points > 5"),
        ("not (points > 5)", "NOT points > 5"),
        ("NOT NOT opted_out", "opted_out = TRUE"),
        ("a = 1 OR b = 2 AND c = 3", "a = 1 OR (b = 2 AND c = 3)"),
        ("a = 1 AND (b = 2 AND c = 3)", "a = 1 AND (b = 2 AND c = 3)"),
        ("NOT (a = 1 OR NOT (b = 2 AND c = 3))", "NOT (a = 1 OR NOT (b = 2 AND c = 3))"),
        ("not tier in ('a', 'O''Hara')", "tier NOT IN ('a', 'O''Hara')"),
        ("points not between -1 and 2.5", "points NOT BETWEEN -1 AND 2.5"),
        ("name not ilike 'An%'", "name NOT LIKE 'An%'"),
        ("not email is null", "email IS NOT NULL"),
        ("vip is not true", "vip IS NOT TRUE"),
        (
            "updated_at < now() - interval '30 days' + INTERVAL '2 hours'",
            "updated_at < NOW() - INTERVAL '30 days' + INTERVAL '2 hours'",
        ),
        ("birthday >= current_date", "birthday >= CURRENT_DATE"),
        (
            "\"favourite store\" = 'a' AND attributes.tier = 'b' AND \"plain\" = 1",
            "\"favourite store\" = 'a' AND attributes.tier = 'b' AND plain = 1",
        ),
        (
            "IN_AUDIENCE('it''s') AND NOT received('x') AND birthday_today()",
            "in_audience('it''s') AND NOT received('x') AND birthday_today()",
        ),
        ("7 > Days_Since(created_at)", "days_since(created_at) < 7"),
    ],
)
def test_text_becomes_canonical(expression: str, canonical: str) -> None:
    assert outline.canonical(expression) == canonical
    assert read(canonical) == read(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "lower(name) = 'ann'",
        "points > 5 + 3",
        "points = tier_points",
        "foo.bar = 1",
        "points > (SELECT 1)",
        "tier IN (SELECT 1)",
        "points BETWEEN SYMMETRIC 1 AND 2",
        "name = 'a' COLLATE \"C\"",
        "points::int > 5",
        "points = -(-5)",
        "received()",
        "in_audience('a', 'b')",
        "lower(name)",
        "points",
        "NULL",
        "points IN (NULL)",
    ],
)
def test_what_rows_cannot_show_is_left_to_the_text(expression: str) -> None:
    if expression == "points":
        assert spell(read(expression)) == "points = TRUE"  # as wrong as the text is, and said so by both
        return
    with pytest.raises(TextOnly, match=r"this part can only be edited as text\n.*\n +\^"):
        read(expression)
    assert outline.canonical(f" {expression} ") == expression


def test_groups_have_a_deepest_level() -> None:
    deep = "a = 1 OR c = 1"
    for level in range(outline.DEEPEST - 1):
        deep = f"b = {level} {'OR' if level % 2 else 'AND'} ({deep})"
    assert spell(read(deep)) == deep
    with pytest.raises(TextOnly, match="inside each other"):
        read(f"c = 1 AND NOT ({deep})")


@pytest.mark.parametrize("expression", ["", "points >", "points > 5; x = 1", "points > 5 -- all", "a ==== b"])
def test_wrong_text_is_an_error_and_no_outline(expression: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(expression)
    assert not isinstance(raised.value, TextOnly)


def test_an_outline_is_changed_part_by_part() -> None:
    whole = Group("AND", (GOLD, RICH))
    grouped = put(whole, (1,), Group("OR", (RICH, NEAR)))
    assert spell(grouped) == "tier = 'gold' AND (points > 500 OR zip = '90210')"
    assert outline.at(grouped, (1, 1)) == NEAR
    assert spell(put(grouped, (1, 0), RICH, GOLD)) == (
        "tier = 'gold' AND (points > 500 OR tier = 'gold' OR zip = '90210')"
    )
    assert put(grouped, (1, 1)) == whole
    assert put(put(whole, (0,)), (0,)) == put(whole, ()) == Group("AND", ())
    assert spell(tidy(Group("OR", (Group("AND", (GOLD,), negated=True), Group("OR", ()))))) == (
        "NOT tier = 'gold'"
    )


CONTROL: tuple[Literal["C"]] = ("C",)
UNPLAIN: tuple[Literal["C"], Literal["Z"]] = ("C", "Z")
NAMES = st.sampled_from(
    ("zip", "city", "vip", "n", "favourite store", "größe", "attributes.tier", "back\\slash", "order", "NULL")
) | st.text(st.characters(exclude_categories=UNPLAIN, exclude_characters='"'), min_size=1, max_size=6)
TEXTS = st.sampled_from(("gold", "90210", "O'Hara", "", "\\", "größe")) | st.text(
    st.characters(exclude_categories=CONTROL), max_size=6
)
NUMBERS = st.sampled_from(("5", "-5", "0.5", "90210", "1e3"))
SCALARS = st.one_of(TEXTS.map(outline.quoted), NUMBERS)
MOMENTS = st.sampled_from(("NOW()", "NOW() - INTERVAL '30 days'", "CURRENT_DATE + INTERVAL '2 weeks'"))


def _row(operator: str, values: st.SearchStrategy[tuple[str, ...]]) -> st.SearchStrategy[Row]:
    return st.builds(Row, NAMES.map(outline.field), st.just(operator), values, st.booleans())


FIELD_ROWS = st.one_of(
    *(_row(sign, st.tuples(SCALARS)) for sign in outline.COMPARISONS.values()),
    _row("IN", st.one_of(*(st.lists(one, min_size=1, max_size=3).map(tuple) for one in (NUMBERS,)))),
    _row("BETWEEN", st.tuples(NUMBERS, NUMBERS)),
    _row("LIKE", st.tuples(TEXTS.filter(lambda text: "\\" not in text).map(outline.quoted))),
    _row("IS", st.tuples(st.sampled_from(("NULL", "TRUE", "FALSE")))),
    _row("=", st.just(("TRUE",))),
)
OTHER_ROWS = st.one_of(
    st.builds(Row, st.just("updated_at"), st.just("<"), st.tuples(MOMENTS), st.booleans()),
    st.builds(Row, st.just("wallet"), st.just("<>"), st.just(("'apple'",)), st.booleans()),
)
CALLS = st.one_of(
    st.builds(
        Row, st.just("in_audience"), st.just("CALL"), st.tuples(TEXTS.map(outline.quoted)), st.booleans()
    ),
    st.just(Row("birthday_today", "CALL")),
    st.just(Row("days_since(created_at)", ">=", ("7",))),
)


def _groups(parts: st.SearchStrategy[outline.Part]) -> st.SearchStrategy[outline.Part]:
    some = st.lists(parts, max_size=3).map(tuple)
    return st.builds(Group, st.sampled_from(("AND", "OR")), some, st.booleans())


@given(st.recursive(st.one_of(FIELD_ROWS, OTHER_ROWS, CALLS), _groups, max_leaves=6).map(tidy))
@settings(max_examples=150, deadline=None)
def test_an_outline_comes_back_from_its_text(whole: Group) -> None:
    text = spell(whole)
    if not whole.parts:
        assert text == ""
        return
    assert read(text) == whole


LOOSE = st.recursive(
    st.sampled_from(
        (
            "points > 5",
            "5 >= points",
            "zip = 5",
            "zip = '5'",
            "vip",
            "not vip",
            "n in (1, 5)",
            "wallet <> 'apple'",
            "pass_status = 'installed'",
            "email is null",
            "name not like 'an%'",
            "attributes.tier = 'gold'",
            "updated_at < now() - interval '7 days'",
            "points between 0 and 500",
        )
    ),
    lambda inner: st.one_of(
        inner.map("({})".format),
        inner.map("not {}".format),
        inner.map("not ({})".format),
        st.tuples(inner, st.sampled_from((" and ", " or ", " AND NOT ")), inner).map("".join),
    ),
    max_leaves=5,
)


@given(LOOSE)
@settings(max_examples=60, deadline=None)
def test_the_canonical_text_means_the_same_members(crowd: Database, expression: str) -> None:
    canonical = outline.canonical(expression)
    assert outline.canonical(canonical) == canonical
    assert ids(crowd, canonical) == ids(crowd, expression)


def test_the_audiences_that_an_expression_names() -> None:
    text = "in_audience('a''b') OR NOT IN_AUDIENCE('c') OR in_audience('c') OR name = 'in_audience'"
    assert outline.audiences_named(text) == ["a'b", "c"]
    assert outline.audiences_named("points > 5") == []
