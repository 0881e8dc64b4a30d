"""What the cells of a file are read as, by what their column becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any

from store import zones
from store.enrolments import LARGEST, LONGEST
from store.preferences import language

Take = Callable[[Any], str | float | bool | None]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", re.ASCII)
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def plain(value: Any) -> Any:
    """Texts without the blanks around them, numbers and booleans as they are, lists as their JSON."""
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, bool | int | float):
        return value
    return json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=1_024)
def time_zone(value: Any) -> str | None:
    """The name of a time zone; None where it is none."""
    return value if isinstance(value, str) and zones.known(value) else None


def locale(value: Any) -> str | None:
    """The language that a cell names; None where it is none."""
    return language(value) if isinstance(value, str) else None


def number(value: Any) -> float | int | None:
    """A number, spelled without a leading zero or a group's comma; None where it is none."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        return float(value) if "." in value else int(value)
    return None if isinstance(value, bool) else value


def boolean(value: Any) -> bool | None:
    """True or false, in one of the usual spellings; None where it is neither."""
    if isinstance(value, bool):
        return value
    return _TRUTH.get(str(value).casefold())


def whole_number(value: Any) -> int | None:
    """A number without a fraction that every database keeps; None where it is none."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and abs(found) <= LARGEST else None


def day(value: Any) -> str | None:
    """A day of the calendar, as 1990-01-31; None where it is none."""
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return None


def at_most(length: int) -> Take:
    """Takes a text of so many characters."""

    def take(value: Any) -> str | None:
        return text if len(text := str(value)) <= length else None

    return take


OF_TEXT = ("name", "email", "phone", "tier_id")
TAKE: dict[str, Take] = {
    "time_zone": time_zone,
    "locale": locale,
    "number": number,
    "boolean": boolean,
    "points": number,
    "secondary_points": number,
    "tier_points": whole_number,
    "birthday": day,
    **{name: at_most(LONGEST[name]) for name in OF_TEXT},
}
WORDS = {
    **dict.fromkeys(("points", "secondary_points"), "number, such as 5 or 2.50"),
    "tier_points": "whole number",
    "birthday": "day, such as 1990-01-31",
    **{name: f"text of at most {LONGEST[name]} characters" for name in OF_TEXT},
    "time_zone": "time zone that is known, such as Europe/Vienna",
    "locale": "language, such as de or de-AT",
    "number": "number, such as 5 or 2.50",
    "boolean": "yes or no",
}
