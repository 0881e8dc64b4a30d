"""What a predicate selects, in words; and which of its parts decide, for all and for one member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from store import audiences
from store.meaning import Call, Group, Meaning, Not, Test, Value, condition
from store.parsing import parse
from store.schema import members
from store.times import now as clock

VERBS = {"=": "is", "<>": "is not", "<": "is less than", "<=": "is at most"}
VERBS |= {">": "is more than", ">=": "is at least", "is": "is"}
MOMENT_VERBS = {"<": "is before", "<=": "is at or before", ">": "is after", ">=": "is at or after"}
DATE_VERBS = {"<": "is before", "<=": "is on or before", ">": "is after", ">=": "is on or after"}
TEXT_VERBS = {"<": "sorts before", "<=": "is or sorts before", ">": "sorts after", ">=": "is or sorts after"}
INDENT = "  "


@dataclass(frozen=True, slots=True)
class Clause:
    """One part of an expression's outermost AND or OR; an expression without either is its only part.

    text   as the operator wrote it
    words  what it says
    """

    text: str
    words: str


def explain(connection: sa.Connection, program_id: str, expression: str, now: datetime | None = None) -> str:
    """What the expression selects, in plain sentences: a line for each part, those of groups indented.

    Raises UsageError as `audiences.condition` does.
    """
    at = now or clock()
    lines = list(_lines(audiences.read(connection, program_id, expression, at), at))
    if len(lines) == 1:
        return f"members where {lines[0]}"
    return "\n".join(["members where", *(INDENT + line for line in lines)])


def clauses(expression: str) -> tuple[Literal["and", "or"], list[str]]:
    """How the outermost parts of an expression are joined, and their texts as written.

    Raises UsageError for what cannot be parsed; names are not looked at.
    """
    tree = parse(expression)
    start, end = 0, len(expression)
    while type(tree).__name__ == "Paren":
        tree = tree.this
        start, end = expression.index("(", start) + 1, expression.rindex(")", 0, end)
    inner = expression[start:end]
    name = type(tree).__name__.upper()
    if name not in ("AND", "OR"):
        return "and", [inner.strip()]
    return ("and" if name == "AND" else "or"), list(_split(inner, name))


def parts(
    connection: sa.Connection, program_id: str, expression: str, now: datetime | None = None
) -> tuple[Literal["and", "or"], list[Clause]]:
    """How the outermost parts are joined, and each with what it says."""
    at = now or clock()
    join, read = _read(connection, program_id, expression, at)
    return join, [Clause(text, _in_line(meaning, at)) for text, meaning in read]


def counts(
    connection: sa.Connection, program_id: str, found: list[Clause], now: datetime | None = None
) -> list[int]:
    """How many members each part would select alone."""
    chosen = [audiences.Selection("where", clause.text) for clause in found]
    return [audiences.count(connection, program_id, one, now or clock()) for one in chosen]


def evaluate(
    connection: sa.Connection, program_id: str, member_id: int, expression: str, now: datetime | None = None
) -> list[tuple[str, str, bool | None]]:
    """Each outermost part's text and words, and whether it holds for this member; None: neither.

    A part is neither true nor false where it asks for a value that the member lacks.
    """
    at = now or clock()
    _, read = _read(connection, program_id, expression, at)
    conditions = [condition(meaning, connection.dialect.name, at) for _, meaning in read]
    columns = [sa.case((holds, 1), (sa.not_(holds), 0)) for holds in conditions]
    mine = sa.and_(members.c.id == member_id, members.c.program_id == program_id)
    row = connection.execute(sa.select(*columns).where(mine)).one()
    return [
        (text, _in_line(meaning, at), None if value is None else bool(value))
        for (text, meaning), value in zip(read, row, strict=True)
    ]


def _read(
    connection: sa.Connection, program_id: str, expression: str, at: datetime
) -> tuple[Literal["and", "or"], list[tuple[str, Meaning]]]:
    join, texts = clauses(expression)
    return join, [(text, audiences.read(connection, program_id, text, at)) for text in texts]


def _split(text: str, word: str) -> Iterator[str]:
    """The pieces between the AND, or the OR, that stand in no brackets."""
    from sqlglot.dialects.postgres import Postgres

    depth, between, start = 0, 0, 0
    for token in Postgres().tokenize(text):
        kind = token.token_type.name
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(kind, 0)
        if depth:
            continue
        if kind == "BETWEEN":
            between += 1
        elif kind == "AND" and between:
            between -= 1
        elif kind == word:
            yield text[start : token.start].strip()
            start = token.end + 1
    yield text[start:].strip()


def _lines(meaning: Meaning, now: datetime) -> Iterator[str]:
    """What it says, a line for each part."""
    if not isinstance(meaning, Group):
        yield from _not(meaning.part, now) if isinstance(meaning, Not) else [_sentence(meaning, now)]
        return
    for place, part in enumerate(meaning.parts):
        lead = f"{meaning.join} " if place else ""
        if isinstance(part, Group):
            yield f"{lead}{'all' if part.join == 'and' else 'any'} of:"
            yield from (INDENT + line for line in _lines(part, now))
        else:
            first, *rest = _lines(part, now)
            yield lead + first
            yield from rest


def _not(part: Meaning, now: datetime) -> Iterator[str]:
    if isinstance(part, Group):
        yield f"not {'all' if part.join == 'and' else 'any'} of:"
        yield from (INDENT + line for line in _lines(part, now))
    elif isinstance(part, Not):
        yield from _lines(part.part, now)
    else:
        yield _sentence(part, now, negated=True)


def _in_line(meaning: Meaning, now: datetime, *, inner: bool = False) -> str:
    """What it says, in one line with brackets where there are parts."""
    if isinstance(meaning, Group):
        told = f" {meaning.join} ".join(_in_line(part, now, inner=True) for part in meaning.parts)
        return f"({told})" if inner else told
    if isinstance(meaning, Not) and isinstance(meaning.part, Group):
        return f"not {_in_line(meaning.part, now, inner=True)}"
    return "".join(_lines(meaning, now))


def _sentence(meaning: Meaning, now: datetime, *, negated: bool = False) -> str:
    if isinstance(meaning, Test):
        return _test(meaning, now, negated)
    assert isinstance(meaning, Call)
    if meaning.function == "received":
        return f"{'no' if negated else 'a'} message of the blast {_text(meaning.name)} was accepted for them"
    if meaning.function == "fetched":
        return f"{'no' if negated else 'a'} phone of theirs has fetched the blast {_text(meaning.name)}"
    if meaning.function == "in_audience":
        return f"they are {'not ' if negated else ''}in the audience {_text(meaning.name)}"
    kept = f"their birthday is {'not ' if negated else ''}on {meaning.found:%d %B}, today"
    return f"{kept} (members without birthday are left out)"


def _test(test: Test, now: datetime, negated: bool) -> str:
    field = test.field
    asked = field.name[len("days_since(") : -1] if field.since else field.name
    name = f"days since {asked}" if field.since else asked
    if test.verb == "missing":
        return f"{asked} is {'known' if negated else 'missing'}"
    values = [_spell(value, now) for value in test.values]
    if field.source == "pass":
        # With NOT as with <>: no pass may fit.
        none = negated != (test.verb == "<>")
        told = _verb(replace(test, verb="=") if test.verb == "<>" else test, values)
        return f"for {'none' if none else 'one'} of their passes {name} {told}"
    told = f"{'not: ' if negated else ''}{name} {_verb(test, values)}"
    if field.may_lack and test.verb != "is":
        only = (
            {"number": "a number in ", "boolean": "true or false in "} if field.source == "attribute" else {}
        )
        told += f" (members without {only.get(test.kind, '')}{asked} are left out)"
    return told


def _verb(test: Test, values: list[str]) -> str:
    kind = "number" if test.field.since else test.kind
    if test.verb == "in":
        return f"is one of {', '.join(values)}"
    if test.verb == "between":
        return f"is between {values[0]} and {values[1]}"
    if test.verb == "like":
        return f"looks like {values[0]}"
    own = {"moment": MOMENT_VERBS, "date": DATE_VERBS, "text": TEXT_VERBS}.get(kind, {})
    return f"{own.get(test.verb, VERBS[test.verb])} {values[0]}"


def _spell(value: Value, now: datetime) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:g}"
    if isinstance(value, datetime):
        form = "%Y-%m-%d %H:%M" if not value.second and not value.microsecond else "%Y-%m-%d %H:%M:%S"
        return f"{value:{form}} UTC{_apart(value - now)}"
    return f"{value.isoformat()}{' (today)' if value == now.date() else _apart(value - now.date())}"


def _apart(span: timedelta) -> str:
    """` (30 days ago)` for whole days and hours; nothing for a moment that lies otherwise."""
    if not span:
        return " (now)"
    for unit, size in (
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
    ):
        if not span % size and abs(span) < 1_000 * size:
            many = f"{abs(span) // size:,} {unit}{'' if abs(span) == size else 's'}"
            return f" ({many} ago)" if span < timedelta() else f" (in {many})"
    return ""


def _text(text: str) -> str:
    """A text in quotes, on one line."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return f"'{shown}'" if text else "an empty text"
