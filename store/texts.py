"""The text of a blast: its limits, and the members' fields that it may name.

`{first_name}` stands for a field, `{first_name|friend}` has a word for members without it, `{{` and
`}}` are braces. A text without fields is the same for everybody and is stored once.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from store.errors import UsageError

LIMIT = 500
"""Characters. No provider states a limit; a lock screen shows about four lines, roughly 150 characters."""

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class MissingValue(Exception):
    """A member lacks a field that the text names without a word to use instead."""


class TooLong(Exception):
    """The text with a member's values is over the limit."""


def check(text: str) -> str:
    """The text, trimmed and in composed form; raises UsageError for what cannot be sent."""
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise UsageError("the text is empty: PassKit ignores empty values, so nothing would be shown")
    if not any(unicodedata.category(c)[0] in "LNPS" for c in text):
        raise UsageError("the text holds nothing that can be seen: a phone would alert without a word")
    if len(text) > LIMIT:
        raise UsageError(
            f"the text has {len(text)} characters: {LIMIT} are allowed, and a lock screen shows about 150"
        )
    bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"), None)
    if bad is not None:
        raise UsageError(
            f"the text holds a control character, U+{ord(bad):04X}, at position {text.index(bad) + 1}"
        )
    return text


def has_braces(text: str) -> bool:
    """Whether the text must be rendered member by member."""
    return "{" in text or "}" in text


def names_in(text: str) -> dict[str, bool]:
    """The fields that a text names, each with whether a member without it has a word in its stead."""
    found: dict[str, bool] = {}
    for match in _FIELD.finditer(text):
        if match.group(1) is not None:
            name, bar, _ = match.group(1).partition("|")
            found[name.strip()] = bool(bar) and found.get(name.strip(), True)
    return found


def fields_in(text: str) -> list[tuple[str, str | None]]:
    """Each field where the text names it, with the word for members without it; None: there is none."""
    found = (match.group(1).partition("|") for match in _FIELD.finditer(text) if match.group(1) is not None)
    return [(name.strip(), instead if bar else None) for name, bar, instead in found]


def check_fields(text: str, known: Iterable[str]) -> None:
    """Raises UsageError where the text names a field that no member has, or holds a lone brace."""
    known = set(known)
    for match in _FIELD.finditer(text):
        if match.group(0) in ("{{", "}}"):
            continue
        if match.group(1) is None:
            place = match.start() + 1
            raise UsageError(
                f"the text has a lone {match.group(0)} at position {place}: write it twice to show one"
            )
        name = match.group(1).partition("|")[0].strip()
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {{{near[0]}}}?" if near else ""
            raise UsageError(f"the text names {{{name}}}, which is no field of this program{hint}")


def render(text: str, values: Mapping[str, Any]) -> str:
    """The text for one member. Raises MissingValue or TooLong."""

    def replace(match: re.Match[str]) -> str:
        if match.group(0) in ("{{", "}}"):
            return match.group(0)[0]
        name, bar, instead = (match.group(1) or "").partition("|")
        value = spell(values.get(name.strip()))
        if not value and not bar:
            raise MissingValue(name.strip())
        return value or instead

    rendered = _FIELD.sub(replace, text).strip()
    if len(rendered) > LIMIT:
        raise TooLong(str(len(rendered)))
    if not rendered:
        raise MissingValue("text")
    return rendered


def spell(value: object) -> str:
    """A value as a text shows it: whole numbers without a point, control characters left out."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    if not text.isprintable():
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs"))
    return text.strip()


def values_of(member: Mapping[str, Any]) -> dict[str, Any]:
    """What a text may name, from a row of `members`: its fields, and its attributes by plain name."""
    name = str(member["name"] or "").strip()
    return {
        **member["attributes"],
        "name": name,
        "first_name": name.split()[0] if name else "",
        "external_id": member["external_id"],
        "tier": member["tier_id"],
        "points": member["points"],
    }


BUILT_IN = ("name", "first_name", "external_id", "tier", "points")
"""Fields that a text may name in every program, beside its attributes."""
