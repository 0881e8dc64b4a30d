"""Reconcile: whether anybody has our Google passes, read from Google's own list of a program's objects.

Callbacks tell the same sooner, but they are best effort, and were silent for months at others (facts of the
callbacks guide and its issue threads). `hasUsers` is all that the list says: no count and no time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobs.channels.google_api import Google
from jobs.engine.pace import Pacer
from jobs.names import host_name
from jobs.passes import google_design, template
from store import audit, pass_events, programs, templates
from store.database import Database, lock_rows
from store.errors import Refused
from store.pass_events import Event
from store.programs import Program
from store.schema import passes
from store.settings import Settings
from store.times import now

Json = dict[str, Any]
Progress = Callable[[int, int], None]

RECENT = timedelta(hours=24)
"""A pass that was saved since stays installed whatever the list says: how soon it knows is not told."""
CHANNEL = "google"


@dataclass(slots=True)
class Reconciled:
    """What a reconciliation found and changed.

    read          objects in Google's list
    installed     passes that somebody has now, and was not known to have
    uninstalled   passes that nobody has any more, as far as `hasUsers` tells
    invalidated   passes that Google does not have as active
    unknown       objects that are no passes of ours
    missing       passes of ours that Google's list does not have; they are left as they are
    """

    program: str
    read: int = 0
    installed: int = 0
    uninstalled: int = 0
    invalidated: int = 0
    unknown: int = 0
    missing: int = 0

    def as_json(self) -> Json:
        """The report as the command prints it and the audit keeps it."""
        return asdict(self)


async def reconcile(
    database: Database,
    client: Google,
    program: Program,
    *,
    progress: Progress = lambda done, total: None,
    actor: str,
) -> Reconciled:
    """Read the list page by page and take over what is certain. Each page is one transaction.

    Raises GoogleError where the list breaks off (what was read is kept; it can be run again at any time), and
    Refused for a program without Google passes of ours.
    """
    database.check_role("google.reconcile")
    total = await asyncio.to_thread(_count, database, program)
    if program.issuer != "passbell" or not total:
        raise Refused(f"program {program.name!r} has no Google passes that passbell issued")
    resource, class_id = await asyncio.to_thread(class_of, database, program, client.issuer)
    report, seen = Reconciled(program.id), set[str]()
    async for page in client.pages(resource.replace("Class", "Object"), class_id):
        found = {str(one["id"]): one for one in page if "id" in one}
        await asyncio.to_thread(_take_over, database, program, found, report)
        seen |= found.keys()
        report.read += len(found)
        progress(report.read, total)
    await asyncio.to_thread(_finish, database, program, report, seen, actor)
    return report


@asynccontextmanager
async def asking(settings: Settings, database: Database) -> AsyncIterator[Google]:
    """A client for a list or a single act; its requests count against the account's rate."""
    from jobs.account import google_line

    limits = settings.google
    pacer = Pacer(
        database,
        f"account:{settings.account}:google",
        f"{host_name()}:{os.getpid()}:asking",
        limits.rate_per_second,
        timeout=3 * limits.timeout_seconds,
    )
    try:
        client = Google(await asyncio.to_thread(google_line, settings, database), pace=pacer.slot)
        try:
            yield client
        finally:
            await client.close()
    finally:
        await pacer.close()


def class_of(database: Database, program: Program, issuer: str) -> tuple[str, str]:
    """Resource (`loyaltyClass`) and id of a program's class. Raises UsageError without a template."""
    with database.read() as connection:
        stored = templates.newest(connection, program.id)
    return f"{template.of(stored).google.type}Class", google_design.class_id(issuer, program.id)


def _count(database: Database, program: Program) -> int:
    with database.read() as connection:
        return int(connection.execute(_ours(program, sa.func.count())).scalar_one())


def _ours(program: Program, *columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).where(passes.c.program_id == program.id, passes.c.channel == CHANNEL)


def _take_over(database: Database, program: Program, found: Mapping[str, Json], report: Reconciled) -> None:
    at = now()
    with database.write() as connection:
        ours = _ours(program, passes.c.id).where(passes.c.provider_id.in_(list(found)))
        pass_ids = list(connection.scalars(ours))
        report.unknown += len(found) - len(pass_ids)
        # A callback may say something newer at this very moment: it waits until this is written, or has been.
        lock_rows(connection, passes.c.id, pass_ids)
        columns = (passes.c.id, passes.c.provider_id, passes.c.status, passes.c.installed_at)
        for row in connection.execute(_ours(program, *columns).where(passes.c.id.in_(pass_ids))).all():
            status = _status(found[row.provider_id])
            if row.status in (status, "invalidated", "gone"):  # what is void stays so
                continue
            if status == "uninstalled" and not _nobody_left(row.status, row.installed_at, at):
                continue
            setattr(report, status, getattr(report, status) + 1)
            kind = {"installed": "installed", "uninstalled": "removed", "invalidated": "updated"}[status]
            told = {"state": found[row.provider_id].get("state"), "by": "list"}
            wallet = CHANNEL if status == "installed" else None
            pass_events.turn(connection, Event(row.id, kind, at, CHANNEL, told), status, wallet=wallet)


def _nobody_left(status: str, installed_at: datetime | None, at: datetime) -> bool:
    """Whether `hasUsers: false` is news. One that nobody has saved yet stays issued."""
    return status == "installed" and (installed_at is None or installed_at <= at - RECENT)


def _status(found: Json) -> str:
    """What a pass is, by its object."""
    if str(found.get("state") or "ACTIVE").upper() not in ("ACTIVE", "STATE_UNSPECIFIED"):
        return "invalidated"
    return "installed" if found.get("hasUsers") is True else "uninstalled"


def _finish(
    database: Database, program: Program, report: Reconciled, seen: Sequence[str] | set[str], actor: str
) -> None:
    with database.write() as connection:
        report.missing = sum(
            one not in seen for one in connection.scalars(_ours(program, passes.c.provider_id))
        )
        audit.append(
            connection, actor=actor, act="google.reconcile", subject=program.id, details=report.as_json()
        )


def find(connection: sa.Connection, name: str, account: str) -> Program:
    """A program of our own. Raises UsageError where there is none, Refused for PassKit's."""
    found = programs.get(connection, name, account)
    if found.issuer != "passbell":
        raise Refused(
            f"the passes of program {found.name!r} are PassKit's: passbell cannot ask Google for them"
        )
    return found
