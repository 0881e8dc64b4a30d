"""A suppression list out of a file: plain external ids, e-mails and phones, or the hashes of an export."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs.intake import cells
from jobs.intake.files import ID_NAMES
from jobs.intake.rows import Row, Table, open_table
from jobs.intake.staging import Reject, commonest, write_rejects
from jobs.names import file_name
from jobs.suppressions import check_expiry
from store import audit, keys, suppressions
from store.database import Database
from store.errors import UsageError
from store.schema import programs
from store.settings import Settings
from store.suppressions import KINDS, Entry, Hasher, Progress
from store.times import now

COLUMNS = {
    "external_id": ID_NAMES,
    "email": ("email", "emailaddress", "mail"),
    "phone": ("phone", "phonenumber", "mobile", "mobilenumber"),
    "kind": ("kind",),
    "hash": ("hash",),
    "key": ("key",),
    "program": ("program",),
    "reason": ("reason",),
    "expires_at": ("expiresat", "expires", "until"),
}
"""What a file may say of each entry, with the names of its columns in letters only."""

SAMPLES = 5
_HASH = re.compile("[0-9a-f]{64}")


@dataclass(slots=True)
class SuppressionReport:
    """What became of a file. A row with an e-mail and a phone is one row and two entries.

    new      entries that were not on the list
    members  how many members known now the file's entries mean
    rejected rows of which nothing was taken; each stands in `rejects`
    """

    path: Path
    rows: int = 0
    entries: int = 0
    new: int = 0
    members: int = 0
    rejects: list[Reject] = field(default_factory=list, repr=False)

    @property
    def rejected(self) -> int:
        """How many rows were not used."""
        return len(self.rejects)

    def counts(self) -> dict[str, int]:
        """The figures by name."""
        return {word: getattr(self, word) for word in ("rows", "entries", "new", "members", "rejected")}

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it; rejected rows without their values."""
        samples = [{"line": one.line, "reason": one.reason} for one in sorted(self.rejects)[:SAMPLES]]
        return {"file": str(self.path), **self.counts(), "samples": samples}

    def write_rejects(self, path: Path) -> None:
        """Write the rows that were not used, as CSV: line, id (empty), reason."""
        write_rejects(self.path, self.rejects, path)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads entries out of rows."""

    names: dict[str, str]
    scope: str
    reason: str
    expires_at: datetime | None
    hasher: Hasher
    key: str
    programs: frozenset[str]

    def entries(self, row: Row) -> list[Entry]:
        """What one row suppresses. Raises ValueError or UsageError in words."""
        if row.problem:
            raise ValueError(row.problem)
        told = {name: cells.text(row.values.get(column)) for name, column in self.names.items()}
        reason = suppressions.check_reason(told.get("reason") or self.reason)
        until = self.expires_at
        if told.get("expires_at"):
            until = check_expiry(cells.moment(told["expires_at"]))
        scope = self.scope or told.get("program", "")
        if scope and scope not in self.programs:
            raise ValueError("there is no such program here")
        found = list(self._hashes(told))
        if not found:
            raise ValueError("no external id, e-mail, phone or hash")
        return [Entry(scope, kind, hash_, reason, until) for kind, hash_ in found]

    def _hashes(self, told: dict[str, str]) -> Iterator[tuple[str, str]]:
        if told.get("hash"):
            if told.get("kind") not in KINDS or not _HASH.fullmatch(told["hash"]):
                raise ValueError(f"a hash has 64 hexadecimal digits, and a kind of {', '.join(KINDS)}")
            if told.get("key") != self.key:
                raise ValueError("the hash was made with another consent.secret and would match nobody")
            yield told["kind"], told["hash"]
        for kind in KINDS:
            if told.get(kind):
                yield kind, self.hasher(kind, suppressions.check_value(kind, told[kind]))


def import_suppressions(
    database: Database,
    settings: Settings,
    path: Path,
    *,
    kind: str | None = None,
    scope: str = "",
    reason: str = "",
    expires_at: datetime | None = None,
    actor: str,
    progress: Progress | None = None,
) -> SuppressionReport:
    """Suppress everybody whom a file names, in one transaction; rows that cannot be used are reported.

    With a `kind` the file's first column holds its values, whatever it is called. Scope, reason and expiry
    hold for rows that do not say otherwise; a scope given here holds for all. Raises UsageError for a file
    that cannot be read or of which no row can be used, PassbellError for another consent secret.
    """
    database.check_role("suppression.import")
    table = open_table(path)
    names = cells.by_name(table.columns, COLUMNS)
    if kind is not None:
        names = {kind: table.columns[0]} | {name: at for name, at in names.items() if name not in KINDS}
    if not {"hash", *KINDS} & names.keys():
        shown = ", ".join(name[:40] for name in table.columns[:6])
        raise UsageError(
            f"{path} has no column external_id, email, phone or hash but {shown}: name one so, or give --kind"
        )
    report = SuppressionReport(path)
    check_expiry(expires_at)
    with database.write() as connection:
        known = frozenset(connection.scalars(sa.select(programs.c.id)))
        secret = settings.consent_secret
        keys.check(connection, secret)
        reader = _Reader(names, scope, reason, expires_at, Hasher(secret), keys.fingerprint(secret), known)
        entries = list(_read(reader, _rows(table, kind), report))
        if not report.rows:
            raise UsageError(f"{path} has a header and no rows")
        if not entries:
            raise UsageError(f"{path}: none of its rows can be used: {commonest(report.rejects)}")
        report.entries = len(entries)
        report.new, report.members = suppressions.add(
            connection, secret, entries, at=now(), actor=actor, progress=progress
        )
        details = {"file": file_name(path), **report.counts()}
        audit.append(
            connection, actor=actor, act="suppression.import", subject=scope or "all", details=details
        )
    return report


def _rows(table: Table, kind: str | None) -> Iterator[Row]:
    """The table's rows; with a kind, its header too where that is a value and no name."""
    header = table.header
    if kind is not None and header is not None:
        first = cells.text(header.values[table.columns[0]])
        named = cells.letters(first) in COLUMNS[kind] or (kind == "email" and "@" not in first)
        if not named and (kind != "phone" or sum(map(str.isdigit, first)) > 3):
            yield header
    yield from table.rows()


def _read(reader: _Reader, rows: Iterable[Row], report: SuppressionReport) -> Iterator[Entry]:
    for row in rows:
        report.rows += 1
        try:
            yield from reader.entries(row)
        except (ValueError, UsageError) as error:
            report.rejects.append(Reject(row.line, "", str(error)))
