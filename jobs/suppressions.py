"""The verbs of the suppression list: add, remove, export, each with its audit entry. No value is kept."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs.names import file_name
from store import audit, keys, suppressions
from store.database import Database
from store.errors import PassbellError, Refused, UsageError
from store.settings import Settings
from store.suppressions import Entry, Hasher, Progress, Suppression
from store.times import now, rfc3339

COLUMNS = ("program", "kind", "hash", "reason", "expires_at", "key")
"""Of an exported list. `key` tells with which secret the hashes were made, and nothing else of it."""

SHOWN_HASH = 12
"""Digits of a hash that tell it from others in the audit."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an addition: the entry, whether it is new, and how many known members it means."""

    suppression: Suppression
    new: bool

    def as_json(self) -> dict[str, Any]:
        """The outcome as the commands print it."""
        return self.suppression.as_json() | {"new": self.new}


def add(
    database: Database,
    settings: Settings,
    kind: str,
    value: str,
    *,
    scope: str = "",
    reason: str,
    expires_at: datetime | None = None,
    actor: str,
    progress: Progress | None = None,
) -> Added:
    """Suppress whoever has this external id, e-mail or phone, in one program or (scope empty) in all.

    Who is on the list already keeps the later of both expiries. Raises UsageError for a wrong value,
    PassbellError where the consent secret is another one than the list's.
    """
    database.check_role("suppression.add")
    entry = Entry(
        scope,
        kind,
        Hasher(settings.consent_secret)(kind, suppressions.check_value(kind, value)),
        suppressions.check_reason(reason),
        check_expiry(expires_at),
    )
    with database.write() as connection:
        count, _ = suppressions.add(
            connection, settings.consent_secret, [entry], at=now(), actor=actor, progress=progress
        )
        added = suppressions.find(connection, scope, kind, entry.hash)
        assert added is not None
        _note(connection, "suppression.add", added, actor)
    return Added(added, bool(count))


def remove(database: Database, suppression_id: int, *, actor: str) -> Suppression:
    """Take an entry off the list; its members are free at once. Raises UsageError where there is none."""
    database.check_role("suppression.remove")
    with database.write() as connection:
        gone = suppressions.remove(connection, [suppression_id])
        if not gone:
            raise UsageError(f"there is no suppression {suppression_id}: see `passbell suppressions list`")
        _note(connection, "suppression.remove", gone[0], actor)
    return gone[0]


def remove_value(
    database: Database, settings: Settings, kind: str, value: str, *, scope: str = "", actor: str
) -> Suppression:
    """The same by the value that was suppressed, in exactly this scope."""
    database.check_role("suppression.remove")
    plain = suppressions.check_value(kind, value)
    with database.write() as connection:
        keys.check(connection, settings.consent_secret)
        found = suppressions.find(connection, scope, kind, Hasher(settings.consent_secret)(kind, plain))
        if found is None:
            where = "in this program" if scope else "for all programs"
            raise UsageError(f"nobody is suppressed {where} by this {kind}")
        suppressions.remove(connection, [found.id])
        _note(connection, "suppression.remove", found, actor)
    return found


def export(database: Database, settings: Settings, path: Path, *, actor: str) -> int:
    """Write the list as CSV into a new file (0600), hashes only; returns how many entries it has.

    Another store takes it up if it has the same consent secret. Raises Refused where the file exists.
    """
    database.check_role("suppression.export")
    with database.read() as connection:
        keys.check(connection, settings.consent_secret)
        rows = list(_rows(connection, keys.fingerprint(settings.consent_secret)))
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    except FileExistsError:
        raise Refused(f"{path} exists: an export overwrites nothing") from None
    except OSError as error:
        raise PassbellError(f"cannot write {path}: {error.strerror}") from None
    with database.write() as connection:
        details = {"file": file_name(path), "entries": len(rows)}
        audit.append(connection, actor=actor, act="suppression.export", subject="all", details=details)
    return len(rows)


def check_expiry(expires_at: datetime | None) -> datetime | None:
    """The moment itself. Raises UsageError for one that has passed: it would suppress nobody."""
    if expires_at is not None and expires_at <= now():
        raise UsageError(f"{rfc3339(expires_at)} has passed: an expiry lies ahead")
    return expires_at


def _rows(connection: sa.Connection, key: str) -> Iterator[Sequence[object]]:
    last = 0
    while page := suppressions.page(connection, after_id=last):
        for one in page:
            yield one.scope, one.kind, one.hash, one.reason, rfc3339(one.expires_at) or "", key
        last = page[-1].id


def _note(connection: sa.Connection, act: str, one: Suppression, actor: str) -> None:
    details = {
        "kind": one.kind,
        "hash": one.hash[:SHOWN_HASH],
        "reason": one.reason,
        "expires_at": rfc3339(one.expires_at),
        "members": one.members,
    }
    audit.append(connection, actor=actor, act=act, subject=one.scope or "all", details=details)
