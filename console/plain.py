"""Outside text made safe to show: names, texts and messages that others wrote.

A terminal obeys escape sequences and a reader's eye obeys bidirectional overrides; both are spelled
out instead. Letters of every script, emoji and their joiners are left as they are.
"""

from __future__ import annotations

import unicodedata

REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSHOWN = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))
_JOINERS = frozenset("\u200b\u200c\u200d\u2060\ufeff")


def inert(text: str, limit: int | None = None) -> str:
    """One line that does nothing but show: `\\x1b[2J` where the text holds an escape sequence.

    `limit` is in characters of the result; what is cut off leaves an ellipsis.
    """
    if limit is not None:
        text = text[: limit + 1]
    if not text.isprintable():
        text = "".join(map(_spelled, text))
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    return text


def inert_lines(text: str) -> str:
    """The same for a text whose line breaks are meant."""
    return "\n".join(inert(line) for line in text.split("\n"))


def cells(text: str) -> int:
    """Columns that a terminal gives to an inert text: two for wide characters, none for marks and joiners."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _spelled(character: str) -> str:
    if character in REORDERING or unicodedata.category(character) in _UNSHOWN:
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


def _cells(character: str) -> int:
    if character in _JOINERS or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
