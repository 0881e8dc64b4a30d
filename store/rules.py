"""What a program allows: its own rules over those of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from store import zones
from store.database import upsert
from store.errors import UsageError
from store.schema import program_rules, programs, tiers
from store.sections import GateSettings, read_quiet_hours
from store.times import now

NO_QUIET_HOURS = ("00:00", "00:00")
"""Equal times: a program's or a member's way to do without quiet hours that others have."""

OWN = tuple(column.name for column in program_rules.c if column.name not in ("program_id", "updated_at"))
"""What a program may have a rule of its own for."""

_DELETED = "PROJECT_DELETED"
_PLAIN = (
    "consent",
    "most_a_day",
    "most_a_week",
    "pass_interval_minutes",
    "pass_most_a_day",
    "pass_most_a_month",
)
"""Rules that are spelled alike in the settings and in the store."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gate goes by in one program.

    active       False for a program that the provider has deleted
    consent      unless_withdrawn | given: what marketing needs
    service_may_skip  checks that service messages pass over
    quiet        from and to as HH:MM, by the member's wall clock; None: no quiet hours
    time_zone    of members who name none that is known; None: not known
    most_a_...   messages to one member in any 24 hours or 7 days; 0: no limit
    pass_...     minutes between two messages to one pass, and messages to it in any 24 hours or 30 days
    designs      tier to what its design says of the message field
    """

    active: bool
    consent: str
    service_may_skip: tuple[str, ...]
    quiet: tuple[str, str] | None
    time_zone: str | None
    most_a_day: int
    most_a_week: int
    pass_interval_minutes: float
    pass_most_a_day: int
    pass_most_a_month: int
    designs: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """The rules as a plan keeps them and the commands print them."""
        return {
            "active": self.active,
            "consent": self.consent,
            "service_may_skip": list(self.service_may_skip),
            "quiet_hours": "-".join(self.quiet) if self.quiet else None,
            "time_zone": self.time_zone,
            "most_a_day": self.most_a_day,
            "most_a_week": self.most_a_week,
            "pass_interval_minutes": self.pass_interval_minutes,
            "pass_most_a_day": self.pass_most_a_day,
            "pass_most_a_month": self.pass_most_a_month,
            "designs": dict(sorted(self.designs.items())),
        }


def effective(connection: sa.Connection, gate: GateSettings, program_id: str) -> Rules:
    """The rules that hold in a program now."""
    program = connection.execute(
        sa.select(programs.c.status, programs.c.time_zone).where(programs.c.id == program_id)
    ).one()
    mine = own(connection, program_id)
    told = {name: getattr(gate, name) if mine[name] is None else mine[name] for name in _PLAIN}
    quiet = read_quiet_hours(gate.quiet_hours)
    if mine["quiet_from"] is not None:
        quiet = mine["quiet_from"], mine["quiet_to"]
    zone = zones.first_known(program.time_zone, gate.time_zone)
    designs = connection.execute(
        sa.select(tiers.c.id, tiers.c.message_field_state).where(tiers.c.program_id == program_id)
    )
    return Rules(
        active=_DELETED not in program.status,
        service_may_skip=service_skips(gate),
        quiet=quiet if quiet and quiet[0] != quiet[1] else None,
        time_zone=zone.key if zone is not None else None,
        designs={row.id: row.message_field_state for row in designs},
        **told,
    )


def service_skips(gate: GateSettings) -> tuple[str, ...]:
    """The checks that service messages pass over."""
    return tuple(sorted(filter(None, (word.strip() for word in gate.service_may_skip.split(",")))))


def own(connection: sa.Connection, program_id: str) -> dict[str, Any]:
    """A program's own rules, each None where the settings' holds."""
    query = sa.select(program_rules).where(program_rules.c.program_id == program_id)
    row = connection.execute(query).mappings().first()
    return {name: row[name] if row is not None else None for name in OWN}


def change(connection: sa.Connection, program_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give a program rules of its own; None takes one back. Returns all of them.

    `changes` names some of OWN. Raises UsageError for a value that cannot be.
    """
    rules = own(connection, program_id) | dict(changes)
    _check(rules)
    statement = upsert(connection, program_rules).values(program_id=program_id, updated_at=now(), **rules)
    told = {name: statement.excluded[name] for name in (*OWN, "updated_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["program_id"], set_=told))
    return rules


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two `Rules.as_json`, each in words: `quiet_hours: none -> 21:00-08:00`."""
    names = [name for name in now if name in then and then[name] != now[name]]
    return [f"{name}: {_spelled(then[name])} -> {_spelled(now[name])}" for name in names]


def _spelled(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _check(rules: Mapping[str, Any]) -> None:
    if rules["consent"] not in (None, "unless_withdrawn", "given"):
        raise UsageError("consent is `unless_withdrawn` or `given`")
    if (rules["quiet_from"] is None) != (rules["quiet_to"] is None):
        raise UsageError("quiet hours have a beginning and an end, such as 21:00-08:00")
    for name in OWN:
        if name.startswith(("most_", "pass_")) and rules[name] is not None:
            largest = GateSettings.model_fields[name].metadata[-1].le
            if not 0 <= rules[name] <= largest:
                raise UsageError(f"{name} lies between 0 and {largest:g}, not at {rules[name]:g}")
