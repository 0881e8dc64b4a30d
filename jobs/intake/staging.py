"""A throw-away SQLite file in which the rows of an import wait: sorted, without duplicates, out of memory."""

from __future__ import annotations

import csv
import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from jobs.formulas import shut
from store.errors import PassbellError, UsageError

CHUNK = 5_000
REASONS = 3
"""Reasons against rows that one sentence tells."""


class Staged(NamedTuple):
    """A row that waits. `data` is JSON, or None where only the id counts."""

    line: int
    id: str
    data: str | None = None


class Reject(NamedTuple):
    """A row that was not used, and why."""

    line: int
    id: str
    reason: str


@dataclass(slots=True)
class Staging:
    """The staged rows. Everything is text here, so that 01234 stays 01234."""

    database: Any

    def add(self, rows: Iterable[Staged]) -> None:
        """Put rows in."""
        # As lists under one header: as a dict each, they take twice the time.
        self.database.table("rows").insert_all(chain([Staged._fields], rows), batch_size=5_000)

    def first_of_each(self) -> Iterator[list[Staged]]:
        """In chunks, in the file's order: of rows with the same id the first one."""
        cursor = self.database.conn.execute("SELECT min(line), id, data FROM rows GROUP BY id ORDER BY 1")
        while rows := cursor.fetchmany(CHUNK):
            yield [Staged(*row) for row in rows]

    def later_ones(self) -> Iterator[Reject]:
        """Rows whose id an earlier one has."""
        firsts = "SELECT min(line) AS first, id FROM rows GROUP BY id HAVING count(*) > 1"
        query = (
            f"SELECT line, id, first FROM rows JOIN ({firsts}) USING (id) WHERE line > first ORDER BY line"
        )
        for line, name, first in self.database.conn.execute(query):
            yield Reject(line, name, f"the same id as in line {first}")


@contextmanager
def staging(home: Path) -> Iterator[Staging]:
    """An empty staging file under `home`, readable by its owner only, gone afterwards.

    Its name is taken away as soon as it is open, where the system allows that: an import that is killed
    leaves nobody's data behind.
    """
    import sqlite_utils

    try:
        folder = Path(tempfile.mkdtemp(prefix="intake-", dir=home))
    except OSError as error:
        raise PassbellError(f"cannot use the home folder {home}: {error.strerror}") from None
    try:
        file = folder / "rows.db"
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
        database = sqlite_utils.Database(file)
        try:
            database.conn.execute("PRAGMA journal_mode = MEMORY")
            database.conn.execute("PRAGMA synchronous = OFF")
            database.table("rows").create({"line": int, "id": str, "data": str}, pk="line")
            shutil.rmtree(folder, ignore_errors=True)
            yield Staging(database)
        finally:
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def uncollected() -> Iterator[None]:
    """No look for cycles meanwhile: rows make none, and the looking takes longer than the work on them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def check_rejects(source: Path, path: Path) -> None:
    """Raises UsageError where rejects cannot go: before anything is done for which they would be told.

    Only a file of rejects is written over.
    """
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}")
    if not path.exists():
        return
    if path.samefile(source):
        raise UsageError(f"{path} is the file that was read: write the rejects to another")
    header = ",".join(Reject._fields)
    first = ""
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline(len(header) + 1)
    if (first and not first.startswith(header)) or not path.is_file():
        raise UsageError(f"{path} is there already and holds no rejects: write them to another file")


def commonest(rejects: Sequence[Reject]) -> str:
    """Why rows are rejected, the commonest reasons first, each with its first line."""
    first: dict[str, int] = {}
    for reject in sorted(rejects):
        first.setdefault(reject.reason, reject.line)
    counted = Counter(reject.reason for reject in rejects).most_common(REASONS)
    return "; ".join(f"{reason} ({count:,}, first in line {first[reason]})" for reason, count in counted)


def write_rejects(source: Path, rejects: Iterable[Reject], path: Path) -> None:
    """Write `line,id,reason` as CSV, in the order of the lines. Never over the file they came from."""
    try:
        check_rejects(source, path)
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Reject._fields)
            writer.writerows((line, shut(id_), shut(reason)) for line, id_, reason in sorted(rejects))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
