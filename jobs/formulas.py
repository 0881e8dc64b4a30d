"""Texts that a spreadsheet would run, made texts that it shows; and back again, to the very same.

A file of ours is split at commas. A spreadsheet may split it elsewhere: German ones at semicolons, and tabs
wherever a file is pasted; there a quote in the middle keeps nothing together, not even lines. So what begins
a cell is not only what begins a text, but whatever follows such a sign within it.
"""

from __future__ import annotations

import re

_BEGIN = r"(?:\A|(?<=[;|\t\r\n]))"
_FORMULA = "[\"' \xa0]*[-=+@\uff0d\uff1d\uff0b\uff20]"
"""Blanks and quotes are dropped on the way; the wide signs work too in Japan. It holds none of the signs that
begin a cell, so that no text takes longer than its length."""
_OPEN = re.compile(f"{_BEGIN}(?={_FORMULA})")
_SHUT = re.compile(f"{_BEGIN}'(?={_FORMULA})")


def shut(text: str) -> str:
    """The text with an apostrophe before each place where a spreadsheet would see a formula."""
    return _OPEN.sub("'", text)


def opened(text: str) -> str:
    """The text that was shut: `opened(shut(text))` is `text`, whatever stands in it."""
    return _SHUT.sub("", text) if "'" in text else text
