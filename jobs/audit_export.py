"""The audit leaves the house: a portable SQLite file, or JSON lines."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from store import audit
from store.database import Database
from store.errors import PassbellError, UsageError

LINES = (".ndjson", ".jsonl")


def export(database: Database, path: Path) -> int:
    """Write all entries, the oldest first; returns how many.

    The kind goes by the name's ending: `.db`, `.sqlite` or `.sqlite3`, `.ndjson` or `.jsonl`. Raises
    UsageError for another ending or a file that exists. The file is 0600 and appears only when it is whole.
    """
    if path.suffix not in (".db", ".sqlite", ".sqlite3", *LINES):
        raise UsageError(f"{path}: an export ends in .db (SQLite) or .ndjson (JSON lines)")
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already: an export never overwrites a file")
    try:
        with tempfile.TemporaryDirectory(prefix=".passbell-", dir=path.parent) as folder:
            half = Path(folder) / path.name
            count = _write_lines(database, half) if path.suffix in LINES else _write_tables(database, half)
            os.link(half, path)  # unlike a rename it never takes the place of a file made meanwhile
    except FileExistsError:
        raise UsageError(f"{path} exists already: an export never overwrites a file") from None
    except OSError as error:
        raise PassbellError(f"cannot write {path}: {error.strerror}") from None
    return count


def _entries(database: Database) -> Iterator[dict[str, Any]]:
    with database.read() as connection:
        for entry in audit.entries(connection):
            yield entry.as_json()


def _write_lines(database: Database, path: Path) -> int:
    count = 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        for entry in _entries(database):
            file.write(json.dumps(entry) + "\n")
            count += 1
    return count


def _write_tables(database: Database, path: Path) -> int:
    import sqlite_utils

    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    portable = sqlite_utils.Database(path)
    try:
        columns = {"id": int} | dict.fromkeys(
            ("at", "actor", "act", "subject", "details", "previous_hash", "hash"), str
        )
        table = portable.table("audit").create(columns, pk="id")
        table.insert_all(
            entry | {"details": json.dumps(entry["details"], sort_keys=True)} for entry in _entries(database)
        )
        return int(table.count)
    finally:
        portable.close()
