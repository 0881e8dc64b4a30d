"""The verb of preferences: keep what a member asked for, with its audit entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from store import audit, members, preferences
from store.database import Database, lock_rows
from store.errors import UsageError
from store.preferences import Change, Preferences
from store.schema import members as members_table
from store.times import now

LONGEST_SOURCE = 60


def change(
    database: Database,
    program_id: str,
    external_id: str,
    wanted: Mapping[str, Any],
    *,
    decline: Iterable[str] = (),
    accept: Iterable[str] = (),
    source: str = "console",
    actor: str,
) -> tuple[Preferences, Change | None]:
    """Keep what is wanted, by the names of `Preferences`; what is not named stays.

    `decline` and `accept` add to the declined categories and take away from them. Gives what holds now, and
    what changed (None: nothing did). Raises UsageError for a wrong value or an unknown member.
    """
    declined = {preferences.category(one) for one in decline}
    accepted = {preferences.category(one) for one in accept}
    if both := declined & accepted:
        raise UsageError(f"{min(both)!r} is both declined and accepted: say one of them")
    source = source.strip()
    if not 1 <= len(source) <= LONGEST_SOURCE or not source.isprintable():
        raise UsageError(f"source has 1 to {LONGEST_SOURCE} printable characters")
    fit = preferences.checked(wanted)
    with database.write() as connection:
        member = members.get(connection, program_id, external_id)
        lock_rows(connection, members_table.c.id, [member.id])
        if declined or accepted:
            known = set(preferences.get(connection, member.id).declined)
            fit |= preferences.checked({"declined": (known | declined) - accepted})
        changed = preferences.change(connection, member.id, fit, at=now(), actor=actor, source=source)
        if changed is not None:
            details = {"member": external_id, "before": changed.before, "after": changed.after}
            audit.append(connection, actor=actor, act="preferences.set", subject=program_id, details=details)
        return preferences.get(connection, member.id), changed
