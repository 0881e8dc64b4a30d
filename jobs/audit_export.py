"""The audit leaves the house: a portable SQLite file, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.exports import LINES, TABLES, appearing, check, publish
from store import audit
from store.database import Database
from store.errors import UsageError


def export(database: Database, path: Path, *, actor: str) -> int:
    """Write all entries, the oldest first; returns how many.

    The kind goes by the name's ending: `.db`, `.sqlite` or `.sqlite3`, `.ndjson` or `.jsonl`. Raises Refused
    for a viewer, UsageError for another ending or a file that exists. The file is 0600 and appears only when
    it is whole, with an entry of its own, which is not in it.
    """
    if path.suffix not in (*TABLES, *LINES):
        raise UsageError(f"{path}: an export ends in .db (SQLite) or .ndjson (JSON lines)")
    check(database, path)
    with appearing(path) as half:
        count = (_write_lines if path.suffix in LINES else _write_tables)(database, half)
        told = {"list": "audit", "rows": count, "columns": "all"}
        publish(database, half, path, subject="all", details=told, actor=actor)
    return count


def _entries(database: Database) -> Iterator[dict[str, Any]]:
    with database.read() as connection:
        for entry in audit.entries(connection):
            yield entry.as_json()


def _write_lines(database: Database, path: Path) -> int:
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for entry in _entries(database):
            file.write(json.dumps(entry) + "\n")
            count += 1
    return count


def _write_tables(database: Database, path: Path) -> int:
    import sqlite_utils

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
