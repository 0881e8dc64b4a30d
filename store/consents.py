"""Consents: what a member agreed to or withdrew, for which purpose, where and in which words.

Append-only: no statement here changes or deletes a record. The newest of a member and purpose holds.
A withdrawal of marketing that PassKit does not know of is noted in `opt_outs_due` (store/opt_outs.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store.database import among
from store.errors import UsageError
from store.schema import consents
from store.times import now, rfc3339

PURPOSES = ("service", "marketing")
"""What members are written to for. What cannot wait for consent is `service`; all else is `marketing`."""

PASSKIT = "passkit"
"""Source and actor of what a holder told PassKit."""

LONGEST = {"source": 60, "wording": 120}
AHEAD = timedelta(minutes=5)
"""How far another machine's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One record. `given` is false for a withdrawal; `at` is when it was said, not when it was written."""

    id: int
    member_id: int
    purpose: str
    given: bool
    source: str
    wording: str | None
    ip: str | None
    at: datetime
    actor: str

    def as_json(self) -> dict[str, Any]:
        """The record as the commands print it."""
        return {
            "purpose": self.purpose,
            "given": self.given,
            "source": self.source,
            "wording": self.wording,
            "ip": self.ip,
            "at": rfc3339(self.at),
            "actor": self.actor,
        }


@dataclass(frozen=True, slots=True)
class Said:
    """What is about to be recorded; see `checked`."""

    purpose: str
    given: bool
    source: str
    at: datetime
    wording: str | None = None
    ip: str | None = None


def checked(said: Said) -> Said:
    """The same made fit to be recorded. Raises UsageError naming what is wrong with it."""
    if said.purpose not in PURPOSES:
        raise UsageError(f"there is no purpose {said.purpose[:40]!r}: it is {' or '.join(PURPOSES)}")
    source, wording = said.source.strip(), (said.wording or "").strip() or None
    for name, text in (("source", source), ("wording", wording or "-")):
        if not 1 <= len(text) <= LONGEST[name] or not text.isprintable():
            raise UsageError(f"{name} has 1 to {LONGEST[name]} printable characters")
    ip = (said.ip or "").strip() or None
    if ip is not None:
        try:
            ip = str(ipaddress.ip_address(ip))
        except ValueError:
            raise UsageError(f"{ip[:60]!r} is no IP address") from None
    if said.at > now() + AHEAD:
        raise UsageError(f"{rfc3339(said.at)} is in the future: nobody has said anything then")
    return Said(said.purpose, said.given, source, said.at, wording, ip)


def record(connection: sa.Connection, member_id: int, said: Said, *, actor: str) -> Consent:
    """Append what a member said, as `checked` gives it."""
    (row,) = _append(connection, [(member_id, said)], actor)
    return row


def record_all(connection: sa.Connection, said: Sequence[tuple[int, Said]], *, actor: str) -> None:
    """Append what many members said, in this order."""
    if said:
        connection.execute(consents.insert(), [_row(member_id, one, actor) for member_id, one in said])


def latest(connection: sa.Connection, member_id: int) -> dict[str, Consent]:
    """The record that holds, for each purpose of which anything was ever said."""
    return {
        purpose: found
        for purpose in PURPOSES
        if (found := latest_of(connection, [member_id], purpose).get(member_id)) is not None
    }


def latest_of(connection: sa.Connection, member_ids: Sequence[int], purpose: str) -> dict[int, Consent]:
    """The record that holds for each of these members, where there is one."""
    newest = (
        sa.select(sa.func.max(consents.c.id))
        .where(among(connection, consents.c.member_id, member_ids), consents.c.purpose == purpose)
        .group_by(consents.c.member_id)
    )
    query = sa.select(consents).where(consents.c.id.in_(newest))
    return {row.member_id: Consent(**row._mapping) for row in connection.execute(query)}


def history(connection: sa.Connection, member_id: int, limit: int = 100) -> list[Consent]:
    """What was recorded of a member, the newest first."""
    query = sa.select(consents).where(consents.c.member_id == member_id).order_by(consents.c.id.desc())
    return [Consent(**row._mapping) for row in connection.execute(query.limit(limit))]


def outdated(said: Said, newest: Consent | None) -> bool:
    """Whether a later withdrawal stands against it. A withdrawal always counts, however old it is."""
    return said.given and newest is not None and not newest.given and newest.at >= said.at


def follow_passkit(
    connection: sa.Connection, opted_out: Mapping[int, bool], *, at: datetime, seen_at: datetime
) -> None:
    """Record that PassKit's opt-out flag of these members has turned, and into what.

    A member who opted out there has withdrawn marketing, unless that is what stands here already. One who
    takes that back gives it again; what was withdrawn elsewhere stays withdrawn, and so does what was
    withdrawn after `seen_at`, when PassKit was asked.
    """
    newest = latest_of(connection, list(opted_out), "marketing")
    turned = []
    for member_id, out in sorted(opted_out.items()):
        last = newest.get(member_id)
        withdrawn = last is not None and not last.given
        lifted = last is not None and withdrawn and last.source == PASSKIT and last.at < seen_at
        if (out and not withdrawn) or (not out and lifted):
            turned.append((member_id, Said("marketing", not out, PASSKIT, at)))
    record_all(connection, turned, actor=PASSKIT)


def _append(connection: sa.Connection, said: Sequence[tuple[int, Said]], actor: str) -> list[Consent]:
    rows = [_row(member_id, one, actor) for member_id, one in said]
    found = connection.execute(consents.insert().returning(*consents.c), rows)
    return [Consent(**row._mapping) for row in found]


def _row(member_id: int, said: Said, actor: str) -> dict[str, Any]:
    return {
        "member_id": member_id,
        "purpose": said.purpose,
        "given": said.given,
        "source": said.source,
        "wording": said.wording,
        "ip": said.ip,
        "at": said.at,
        "actor": actor,
    }
