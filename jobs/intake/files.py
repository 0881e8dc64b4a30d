"""Which members a file names: any column, any spelling of its name, any usual format."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs.intake.rows import Row, Table, open_table
from jobs.intake.staging import Reject, Staged, Staging, staging, write_rejects
from jobs.names import file_name
from store.database import Database
from store.errors import UsageError
from store.schema import members

Progress = Callable[[int], None]
"""Told now and then how many rows have been read."""

ID_NAMES = ("externalid", "id", "memberid", "personexternalid", "membersmemberexternalid")
"""Names that an id column goes by, in letters only, the likeliest first."""

SAMPLED_ROWS = 500
REPORT_EVERY = 5_000


@dataclass(frozen=True, slots=True)
class IdReport:
    """What became of a file of ids: rows = matched + unknown + duplicate + bad.

    member_ids  our ids of the members it names, each once, in the file's order
    column      the column that was taken for the id
    notes       what else a reader should know, in words
    """

    path: Path
    column: str
    encoding: str
    rows: int
    member_ids: array[int] = field(repr=False)
    unknown: int
    duplicate: int
    bad: int
    notes: tuple[str, ...]
    rejects: tuple[Reject, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """The file's name, as a text."""
        return file_name(self.path)

    @property
    def matched(self) -> int:
        """How many members the file names."""
        return len(self.member_ids)

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it."""
        return {
            "file": str(self.path),
            "column": self.column,
            "encoding": self.encoding,
            "rows": self.rows,
            "matched": self.matched,
            "unknown": self.unknown,
            "duplicate": self.duplicate,
            "bad": self.bad,
            "notes": list(self.notes),
        }

    def write_rejects(self, path: Path) -> None:
        """Write the rows that name nobody, as CSV: line, id, reason."""
        write_rejects(self.path, self.rejects, path)


def match_ids(
    database: Database, program_id: str, path: Path, *, home: Path, progress: Progress | None = None
) -> IdReport:
    """Find the members whose external ids stand in a file.

    Raises UsageError for a file that cannot be read, that has no column of ids, or that names nobody.
    Nothing is changed in the store.
    """
    table = open_table(path)
    column = pick_id_column(database, program_id, table)
    rejects: list[Reject] = []
    found = array("q")
    unknown = 0
    with staging(home) as staged:
        rows = stage(staged, all_rows(database, program_id, table, column), column, rejects, progress)
        bad = len(rejects)
        rejects.extend(staged.later_ones())
        duplicate = len(rejects) - bad
        with database.read() as connection:
            for chunk in staged.first_of_each():
                known = look_up(connection, program_id, [row.id for row in chunk])
                found.extend(known[row.id] for row in chunk if row.id in known)
                missing = [row for row in chunk if row.id not in known]
                unknown += len(missing)
                rejects.extend(Reject(row.line, row.id, "no member has this id") for row in missing)
    if not rows:
        raise UsageError(f"{path} has a header and no rows")
    if not found:
        raise UsageError(
            f"{path}: none of its {rows:,} rows names a member of this program{_such_as(column, rejects)}"
        )
    return IdReport(
        path, column, table.encoding, rows, found, unknown, duplicate, bad, table.notes, tuple(rejects)
    )


def stage(
    staged: Staging,
    rows: Iterable[Row],
    column: str,
    rejects: list[Reject],
    progress: Progress | None,
    data: Callable[[Row], str] | None = None,
) -> int:
    """Put the rows that can be used into the staging file, the others into `rejects`; returns their count.

    `data` gives what else to keep of a row; a ValueError from it says why the row cannot be used.
    """
    count = 0

    def usable() -> Iterator[Staged]:
        nonlocal count
        for row in rows:
            count += 1
            if progress is not None and count % REPORT_EVERY == 0:
                progress(count)
            name, problem = id_text(row.values.get(column))
            kept = None
            if not (problem := row.problem or problem) and data is not None:
                try:
                    kept = data(row)
                except ValueError as error:
                    problem = str(error)
            if problem:
                rejects.append(Reject(row.line, name, problem))
            else:
                yield Staged(row.line, name, kept)

    staged.add(usable())
    if progress is not None:
        progress(count)
    return count


def all_rows(database: Database, program_id: str, table: Table, column: str) -> Iterator[Row]:
    """The table's rows; its header is one of them where it holds a member's id instead of a name."""
    if table.header is not None and _letters(column) not in ID_NAMES:
        with database.read() as connection:
            if look_up(connection, program_id, [id_text(table.header.values[column])[0]]):
                yield table.header
    yield from table.rows()


def pick_id_column(database: Database, program_id: str, table: Table, leave_out: Collection[str] = ()) -> str:
    """The column that holds members' ids.

    Columns with a name for ids go before all others, however well those fit: a column of small numbers may
    hold other members' ids by chance. Among several, and where there is none, the values decide; a column
    without a name for it has to name a member in half of its rows.
    """
    columns = [name for name in table.columns if name not in leave_out]
    named = [name for letters in ID_NAMES for name in columns if _letters(name) == letters]
    candidates = named or columns
    if len(candidates) == 1:
        return candidates[0]
    sample = list(islice(table.rows(), SAMPLED_ROWS))
    if not table.columns:
        first = sample[0]
        raise UsageError(f"{table.path}: none of its rows can be read: line {first.line}: {first.problem}")
    with database.read() as connection:
        hits = {name: _hits(connection, program_id, sample, name) for name in candidates}
    best = max(candidates, key=lambda name: hits[name], default="")
    if named or hits.get(best, -1) * 2 >= max(len(sample), 1):
        return best
    shown = ", ".join(name[:40] for name in table.columns[:6]) + " ..." * (len(table.columns) > 6)
    raise UsageError(
        f"{table.path}: no column holds ids of members; its columns are {shown}: name one of them external_id"
    )


def look_up(connection: sa.Connection, program_id: str, external_ids: Iterable[str]) -> dict[str, int]:
    """External ids of members of the program, with our own ids; unknown ones are left out."""
    query = sa.select(members.c.external_id, members.c.id).where(
        members.c.program_id == program_id, members.c.external_id.in_(texts(connection, external_ids))
    )
    return {row.external_id: row.id for row in connection.execute(query)}


def texts(connection: sa.Connection, values: Iterable[str]) -> sa.Select[Any]:
    """Texts as rows that travel as one bound value, however many they are."""
    listed = sa.bindparam(None, json.dumps(list(values)), sa.Text)
    if connection.dialect.name == "postgresql":
        words = sa.func.json_array_elements_text(sa.cast(listed, sa.JSON)).column_valued("word")
        return sa.select(words)
    return sa.select(sa.func.json_each(listed).table_valued(sa.column("value", sa.Text)).c.value)


def id_text(value: Any) -> tuple[str, str]:
    """A cell as an id, and why it is none (empty if it is): 12.0 in JSON is the id 12."""
    if isinstance(value, str):
        text = value.strip().strip("\ufeff\u200b")
        return text, "" if text else "no id"
    if value is None:
        return "", "no id"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "", "the id is neither a text nor a number"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value), ""


def _hits(connection: sa.Connection, program_id: str, sample: list[Row], name: str) -> int:
    ids = {id_text(row.values.get(name))[0] for row in sample if not row.problem}
    return len(look_up(connection, program_id, ids - {""}))


def _letters(name: str) -> str:
    return re.sub("[^a-z]", "", name.removeprefix("result.").lower())


def _such_as(column: str, rejects: list[Reject]) -> str:
    example = next((reject for reject in sorted(rejects) if reject.id), None)
    if example is None:
        return f": {rejects[0].reason} (line {rejects[0].line})" if rejects else ""
    shown = "".join(character if character.isprintable() else "?" for character in example.id[:40])
    return f": its column {column[:40]} holds {shown} (line {example.line})"


__all__ = ["IdReport", "Progress", "Reject", "match_ids"]
