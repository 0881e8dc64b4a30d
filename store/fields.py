"""The fields a predicate may name: a member's own, its passes', its past's, and its program's attributes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from store import past
from store.database import among
from store.schema import members, passes

Kind = Literal["text", "number", "boolean", "moment", "date", "any"]

SAMPLED_MEMBERS = 5_000
"""Members whose attributes are looked at for names and types; all of 200,000 would take 0.25 s."""
MOST_ATTRIBUTES = 500
MOST_NAMES = 20
"""Names of one expression that are looked for in every member (0.1 s each)."""

Column = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Field:
    """A name that a predicate may use.

    type    what its values are. `any` stands for an attribute that holds values of several kinds.
    source  `member` (a column), `pass` (true where any of the member's passes fits), `attribute` or `past`
            (computed; see store/past.py)
    column  the column's name in its table, the attribute's key, or the fact's name
    since   set for `days_since(...)` of a field: what that field is. `type` is number then.
    """

    name: str
    type: Kind
    source: Literal["member", "pass", "attribute", "past"] = "member"
    column: str = ""
    since: Literal["moment", "date"] | None = None

    @property
    def may_lack(self) -> bool:
        """Whether a comparison with it can be neither true nor false."""
        always = {"member": ("external_id", "name", "status", "opted_out"), "past": ("messages_30d",)}
        return self.column not in always.get(self.source, ())


def _built_in() -> dict[str, Field]:
    text = ("external_id", "name", "email", "phone", "locale", "time_zone", "status")
    moments = ("expires_at", "created_at", "updated_at")
    fields = [
        *(Field(name, "text", column=name) for name in text),
        Field("tier", "text", column="tier_id"),
        Field("points", "number", column="points"),
        Field("points_balance", "number", column="points"),
        Field("secondary_points", "number", column="secondary_points"),
        Field("tier_points", "number", column="tier_points"),
        Field("birthday", "date", column="birthday"),
        Field("opted_out", "boolean", column="opted_out"),
        *(Field(name, "moment", column=name) for name in moments),
        Field("last_updated", "moment", column="updated_at"),
        Field("pass_status", "text", "pass", "status"),
        Field("installed_at", "moment", "pass", "installed_at"),
        Field("wallet", "text", "pass", "wallets"),
        *(Field(name, "moment", "past", name) for name in ("last_activity", "last_message_at")),
        Field("messages_30d", "number", "past", "messages_30d"),
    ]
    return {field.name: field for field in fields}


BUILT_IN = _built_in()
"""Fields that every program has. They win over attributes of the same name."""


def fields_of(
    connection: sa.Connection, program_id: str, *, mentioned: Iterable[str] = ()
) -> dict[str, Field]:
    """The built-in fields and the attributes that the program's members have.

    Attributes are learned from a sample of members, spread over the program. A `mentioned` name that
    the sample lacks is looked for in every member, so that a rare attribute is found too. An attribute
    hidden by a built-in field is listed as `attributes.<name>`.
    """
    kinds = _sample(connection, program_id)
    fields = dict(BUILT_IN)
    for key in sorted(kinds)[:MOST_ATTRIBUTES]:
        _add(fields, key, kinds[key])
    for name in list(mentioned)[:MOST_NAMES]:
        key = name.removeprefix("attributes.")
        if key not in kinds and (key != name or find(fields, name) is None) and '"' not in key:
            having = json_type(connection.dialect.name, members.c.attributes, key).is_not(None)
            found = _kinds(connection, _attributes(program_id).where(having).limit(100))
            if key in found:
                _add(fields, key, found[key])
    return fields


def find(fields: Mapping[str, Field], name: str) -> Field | None:
    """The field of that name, in any case if no other field differs from it by case alone."""
    if exact := fields.get(name):
        return exact
    alike = [field for known, field in fields.items() if known.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def _add(fields: dict[str, Field], key: str, kinds: set[str]) -> None:
    if not key.isprintable() or '"' in key or not key:
        return  # SQLite's paths cannot spell a quote, and the others cannot be typed
    name = f"attributes.{key}" if key in BUILT_IN else key
    known = kinds - {"null"}
    kind: Any = next(iter(known)) if len(known) == 1 else "any"
    fields[name] = Field(name, kind, "attribute", key)


def _sample(connection: sa.Connection, program_id: str) -> dict[str, set[str]]:
    """The kinds of value of each key, in members spread evenly over the store's ids.

    Where the program has few of these, a look at its own members costs little: they are few, too.
    """
    # Two questions: SQLite finds the least at once, and the greatest, but not both.
    low = connection.scalar(sa.select(sa.func.min(members.c.id))) or 0
    high = connection.scalar(sa.select(sa.func.max(members.c.id))) or 0
    step = (high - low) // SAMPLED_MEMBERS + 1
    # Hidden in a function, so that no index of programs is taken instead of the ids.
    mine = sa.func.coalesce(members.c.program_id, "") == program_id
    spread = sa.and_(among(connection, members.c.id, range(low, high + 1, step)), mine)
    met = connection.scalar(sa.select(sa.func.count()).select_from(members).where(spread)) or 0
    if step == 1 or met >= SAMPLED_MEMBERS // 4:
        return _kinds(connection, sa.select(members.c.attributes).where(spread))
    bounds = sa.select(sa.func.min(members.c.id), sa.func.max(members.c.id), sa.func.count())
    low, high, count = connection.execute(bounds.where(members.c.program_id == program_id)).one()
    query = _attributes(program_id)
    if count > SAMPLED_MEMBERS:
        step = (high - low) // SAMPLED_MEMBERS + 1
        query = query.where(members.c.id % step == low % step)
    return _kinds(connection, query.limit(SAMPLED_MEMBERS))


def _attributes(program_id: str) -> sa.Select[Any]:
    return sa.select(members.c.attributes).where(members.c.program_id == program_id)


def _kinds(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, set[str]]:
    """The kinds of value under each key of the selected JSON objects."""
    rows = query.subquery()
    if connection.dialect.name == "postgresql":
        pairs = sa.func.jsonb_each(rows.c.attributes).table_valued("key", sa.column("value", JSONB))
        kind: Column = sa.func.jsonb_typeof(pairs.c.value)
    else:
        pairs = sa.func.json_each(rows.c.attributes).table_valued("key", "type")
        kind = pairs.c.type
    words = {"string": "text", "text": "text", "null": "null", "true": "boolean", "false": "boolean"}
    words |= {"boolean": "boolean", "number": "number", "integer": "number", "real": "number"}
    found: dict[str, set[str]] = {}
    for key, word in connection.execute(
        sa.select(pairs.c.key, kind).select_from(rows.join(pairs, sa.true())).distinct()
    ):
        found.setdefault(key, set()).add(words.get(word, "any"))
    return found


def json_type(dialect: str, column: Column, key: str) -> Column:
    """The JSON type's name of a key's value in the dialect's own words, NULL where the key is missing."""
    if dialect == "postgresql":
        return sa.func.jsonb_typeof(sa.type_coerce(column, JSONB)[key])
    return sa.func.json_type(column, json_path(key))


def json_path(key: str) -> str:
    """A key as SQLite's path, spelled as JSON spells it in the column: old versions compare the spelling."""
    return f"$.{json.dumps(key)}"


def reach(
    field: Field, dialect: str, now: datetime, kind: Kind, test: Callable[[Column], Condition]
) -> Condition:
    """`test` put to the field's value, taken as `kind`. A pass's field fits where any pass's value does."""
    if field.source == "pass":
        return _any_pass(field, dialect, test)
    if field.source == "attribute":
        take = {"text": _as_text, "number": _as_number, "boolean": _as_boolean}[kind]
        return test(take(dialect, field.column))
    if field.source == "past":
        return test(past.fact(field.column, dialect, now))
    return test(_plain(members.c[field.column], dialect))


def is_missing(field: Field, dialect: str, now: datetime) -> Condition:
    """True where the field has no value; for a pass's field, where no pass has one."""
    if field.source == "pass":
        return sa.not_(_any_pass(field, dialect, lambda value: value.is_not(None)))
    if field.source == "attribute":
        kind = json_type(dialect, members.c.attributes, field.column)
        return sa.func.coalesce(kind, "null") == "null"
    if field.source == "past":
        missing: Condition = past.fact(field.column, dialect, now).is_(None)
        return missing
    if field.column == "name":
        return members.c.name == ""
    return members.c[field.column].is_(None)


def _plain(column: Column, dialect: str) -> Column:
    """Text is ordered by code point on both databases, whatever Postgres's collation is."""
    if isinstance(column.type, sa.Text) and dialect == "postgresql":
        return sa.collate(column, "C")
    return column


def _any_pass(field: Field, dialect: str, test: Callable[[Column], Condition]) -> Condition:
    # An alias, so that a caller may join `passes` itself.
    own = passes.alias()
    source: sa.FromClause = own
    if field.column == "wallets":
        explode = sa.func.jsonb_array_elements_text if dialect == "postgresql" else sa.func.json_each
        words = explode(own.c.wallets).table_valued(sa.column("value", sa.Text)).render_derived()
        if dialect == "sqlite":
            words = explode(own.c.wallets).table_valued(sa.column("value", sa.Text))
        source, value = own.join(words, sa.true()), words.c.value
    else:
        value = own.c[field.column]
    query = sa.select(sa.literal(1)).select_from(source).where(own.c.member_id == members.c.id)
    return query.where(test(_plain(value, dialect))).correlate(members).exists()


def _as_text(dialect: str, key: str) -> Column:
    """Texts as they are, booleans as `true` and `false`, whole numbers of up to 15 digits by their digits.

    Other numbers are NULL: the two databases spell them differently.
    """
    column, kind = members.c.attributes, json_type(dialect, members.c.attributes, key)
    if dialect == "postgresql":
        text = sa.type_coerce(column, JSONB)[key].astext
        whole = sa.and_(kind == "number", text.regexp_match("^-?[0-9]{1,15}$"))
        return sa.collate(sa.case((kind.in_(["string", "boolean"]), text), (whole, text)), "C")
    value: Column = sa.func.json_extract(column, json_path(key), type_=sa.Text)
    whole = sa.case((sa.func.abs(sa.cast(value, sa.REAL)) < 1e15, sa.cast(value, sa.Text)))
    return sa.case({"text": value, "true": kind, "false": kind, "integer": whole}, value=kind)


def _as_number(dialect: str, key: str) -> Column:
    """JSON numbers of a size that a double holds; everything else is NULL, never an error."""
    column, kind = members.c.attributes, json_type(dialect, members.c.attributes, key)
    if dialect == "postgresql":
        exact = sa.cast(sa.type_coerce(column, JSONB)[key].astext, sa.Numeric)
        fits = sa.func.abs(exact) < sa.literal_column("1e300::numeric")
        return sa.case((kind == "number", sa.case((fits, sa.cast(exact, sa.Double)))))
    value = sa.cast(sa.func.json_extract(column, json_path(key)), sa.REAL)
    whole_or_real = kind.in_(["integer", "real"])
    return sa.case((sa.and_(whole_or_real, sa.func.abs(value) < 1e300), sa.type_coerce(value, sa.Double)))


def _as_boolean(dialect: str, key: str) -> Column:
    """JSON booleans only: the text "true" is a text."""
    kind = json_type(dialect, members.c.attributes, key)
    if dialect == "postgresql":
        text = sa.type_coerce(members.c.attributes, JSONB)[key].astext
        truth = sa.case((kind == "boolean", text))
        return sa.case((truth == "true", sa.true()), (truth == "false", sa.false()))
    return sa.case((kind == "true", sa.true()), (kind == "false", sa.false()))
