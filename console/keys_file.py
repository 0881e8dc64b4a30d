"""A person's own keys in the settings file: one line is changed, and every other byte stays as it is."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from store.errors import PassbellError

HEADER = re.compile(r"\s*\[\s*console\s*\.\s*keys\s*\]\s*(#.*)?$")
ANY_HEADER = re.compile(r"\s*\[")
LINE = r"""(\s*["']{id}["']\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*')(.*)$"""


def keep(file: Path, id_: str, keys: str | None) -> None:
    """Write an action's keys into `[console.keys]` of the file; None takes its line out.

    The file has its new text at once or not at all. Raises PassbellError where it cannot be read or written,
    or where it says the keys in a way that could not be changed safely.
    """
    file = file.resolve()
    try:
        before = file.read_bytes().decode() if file.exists() else ""
        after = edited(before, id_, keys)
        if not _is_meant(before, after, id_, keys):
            line = _line(id_, keys or "")
            raise PassbellError(f"{file}: [console.keys] cannot be changed safely; do it by hand: {line}")
        _replace(file, after)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PassbellError(f"cannot keep the keys in {file}: {why}") from None


def edited(text: str, id_: str, keys: str | None) -> str:
    """The file's text with the keys of one action changed."""
    lines = text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    start = next((at for at, line in enumerate(lines) if HEADER.match(line)), None)
    if start is None:
        if keys is None:
            return text
        gap = end if not text or text.endswith("\n") else end * 2
        return f"{text}{gap if text else ''}[console.keys]{end}{_line(id_, keys)}{end}"
    stop = next((at for at in range(start + 1, len(lines)) if ANY_HEADER.match(lines[at])), len(lines))
    pattern = re.compile(LINE.format(id=re.escape(id_)), re.DOTALL)
    for at in range(start + 1, stop):
        if found := pattern.match(lines[at]):
            lines[at] = "" if keys is None else f"{found[1]}{_quoted(keys)}{found[3]}"
            return "".join(lines)
    if keys is not None:
        last = max((at for at in range(start, stop) if lines[at].strip()), default=start)
        if not lines[last].endswith("\n"):
            lines[last] += end
        lines.insert(last + 1, f"{_line(id_, keys)}{end}")
    return "".join(lines)


def _is_meant(before: str, after: str, id_: str, keys: str | None) -> bool:
    """Whether both say the same but for this action's keys."""
    try:
        wanted, got = deepcopy(tomllib.loads(before)), tomllib.loads(after)
        own = _own(wanted)
        if keys is None:
            own.pop(id_, None)
        else:
            own[id_] = keys
        _own(got)
        return wanted == got
    except (tomllib.TOMLDecodeError, AttributeError):
        return False


def _own(settings: dict[str, Any]) -> dict[str, Any]:
    """The table of keys, made where there is none."""
    keys: dict[str, Any] = settings.setdefault("console", {}).setdefault("keys", {})
    return keys


def _line(id_: str, keys: str) -> str:
    return f"{_quoted(id_)} = {_quoted(keys)}"


def _quoted(text: str | None) -> str:
    return json.dumps(text or "", ensure_ascii=False)


def _replace(file: Path, text: str) -> None:
    """Write it whole before it has its name, under the mode that the file has."""
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
    draft = file.with_name(f"{file.name}.{os.getpid()}.draft")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            os.fchmod(made.fileno(), mode)
            made.write(text.encode())
            made.flush()
            os.fsync(made.fileno())
        os.replace(draft, file)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
