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
- `days_since(field)` is the number of whole days since a moment or a date, and is missing where that is
- `last_activity` and `last_message_at` are missing where nothing is known; `messages_30d` never is
- `received('name')`, `fetched('name')` and `in_audience('name')` are true or false for every member, so
  `NOT` gives all the others; `birthday_today()` is neither for a member whose birthday is not known
- an attribute is taken as what it is compared with: a number matches JSON numbers only, a text also
  matches whole numbers and booleans by their spelling, a boolean matches JSON booleans only
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from store.errors import UsageError
from store.fields import BUILT_IN, Condition, Field, fields_of, find
from store.meaning import Call, Group, Meaning, Not, Test, Verb, condition
from store.parsing import FUNCTIONS, Node, Reader, names_in, no_function, parse, short
from store.values import KIND_WORDS, Values

COMPARISONS: dict[str, Verb] = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
MIRRORED: dict[Verb, Verb] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Known:
    """What the functions of an expression refer to in its program.

    today      the day it is there, for birthday_today(); None: in UTC
    blasts     the ids of the blasts of each name, for received() and fetched()
    audiences  each saved audience's name, with what makes its condition when it is asked for
    """

    today: date | None = None
    blasts: Mapping[str, Sequence[int]] = field(default_factory=lambda: MappingProxyType({}))
    audiences: Mapping[str, Callable[[], Condition]] = field(default_factory=lambda: MappingProxyType({}))


def compile_predicate(
    expression: str, fields: Mapping[str, Field], *, dialect: str, now: datetime, known: Known | None = None
) -> Condition:
    """A condition on `members` that selects those the expression means.

    `dialect` is the connection's (`sqlite` or `postgresql`), `now` the moment that NOW() stands for. The
    caller adds the program's own condition. Raises UsageError: a sentence, the expression, and a caret
    under the place.
    """
    return condition(read(expression, fields, now=now, known=known), dialect, now.astimezone(UTC))


def read(
    expression: str, fields: Mapping[str, Field], *, now: datetime, known: Known | None = None
) -> Meaning:
    """What the expression says, everything in it checked. Raises UsageError as `compile_predicate` does."""
    tree = parse(expression)
    try:
        values = Values(expression, now.astimezone(UTC))
        return _Walk(expression, fields, values, known or Known()).meaning(tree)
    except RecursionError:
        raise UsageError("the expression is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class _Walk(Reader):
    """One expression on its way from a tree to its meaning."""

    fields: Mapping[str, Field]
    values: Values
    known: Known

    def meaning(self, node: Node) -> Meaning:
        name = self._admit(node)
        if name in ("And", "Or"):
            return self._group("and" if name == "And" else "or", node)
        if name == "Not":
            return Not(self.meaning(node.this))
        if name == "Paren":
            return self.meaning(node.this)
        if name == "Column":
            return self._bare(node)
        if name == "Anonymous":
            return self._call(node)
        if name in COMPARISONS:
            return self._compare(node, COMPARISONS[name])
        if name in ("In", "Between"):
            return self._one_of(node) if name == "In" else self._between(node)
        if name in ("Like", "ILike"):
            return self._like(node)
        if name == "Is":
            return self._is(node)
        raise self._refuse(node, "this is no condition: compare a field with a value, such as points > 500")

    def _group(self, join: Any, node: Node) -> Group:
        """Both sides, those of a side that joins in the same way taken in."""
        parts: list[Meaning] = []
        for side in (self.meaning(node.left), self.meaning(node.right)):
            parts += side.parts if isinstance(side, Group) and side.join == join else (side,)
        return Group(join, tuple(parts))

    def _compare(self, node: Node, verb: Verb) -> Test:
        left, right = self._open(node.left), self._open(node.right)
        if self._admit(left) not in ("Column", "Anonymous"):
            left, right, verb = right, left, MIRRORED.get(verb, verb)
        if self._admit(left) not in ("Column", "Anonymous"):
            raise self._refuse(node, "this compares no field")
        field = self._field(left)
        kind, value = self.values.of(right, field)
        if kind == "boolean" and verb not in ("=", "<>"):
            raise self._refuse(node, "TRUE and FALSE know no order")
        return Test(field, kind, verb, (value,))

    def _one_of(self, node: Node) -> Test:
        field = self._field(self._open(node.this))
        if not node.expressions:
            raise self._refuse(node, "IN needs a list of values, such as IN ('gold', 'silver')")
        pairs = [self.values.of(self._open(item), field) for item in node.expressions]
        kind = pairs[0][0]
        for item, (other, _) in zip(node.expressions, pairs, strict=True):
            if other != kind:
                raise self._refuse(item, "the values of one IN are all texts or all numbers")
        return Test(field, kind, "in", tuple(value for _, value in pairs))

    def _between(self, node: Node) -> Test:
        field = self._field(self._open(node.this))
        kind, low = self.values.of(self._open(node.args["low"]), field)
        other, high = self.values.of(self._open(node.args["high"]), field)
        if kind != other or kind == "boolean":
            raise self._refuse(node, "BETWEEN needs two values of one kind that have an order")
        return Test(field, kind, "between", (low, high))

    def _like(self, node: Node) -> Meaning:
        field = self._field(self._open(node.this))
        pattern = self._open(node.expression)
        if field.type not in ("text", "any"):
            raise self._refuse(node, f"{field.name} is {KIND_WORDS[field.type]}: LIKE is for texts")
        if self._admit(pattern) != "Literal" or not pattern.is_string:
            raise self._refuse(pattern, "LIKE needs a text in single quotes, such as 'An%'")
        if len(pattern.name) - len(pattern.name.rstrip("\\")) & 1:
            raise self._refuse(pattern, r"a pattern cannot end in a single \: write \\ for the sign itself")
        return _unless(node, Test(field, "text", "like", (pattern.name,)))

    def _is(self, node: Node) -> Meaning:
        field, what = self._field(self._open(node.this)), self._admit(node.expression)
        if what == "Null":
            return _unless(node, Test(field, field.type, "missing"))
        if what == "Boolean" and field.type in ("boolean", "any"):
            return _unless(node, Test(field, "boolean", "is", (bool(node.expression.this),)))
        raise self._refuse(node, "IS asks for NULL, or for TRUE or FALSE of a field that can be that")

    def _bare(self, node: Node) -> Test:
        field = self._field(node)
        if field.type not in ("boolean", "any"):
            raise self._refuse(node, f"{field.name} is {KIND_WORDS[field.type]}: compare it with a value")
        return Test(field, "boolean", "=", (True,))

    def _call(self, node: Node) -> Call:
        """A function that is true or false by itself."""
        function = self._function(node)
        if function == "birthday_today":
            if node.expressions:
                raise self._refuse(node, "birthday_today() takes nothing between its brackets")
            return Call(function, "", self.known.today or self.values.now.date())
        if function == "days_since":
            raise self._refuse(node, f"{FUNCTIONS[function]} is a number: compare it with a value")
        given = self._argument(node, function)
        if self._admit(given) != "Literal" or not given.is_string:
            raise self._refuse(given, f"a name in single quotes belongs here: {FUNCTIONS[function]}")
        if function in ("received", "fetched"):
            return Call(function, given.name, self._named(given, self.known.blasts, "blast"))
        make = self._named(given, self.known.audiences, "audience")
        try:
            return Call(function, given.name, make())
        except UsageError as error:
            told = str(error).partition("\n")[0]
            raise self._refuse(given, f"audience {short(given.name)} cannot be asked: {told}") from None

    def _function(self, node: Node) -> str:
        name = node.this if isinstance(node.this, str) else node.name
        if not isinstance(node.this, str) or name.lower() not in FUNCTIONS:
            raise self._refuse(node, no_function(name))
        return name.lower()

    def _argument(self, node: Node, function: str) -> Node:
        if len(node.expressions) != 1:
            raise self._refuse(node, f"one name belongs between the brackets: {FUNCTIONS[function]}")
        return self._open(node.expressions[0])

    def _named(self, node: Node, known: Mapping[str, Any], what: str) -> Any:
        if node.name in known:
            return known[node.name]
        near = difflib.get_close_matches(node.name, list(known), n=1, cutoff=0.6)
        hint = f"; did you mean '{short(near[0])}'?" if near else ""
        raise self._refuse(node, f"there is no {what} '{short(node.name)}' in this program{hint}")

    def _field(self, node: Node) -> Field:
        kind = self._admit(node)
        if kind == "Anonymous":
            return self._days_since(node)
        if kind != "Column":
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
        if name.lower() in FUNCTIONS:
            raise self._refuse(node, f"{name.lower()} is a function: write {FUNCTIONS[name.lower()]}")
        near = difflib.get_close_matches(name, list(self.fields), n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else f"; fields are {', '.join(list(BUILT_IN)[:12])} ..."
        raise self._refuse(node, f"there is no field {short(name)}{hint}")

    def _days_since(self, node: Node) -> Field:
        function = self._function(node)
        if function != "days_since":
            raise self._refuse(
                node, f"{FUNCTIONS[function]} is true or false by itself: write it alone, or NOT before it"
            )
        given = self._argument(node, function)
        if self._admit(given) != "Column":
            raise self._refuse(given, "the name of a field that is a moment or a date belongs here")
        of = self._field(given)
        if of.type != "moment" and of.type != "date":
            words = KIND_WORDS.get(of.type, "an attribute")
            raise self._refuse(given, f"{of.name} is {words}: days_since() asks for a moment or a date")
        return Field(f"days_since({of.name})", "number", of.source, of.column, of.type)


def _unless(node: Node, test: Test) -> Meaning:
    return Not(test) if node.args.get("negate") else test


__all__ = ["BUILT_IN", "Field", "Known", "compile_predicate", "fields_of", "names_in", "read"]
