"""The operator's language: `points > 500 AND tier = 'gold'`.

sqlglot parses; the walk below turns what it knows into SQLAlchemy expressions with bound values and
refuses everything else, so nothing an operator types ever becomes SQL text. The same members are
selected on SQLite and Postgres:

- a comparison with a missing value is neither true nor false: `points > 5` and `NOT points > 5` both
  leave out a member without points; ask with `IS NULL`
- text is compared exactly and ordered by code point; LIKE and ILIKE are the same and take no notice of
  the case of A-Z (only of those letters); `\\` takes the meaning from `%` and `_`
- `pass_status`, `installed_at` and `wallet` are true where any of the member's passes fits; `<>` and
  `NOT` where none does
- moments are UTC: '2026-01-31' is its midnight; `NOW()` is the moment of asking
- an attribute is taken as what it is compared with: a number matches JSON numbers only, a text also
  matches whole numbers and booleans by their spelling, a boolean matches JSON booleans only
"""

from __future__ import annotations

import difflib
import math
import operator
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.errors import UsageError
from store.fields import BUILT_IN, Column, Condition, Field, Kind, fields_of, find, is_missing, reach
from store.parsing import Node, admit, names_in, parse, refusal, short
from store.times import Moment

Value = str | float | bool | datetime | date
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
}
MIRRORED = {"LT": "GT", "LTE": "GTE", "GT": "LT", "GTE": "LTE"}
KIND_WORDS = {
    "text": "a text",
    "number": "a number",
    "boolean": "TRUE or FALSE",
    "moment": "a moment",
    "date": "a date",
}
UNITS = {"WEEK": "weeks", "DAY": "days", "HOUR": "hours", "MINUTE": "minutes"}


def compile_predicate(
    expression: str, fields: Mapping[str, Field], *, dialect: str, now: datetime
) -> Condition:
    """A condition on `members` that selects those the expression means.

    `dialect` is the connection's (`sqlite` or `postgresql`), `now` the moment that NOW() stands for. The
    caller adds the program's own condition. Raises UsageError: a sentence, the expression, and a caret
    under the place.
    """
    tree = parse(expression)
    try:
        return _Walk(expression, fields, dialect, now.astimezone(UTC)).condition(tree)
    except RecursionError:
        raise UsageError("the expression is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class _Walk:
    """One expression on its way into a condition."""

    text: str
    fields: Mapping[str, Field]
    dialect: str
    now: datetime

    def condition(self, node: Node) -> Condition:
        name = self._admit(node)
        if name in ("And", "Or"):
            join = sa.and_ if name == "And" else sa.or_
            return join(self.condition(node.left), self.condition(node.right))
        if name == "Not":
            return sa.not_(self.condition(node.this))
        if name == "Paren":
            return self.condition(node.this)
        if name == "Column":
            return self._bare(node)
        if name in COMPARISONS:
            return self._compare(node, name)
        if name in ("In", "Between"):
            return self._one_of(node) if name == "In" else self._between(node)
        if name in ("Like", "ILike"):
            return self._like(node)
        if name == "Is":
            return self._is(node)
        raise self._refuse(node, "this is no condition: compare a field with a value, such as points > 500")

    def _compare(self, node: Node, name: str) -> Condition:
        left, right = self._open(node.left), self._open(node.right)
        if self._admit(left) != "Column":
            left, right, name = right, left, MIRRORED.get(name, name)
        if self._admit(left) != "Column":
            raise self._refuse(node, "this compares no field")
        field = self._field(left)
        kind, value = self._value(right, field)
        if kind == "boolean" and name not in ("EQ", "NEQ"):
            raise self._refuse(node, "TRUE and FALSE know no order")
        if name == "NEQ" and field.source == "pass":
            return sa.not_(reach(field, self.dialect, kind, lambda column: column == _bind(value)))
        compare = COMPARISONS[name]
        return reach(field, self.dialect, kind, lambda column: compare(column, _bind(value)))

    def _one_of(self, node: Node) -> Condition:
        field = self._field(self._open(node.this))
        if not node.expressions:
            raise self._refuse(node, "IN needs a list of values, such as IN ('gold', 'silver')")
        pairs = [self._value(self._open(item), field) for item in node.expressions]
        kind = pairs[0][0]
        for item, (other, _) in zip(node.expressions, pairs, strict=True):
            if other != kind:
                raise self._refuse(item, "the values of one IN are all texts or all numbers")
        values = [_bind(value) for _, value in pairs]
        return reach(field, self.dialect, kind, lambda column: column.in_(values))

    def _between(self, node: Node) -> Condition:
        field = self._field(self._open(node.this))
        kind, low = self._value(self._open(node.args["low"]), field)
        other, high = self._value(self._open(node.args["high"]), field)
        if kind != other or kind == "boolean":
            raise self._refuse(node, "BETWEEN needs two values of one kind that have an order")
        return reach(field, self.dialect, kind, lambda column: column.between(_bind(low), _bind(high)))

    def _like(self, node: Node) -> Condition:
        field = self._field(self._open(node.this))
        pattern = self._open(node.expression)
        if field.type not in ("text", "any"):
            raise self._refuse(node, f"{field.name} is {KIND_WORDS[field.type]}: LIKE is for texts")
        if self._admit(pattern) != "Literal" or not pattern.is_string:
            raise self._refuse(pattern, "LIKE needs a text in single quotes, such as 'An%'")
        if len(pattern.name) - len(pattern.name.rstrip("\\")) & 1:
            raise self._refuse(pattern, r"a pattern cannot end in a single \: write \\ for the sign itself")
        found = reach(field, self.dialect, "text", lambda column: self._alike(column, pattern.name))
        return sa.not_(found) if node.args.get("negate") else found

    def _alike(self, column: Column, pattern: str) -> Condition:
        # SQLite's LIKE folds A-Z and nothing else; lower() under Postgres's "C" does the same.
        if self.dialect == "postgresql":
            folded = pattern.translate(str.maketrans(string.ascii_uppercase, string.ascii_lowercase))
            return sa.func.lower(column).like(sa.literal(folded, sa.Text), escape="\\")
        return column.like(sa.literal(pattern, sa.Text), escape="\\")

    def _is(self, node: Node) -> Condition:
        field = self._field(self._open(node.this))
        what = self._admit(node.expression)
        if what == "Null":
            found = is_missing(field, self.dialect)
        elif what == "Boolean" and field.type in ("boolean", "any"):
            truth = sa.true() if node.expression.this else sa.false()
            found = reach(field, self.dialect, "boolean", lambda column: column.is_(truth))
        else:
            raise self._refuse(node, "IS asks for NULL, or for TRUE or FALSE of a field that can be that")
        return sa.not_(found) if node.args.get("negate") else found

    def _bare(self, node: Node) -> Condition:
        field = self._field(node)
        if field.type not in ("boolean", "any"):
            raise self._refuse(node, f"{field.name} is {KIND_WORDS[field.type]}: compare it with a value")
        return reach(field, self.dialect, "boolean", lambda column: column == sa.true())

    def _field(self, node: Node) -> Field:
        if self._admit(node) != "Column":
            raise self._refuse(node, "a field's name belongs here")
        self._admit(node.this)
        name = node.name
        if (table := node.args.get("table")) is not None:
            if self._admit(table) != "Identifier" or table.name.lower() != "attributes":
                raise self._refuse(
                    node, "only attributes.name may have a dot: quote other names in double quotes"
                )
            name = f"attributes.{name}"
        if name.lower().startswith("attributes."):
            plain = name[len("attributes.") :]
            field = find(self.fields, f"attributes.{plain}") or find(self.fields, plain)
            if field is not None and field.source == "attribute":
                return field
        elif field := find(self.fields, name):
            return field
        near = difflib.get_close_matches(name, list(self.fields), n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else f"; fields are {', '.join(list(BUILT_IN)[:12])} ..."
        raise self._refuse(node, f"there is no field {short(name)}{hint}")

    def _value(self, node: Node, field: Field) -> tuple[Kind, Value]:
        """The value as the field's kind; for a field of any kind, as its own."""
        given = self._literal(node, field)
        kind = _kind_of(given)
        if field.type == "any" and kind in ("text", "number", "boolean"):
            return kind, given
        if field.type in ("moment", "date"):
            return field.type, self._moment(node, field, given)
        if kind != field.type:
            mine, yours = KIND_WORDS.get(field.type, "an attribute"), KIND_WORDS[kind]
            raise self._refuse(
                node, f"cannot compare {mine} with {yours}: {field.name} is {mine}{_advice(field)}"
            )
        return kind, given

    def _moment(self, node: Node, field: Field, given: Value) -> Value:
        example = "'2026-01-31'" + (" or '2026-01-31T18:00:00Z'" if field.type == "moment" else "")
        wrong = f"{field.name} is {KIND_WORDS[field.type]}: write {example}"
        if isinstance(given, str):
            try:
                day = len(given) == 10
                given = date.fromisoformat(given) if day else datetime.fromisoformat(given)
                if isinstance(given, datetime):
                    given = (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
            except (ValueError, OverflowError):
                raise self._refuse(node, wrong) from None
        if isinstance(given, datetime):
            if field.type == "date":
                raise self._refuse(node, f"{wrong}, or CURRENT_DATE")
            return given
        if isinstance(given, date):
            return given if field.type == "date" else datetime(given.year, given.month, given.day, tzinfo=UTC)
        raise self._refuse(node, wrong)

    def _literal(self, node: Node, field: Field) -> Value:
        name = self._admit(node)
        if name == "Neg":
            number = self._literal(self._open(node.this), field)
            if isinstance(number, float):
                return -number
        elif name == "Literal":
            return node.name if node.is_string else self._number(node)
        elif name == "Boolean":
            return bool(node.this)
        elif name in ("Add", "Sub", "CurrentTimestamp", "CurrentDate"):
            return self._time(node)
        elif name == "Null":
            raise self._refuse(node, f"nothing equals NULL: write {field.name} IS NULL")
        elif name == "Column" and node.this.args.get("quoted"):
            raise self._refuse(
                node,
                f"double quotes hold a field's name: write the text as '{short(node.name)}' in single quotes",
            )
        elif name == "Column":
            raise self._refuse(node, "compare with a value, not with a field; a text stands in single quotes")
        raise self._refuse(node, "a value belongs here: a number, a text in single quotes, TRUE or FALSE")

    def _number(self, node: Node) -> float:
        try:
            number = float(node.name)
        except ValueError:
            raise self._refuse(node, "this is not a number") from None
        if not math.isfinite(number) or "_" in node.name:
            raise self._refuse(node, "this number cannot be used")
        return number

    def _time(self, node: Node) -> datetime | date:
        """NOW() or CURRENT_DATE, and intervals added to or taken from it."""
        name = self._admit(node)
        if name == "CurrentTimestamp":
            return self.now
        if name == "CurrentDate":
            return self.now.date()
        if name == "Paren":
            return self._time(node.this)
        if name not in ("Add", "Sub"):
            raise self._refuse(node, "only NOW() or CURRENT_DATE can have an INTERVAL added or taken away")
        start, span = self._time(node.left), self._interval(node.right)
        if not isinstance(start, datetime) and span % timedelta(days=1):
            start = datetime(start.year, start.month, start.day, tzinfo=UTC)
        try:
            return start + span if name == "Add" else start - span
        except OverflowError:
            raise self._refuse(node, "this lies beyond the calendar") from None

    def _interval(self, node: Node) -> timedelta:
        wrong = "write INTERVAL '30 days'; weeks, days, hours and minutes are known"
        if (
            self._admit(node) != "Interval"
            or self._admit(node.this) != "Literal"
            or not node.args.get("unit")
        ):
            raise self._refuse(node, wrong)
        self._admit(node.args["unit"])
        unit, amount = node.args["unit"].name.upper().rstrip("S"), node.this.name.strip()
        if unit in ("MONTH", "YEAR", "QUARTER"):
            raise self._refuse(
                node, f"a {unit.lower()} has no fixed length: write days, such as INTERVAL '30 days'"
            )
        if unit not in UNITS or not amount.isascii() or not amount.isdigit() or len(amount) > 6:
            raise self._refuse(node, wrong)
        return timedelta(**{UNITS[unit]: int(amount)})

    def _open(self, node: Node) -> Node:
        """The node inside any brackets."""
        while self._admit(node) == "Paren":
            node = node.this
        return node

    def _admit(self, node: Node) -> str:
        return admit(self.text, node)

    def _refuse(self, node: Node, sentence: str) -> UsageError:
        return refusal(sentence, self.text, node)


def _bind(value: Value) -> Column:
    if isinstance(value, bool):
        return sa.true() if value else sa.false()
    if isinstance(value, datetime):
        return sa.literal(value, Moment)
    types: dict[type, Any] = {str: sa.Text, float: sa.Double, date: sa.Date}
    return sa.literal(value, types[type(value)])


def _kind_of(value: Value) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, float):
        return "number"
    return "moment" if isinstance(value, datetime) else "date"


def _advice(field: Field) -> str:
    if field.type == "text":
        return ", which stands in single quotes"
    return {"number": ", without quotes", "boolean": ""}.get(field.type, ": texts, numbers, TRUE and FALSE")


__all__ = ["BUILT_IN", "Field", "compile_predicate", "fields_of", "names_in"]
