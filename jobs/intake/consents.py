"""Consents out of a file: one row for each thing that a member said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs.intake import cells
from jobs.intake.files import Progress, all_rows, id_text, look_up, pick_id_column
from jobs.intake.rows import Row, open_table
from jobs.intake.staging import CHUNK, Reject, Staged, commonest, staging, write_rejects
from jobs.names import file_name
from store import audit, consents, opt_outs
from store.consents import PURPOSES, Consent, Said
from store.database import Database, among, lock_rows
from store.errors import UsageError
from store.schema import members
from store.times import now, rfc3339

COLUMNS = {
    "purpose": ("purpose",),
    "given": ("given", "consent", "consented", "optin"),
    "source": ("source",),
    "wording": ("wording", "wordingversion", "version"),
    "at": ("at", "date", "timestamp", "when"),
    "ip": ("ip", "ipaddress"),
}
"""What a file may say of each consent, with the names of its columns in letters only."""

REPORT_EVERY = 5_000
SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for rows that do not say otherwise; None: each row has to."""

    purpose: str | None = None
    given: bool | None = None
    source: str | None = None
    wording: str | None = None
    at: datetime | None = None


@dataclass(slots=True)
class ConsentReport:
    """What became of a file: rows = given + withdrawn + unchanged + outdated + rejected.

    outdated   consents that were not recorded, because the member withdrew later
    rejected   rows that cannot be used; they and the outdated ones stand in `rejects`
    opted_out  of those who gave marketing: whom PassKit still has as opted out, so that nothing is sent
    """

    path: Path
    program_id: str
    rows: int = 0
    given: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    outdated: int = 0
    rejected: int = 0
    opted_out: int = 0
    notes: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list, repr=False)

    def counts(self) -> dict[str, int]:
        """The figures by name."""
        words = ("rows", "given", "withdrawn", "unchanged", "outdated", "rejected", "opted_out")
        return {word: getattr(self, word) for word in words}

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it."""
        return {
            "file": str(self.path),
            "program": self.program_id,
            **self.counts(),
            "samples": [reject._asdict() for reject in sorted(self.rejects)[:SAMPLES]],
            "notes": self.notes,
        }

    def write_rejects(self, path: Path) -> None:
        """Write the rows that were not recorded, as CSV: line, id, reason."""
        write_rejects(self.path, self.rejects, path)


def import_consents(
    database: Database,
    program_id: str,
    path: Path,
    *,
    home: Path,
    defaults: Defaults,
    actor: str,
    progress: Progress | None = None,
) -> ConsentReport:
    """Record what a file says that members gave or withdrew, all of it or nothing, in the order it was said.

    A consent older than a withdrawal is not recorded. Raises UsageError for a file that cannot be read, or
    of which no row can be used.
    """
    database.check_role("consents.import")
    table = open_table(path)
    column = pick_id_column(database, program_id, table)
    names = cells.by_name([name for name in table.columns if name != column], COLUMNS)
    for name in ("purpose", "given", "source"):
        if name not in names and getattr(defaults, name) is None:
            raise UsageError(f"{path} has no column {name}: add one, or say it for all rows with an option")
    report = ConsentReport(path, program_id, notes=list(table.notes))
    started_at = now()
    with staging(home) as staged:
        rows = all_rows(database, program_id, table, column)
        staged.add(_readable(rows, column, names, defaults, started_at, report, progress))
        if not report.rows:
            raise UsageError(f"{path} has a header and no rows")
        with database.write() as connection:
            cursor = staged.database.conn.execute("SELECT line, id, data FROM rows ORDER BY id")
            while chunk := cursor.fetchmany(CHUNK):
                _apply(connection, report, [(line, json.loads(data)) for line, _, data in chunk], actor)
            if len(report.rejects) == report.rows:
                raise UsageError(f"{path}: none of its rows can be used: {commonest(report.rejects)}")
            details = {"file": file_name(path), **report.counts()}
            audit.append(connection, actor=actor, act="consents.import", subject=program_id, details=details)
    return report


def _readable(
    rows: Iterable[Row],
    column: str,
    names: Mapping[str, str],
    defaults: Defaults,
    started_at: datetime,
    report: ConsentReport,
    progress: Progress | None,
) -> Iterator[Staged]:
    """The rows that can be used, each under a text that sorts by the moment it was said, and then by line."""
    for row in rows:
        report.rows += 1
        if progress is not None and report.rows % REPORT_EVERY == 0:
            progress(report.rows)
        name, problem = id_text(row.values.get(column))
        told = {field: cells.text(row.values.get(names[field])) for field in names}
        try:
            if row.problem or problem:
                raise ValueError(row.problem or problem)
            said = _said(told, defaults, started_at)
        except (ValueError, UsageError) as error:
            report.rejected += 1
            report.rejects.append(Reject(row.line, name, str(error)))
            continue
        at = rfc3339(said.at)
        data = {"id": name, "at": at, "own_time": bool(told.get("at") or defaults.at)}
        data |= {word: getattr(said, word) for word in ("purpose", "given", "source", "wording", "ip")}
        yield Staged(row.line, f"{at} {row.line:012}", json.dumps(data))


def _said(told: Mapping[str, str], defaults: Defaults, started_at: datetime) -> Said:
    purpose = told.get("purpose", "").lower() or defaults.purpose
    given = cells.yes_or_no(told["given"]) if told.get("given") else defaults.given
    source = told.get("source") or defaults.source
    if purpose is None or given is None or source is None:
        missing = "purpose" if purpose is None else "given" if given is None else "source"
        raise ValueError(f"no {missing}")
    at = cells.moment(told["at"]) if told.get("at") else defaults.at or started_at
    return consents.checked(
        Said(purpose, given, source, at, told.get("wording") or defaults.wording, told.get("ip") or None)
    )


def _apply(
    connection: sa.Connection, report: ConsentReport, rows: list[tuple[int, dict[str, Any]]], actor: str
) -> None:
    known = look_up(connection, report.program_id, {row["id"] for _, row in rows})
    ids = list(known.values())
    lock_rows(connection, members.c.id, ids)
    newest: dict[str, dict[int, Consent | Said]] = {
        purpose: dict(consents.latest_of(connection, ids, purpose)) for purpose in PURPOSES
    }
    recorded = []
    turned: dict[int, bool] = {}
    for line, row in rows:
        member_id = known.get(row["id"])
        if member_id is None:
            report.rejected += 1
            report.rejects.append(Reject(line, row["id"], "no member has this id"))
            continue
        said = Said(
            row["purpose"],
            row["given"],
            row["source"],
            datetime.fromisoformat(row["at"]),
            row["wording"],
            row["ip"],
        )
        last = newest[said.purpose].get(member_id)
        if _unchanged(said, last, own_time=row["own_time"]):
            report.unchanged += 1
            continue
        if last is not None and said.given and not last.given and last.at >= said.at:
            report.outdated += 1
            report.rejects.append(Reject(line, row["id"], f"withdrawn since, at {rfc3339(last.at)}"))
            continue
        recorded.append((member_id, said))
        newest[said.purpose][member_id] = said
        report.given, report.withdrawn = report.given + said.given, report.withdrawn + (not said.given)
        if said.purpose == "marketing":
            turned[member_id] = said.given
    consents.record_all(connection, recorded, actor=actor)
    gave = [member_id for member_id, given in turned.items() if given]
    opt_outs.drop(connection, gave)
    opt_outs.note(connection, [member_id for member_id, given in turned.items() if not given], at=now())
    report.opted_out += _opted_out(connection, gave)


def _unchanged(said: Said, last: Consent | Said | None, *, own_time: bool) -> bool:
    """Whether this very thing is what holds already, as where a file is imported once more."""
    if last is None or (own_time and last.at != said.at):
        return False
    return (last.given, last.source, last.wording) == (said.given, said.source, said.wording)


def _opted_out(connection: sa.Connection, member_ids: list[int]) -> int:
    query = sa.select(sa.func.count()).select_from(members)
    query = query.where(among(connection, members.c.id, member_ids), members.c.opted_out)
    return connection.scalar(query) or 0
