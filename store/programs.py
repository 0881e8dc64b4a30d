"""Programs and their tiers, as the provider last told them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import views
from store.database import upsert
from store.errors import UsageError
from store.schema import members, passes, programs, tiers
from store.times import rfc3339
from store.views import Fact, View

OWN = "passbell"
"""The issuer of programs whose passes we make ourselves."""

INACTIVE = ("EXPIRED", "DELETED")
"""Member statuses that nobody writes to any more."""

STATES = ("ok", "unknown", "no_placeholder", "no_change_message", "no_field")
"""What a design says about the message field, from able to alert to unable."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A part of a program with a design of its own: a tier, an offer or a ticket type."""

    id: str
    name: str
    template_id: str | None
    message_field_state: str

    def as_json(self) -> dict[str, Any]:
        """The tier as the commands print it."""
        return {
            "id": self.id,
            "name": self.name,
            "template_id": self.template_id,
            "message_field_state": self.message_field_state,
        }


@dataclass(frozen=True, slots=True)
class Program:
    """A scheme whose passes share a design.

    account  live | rehearsal: whose credentials can send to it
    kind     membership | coupon | ticket | flight
    status   the provider's words, such as PROJECT_PUBLISHED
    message_field  the template's field whose texts were read at the last sync
    synced_at      end of the last whole sync; None: never
    issuer   passkit | passbell: who makes its passes
    """

    id: str
    account: str
    kind: str
    name: str
    status: tuple[str, ...] = ()
    time_zone: str | None = None
    message_field: str | None = None
    synced_at: datetime | None = None
    issuer: str = "passkit"

    @property
    def own(self) -> bool:
        """Whether we issue its passes ourselves."""
        return self.issuer == OWN

    def as_json(self) -> dict[str, Any]:
        """The program as the commands print it."""
        return {
            "id": self.id,
            "account": self.account,
            "kind": self.kind,
            "name": self.name,
            "status": list(self.status),
            "time_zone": self.time_zone,
            "message_field": self.message_field,
            "synced_at": rfc3339(self.synced_at),
            "issuer": self.issuer,
        }


@dataclass(frozen=True, slots=True)
class ProgramRow:
    """A program with its figures.

    members    holders who have not been deleted
    reachable  those who have not left or opted out, with a pass that is installed
    message_field_state  the worst over its tiers; `unknown` without tiers
    """

    program: Program
    members: int
    reachable: int
    message_field_state: str

    def as_json(self) -> dict[str, Any]:
        """The row as the commands print it."""
        return self.program.as_json() | {
            "members": self.members,
            "reachable": self.reachable,
            "message_field_state": self.message_field_state,
        }


FACTS: dict[str, Fact] = {
    "name": Fact("text", lambda row: row.program.name),
    "id": Fact("text", lambda row: row.program.id),
    "kind": Fact("word", lambda row: row.program.kind, ("membership", "coupon", "ticket", "flight")),
    "members": Fact("number", lambda row: row.members),
    "reachable": Fact("number", lambda row: row.reachable),
    "message_field_state": Fact("word", lambda row: row.message_field_state, STATES),
    "synced_at": Fact("moment", lambda row: row.program.synced_at),
    "issuer": Fact("word", lambda row: row.program.issuer, ("passkit", "passbell")),
}
"""The columns of a list of programs."""


def upsert_program(connection: sa.Connection, program: Program) -> None:
    """Write what the provider says of a program. `synced_at` and `message_field` are left as they are."""
    told = {
        "id": program.id,
        "account": program.account,
        "kind": program.kind,
        "name": program.name,
        "status": list(program.status),
        "time_zone": program.time_zone,
        "issuer": program.issuer,
    }
    statement = upsert(connection, programs).values(**told)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={key: statement.excluded[key] for key in told if key != "id"}
        )
    )


def replace_tiers(connection: sa.Connection, program_id: str, found: Iterable[Tier]) -> None:
    """Make these the program's tiers; others of it are forgotten."""
    connection.execute(tiers.delete().where(tiers.c.program_id == program_id))
    rows = {tier.id: {"program_id": program_id, **tier.as_json()} for tier in found}
    if rows:
        connection.execute(tiers.insert(), list(rows.values()))


def mark_synced(connection: sa.Connection, program_id: str, *, message_field: str, at: datetime) -> None:
    """Note the end of a whole sync."""
    connection.execute(
        programs.update().where(programs.c.id == program_id).values(synced_at=at, message_field=message_field)
    )


def set_message_field(connection: sa.Connection, program_id: str, message_field: str) -> None:
    """Note which field carries the messages of a program of our own: its template says so."""
    connection.execute(
        programs.update().where(programs.c.id == program_id).values(message_field=message_field)
    )


def list_programs(
    connection: sa.Connection,
    account: str,
    *,
    view: View = View(),  # noqa: B008 (it never changes)
) -> list[ProgramRow]:
    """The account's programs with their figures, by name or as the view has it."""
    found = _all(connection, account)
    ids = [program.id for program in found]
    present = _figures(connection, _present(ids))
    reachable = _figures(connection, _reachable(ids))
    states: dict[str, set[str]] = {}
    for row in connection.execute(
        sa.select(tiers.c.program_id, tiers.c.message_field_state).where(tiers.c.program_id.in_(ids))
    ):
        states.setdefault(row.program_id, set()).add(row.message_field_state)
    rows = [
        ProgramRow(
            program,
            present.get(program.id, 0),
            reachable.get(program.id, 0),
            worst(states.get(program.id, ())),
        )
        for program in found
    ]
    return views.pick(connection, FACTS, rows, view, ("name", "id"))


def names(connection: sa.Connection, account: str) -> dict[str, str]:
    """The account's programs, id to name, by name: without the figures that take a look at all members."""
    return {program.id: program.name for program in _all(connection, account)}


def issuers(connection: sa.Connection, account: str) -> set[str]:
    """Who makes the passes of the account's programs: passkit, passbell, or both; empty without programs."""
    return set(
        connection.scalars(sa.select(programs.c.issuer).where(programs.c.account == account).distinct())
    )


def list_tiers(connection: sa.Connection, program_id: str) -> list[Tier]:
    """The program's tiers, by name."""
    query = sa.select(tiers).where(tiers.c.program_id == program_id).order_by(tiers.c.name, tiers.c.id)
    rows = connection.execute(query)
    return [Tier(row.id, row.name, row.template_id, row.message_field_state) for row in rows]


def get(connection: sa.Connection, program_id: str, account: str) -> Program:
    """The account's program with this id, else with this name, else whose id or name begins so.

    Raises UsageError where there is none, with those that are near, or where several fit.
    """
    found = _all(connection, account)
    wanted = program_id.strip()
    for fits in (
        [program for program in found if program.id == wanted],
        [program for program in found if program.name == wanted],
        [program for program in found if wanted and _begins(program, wanted.casefold())],
    ):
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise UsageError(f"{program_id!r} could be any of: {_named(fits)}; give its id")
    raise UsageError(f"there is no program {program_id!r}{_near(found, wanted)}")


def worst(states: Iterable[str]) -> str:
    """The state that keeps most phones from alerting; `unknown` where there is none."""
    return max(states, key=lambda state: STATES.index(state) if state in STATES else 1, default="unknown")


def _all(connection: sa.Connection, account: str) -> list[Program]:
    query = sa.select(programs).where(programs.c.account == account).order_by(programs.c.name, programs.c.id)
    return [
        Program(**{**row._mapping, "status": tuple(row.status)})  # the column is a JSON array
        for row in connection.execute(query)
    ]


def _present(ids: Sequence[str]) -> sa.Select[str, int]:
    return (
        sa.select(members.c.program_id, sa.func.count())
        .where(members.c.program_id.in_(ids), members.c.status != "DELETED")
        .group_by(members.c.program_id)
    )


def _reachable(ids: Sequence[str]) -> sa.Select[str, int]:
    installed = sa.exists().where(passes.c.member_id == members.c.id, passes.c.status == "installed")
    return (
        sa.select(members.c.program_id, sa.func.count())
        .where(
            members.c.program_id.in_(ids),
            members.c.status.not_in(INACTIVE),
            members.c.opted_out.is_(False),
            installed,
        )
        .group_by(members.c.program_id)
    )


def _figures(connection: sa.Connection, query: sa.Select[str, int]) -> dict[str, int]:
    return dict(connection.execute(query).all())


def _begins(program: Program, wanted: str) -> bool:
    return program.id.casefold().startswith(wanted) or program.name.casefold().startswith(wanted)


def _near(found: Sequence[Program], wanted: str) -> str:
    if not found:
        return ": none has been synced yet"
    spelled = {text.casefold(): program for program in found for text in (program.id, program.name)}
    near = difflib.get_close_matches(wanted.casefold(), spelled, n=3, cutoff=0.4)
    fits = list(dict.fromkeys(spelled[text] for text in near))
    return f"; near: {_named(fits)}" if fits else f"; there are: {_named(found[:5])}"


def _named(found: Iterable[Program]) -> str:
    return ", ".join(f"{program.name!r} ({program.id})" for program in found)
