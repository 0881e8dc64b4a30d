"""The values in an expression: numbers, texts, truths and moments, as the field beside them takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from store.fields import Field, Kind
from store.meaning import Value
from store.parsing import Node, Reader, short

KIND_WORDS = {
    "text": "a text",
    "number": "a number",
    "boolean": "TRUE or FALSE",
    "moment": "a moment",
    "date": "a date",
}
UNITS = {"WEEK": "weeks", "DAY": "days", "HOUR": "hours", "MINUTE": "minutes"}
MOST_DAYS = 700_000
"""Days that days_since() may be compared with, either way: less than the calendar has."""


@dataclass(frozen=True, slots=True)
class Values(Reader):
    """Reads the values of one expression; `now` is what NOW() stands for."""

    now: datetime

    def of(self, node: Node, field: Field) -> tuple[Kind, Value]:
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
        if field.since and isinstance(given, float) and abs(given) > MOST_DAYS:
            raise self._refuse(node, "this lies beyond the calendar")
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


def _kind_of(value: Value) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, float):
        return "number"
    return "moment" if isinstance(value, datetime) else "date"


def _advice(field: Field) -> str:
    if field.type == "text" and field.source == "attribute":
        typed = f"`members import --map COLUMN={field.name}:number` brings numbers"
        return f", which stands in single quotes ({typed})"
    if field.type == "text":
        return ", which stands in single quotes"
    return {"number": ", without quotes", "boolean": ""}.get(field.type, ": texts, numbers, TRUE and FALSE")
