"""`pass.strings`: the translations in a pass, as Apple's tools write and phones read them.

One line a text, `"text" = "translation";`, with comments as in C. UTF-8, or UTF-16 with its mark; Apple
asks for UTF-16 where a text is not ASCII (Creating the source for a pass).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

from store.errors import UsageError

_SKIP = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=\s*"((?:[^"\\]|\\.)*)"\s*;', re.DOTALL)
_ESCAPE = re.compile(r"\\(U[0-9A-Fa-f]{4}|u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "r": "\n"}


def read(content: bytes, where: str) -> dict[str, str]:
    """The table in a file. Raises UsageError with the line where it cannot be read."""
    text = _decoded(content, where)
    found: dict[str, str] = {}
    at = _end(_SKIP, text, 0)
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            line = text.count("\n", 0, at) + 1
            raise UsageError(f'{where}: line {line} cannot be read: write "text" = "translation";')
        key, value = (_ESCAPE.sub(_meaning, part) for part in pair.groups())
        if key in found:
            raise UsageError(f"{where}: {key!r} stands there twice: take one out")
        found[key] = value
        at = _end(_SKIP, text, pair.end())
    return found


def spell(strings: Mapping[str, str]) -> bytes:
    """The file of a table: ASCII where it is, else UTF-16 with its mark. The same table, the same bytes."""
    text = "".join(f'"{_spelled(key)}" = "{_spelled(strings[key])}";\n' for key in sorted(strings))
    return text.encode("ascii") if text.isascii() else codecs.BOM_UTF16_LE + text.encode("utf-16-le")


def _decoded(content: bytes, where: str) -> str:
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{where}: is neither UTF-8 nor UTF-16 with a mark: save it as either") from None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match is not None else at


def _meaning(match: re.Match[str]) -> str:
    escaped = match.group(1)
    if escaped[0] in "Uu" and len(escaped) == 5:
        return chr(int(escaped[1:], 16))
    return _MEANT.get(escaped, escaped)


def _spelled(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
