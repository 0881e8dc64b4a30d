"""Preferences: what a member asked for, and how that changed.

Declined categories, quiet hours and limits stand here; language and time zone are the member's own. What
is not asked for is as the program has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import zones
from store.database import among, upsert
from store.errors import UsageError
from store.schema import members, preference_changes, preferences
from store.sections import read_quiet_hours
from store.times import rfc3339

LONGEST_CATEGORY = 40
MOST_CATEGORIES = 50
MOST = 1_000
_COLUMNS = {"language": "locale", "time_zone": "time_zone"}
"""Preferences that are columns of the member."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one member asked for; None: nothing, so that the program's rules hold.

    declined     categories that the member does not want, by name
    quiet_hours  `21:00-08:00` in the member's time zone; `00:00-00:00`: none at all
    most_a_day   messages in any 24 hours; most_a_week: in any 7 days
    language     such as `de-AT`; time_zone: an IANA name
    """

    declined: tuple[str, ...] = ()
    quiet_hours: str | None = None
    most_a_day: int | None = None
    most_a_week: int | None = None
    language: str | None = None
    time_zone: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The preferences as the commands print them."""
        return asdict(self) | {"declined": list(self.declined)}


@dataclass(frozen=True, slots=True)
class Change:
    """What became of some preferences: the same names before and after."""

    at: datetime
    actor: str
    source: str
    before: dict[str, Any]
    after: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The change as the commands print it."""
        return {
            "at": rfc3339(self.at),
            "actor": self.actor,
            "source": self.source,
            "before": self.before,
            "after": self.after,
        }


def category(text: str) -> str:
    """A category's name as it is compared: without blanks around it and in small letters.

    Raises UsageError for an unusable one.
    """
    name = text.strip().lower()
    if not 1 <= len(name) <= LONGEST_CATEGORY or not name.isprintable():
        raise UsageError(f"a category has 1 to {LONGEST_CATEGORY} printable characters")
    if set(name) & set("{}"):
        raise UsageError("a category is a plain name, such as offers: {fields} belong into the text")
    return name


def language(text: str) -> str | None:
    """A language as it is kept: `de`, `de-AT`; None where it is none. `zh_Hans_CN` and PassKit's `DE` are."""
    return text.replace("_", "-") if _LANGUAGE.fullmatch(text) else None


def checked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Some preferences, by the names of `Preferences`, fit to be kept. Raises UsageError for a wrong one."""
    fit: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "declined":
            fit[name] = tuple(sorted({category(one) for one in value}))
            if len(fit[name]) > MOST_CATEGORIES:
                raise UsageError(f"a member can decline {MOST_CATEGORIES} categories at most")
        elif value is None:
            fit[name] = None
        elif name == "quiet_hours":
            fit[name] = _hours(value)
        elif name in ("most_a_day", "most_a_week"):
            if not 1 <= value <= MOST:
                raise UsageError(f"{name.replace('_', ' ')} is 1 to {MOST}, or default")
            fit[name] = value
        elif name == "language":
            fit[name] = language(value)
            if fit[name] is None:
                raise UsageError(f"{value[:40]!r} is no language: write it as de or de-AT")
        elif not zones.known(value):
            raise UsageError(f"{value[:60]!r} is no time zone, such as Europe/Vienna")
        else:
            fit[name] = value
    return fit


def get(connection: sa.Connection, member_id: int) -> Preferences:
    """What a member asked for."""
    own = connection.execute(
        sa.select(members.c.locale, members.c.time_zone).where(members.c.id == member_id)
    ).one()
    row = connection.execute(sa.select(preferences).where(preferences.c.member_id == member_id)).first()
    if row is None:
        return Preferences(language=own.locale, time_zone=own.time_zone)
    return Preferences(
        tuple(row.declined),
        None if row.quiet_from is None else f"{row.quiet_from}-{row.quiet_to}",
        row.most_a_day,
        row.most_a_week,
        own.locale,
        own.time_zone,
    )


def change(
    connection: sa.Connection,
    member_id: int,
    wanted: Mapping[str, Any],
    *,
    at: datetime,
    actor: str,
    source: str,
) -> Change | None:
    """Keep what is wanted, as `checked` gives it, and leave the rest; None where it was so already."""
    before = get(connection, member_id).as_json()
    after = before | {name: list(value) if name == "declined" else value for name, value in wanted.items()}
    differing = [name for name in after if after[name] != before[name]]
    if not differing:
        return None
    _write(connection, member_id, after, differing, at)
    changed = Change(
        at,
        actor,
        source,
        {name: before[name] for name in differing},
        {name: after[name] for name in differing},
    )
    connection.execute(
        preference_changes.insert().values(
            member_id=member_id,
            at=at,
            actor=actor,
            source=source,
            before=changed.before,
            after=changed.after,
        )
    )
    return changed


def history(connection: sa.Connection, member_id: int, limit: int = 100) -> list[Change]:
    """What a member's preferences have been, the newest change first."""
    query = sa.select(preference_changes).where(preference_changes.c.member_id == member_id)
    query = query.order_by(preference_changes.c.id.desc()).limit(limit)
    return [Change(row.at, row.actor, row.source, row.before, row.after) for row in connection.execute(query)]


def own_columns(connection: sa.Connection, member_ids: Sequence[int]) -> dict[int, set[str]]:
    """Those of these members who said their time zone or language themselves, with the columns of that."""
    changes = preference_changes
    query = sa.select(changes.c.member_id, changes.c.after).order_by(changes.c.id)
    found: dict[int, set[str]] = {}
    for member_id, after in connection.execute(
        query.where(among(connection, changes.c.member_id, member_ids))
    ):
        for name, column in _COLUMNS.items():
            if name in after:
                mine = found.setdefault(member_id, set())
                mine.discard(column) if after[name] is None else mine.add(column)
    return found


def _write(
    connection: sa.Connection, member_id: int, after: Mapping[str, Any], names: Iterable[str], at: datetime
) -> None:
    own = {_COLUMNS[name]: after[name] for name in names if name in _COLUMNS}
    if own:
        connection.execute(members.update().where(members.c.id == member_id).values(**own))
    quiet_from, _, quiet_to = (after["quiet_hours"] or "").partition("-")
    row = {
        "declined": after["declined"],
        "quiet_from": quiet_from or None,
        "quiet_to": quiet_to or None,
        "most_a_day": after["most_a_day"],
        "most_a_week": after["most_a_week"],
        "updated_at": at,
    }
    statement = upsert(connection, preferences).values(member_id=member_id, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=["member_id"], set_=row))


def _hours(text: str) -> str:
    try:
        hours = read_quiet_hours(text)
    except ValueError as error:
        raise UsageError(f"quiet hours {text[:40]!r}: {error}") from None
    if hours is None:
        raise UsageError("quiet hours are empty: write 21:00-08:00, none or default")
    return "-".join(hours)
