"""A list as it is looked at leaves the house: as CSV, as JSON lines, or as a portable SQLite file.

The rows are settled at the beginning, 4 bytes each, and then read a few at a time: however long it takes,
none comes twice, nobody who writes has to wait, and memory stays as it is. A row that somebody deletes
meanwhile is left out. What leaves is out of our hands: so it takes an operator, and the audit has who took
what.
"""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from jobs import formulas
from jobs.halves import half_folder
from jobs.names import file_name
from store import audiences, audit, blast_lists, catalogue, deliveries, imports, members, programs, views
from store.audiences import Audience, Selection
from store.database import Database
from store.deliveries import Which
from store.errors import PassbellError, UsageError
from store.members import Member
from store.views import View

Row = dict[str, Any]
Progress = Callable[[int, int], None]
"""Told how many rows are written, of how many."""

ACT = "list.export"
CHUNK = 500
TABLES = (".db", ".sqlite", ".sqlite3")
LINES = (".ndjson", ".jsonl")
ENDINGS = ".csv, .ndjson (JSON lines) or .db (SQLite)"


class Stopped(PassbellError):
    """Somebody stopped it; nothing was written."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list to be exported.

    name   what its rows are: the table's name in a SQLite file
    of     the program, blast or account that they belong to; "all" where they belong to the store
    key    the field by which a list on a screen knows its rows
    begin  settles which rows there are: how many, and what gives those of a part
    """

    name: str
    of: str
    key: str
    begin: Callable[[sa.Connection], tuple[int, Rows]]


Rows = Callable[[sa.Connection, int, int], list[Row]]
"""Gives rows from a place on, at most so many."""


def of_members(program_id: str, view: View, chosen: Audience | Selection | None = None) -> Listed:
    """The members of a program, or those of a choice."""

    def begin(connection: sa.Connection) -> tuple[int, Rows]:
        wanted = None if chosen is None else audiences.condition(connection, program_id, chosen)
        ids = members.ids(connection, program_id, condition=wanted, view=view)
        return len(ids), lambda again, start, most: [
            _member(one) for one in members.by_ids(again, ids[start : start + most])
        ]

    return Listed("members", program_id, "external_id", begin)


def _member(member: Member) -> Row:
    """A member with what a list says of its passes."""
    wallets = sorted({wallet for one in member.passes for wallet in one.wallets})
    return member.as_json() | {"pass": members.pass_in_a_word(member), "wallet": ", ".join(wallets)}


def of_deliveries(blast_id: int, view: View, which: Which = Which()) -> Listed:  # noqa: B008
    """Some of a blast's deliveries."""

    def begin(connection: sa.Connection) -> tuple[int, Rows]:
        ids = deliveries.ids(connection, blast_id, which, view=view)
        return len(ids), lambda again, start, most: [
            {**row, "why": row["detail"] or row["reason"]}
            for row in deliveries.by_ids(again, ids[start : start + most])
        ]

    return Listed("deliveries", str(blast_id), "id", begin)


def of_batches(blast_id: int, view: View) -> Listed:
    """The batches of a blast."""

    def begin(connection: sa.Connection) -> tuple[int, Rows]:
        ids = views.every_id(connection, blast_lists.batch_ids(connection, blast_id, view))
        return len(ids), lambda again, start, most: [
            one.as_json() for one in deliveries.batches_by_ids(again, ids[start : start + most])
        ]

    return Listed("batches", str(blast_id), "id", begin)


def of_blasts(account: str, view: View, program_id: str | None = None) -> Listed:
    """The blasts of an account, or those of one program."""

    def begin(connection: sa.Connection) -> tuple[int, Rows]:
        query = blast_lists.blast_ids(connection, account, view, program_id=program_id)
        ids = views.every_id(connection, query)
        return len(ids), lambda again, start, most: [
            one.as_json() for one in deliveries.blasts_by_ids(again, ids[start : start + most])
        ]

    return Listed("blasts", program_id or account, "id", begin)


def of_audit(view: View) -> Listed:
    """Entries of the audit."""

    def begin(connection: sa.Connection) -> tuple[int, Rows]:
        ids = audit.ids(connection, view)
        return len(ids), lambda again, start, most: [
            one.as_json() for one in audit.by_ids(again, ids[start : start + most])
        ]

    return Listed("audit", "all", "id", begin)


def of_programs(account: str, view: View) -> Listed:
    """The programs of an account."""
    return _short("programs", account, "id", lambda c: programs.list_programs(c, account, view=view))


def of_imports(program_id: str, view: View) -> Listed:
    """The imports of a program."""
    return _short("imports", program_id, "id", lambda c: imports.list_all(c, program_id, view=view))


def of_fields(program_id: str, view: View) -> Listed:
    """The fields of a program."""
    return _short("fields", program_id, "name", lambda c: catalogue.of(c, program_id, view=view))


def _short(name: str, of: str, key: str, read: Callable[[sa.Connection], Sequence[Any]]) -> Listed:
    def begin(connection: sa.Connection) -> tuple[int, Rows]:
        rows = [one.as_json() for one in read(connection)]
        return len(rows), lambda _, start, most: rows[start : start + most]

    return Listed(name, of, key, begin)


def write(
    database: Database,
    path: Path,
    listed: Listed,
    *,
    columns: Sequence[str] = (),
    only: Sequence[Any] = (),
    actor: str,
    progress: Progress = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write a list to a file that is not there yet; returns how many rows were written.

    `columns` are the fields wanted, in their order, all without; `only` are keys of the rows wanted, all
    without. The kind goes by the name's ending. The file is 0600 and appears when it is whole, with its
    entry in the audit: nothing is left after an error, nor where `stop` said so, for which Stopped is
    raised. Raises Refused for a viewer, UsageError for another ending, a field that there is not, and a file
    that exists.
    """
    check(database, path)
    with appearing(path) as half:
        rows = _Rows(database, listed, columns, only, progress, stop)
        if path.suffix in TABLES:
            count = _write_table(half, listed.name, rows)
        else:
            with open(half, "w", encoding="utf-8", newline="") as file:
                count = (_write_lines if path.suffix in LINES else _write_csv)(file, rows)
        told = {"list": listed.name, "rows": count, "columns": list(columns) or "all"}
        publish(database, half, path, subject=listed.of, details=told, actor=actor)
    return count


def check(database: Database, path: Path) -> None:
    """Raises Refused for whoever may not export, and UsageError for a name that an export cannot have."""
    database.check_role(ACT)
    if path.suffix not in (".csv", *LINES, *TABLES):
        raise UsageError(f"{path}: an export ends in {ENDINGS}")
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already: an export never overwrites a file")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A file (0600) beside the path, to be filled and published; it is gone in the end."""
    try:
        with half_folder(path.parent) as folder:
            half = folder / path.name
            os.close(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            yield half
    except FileExistsError:
        raise UsageError(f"{path} exists already: an export never overwrites a file") from None
    except OSError as error:
        raise PassbellError(f"cannot write {path}: {error.strerror}") from None
    except sqlite3.Error as error:  # of the file; the store's own have another class
        raise PassbellError(f"cannot write {path}: {error}") from None


def publish(
    database: Database, half: Path, path: Path, *, subject: str, details: dict[str, Any], actor: str
) -> None:
    """Give a whole file its name and the audit its entry: neither is there without the other."""
    named = {"file": file_name(path)}
    linked = False
    try:
        with database.write() as connection:
            audit.append(connection, actor=actor, act=ACT, subject=subject, details=details | named)
            os.link(half, path)  # unlike a rename it never takes the place of a file made meanwhile
            linked = True
    except BaseException:
        if linked:
            path.unlink()
        raise


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows that are wanted, a chunk at a time, each chunk in a short read of its own."""

    database: Database
    listed: Listed
    columns: Sequence[str]
    only: Sequence[Any]
    progress: Progress
    stop: Callable[[], bool]

    def chunks(self) -> Iterator[list[Row]]:
        with self.database.read() as connection:
            total, rows = self.listed.begin(connection)
        wanted = set(self.only)
        for start in range(0, total, CHUNK):
            if self.stop():
                raise Stopped("the export was stopped: nothing was written")
            with self.database.read() as connection:
                found = rows(connection, start, CHUNK)
            yield [self._cut(row) for row in found if not wanted or row[self.listed.key] in wanted]
            self.progress(min(start + CHUNK, total), total)

    def _cut(self, row: Row) -> Row:
        for name in self.columns:
            if name not in row:
                raise UsageError(f"{self.listed.name} have no field {name!r}: choose from {', '.join(row)}")
        return {name: row[name] for name in self.columns} if self.columns else row


def _write_lines(file: IO[str], rows: _Rows) -> int:
    count = 0
    for chunk in rows.chunks():
        file.writelines(json.dumps(row) + "\n" for row in chunk)
        count += len(chunk)
    return count


def _write_csv(file: IO[str], rows: _Rows) -> int:
    count = 0
    writer = csv.writer(file)
    for chunk in rows.chunks():
        if chunk and not count:
            writer.writerow(chunk[0])
        writer.writerows([_cell(value) for value in row.values()] for row in chunk)
        count += len(chunk)
    if rows.columns and not count:
        writer.writerow(rows.columns)
    return count


def _cell(value: Any) -> Any:
    """A value as a spreadsheet shall show it; where it is imported again it is the same."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return formulas.shut(value) if isinstance(value, str) else value


def _write_table(path: Path, name: str, rows: _Rows) -> int:
    import sqlite_utils

    portable = sqlite_utils.Database(path)
    try:
        table = portable.table(name)
        for chunk in rows.chunks():
            table.insert_all(chunk, alter=True)
        if not table.exists():
            table.create(dict.fromkeys(rows.columns or ("nothing",), str))
        return int(table.count)
    finally:
        portable.close()
