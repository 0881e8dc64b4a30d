from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import audiences
from store.audiences import Selection
from store.database import Database
from store.errors import UsageError
from store.predicates import BUILT_IN, Field, Known, compile_predicate, fields_of, names_in
from store.schema import members
from tests.store.crowd import KEYS, NOW, add_members, add_past, fill, member, open_store

FIELDS = dict(BUILT_IN) | {
    "zip": Field("zip", "text", "attribute", "zip"),
    "visits": Field("visits", "number", "attribute", "visits"),
    "vip": Field("vip", "boolean", "attribute", "vip"),
    "mixed": Field("mixed", "any", "attribute", "mixed"),
}

KNOWN = Known(blasts={"Two for one": [1, 2]}, audiences={"rich": lambda: members.c.points > 400})

ACCEPTED = [
    "points > 500 AND tier = 'gold'",
    "points >= 5 OR points IS NULL",
    "NOT points > 5",
    "500 < points",
    "points BETWEEN 0 AND 500",
    "points NOT BETWEEN 0 AND 5",
    "points IN (0, 5, -1)",
    "points = -1",
    "points_balance = 5.5",
    "tier_points = 5",
    "tier IN ('gold', 'silver')",
    "tier NOT IN ('gold')",
    "tier <> 'gold'",
    "tier > 'a'",
    "name < 'a'",
    "name LIKE 'an%'",
    "name NOT LIKE 'an%'",
    "name ILIKE 'ÄNNE'",
    r"name LIKE '%\%%'",
    r"name LIKE 'b\_b'",
    r"name LIKE 'a\\b'",
    "name = 'O''Hara'",
    "name = ''",
    "email IS NOT NULL",
    "opted_out",
    "NOT opted_out",
    "opted_out = FALSE",
    "opted_out IS NOT TRUE",
    "birthday = '2026-01-31'",
    "birthday <= CURRENT_DATE",
    "birthday = CURRENT_DATE",
    "birthday > CURRENT_DATE - INTERVAL '400 days'",
    "created_at > NOW() - INTERVAL '30 days'",
    "created_at > now() - interval '30' day",
    "created_at <= CURRENT_DATE - INTERVAL '4' WEEK + INTERVAL '2 hours'",
    "created_at >= '2026-10-22'",
    "created_at >= '2026-11-21T13:00:00+02:00'",
    "expires_at BETWEEN '2026-01-01' AND '2026-12-31'",
    "last_updated IS NULL",
    "pass_status = 'installed'",
    "pass_status <> 'installed'",
    "NOT pass_status IN ('installed', 'issued')",
    "installed_at < NOW() - INTERVAL '100 days'",
    "installed_at IS NULL",
    "wallet = 'apple'",
    "wallet <> 'apple'",
    "wallet IN ('apple', 'other') AND NOT wallet = 'google'",
    "wallet IS NULL",
    "zip = '90210'",
    "zip = '01234'",
    "zip > '2'",
    "zip LIKE '9%'",
    "zip = 90210",
    "zip = 1e22",
    "zip < 0.75",
    "zip = 'true'",
    "zip = TRUE",
    "zip",
    "NOT zip",
    "zip IS NOT FALSE",
    "zip IS NULL",
    "zip IS NOT NULL",
    "attributes.zip = '5'",
    "attributes.tier = 'gold'",
    '"attributes.tier" = 5',
    "\"favourite store\" = 'gold'",
    "größe = 'größe'",
    '"back\\slash" IS NOT NULL',
    "n BETWEEN 0 AND 10",
    "n IN ('5', 'gold')",
    "Points > 5 and TIER = 'gold'",
    "(((points > 5)))",
    "points > 5\n  AND\ttier = 'gold'",
    "last_updated < NOW() - INTERVAL '30 days'",
    "points_balance > 400",
    "last_activity < NOW() - INTERVAL '30 days'",
    "NOT last_activity >= '2026-11-18'",
    "last_activity IS NOT NULL",
    "last_activity IN (NOW(), '2026-11-18T12:00:00Z')",
    "last_activity <> NOW()",
    "messages_30d = 0",
    "messages_30d >= 1 AND tier = 'gold'",
    "last_message_at IS NULL",
    "last_message_at < NOW() - INTERVAL '29 days'",
    "received('Two for one')",
    "NOT received('It''s late')",
    "Received('Two for one') AND (RECEIVED('It''s late') OR points IS NULL)",
    "birthday_today()",
    "NOT birthday_today()",
    "days_since(created_at) >= 30",
    "days_since(created_at) = 31",
    "days_since(created_at) <> 31",
    "days_since(created_at) NOT IN (7, 30)",
    "days_since(birthday) BETWEEN 0 AND 365.5",
    "days_since(installed_at) <= 3",
    "NOT days_since(installed_at) < 4",
    "days_since(last_message_at) IS NULL",
    "days_since(last_activity) < 2.5",
    "in_audience('rich')",
    "NOT in_audience('rich')",
    "in_audience('all of them') AND NOT in_audience('golden and rich')",
    "in_audience('listed') OR tier = 'gold'",
]

REFUSED = [
    "",
    "   ",
    "1 = 1",
    "TRUE",
    "'x'",
    "points > 5 OR 1 = 1",
    "points > 5 OR TRUE",
    "1=1; DROP TABLE members",
    "points > 5; points > 6",
    "points > 5;",
    "points > 5 -- AND opted_out",
    "points > 5 /* x */",
    "DROP TABLE members",
    "SELECT 1",
    "EXPLAIN SELECT 1",
    "SET x = 1",
    "points > (SELECT 1)",
    "tier IN (SELECT tier FROM members)",
    "EXISTS (SELECT 1)",
    "load_extension('x')",
    "pg_sleep(5) IS NULL",
    "lower(name) = 'x'",
    "name || 'x' = 'y'",
    "points + 1 > 5",
    "points::text = '5'",
    "CAST(points AS TEXT) = '5'",
    "name ~ 'x'",
    "name SIMILAR TO 'x'",
    "name LIKE 'x' ESCAPE '!'",
    "name LIKE ANY('x')",
    "name LIKE 'x\\'",
    "name LIKE 5",
    "points LIKE '5'",
    "attributes ->> 'zip' = '1'",
    "passes.zip = '1'",
    "members.attributes.zip = '1'",
    "teir = 'gold'",
    'zip = "90210"',
    "zip = 90210",
    "visits = '5'",
    "points = '5'",
    "tier = 5",
    "points = TRUE",
    "opted_out = 1",
    "opted_out > FALSE",
    "points",
    "points IS TRUE",
    "points = NULL",
    "points IN ()",
    "points IN (1, NULL)",
    "mixed IN (1, 'a')",
    "points IN (1, tier_points)",
    "points > tier_points",
    "points = 1e999",
    "points = $1",
    "points = :x",
    "points = ?",
    "tier = E'\\x41'",
    "tier = $$gold$$",
    "tier = X'41'",
    "points BETWEEN SYMMETRIC 5 AND 1",
    "points BETWEEN 1 AND 'a'",
    "created_at > 5",
    "created_at > 'yesterday'",
    "created_at > '2026-13-01'",
    "created_at > NOW() - 7",
    "created_at > NOW() - INTERVAL '3 months'",
    "created_at > NOW() - INTERVAL '1 year'",
    "created_at > NOW() - INTERVAL '1 day 2 hours'",
    "created_at > NOW() - INTERVAL '999999 weeks'",
    "created_at > INTERVAL '1 day'",
    "birthday > NOW()",
    "mixed > NOW()",
    "name = 'a\x00b'",
    "name = '\x1b[2J'",
    "name = '\ud800'",
    "name = 'open",
    "(points > 5",
    "points >",
    "points > 5 6",
    "tier = 'gold' ORDER BY 1",
    "tier = 'gold' LIMIT 5",
    "tier = 'gold' UNION SELECT 1",
    "(" * 300 + "points > 5" + ")" * 300,
    "(" * 2_000 + "vip" + ")" * 2_000,
    "NOT " * 1_000 + "vip",
    "vip AND " * 500 + "vip",
    "points IN (" + "1," * 1_000 + "1)",
    "name = '" + "x" * 5_000 + "'",
    "*",
    "points = *",
    "{fn now()} > 5",
    "@@version = 1",
    "CASE WHEN vip THEN vip END",
    "points IS DISTINCT FROM 5",
    "[1] = 1",
    "points[1] = 1",
    "points > ALL (ARRAY[1])",
    "received('Two for none')",
    "received()",
    "received('a', 'b')",
    "received(5)",
    "received(name)",
    'received("Two for one")',
    "received(NULL)",
    "received((SELECT 1))",
    "received(received('a'))",
    "received('Two for one') = TRUE",
    "received('Two for one') IS NULL",
    "received('Two for one') OVER ()",
    "received(DISTINCT 'Two for one')",
    "received('Two for one' ORDER BY 1)",
    "received('Two for one') FILTER (WHERE vip)",
    "store.received('Two for one')",
    "\"received\"('Two for one')",
    "recieved('Two for one')",
    "in_audience('nobody')",
    "in_audience(1)",
    "in_audience('rich') + 1 > 5",
    "birthday_today",
    "birthday_today(1)",
    "birthday_today() = '2026-11-21'",
    "days_since(points) > 1",
    "days_since(zip) > 1",
    "days_since('2026-01-01') > 1",
    "days_since(created_at)",
    "days_since(created_at) > '1'",
    "days_since(created_at) > NOW()",
    "days_since(created_at) LIKE '1'",
    "days_since(created_at) > 1e9",
    "days_since(created_at, birthday) > 1",
    "days_since(days_since(created_at)) > 1",
    "days_since(created_at) > days_since(birthday)",
    "last_activity > 5",
    "messages_30d > '5'",
    "messages_30d = NULL",
    "datediff('day', created_at) > 5",
    "sqlite_version() = '3'",
    "randomblob(1000000000) IS NULL",
    "current_setting('x') = 'y'",
]


SAVED = {
    "rich": Selection("where", "points > 400"),
    "golden and rich": Selection("where", "tier = 'gold' AND in_audience('rich')"),
    "all of them": Selection("all"),
    "listed": Selection("file", "listed.csv", range(1, 40)),
}


def peopled(url: str) -> Database:
    """The crowd with its past and saved audiences."""
    database = open_store(url)
    fill(database)
    add_past(database)
    with database.write() as connection:
        for name, chosen in SAVED.items():
            audiences.save(connection, "P1", name, chosen, now=NOW)
    return database


@pytest.fixture
def crowd(current_url: str) -> Iterator[Database]:
    database = peopled(current_url)
    yield database
    database.close()


@pytest.fixture
def both(tmp_path: Path, current_postgres_url: str) -> Iterator[list[Database]]:
    """The same crowd on SQLite and on Postgres."""
    databases = [peopled(f"sqlite:///{tmp_path / 'a.db'}"), peopled(current_postgres_url)]
    yield databases
    for database in databases:
        database.close()


def select(database: Database, expression: str) -> list[int]:
    with database.read() as connection:
        chosen = audiences.condition(connection, "P1", Selection("where", expression), NOW)
        query = sa.select(members.c.id).where(members.c.program_id == "P1", chosen)
        return list(connection.execute(query.order_by(members.c.id)).scalars())


def refusal(expression: str) -> str:
    with pytest.raises(UsageError) as caught:
        compile_predicate(expression, FIELDS, dialect="sqlite", now=NOW, known=KNOWN)
    return str(caught.value)


def test_accepted_expressions_select_the_same_members_on_both(both: list[Database]) -> None:
    selected = [[select(database, expression) for expression in ACCEPTED] for database in both]
    for expression, here, there in zip(ACCEPTED, *selected, strict=True):
        assert here == there, expression
    empty = [expression for expression, found in zip(ACCEPTED, selected[0], strict=True) if not found]
    assert empty == []


@pytest.mark.parametrize("expression", REFUSED, ids=lambda text: repr(text[:40]))
def test_everything_else_is_refused(expression: str) -> None:
    message = refusal(expression)
    assert len(message) < 600
    assert all(line.isprintable() for line in message.split("\n"))


def test_there_are_enough_hostile_expressions() -> None:
    assert len(REFUSED) >= 130


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("teir = 'gold'", "there is no field teir; did you mean tier?\n  teir = 'gold'\n  ^^^^"),
        (
            "vip AND zip = 90210",
            "cannot compare a text with a number: zip is a text, which stands in single quotes "
            "(`members import --map COLUMN=zip:number` brings numbers)\n"
            "  vip AND zip = 90210\n"
            "                ^^^^^",
        ),
        (
            'zip = "90210"',
            "double quotes hold a field's name: write the text as '90210' in single quotes\n"
            '  zip = "90210"\n'
            "        ^^^^^^^",
        ),
        (
            "vip AND recieved('Two for one')",
            "there is no function recieved; did you mean received('blast name')?\n"
            "  vip AND recieved('Two for one')\n" + " " * 10 + "^" * 22,
        ),
        (
            "received('Two for won')",
            "there is no blast 'Two for won' in this program; did you mean 'Two for one'?\n"
            "  received('Two for won')\n" + " " * 11 + "^" * 13,
        ),
        ("", "an empty expression selects nobody: write one, or choose all"),
        (
            "vip AND created_at > NOW() - INTERVAL '3 months'",
            "a month has no fixed length: write days, such as INTERVAL '30 days'\n"
            "  vip AND created_at > NOW() - INTERVAL '3 months'\n"
            "                               ^^^^^^^^",
        ),
        ("points = NULL", "nothing equals NULL: write points IS NULL\n  points = NULL\n           ^^^^"),
        (
            "name = '漢字' AND teir",
            "there is no field teir; did you mean tier?\n  name = '漢字' AND teir\n" + " " * 20 + "^^^^",
        ),
    ],
)
def test_a_refusal_names_the_problem_and_marks_the_place(expression: str, message: str) -> None:
    assert refusal(expression) == message


def test_a_long_expression_is_cut_around_the_place() -> None:
    lines = refusal("vip OR " * 60 + "teir = 'x'" + " OR vip" * 60).split("\n")
    assert len(lines) == 3
    assert len(lines[1]) < 120
    start = lines[2].index("^")
    assert lines[1][start:].startswith("teir")


def test_missing_values_are_neither_true_nor_false(crowd: Database) -> None:
    above, below = select(crowd, "points > 5"), select(crowd, "NOT points > 5")
    missing = select(crowd, "points IS NULL")
    assert above
    assert below
    assert missing
    assert sorted(above + below + missing) == select(crowd, "opted_out OR NOT opted_out")


def test_a_pass_field_asks_for_any_pass(current_url: str) -> None:
    database = open_store(current_url)
    fill(database, 60)
    everybody = select(database, "external_id IS NOT NULL")
    installed, others = (
        select(database, "pass_status = 'installed'"),
        select(database, "pass_status <> 'installed'"),
    )
    assert sorted(installed + others) == everybody
    assert set(select(database, "wallet = 'apple' AND wallet = 'google'")) <= set(
        select(database, "wallet = 'apple'")
    )
    database.close()


def test_like_folds_ascii_letters_only(current_url: str) -> None:
    database = open_store(current_url)
    add_members(database, [member(name, name=name) for name in ("Émile", "émile", "EMILE", "emile")])
    assert len(select(database, "name LIKE 'emile'")) == 2
    assert len(select(database, "name ILIKE 'éMILE'")) == 1
    database.close()


def test_fields_know_the_attributes_and_their_kinds(current_url: str) -> None:
    database = open_store(current_url)
    add_members(
        database,
        [
            member(
                "1", attributes={"zip": "01234", "visits": 5, "vip": True, "mixed": 1, "tier": "x", 'a"b': 1}
            ),
            member("2", attributes={"zip": None, "visits": 2.5, "vip": False, "mixed": "a", "sub": {"a": 1}}),
        ],
    )
    with database.read() as connection:
        fields = fields_of(connection, "P1")
        assert fields_of(connection, "other") == BUILT_IN
    kinds = {name: field.type for name, field in fields.items() if field.source == "attribute"}
    assert kinds == {
        "zip": "text",
        "visits": "number",
        "vip": "boolean",
        "mixed": "any",
        "attributes.tier": "text",
        "sub": "any",
    }
    assert fields["tier"].source == "member"
    database.close()


def test_a_rare_attribute_is_found_when_it_is_mentioned(current_url: str) -> None:
    database = open_store(current_url)
    add_members(
        database,
        [member(str(n), attributes={"zip": "1"} | ({"rare": 5} if n == 7_003 else {})) for n in range(8_000)],
    )
    with database.read() as connection:
        seen = fields_of(connection, "P1")
        asked = fields_of(connection, "P1", mentioned=names_in("attributes.rare = 5 AND zip = '1'"))
    assert "zip" in seen
    assert asked["rare"] == Field("rare", "number", "attribute", "rare")
    database.close()


TEXT_VALUES = ["gold", "Gold", "90210", "5", "true", "", "größe", "a", "O'Hara", "2026-01-31"]
NUMBERS = [
    "0",
    "5",
    "-5",
    "5.5",
    "0.5",
    "-2.25",
    "90210",
    "1e22",
    "1e16",
    "1e-7",
    "1e299",
    "1e18",
    "123456789012345",
]
MOMENTS = [
    "NOW()",
    "CURRENT_DATE",
    "NOW() - INTERVAL '30 days'",
    "CURRENT_DATE + INTERVAL '1' WEEK",
    "'2026-01-31'",
]
texts = st.sampled_from(TEXT_VALUES).map(lambda text: "'" + text.replace("'", "''") + "'")
numbers = st.sampled_from(NUMBERS)
compared = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="])
patterns = st.text("Aaän%_b5\\", max_size=5).filter(
    lambda text: (len(text) - len(text.rstrip("\\"))) % 2 == 0
)
text_fields = st.sampled_from(["name", "email", "tier", "external_id", "status", "pass_status", "wallet"])
free_fields = st.sampled_from([f'attributes."{key}"' for key in KEYS])
number_fields = st.sampled_from(["points", "tier_points", "messages_30d"])
moment_fields = st.sampled_from(
    ["expires_at", "created_at", "updated_at", "installed_at", "last_activity", "last_message_at"]
)
days = st.sampled_from(["birthday", "created_at", "installed_at", "last_activity", "last_message_at"]).map(
    lambda field: f"days_since({field})"
)
calls = st.sampled_from(
    ["received('Two for one')", "received('It''s late')", "birthday_today()"]
    + [f"in_audience('{name}')" for name in SAVED]
)


def join(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(" ".join)


def comparisons(fields: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(values, min_size=1, max_size=3).map(lambda items: f"({', '.join(items)})")
    return (
        join(fields, compared, values)
        | join(fields, st.sampled_from(["IN", "NOT IN"]), several)
        | join(fields, st.sampled_from(["BETWEEN", "NOT BETWEEN"]), values, "AND", values)
        | join(fields, st.sampled_from(["IS NULL", "IS NOT NULL"]))
    )


likes = join(
    text_fields | free_fields,
    st.sampled_from(["LIKE", "NOT LIKE", "ILIKE"]),
    patterns.map(lambda text: f"'{text}'"),
)
booleans = st.sampled_from(["opted_out", "vip"])
truths = booleans | join(
    booleans | free_fields, st.sampled_from(["= TRUE", "<> FALSE", "IS TRUE", "IS NOT FALSE", "IS FALSE"])
)
atoms = (
    comparisons(text_fields | free_fields, texts)
    | comparisons(number_fields | free_fields, numbers)
    | comparisons(moment_fields, st.sampled_from(MOMENTS))
    | comparisons(st.just("birthday"), st.sampled_from(["CURRENT_DATE", "'2026-01-31'", "'1990-02-28'"]))
    | comparisons(days, st.sampled_from(["0", "-1", "1", "3", "3.5", "30", "400"]))
    | calls
    | likes
    | truths
)
predicates = st.recursive(
    atoms,
    lambda inner: join("(", inner, st.sampled_from(["AND", "OR"]), inner, ")") | join("NOT (", inner, ")"),
    max_leaves=6,
)


def test_any_predicate_selects_the_same_members_on_both(both: list[Database]) -> None:
    @settings(max_examples=400, suppress_health_check=list(HealthCheck))
    @given(predicates)
    def same(expression: str) -> None:
        assert select(both[0], expression) == select(both[1], expression)

    same()


@given(st.text(max_size=60) | st.text("points>5 ()'\"ANDORNT=;-*/\\$:", max_size=40))
def test_any_text_is_a_condition_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        compile_predicate(text, FIELDS, dialect="postgresql", now=datetime(2026, 1, 1, tzinfo=UTC))
