"""Cells of files as what they mean: yes or no, a moment, a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

YES = ("yes", "true", "1", "y", "given", "in", "on", "ja")
NO = ("no", "false", "0", "n", "withdrawn", "out", "off", "nein")


def letters(name: str) -> str:
    """A column's name as it is compared: its letters only, small."""
    return re.sub("[^a-z]", "", name.lower())


def by_name(columns: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Which column holds what: `wanted` has the spellings of each name, in letters only."""
    spelled = {letters(column): column for column in reversed(columns)}
    found = {}
    for name, spellings in wanted.items():
        column = next((spelled[one] for one in spellings if one in spelled), None)
        if column is not None:
            found[name] = column
    return found


def text(value: Any) -> str:
    """A cell as text without blanks around it; 12.0 in JSON is 12, and no value is an empty text."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().strip("\ufeff\u200b")


def yes_or_no(value: str) -> bool:
    """Raises ValueError, in words, for what is neither."""
    word = value.casefold()
    if word not in (*YES, *NO):
        raise ValueError(f"{value[:20]!r} is neither yes nor no")
    return word in YES


def moment(value: str) -> datetime:
    """`2026-11-21T18:00:00+01:00`, or a day alone; UTC where no zone is given. Raises ValueError in words."""
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{value[:40]!r} is no time: write it as 2026-11-21T18:00:00+01:00") from None
