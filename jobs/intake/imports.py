"""Attributes of members out of a file; for boarding records, the members themselves (jobs/intake/flights.py).

What a file says is kept apart (`imported`) and under what the pass itself says (`attributes` is the one
overlaid with the other), so a sync never wipes an import and an import never hides the pass. Nothing here
touches points, tiers or opt-outs: those are the provider's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs.intake import flights
from jobs.intake.files import Progress, all_rows, pick_id_column, stage, texts
from jobs.intake.rows import Row, Table, open_table
from jobs.intake.staging import Reject, Staged, Staging, staging, write_rejects
from store import audit
from store.database import Database
from store.errors import UsageError
from store.fields import BUILT_IN
from store.schema import members, programs
from store.times import now

SAMPLES = 5
LONGEST_NAME = 64
ALSO_BUILT_IN = {"optout", "tierid", "pointsbalance", "expirydate", "imported", "attributes"}
"""Other spellings, in letters only, of what belongs to the provider or to us."""

Attributes = dict[str, Any]


@dataclass(slots=True)
class ImportReport:
    """What an import did, or in a dry run would do: rows = created + new + changed + unchanged + rejected.

    created    boarding records that were not known before
    new        members who got attributes they had no value for, and lost none
    changed    members of whose attributes at least one got another value
    unchanged  members who had all of it already
    rejected   rows that were not used; each stands in `rejects` with its line and reason
    samples    up to five external ids of each of these words
    notes      columns that were ignored and why, in words
    """

    path: Path
    program_id: str
    dry_run: bool
    notes: list[str]
    rows: int = 0
    created: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list, repr=False)

    @property
    def rejected(self) -> int:
        """How many rows were not used."""
        return len(self.rejects)

    def count(self, word: str, external_id: str, gained: Attributes) -> None:
        """One more of `created`, `new`, `changed` or `unchanged`."""
        setattr(self, word, getattr(self, word) + 1)
        kept = self.samples.setdefault(word, [])
        if len(kept) < SAMPLES:
            kept.append({"external_id": external_id, "attributes": gained})

    def counts(self) -> dict[str, int]:
        """The figures by name."""
        words = ("rows", "created", "new", "changed", "unchanged", "rejected")
        return {word: getattr(self, word) for word in words}

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it."""
        rejected = [reject._asdict() for reject in sorted(self.rejects)[:SAMPLES]]
        return {
            "file": str(self.path),
            "program": self.program_id,
            "dry_run": self.dry_run,
            **self.counts(),
            "samples": self.samples | ({"rejected": rejected} if rejected else {}),
            "notes": self.notes,
        }

    def write_rejects(self, path: Path) -> None:
        """Write the rows that were not used, as CSV: line, id, reason."""
        write_rejects(self.path, self.rejects, path)


def import_members(
    database: Database,
    program_id: str,
    path: Path,
    *,
    account: str,
    home: Path,
    dry_run: bool,
    actor: str,
    progress: Progress | None = None,
) -> ImportReport:
    """Give members the attributes that a file holds for their external ids, all of it or nothing.

    Values stay text; of JSON, numbers and booleans stay what they are. An empty cell says nothing; a JSON
    null takes an imported attribute away. Unknown ids are rejected, except for the program `flights`, made
    with its first import: there each row is a boarding record. Raises UsageError for a file that cannot be
    read or of which no row can be used.
    """
    table = open_table(path)
    kind = _kind(database, program_id)
    column = "" if kind == "flight" else pick_id_column(database, program_id, table)
    keep, notes = _columns(table, column, kind)
    report = ImportReport(path, program_id, dry_run, [*table.notes, *notes])

    def data(row: Row) -> str:
        cells = {name: _plain(row.values[name]) for name in keep if name in row.values}
        given = {name: value for name, value in cells.items() if value != ""}
        return json.dumps({"attributes": given, "flight": row.values.get(flights.KEYS)})

    with staging(home) as staged:
        if kind == "flight":
            rows: Iterator[Row] = map(flights.keyed, table.rows())
            column = flights.ID
        else:
            rows = all_rows(database, program_id, table, column)
        report.rows = stage(staged, rows, column, report.rejects, progress, data)
        report.rejects.extend(staged.later_ones())
        with database.read() if dry_run else database.write() as connection:
            if kind == "flight" and not dry_run:
                flights.ensure_flights_program(connection, account)
            _apply(connection, report, staged, kind)
            if not report.rows:
                raise UsageError(f"{path} has a header and no rows")
            if report.rejected == report.rows:
                first = min(report.rejects)
                raise UsageError(f"{path}: none of its rows can be used: line {first.line}: {first.reason}")
            if not dry_run:
                _record(connection, report, actor)
    return report


def _apply(connection: sa.Connection, report: ImportReport, staged: Staging, kind: str) -> None:
    for chunk in staged.first_of_each():
        known = _known(connection, report.program_id, chunk)
        changes = []
        strangers = []
        for row in chunk:
            holds = json.loads(row.data or "{}")
            given: Attributes = holds["attributes"]
            if (member := known.get(row.id)) is not None:
                if (change := _change(member, given, row.id, report)) is not None:
                    changes.append(change)
            elif kind == "flight":
                strangers.append(flights.Record(row.id, holds["flight"], given))
                report.count("created", row.id, given)
            else:
                report.rejects.append(Reject(row.line, row.id, "no member has this id"))
        if report.dry_run:
            continue
        if changes:
            connection.execute(_UPDATE, changes)
        if strangers:
            flights.create(connection, report.program_id, strangers)


_UPDATE = (
    members.update()
    .where(members.c.id == sa.bindparam("member"))
    .values(imported=sa.bindparam("now_imported"), attributes=sa.bindparam("now_attributes"))
)


def _change(member: Any, given: Attributes, external_id: str, report: ImportReport) -> dict[str, Any] | None:
    """The member's new attributes, or None if they are what they were."""
    before: Attributes = member.imported
    gained = {name: value for name, value in given.items() if not _same(before.get(name), value)}
    if not gained:
        report.count("unchanged", external_id, {})
        return None
    report.count("new" if before.keys().isdisjoint(gained) else "changed", external_id, gained)
    imported = {name: value for name, value in (before | given).items() if value is not None}
    # What the pass itself says is what is there and was not imported; it stays on top.
    there: Attributes = member.attributes
    own = {name: value for name, value in there.items() if not _same(before.get(name, _ABSENT), value)}
    return {"member": member.id, "now_imported": imported, "now_attributes": imported | own}


_ABSENT = object()


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON, where 1 is not true."""
    return type(one) is type(other) and bool(one == other)


def _known(connection: sa.Connection, program_id: str, chunk: list[Staged]) -> dict[str, Any]:
    wanted = texts(connection, [row.id for row in chunk])
    query = sa.select(members.c.external_id, members.c.id, members.c.imported, members.c.attributes)
    query = query.where(members.c.program_id == program_id, members.c.external_id.in_(wanted))
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(of=members)  # a sync may be writing the same members
    return {row.external_id: row for row in connection.execute(query)}


def _kind(database: Database, program_id: str) -> str:
    if program_id == flights.PROGRAM:
        return "flight"
    with database.read() as connection:
        kind = connection.execute(sa.select(programs.c.kind).where(programs.c.id == program_id)).scalar()
    if kind is None:
        raise UsageError(f"there is no program {program_id}: sync first")
    return str(kind)


def _columns(table: Table, id_column: str, kind: str) -> tuple[list[str], list[str]]:
    """The columns that become attributes; and in words which are ignored."""
    keep, ignored, misnamed = [], [], []
    for name in table.columns:
        spelled = flights.letters(name)
        if name == id_column or (kind == "flight" and spelled in flights.PASSENGER):
            continue
        if spelled in _PROVIDERS:
            ignored.append(name)
        elif not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or '"' in name:
            misnamed.append("".join(c if c.isprintable() else "?" for c in name[:LONGEST_NAME]) or "(empty)")
        else:
            keep.append(name)
    notes = []
    if ignored:
        notes.append(f"ignored, because the provider decides on them: {', '.join(ignored)}")
    if misnamed:
        limits = f"1 to {LONGEST_NAME} printable characters without double quotes"
        notes.append(f"ignored, because an attribute's name has {limits}: {', '.join(misnamed[:SAMPLES])}")
    return keep, notes


_PROVIDERS = {flights.letters(name) for name in BUILT_IN} | ALSO_BUILT_IN


def _plain(value: Any) -> Any:
    """Texts without the blanks around them, numbers and booleans as they are, lists as their JSON."""
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, bool | int | float):
        return value
    return json.dumps(value, ensure_ascii=False)


def _record(connection: sa.Connection, report: ImportReport, actor: str) -> None:
    audit.append(
        connection,
        actor=actor,
        act="members.import",
        subject=report.program_id,
        details={"file": report.path.name, **report.counts()},
        at=now(),
    )


__all__ = ["ImportReport", "import_members"]
