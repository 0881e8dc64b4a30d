"""A row of a condition as people read and write it: `is one of` for IN, `30 days ago` for a moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from store.outline import Group, Row, quoted

TEXT = re.compile(r"'((?:[^']|'')*)'")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
SPAN = re.compile(r"NOW\(\) ([+-]) INTERVAL '(\d+ [a-z]+)'")
AGO = re.compile(r"(\d+) *(minute|hour|day|week)s? ago", re.IGNORECASE)
AHEAD = re.compile(r"in (\d+) *(minute|hour|day|week)s?", re.IGNORECASE)
ITEMS = re.compile(r"\s*('(?:[^']|'')*'|[^,]+)\s*(?:,|$)")
ORDERED = frozenset(("<", "<=", ">", ">=", "BETWEEN"))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a row may say of its field.

    takes   how many values: 0, 1, 2, or None for a list of them
    value   the value of a row that takes none, where the language wants one
    """

    words: str
    operator: str
    negated: bool = False
    takes: int | None = 1
    value: str = ""


IS, IS_NOT = Choice("is", "="), Choice("is not", "<>")
ONE_OF, NONE_OF = Choice("is one of", "IN", takes=None), Choice("is none of", "IN", True, None)
LIKE, UNLIKE = Choice("is like", "LIKE"), Choice("is not like", "LIKE", True)
BETWEEN, OUTSIDE = Choice("is between", "BETWEEN", takes=2), Choice("is not between", "BETWEEN", True, 2)
EMPTY = Choice("is empty", "IS", takes=0, value="NULL")
FILLED = Choice("has a value", "IS", True, 0, "NULL")
MORE, LEAST = Choice("is more than", ">"), Choice("is at least", ">=")
LESS, MOST = Choice("is less than", "<"), Choice("is at most", "<=")
TRUE, FALSE = Choice("is true", "=", takes=0, value="TRUE"), Choice("is false", "=", takes=0, value="FALSE")
MOMENTS = (
    Choice("is before", "<"),
    Choice("is after", ">"),
    Choice("is not after", "<="),
    Choice("is not before", ">="),
    *(BETWEEN, OUTSIDE, IS, IS_NOT, EMPTY, FILLED),
)
CHOICES: dict[str, Sequence[Choice]] = {
    "text": (IS, IS_NOT, ONE_OF, NONE_OF, LIKE, UNLIKE, EMPTY, FILLED, LESS, MOST, MORE, LEAST),
    "number": (MORE, LEAST, LESS, MOST, BETWEEN, OUTSIDE, IS, IS_NOT, ONE_OF, NONE_OF, EMPTY, FILLED),
    "boolean": (TRUE, FALSE, EMPTY, FILLED),
    "moment": MOMENTS,
    "date": MOMENTS,
    "any": (
        IS,
        IS_NOT,
        ONE_OF,
        NONE_OF,
        LIKE,
        UNLIKE,
        MORE,
        LEAST,
        LESS,
        MOST,
        BETWEEN,
        TRUE,
        FALSE,
        EMPTY,
        FILLED,
    ),
    "in_audience": (Choice("includes them", "CALL"), Choice("leaves them out", "CALL", True)),
    "received": (Choice("reached them", "CALL"), Choice("did not reach them", "CALL", True)),
    "fetched": (Choice("was fetched", "CALL"), Choice("was not fetched", "CALL", True)),
    "birthday_today": (Choice("yes", "CALL", takes=0), Choice("no", "CALL", True, 0)),
}
"""What can be said of a field of each type, and of each function that is a condition by itself."""
FUNCTION_WORDS = {
    "in_audience": "audience",
    "received": "blast",
    "fetched": "blast on their phone",
    "birthday_today": "birthday today",
}
"""What a function is called where fields stand."""
HEADS = {
    ("AND", False): "all of these",
    ("OR", False): "any of these",
    ("AND", True): "not all of these",
    ("OR", True): "none of these",
}


def choice_of(row: Row, kind: str | None) -> Choice:
    """What a row says, in the words for its field's type; in general ones where the type has none."""
    every = CHOICES.get(kind or "any", CHOICES["any"])
    for choice in (*every, *MOMENTS, *CHOICES["any"]):
        fits = (choice.operator, choice.negated) == (row.operator, row.negated)
        if fits and (choice.takes != 0 or (choice.value,) == row.values or row.operator == "CALL"):
            return choice
    takes = {"IN": None, "BETWEEN": 2, "IS": 0}.get(row.operator, 1)
    words = f"{'not: ' if row.negated else ''}{row.operator.lower()}"
    if row.operator == "IS":
        return Choice(f"{words} {row.values[0].lower()}", "IS", row.negated, 0, row.values[0])
    return Choice(words, row.operator, row.negated, takes)


def head(group: Group) -> str:
    """How a group begins: `any of these`."""
    return HEADS[group.join, group.negated]


def shown(value: str) -> str:
    """A value without the language's quotes: `gold`, `500`, `30 days ago`."""
    if text := TEXT.fullmatch(value):
        return text[1].replace("''", "'")
    if span := SPAN.fullmatch(value):
        return f"{span[2]} ago" if span[1] == "-" else f"in {span[2]}"
    return {"NOW()": "now", "CURRENT_DATE": "today", "TRUE": "true", "FALSE": "false"}.get(value, value)


def shown_list(values: Sequence[str]) -> str:
    """The values of an IN; one that holds a comma or quote, or has spaces at its ends, keeps its quotes."""
    told = (shown(value) for value in values)
    simple = (text if text.strip(" ',") == text and "," not in text and text else None for text in told)
    return ", ".join(text or value for text, value in zip(simple, values, strict=True))


def spelled(typed: str, kind: str, operator: str, before: str = "") -> str:
    """What was typed, as the language spells it for a field of this type.

    `before` is the value that stood there: as long as its words are the same, so is what they mean.
    """
    if before and typed == shown(before):
        return before
    bare = typed.strip()
    if TEXT.fullmatch(bare) and kind in ("text", "any", "moment", "date"):
        return bare
    if kind == "number" or (kind == "any" and operator in ORDERED and NUMBER.fullmatch(bare)):
        return bare
    if kind in ("moment", "date") and (moment := _moment(bare)):
        return moment
    return quoted(typed)


def spelled_list(typed: str, kind: str, before: Sequence[str] = ()) -> tuple[str, ...]:
    """The values of an IN, which stand with commas between them."""
    if before and typed == shown_list(before):
        return tuple(before)
    items = (item.strip() for item in ITEMS.findall(typed))
    return tuple(spelled(item, kind, "IN") for item in items if item)


def _moment(words: str) -> str | None:
    if span := AGO.fullmatch(words):
        return f"NOW() - INTERVAL '{span[1]} {span[2].lower()}s'"
    if span := AHEAD.fullmatch(words):
        return f"NOW() + INTERVAL '{span[1]} {span[2].lower()}s'"
    upper = words.upper()
    if upper.startswith(("NOW()", "CURRENT_DATE")):
        return words
    return {"NOW": "NOW()", "TODAY": "CURRENT_DATE"}.get(upper)
