"""The two lists of a file on its way in: its columns, and what its rows do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.text import Text

from console import import_words as words
from console.plain import inert
from console.threads import in_thread
from console.widgets.table import Column, Row
from jobs.intake.kinds import plain
from store.view import View

if TYPE_CHECKING:
    from jobs.intake.imports import ImportReport
    from jobs.intake.rows import Table
    from jobs.intake.staging import Reject

COLUMNS = (
    Column("column", "COLUMN"),
    Column("samples", "HOLDS"),
    Column("becomes", "BECOMES", 24),
    Column("how", "BECAUSE", 12, from_width=76),
)
ROW_COLUMNS = (
    Column("what", "ROWS", 9),
    Column("line", "LINE", 7, "right"),
    Column("id", "ID", 16),
    Column("why", "VALUES BEFORE → AFTER, OR WHY"),
)
COLOURS = {"created": "$success", "new": "$success", "changed": "$accent", "rejected": "$error"}
SAMPLED_ROWS = 200
SAMPLES = 6
"""Different values of a column that are shown."""
LONGEST = 60


class Listed:
    """Lines that are at hand, as a table asks for them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    async def count(self, view: View) -> int:
        """How many there are."""
        return len(self._rows)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Some of them."""
        return list(self._rows[offset : offset + limit])


class RowLines:
    """Columns left out, a few rows of each kind, and each that was not used: as many as the file has."""

    def __init__(self, report: ImportReport) -> None:
        self._report = report
        self._first = [_note_line(place, note) for place, note in enumerate(report.notes)]
        self._first += [_sample_line(what, one) for what, found in report.samples.items() for one in found]
        self._rejects: list[Reject] = []

    async def count(self, view: View) -> int:
        """Put the rejected ones into their order."""
        self._rejects = await in_thread(sorted, self._report.rejects)
        return len(self._first) + len(self._rejects)

    async def page(self, view: View, offset: int, limit: int) -> list[Row]:
        """Some of them."""
        lines = self._first[offset : offset + limit]
        first = max(offset - len(self._first), 0)
        return lines + [_reject_line(one) for one in self._rejects[first : first + limit - len(lines)]]


def samples(table: Table) -> dict[str, list[str]]:
    """The first different values of each column, those that are not empty."""
    found: dict[str, dict[str, None]] = {column: {} for column in table.columns}
    for row in islice(table.rows(), SAMPLED_ROWS):
        for column, values in found.items():
            value = plain(row.values.get(column))
            if value not in ("", None) and len(values) < SAMPLES:
                values[inert(str(value), LONGEST)] = None
    return {column: list(values) for column, values in found.items()}


def _note_line(place: int, note: str) -> Row:
    return ("note", place), (Text("note", "$warning"), "", "", note)


def _sample_line(what: str, one: Mapping[str, Any]) -> Row:
    name = one["external_id"]
    return (what, name), (Text(what, COLOURS.get(what, "$quiet")), "", name, words.sample(one))


def _reject_line(one: Reject) -> Row:
    told = Text("rejected", COLOURS["rejected"])
    return ("rejected", one.line), (told, f"{one.line:,}", one.id, one.reason)
