"""The way back from an import: each member as it was, as far as nobody else has written there since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jobs.intake.staging import uncollected
from jobs.passes import changes
from store import audit, catalogue, imports, keys, suppressions
from store.database import Database, among, lock, lock_rows
from store.errors import Refused
from store.programs import OWN
from store.schema import consents, deliveries, issued, members, passes, preferences, programs
from store.times import now

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back: members who are as they were, and those who are not there any more."""

    done: imports.Import
    restored: int
    removed: int

    def as_json(self) -> dict[str, Any]:
        """The report as the commands print it."""
        return {
            "import": self.done.id,
            "program": self.done.program_id,
            "file": self.done.file,
            "restored": self.restored,
            "removed": self.removed,
        }


def check(connection: sa.Connection, import_id: int, account: str) -> imports.Import:
    """The import that is to be undone. Raises as `undo` does, but for boarding records, known only then."""
    done = imports.get(connection, import_id, account)
    if done.undone_at is not None:
        raise Refused(f"import {import_id} of {done.file} was undone on {done.undone_at:%Y-%m-%d %H:%M}")
    if (later := imports.later(connection, import_id)) is not None:
        raise Refused(
            f"import {later} changed some of the same members after import {import_id}: undo {later} first"
        )
    return done


def undo(
    database: Database,
    import_id: int,
    *,
    account: str,
    actor: str,
    secret: keys.Secret = keys.none_here,
    progress: Progress = lambda doing, done, total: None,
) -> Undone:
    """Take a whole import back, all of it or nothing.

    What a sync found on a pass since then stays, and so does a time zone or a locale that somebody changed.
    Passes of our own change back with their members. Raises UsageError where there is no such import. Raises
    Refused where it was undone before, where a later import changed some of the same members (that one has to
    be undone first), and where a member or boarding record that it made was messaged, has told its wishes, or
    was issued a pass: phones go on asking for that one.
    """
    with uncollected(), database.write() as connection:
        done = imports.get(connection, import_id, account)
        lock(connection, f"imports:{done.program_id}")
        done = check(connection, import_id, account)
        total = sum(done.counts.get(word, 0) for word in ("created", "new", "changed"))
        issuer = sa.select(programs.c.issuer).where(programs.c.id == done.program_id)
        own = connection.scalar(issuer) == OWN
        touched: dict[int, list[str]] = {}
        restored = removed = 0
        for befores in imports.changes(connection, import_id):
            progress("undoing", restored + removed, total)
            lock_rows(connection, members.c.id, list(befores))
            made = [key for key, before in befores.items() if before is None]
            _remove(connection, import_id, made, own)
            changed = [key for key, before in befores.items() if before is not None]
            states = imports.states(connection, among(connection, members.c.id, changed), own=own).values()
            former = [imports.reverted(state, befores[state.member_id] or {}) for state in states]
            imports.write_back(connection, former)
            if own:
                suppressions.link(connection, secret, changed)
                touched |= {key: changes.names(befores[key] or {}) for key in changed}
            restored, removed = restored + len(former), removed + len(made)
        changes.members_changed(connection, done.program_id, touched, at=now())
        imports.mark_undone(connection, import_id)
        catalogue.refresh(connection, done.program_id)
        report = Undone(done, restored, removed)
        audit.append(
            connection,
            actor=actor,
            act="members.undo",
            subject=done.program_id,
            details=report.as_json(),
        )
    return report


def _remove(connection: sa.Connection, import_id: int, made: Sequence[int], own: bool) -> None:
    """Take members and records out, unless something refers to them that must not be lost with them."""
    if not made:
        return
    mine = among(connection, members.c.id, made)
    messaged = sa.exists().where(passes.c.member_id == members.c.id, deliveries.c.pass_id == passes.c.id)
    wished = sa.or_(
        sa.exists().where(consents.c.member_id == members.c.id),
        sa.exists().where(preferences.c.member_id == members.c.id),
    )
    held = sa.exists().where(passes.c.member_id == members.c.id, issued.c.pass_id == passes.c.id)
    for what, kept in (
        ("stand in a blast", messaged),
        ("have told their wishes", wished),
        ("were issued passes", held),
    ):
        query = sa.select(members.c.external_id).where(mine, kept).order_by(members.c.id).limit(1)
        if (example := connection.execute(query).scalar()) is not None:
            raise Refused(
                f"import {import_id} cannot be undone: "
                f"{'members' if own else 'boarding records'} that it made {what}, such as {example}"
            )
    connection.execute(members.delete().where(mine))
