"""A predicate as rows in groups, and back: what the builder shows beside the text.

`read` takes an expression apart, `spell` writes it in its one canonical form; both mean the same members.
Rows hold pieces of that form, so that nothing is lost on the way: `'gold'`, `NOW() - INTERVAL '30 days'`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from store.errors import UsageError
from store.parsing import Node, admit, parse, refusal

Join = Literal["AND", "OR"]

DEEPEST = 6
"""Groups inside each other that rows can show."""
COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
CONDITIONS = {"in_audience": 1, "received": 1, "fetched": 1, "birthday_today": 0}
"""Functions that are conditions by themselves, and how many texts each takes."""
FIGURES = frozenset({"days_since"})
"""Functions of a field that are compared as a field is."""
TEXT_ONLY = "this part can only be edited as text"


class TextOnly(UsageError):
    """The expression may be right, but rows cannot show it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    field     a field as the language spells it, or a call such as `days_since(created_at)`; the function's
              name where the operator is CALL
    operator  = <> < <= > >= IN BETWEEN LIKE IS, or CALL for a function that is a condition by itself
    values    as the language spells them; BETWEEN has two, IN any number
    negated   NOT stands before it, or within it where that is how it is written
    """

    field: str
    operator: str
    values: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Rows and groups of which all (AND) or any (OR) have to hold; `negated`: must not hold."""

    join: Join
    parts: tuple[Row | Group, ...]
    negated: bool = False


Part = Row | Group
Path = tuple[int, ...]
"""The way to a part: its place in the outermost group, then in that group, and so on; () is the whole."""


def read(expression: str) -> Group:
    """The outline of an expression.

    Raises UsageError where the expression cannot be understood, and TextOnly, with the place marked, where
    rows cannot show it.
    """
    part = _Reader(expression).part(parse(expression))
    return part if isinstance(part, Group) else Group("AND", (part,))


def spell(part: Part) -> str:
    """The expression that an outline, or a part of it, stands for; empty for an empty group."""
    if isinstance(part, Row):
        return _spell_row(part)
    inner = f" {part.join} ".join(map(_spell_inner, part.parts))
    return f"NOT ({inner})" if part.negated else inner


def canonical(expression: str) -> str:
    """The canonical form, or the expression as it is where rows cannot show it."""
    try:
        return spell(read(expression))
    except TextOnly:
        return expression.strip()


def audiences_named(expression: str) -> list[str]:
    """The saved audiences that an expression names by `in_audience('name')`."""
    if "in_audience" not in expression.lower():
        return []  # most do not, and are spared the parser
    from sqlglot import exp

    every = parse(expression).find_all(exp.Anonymous, bfs=False)
    calls = (call for call in every if call.name.lower() == "in_audience")
    return list(dict.fromkeys(name.name for call in calls for name in call.expressions[:1]))


def quoted(value: str) -> str:
    """A text as the language spells it."""
    return "'" + value.replace("'", "''") + "'"


@lru_cache(maxsize=1_024)
def field(name: str) -> str:
    """A field's name as the language spells it: in double quotes where it is not a plain word."""
    first, dot, rest = name.partition(".")
    if dot and first.lower() == "attributes":
        return f"attributes.{field(rest)}"
    return name if _plain(name) else '"' + name.replace('"', '""') + '"'


# Changing an outline


def at(whole: Group, path: Path) -> Part:
    """The part at the end of a path."""
    part: Part = whole
    for place in path:
        assert isinstance(part, Group)
        part = part.parts[place]
    return part


def put(whole: Group, path: Path, *parts: Part) -> Group:
    """The outline with these parts in the place of the one at `path`; without any, that one is taken out."""
    if not path:
        return tidy(parts[0] if parts else Group("AND", ()))
    *way, place = path
    parent = at(whole, tuple(way))
    assert isinstance(parent, Group)
    changed = replace(parent, parts=(*parent.parts[:place], *parts, *parent.parts[place + 1 :]))
    return _within(whole, tuple(way), changed)


def _within(whole: Group, path: Path, changed: Group) -> Group:
    if not path:
        return tidy(changed)
    *way, place = path
    parent = at(whole, tuple(way))
    assert isinstance(parent, Group)
    parts = (*parent.parts[:place], changed, *parent.parts[place + 1 :])
    return _within(whole, tuple(way), replace(parent, parts=parts))


def tidy(part: Part) -> Group:
    """The same without empty groups and groups of one."""
    tidied = _tidied(part)
    if tidied is None:
        return Group("AND", ())
    return tidied if isinstance(tidied, Group) else Group("AND", (tidied,))


def _tidied(part: Part) -> Part | None:
    if isinstance(part, Row):
        return part
    parts = tuple(one for one in map(_tidied, part.parts) if one is not None)
    if len(parts) < 2:
        return _negated(parts[0], part.negated) if parts else None
    return replace(part, parts=parts)


def _negated(part: Part, yes: bool = True) -> Part:
    return replace(part, negated=part.negated != yes)


# Between outline and text


def _spell_inner(part: Part) -> str:
    bare = isinstance(part, Row) or part.negated
    return spell(part) if bare else f"({spell(part)})"


def _spell_row(row: Row) -> str:
    infix = "NOT " if row.negated else ""
    if row.operator == "CALL":
        return f"{infix}{row.field}({', '.join(row.values)})"
    if row.operator == "IN":
        return f"{row.field} {infix}IN ({', '.join(row.values)})"
    if row.operator == "BETWEEN":
        return f"{row.field} {infix}BETWEEN {row.values[0]} AND {row.values[1]}"
    if row.operator == "LIKE":
        return f"{row.field} {infix}LIKE {row.values[0]}"
    if row.operator == "IS":
        return f"{row.field} IS {infix}{row.values[0]}"
    return f"{infix}{row.field} {row.operator} {row.values[0]}"


@dataclass(frozen=True, slots=True)
class _Reader:
    """One expression on its way into an outline."""

    expression: str

    def part(self, node: Node, depth: int = 0) -> Part:
        if depth > DEEPEST:
            raise TextOnly(f"more than {DEEPEST} groups inside each other can only be edited as text")
        kind = type(node).__name__
        if kind == "Anonymous":
            return self._call(node)
        kind = self._admit(node)
        if kind == "Paren":
            return self.part(node.this, depth)
        if kind == "Not":
            return _negated(self.part(node.this, depth))
        if kind in ("And", "Or"):
            parts = tuple(self.part(one, depth + 1) for one in self._chain(node, kind))
            return Group("AND" if kind == "And" else "OR", parts)
        if kind == "Column":
            return Row(self._field(node), "=", ("TRUE",))
        return self._row(node, kind)

    def _chain(self, node: Node, kind: str) -> list[Node]:
        """The parts of `a AND b AND c`; what stands in brackets is a part of its own."""
        parts, waiting = [], [node]
        while waiting:
            one = waiting.pop()
            if type(one).__name__ == kind and self._admit(one):
                waiting += [one.expression, one.this]
            else:
                parts.append(one)
        return parts

    def _row(self, node: Node, kind: str) -> Row:
        negated = bool(node.args.get("negate"))
        if kind in COMPARISONS:
            left, right, sign = self._open(node.this), self._open(node.expression), COMPARISONS[kind]
            if type(left).__name__ not in ("Column", "Anonymous"):
                left, right, sign = right, left, MIRRORED.get(sign, sign)
            return Row(self._field(left), sign, (self._value(right),))
        if kind not in ("In", "Between", "Like", "ILike", "Is"):
            raise self._text_only(node)
        field_ = self._field(self._open(node.this))
        if kind == "In":
            values = tuple(self._value(self._open(one)) for one in node.expressions)
            if not values:
                raise self._text_only(node)
            return Row(field_, "IN", values)
        if kind == "Between":
            ends = (self._open(node.args["low"]), self._open(node.args["high"]))
            return Row(field_, "BETWEEN", tuple(map(self._value, ends)))
        if kind == "Is":
            what = "NULL" if self._admit(node.expression) == "Null" else self._value(node.expression)
            if what not in ("NULL", "TRUE", "FALSE"):
                raise self._text_only(node)
            return Row(field_, "IS", (what,), negated)
        return Row(field_, "LIKE", (self._value(self._open(node.expression)),), negated)

    def _call(self, node: Node) -> Row:
        name = node.name.lower()
        if not isinstance(node.this, str) or CONDITIONS.get(name) != len(node.expressions):
            raise self._text_only(node)
        return Row(name, "CALL", tuple(self._value(self._open(one)) for one in node.expressions))

    def _field(self, node: Node) -> str:
        if type(node).__name__ == "Anonymous" and node.name.lower() in FIGURES and len(node.expressions) == 1:
            return f"{node.name.lower()}({self._field(self._open(node.expressions[0]))})"
        if self._admit(node) != "Column":
            raise self._text_only(node)
        table = node.args.get("table")
        if table is not None and table.name.lower() != "attributes":
            raise self._text_only(node)
        return field(node.name if table is None else f"attributes.{node.name}")

    def _value(self, node: Node) -> str:
        kind = self._admit(node)
        if kind == "Literal":
            return quoted(node.name) if node.is_string else str(node.name)
        if kind == "Neg" and self._admit(node.this) == "Literal" and not node.this.is_string:
            return f"-{node.this.name}"
        if kind == "Boolean":
            return "TRUE" if node.this else "FALSE"
        return self._moment(node)

    def _moment(self, node: Node) -> str:
        kind = self._admit(node)
        if kind == "CurrentTimestamp":
            return "NOW()"
        if kind == "CurrentDate":
            return "CURRENT_DATE"
        if kind == "Paren":
            return self._moment(node.this)
        if kind in ("Add", "Sub") and self._admit(node.expression) == "Interval":
            span = node.expression
            amount, unit = span.this, span.args.get("unit")
            if unit is not None and self._admit(amount) == "Literal" and self._admit(unit) == "Var":
                sign = "+" if kind == "Add" else "-"
                length = quoted(f"{amount.name} {unit.name.lower()}")
                return f"{self._moment(node.this)} {sign} INTERVAL {length}"
        raise self._text_only(node)

    def _open(self, node: Node) -> Node:
        while type(node).__name__ == "Paren":
            node = node.this
        return node

    def _admit(self, node: Node) -> str:
        try:
            return admit(self.expression, node)
        except UsageError:
            raise self._text_only(node) from None

    def _text_only(self, node: Node) -> TextOnly:
        return TextOnly(str(refusal(TEXT_ONLY, self.expression, node)))


def _plain(name: str) -> bool:
    """Whether a name stands for a field without quotes, wherever a field may stand."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        return False
    forms = (f"{name} = 1", f"NOT {name} LIKE 'a'", f"({name} IS NULL)", f"1 = 1 AND {name} BETWEEN 1 AND 2")
    return all(_names_only(form, name) for form in forms)


def _names_only(form: str, name: str) -> bool:
    from sqlglot import exp

    try:
        found: Sequence[Node] = list(parse(form).find_all(exp.Column))
    except UsageError:
        return False
    return [one.name for one in found] == [name] and not found[0].args.get("table")
