"""Attributes, time zones and locales of members out of a file; of some programs, the members themselves.

What a file says is kept apart and under what the pass itself says (store/imports.py), so a sync never wipes
an import and an import never hides the pass. Nothing here touches points, tiers, opt-outs or consents: those
are the provider's and the member's. In a program of our own there is no other provider: there a file enrols
members and says what they have, opt-outs and consents excepted, and their passes change with it. Which
column becomes what: jobs/intake/mapping.py; boarding records: jobs/intake/flights.py; members of our own:
jobs/intake/own.py; the way back: jobs/intake/undo.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from jobs.intake import flights, own
from jobs.intake.files import all_rows, stage, texts
from jobs.intake.mapping import Columns, map_columns
from jobs.intake.rows import Row, Table, open_table
from jobs.intake.staging import Reject, Staging, commonest, staging, uncollected, write_rejects
from jobs.names import file_name
from jobs.passes import changes
from store import audit, catalogue, imports, keys, preferences, suppressions
from store.database import Database, lock
from store.errors import UsageError
from store.imports import Change, State
from store.programs import OWN
from store.schema import members, passes, programs
from store.times import now

SAMPLES = 5

Attributes = dict[str, Any]
Progress = Callable[[str, int, int], None]
"""Told now and then what is being done, how much of it is done, and how much there is."""


@dataclass(slots=True)
class ImportReport:
    """What an import did, or in a dry run would do: rows = created + new + changed + unchanged + rejected.

    created    boarding records, or members of a program of our own, that were not known before
    new        members who got attributes they had no value for, and lost none
    changed    members of whose attributes at least one got another value
    unchanged  members who had all of it already
    rejected   rows that were not used; each stands in `rejects` with its line and reason
    mapping    what each column becomes
    samples    up to five external ids of each of these words; of changed ones also what was there before
    notes      columns that were ignored and why, in words
    import_id  by which it can be undone; None in a dry run
    """

    path: Path
    program_id: str
    dry_run: bool
    mapping: dict[str, str]
    notes: list[str]
    import_id: int | None = None
    rows: int = 0
    created: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """The file's name, as a text."""
        return file_name(self.path)

    @property
    def rejected(self) -> int:
        """How many rows were not used."""
        return len(self.rejects)

    def count(self, word: str, external_id: str, given: Attributes, change: Change | None = None) -> None:
        """One more of `created`, `new`, `changed` or `unchanged`."""
        setattr(self, word, getattr(self, word) + 1)
        kept = self.samples.setdefault(word, [])
        if len(kept) < SAMPLES:
            kept.append({"external_id": external_id} | _sample(word, given, change))

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
            "import": self.import_id,
            "mapping": self.mapping,
            **self.counts(),
            "samples": self.samples | ({"rejected": rejected} if rejected else {}),
            "notes": self.notes,
        }

    def write_rejects(self, path: Path) -> None:
        """Write the rows that were not used, as CSV: line, id, reason."""
        write_rejects(self.path, self.rejects, path)


class Reading(NamedTuple):
    """How a file is read.

    flight      its rows are boarding records
    own         the program is one of our own: unknown ids become members
    remembered  how columns of earlier files were read
    """

    columns: Columns
    flight: bool
    own: bool
    remembered: dict[str, str]


def read_columns(
    database: Database,
    program_id: str,
    table: Table,
    *,
    chosen: Mapping[str, str],
    forget_mapping: bool = False,
) -> Reading:
    """What an import of this table would make of its columns. Raises UsageError as `map_columns` does."""
    with database.read() as connection:
        kind, message_field, is_own = _program(connection, program_id)
        remembered = {} if forget_mapping else imports.remembered(connection, program_id)
    columns = map_columns(
        database,
        program_id,
        table,
        flight=kind == "flight" and not is_own,
        own=is_own,
        chosen=chosen,
        remembered=remembered,
        message_field=message_field,
    )
    return Reading(columns, kind == "flight" and not is_own, is_own, remembered)


def import_members(
    database: Database,
    program_id: str,
    path: Path,
    *,
    account: str,
    home: Path,
    dry_run: bool,
    actor: str,
    chosen: Mapping[str, str] | None = None,
    forget_mapping: bool = False,
    secret: keys.Secret = keys.none_here,
    progress: Progress = lambda doing, done, total: None,
) -> ImportReport:
    """Give members what a file holds for their external ids, all of it or nothing.

    `chosen` says what columns become (jobs/intake/mapping.py); for the others it is what the program's last
    files were read as, unless `forget_mapping`, or a guess. Values stay text; of JSON, numbers and booleans
    stay what they are. An empty cell says nothing; a JSON null takes an imported attribute away. Unknown ids
    are rejected, except in a program of our own, where they become members, and for the program `flights`,
    made with its first import: there each row is a boarding record. Raises UsageError for a file that cannot
    be read or of which no row can be used.
    """
    if not dry_run:
        database.check_role("members.import")
    table = open_table(path)
    reading = read_columns(database, program_id, table, chosen=chosen or {}, forget_mapping=forget_mapping)
    columns, flight = reading.columns, reading.flight
    report = ImportReport(path, program_id, dry_run, columns.targets, [*table.notes, *columns.notes])
    with uncollected(), staging(home) as staged:
        if flight:
            rows: Iterator[Row] = map(flights.keyed, table.rows())
        else:
            rows = all_rows(database, program_id, table, columns.id_column)
        report.rows = stage(
            staged,
            rows,
            flights.ID if flight else columns.id_column,
            report.rejects,
            lambda count: progress("reading", min(count, table.length), table.length),
            _data(columns),
        )
        report.rejects.extend(staged.later_ones())
        with database.read() if dry_run else database.write() as connection:
            if not dry_run:
                lock(connection, f"imports:{program_id}")
                if flight or reading.own:
                    suppressions.hold(connection)
                if flight:
                    flights.ensure_flights_program(connection, account)
                imports.remember(connection, program_id, reading.remembered | columns.targets)
                report.import_id = imports.begin(connection, program_id, report.name, columns.targets, actor)
            _apply(connection, report, reading, staged, progress, secret)
            if not report.rows:
                raise UsageError(f"{path} has a header and no rows")
            if report.rejected == report.rows:
                raise UsageError(f"{path}: none of its rows can be used: {commonest(report.rejects)}")
            if report.import_id is not None:
                imports.finish(connection, report.import_id, report.counts())
                catalogue.refresh(connection, program_id)
                _record(connection, report, actor)
    if not dry_run:
        database.analyze(members, passes)
    return report


def _program(connection: sa.Connection, program_id: str) -> tuple[str, str | None, bool]:
    """The program's kind, the field that carries its messages, and whether it is one of our own."""
    query = sa.select(programs).where(programs.c.id == program_id)
    if (found := connection.execute(query).one_or_none()) is not None:
        return found.kind, found.message_field, found.issuer == OWN
    if program_id == flights.PROGRAM:
        return "flight", None, False
    raise UsageError(f"there is no program {program_id}: sync first")


def _data(columns: Columns) -> Callable[[Row], str]:
    """What waits of a row beside its id, as JSON."""
    cells = columns.reader()
    return lambda row: json.dumps([cells(row), row.values.get(flights.KEYS)])


def _apply(
    connection: sa.Connection,
    report: ImportReport,
    reading: Reading,
    staged: Staging,
    progress: Progress,
    secret: keys.Secret,
) -> None:
    targets = reading.columns.names
    wishes = [target for target in targets if target in imports.COLUMNS]
    kept_wishes = 0
    total = report.rows - report.rejected
    done = 0
    touched: dict[int, list[str]] = {}
    for chunk in staged.first_of_each():
        progress("comparing" if report.dry_run else "writing", done, total)
        mine = members.c.program_id == report.program_id
        named = members.c.external_id.in_(texts(connection, [row.id for row in chunk]))
        known = imports.states(connection, sa.and_(mine, named), own=reading.own)
        ids = [member.member_id for member in known.values()] if wishes else []
        wished = preferences.own_columns(connection, ids) if ids else {}
        changed: list[Change] = []
        strangers: list[flights.Record] = []
        enrolled: list[own.Stranger] = []
        # One document a chunk: a call of the parser for each row takes longer than the parsing.
        waiting = json.loads(f"[{','.join(row.data or '' for row in chunk)}]")
        for row, (cells, record) in zip(chunk, waiting, strict=True):
            given = {target: cell for target, cell in zip(targets, cells, strict=True) if cell != ""}
            if (member := known.get(row.id)) is not None:
                if theirs := wished.get(member.member_id, set()).intersection(given):
                    given = {target: cell for target, cell in given.items() if target not in theirs}
                    kept_wishes += 1
                if (change := _compare(report, row.id, member, given)) is not None:
                    changed.append(change)
            elif reading.own and (problem := own.problem(row.id)):
                report.rejects.append(Reject(row.line, row.id, problem))
            elif reading.own:
                enrolled.append(own.Stranger(row.id, given))
                report.count("created", row.id, given)
            elif reading.flight:
                strangers.append(flights.Record(row.id, record, given))
                report.count("created", row.id, given)
            else:
                report.rejects.append(Reject(row.line, row.id, "no member has this id"))
        if report.import_id is not None:
            made = flights.create(connection, report.program_id, strangers, secret)
            made += own.enrol(connection, report.program_id, enrolled, secret)
            imports.write(connection, report.import_id, changed, made)
            if reading.own:
                suppressions.link(connection, secret, [change.state.member_id for change in changed])
                touched |= {change.state.member_id: changes.names(change.before) for change in changed}
        done += len(chunk)
    changes.members_changed(connection, report.program_id, touched, at=now())
    if kept_wishes:
        report.notes.append(f"time zone or language stays where members said it themselves: {kept_wishes:,}")
    progress("counting", total, total)


def _compare(report: ImportReport, external_id: str, member: State, given: Attributes) -> Change | None:
    """Count a member's row; returns what has to be written, if anything."""
    change = imports.changed(member, given)
    if change is None:
        report.count("unchanged", external_id, {})
    else:
        word = "changed" if _had(change) else "new"
        report.count(word, external_id, given, change)
    return change


def _had(change: Change) -> Attributes:
    """The values that a change replaces."""
    replaced = {name: was for name, (was, _) in change.before.get("columns", {}).items() if was is not None}
    imported: Attributes = change.before.get("imported", {})
    return imported | replaced


def _sample(word: str, given: Attributes, change: Change | None) -> dict[str, Any]:
    if change is None:
        return {"attributes": given}
    touched = [*change.before.get("keys", ()), *change.before.get("columns", ())]
    gained = {"attributes": {name: given[name] for name in touched}}
    return gained | ({"before": _had(change)} if word == "changed" else {})


def _record(connection: sa.Connection, report: ImportReport, actor: str) -> None:
    audit.append(
        connection,
        actor=actor,
        act="members.import",
        subject=report.program_id,
        details={"import": report.import_id, "file": report.name, **report.counts()},
        at=now(),
    )


__all__ = ["ImportReport", "Reading", "import_members", "read_columns"]
