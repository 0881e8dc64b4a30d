"""Holders as a provider tells of them, written as members and their passes, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from store import consents, keys, suppressions
from store.database import upsert
from store.members import CHANNEL
from store.schema import members, passes
from store.times import Moment

PASS_WORDS = {
    "PASS_ISSUED": "issued",
    "PASS_INSTALLED": "installed",
    "PASS_UNINSTALLED": "uninstalled",
    "PASS_INVALIDATED": "invalidated",
}
"""PassKit's words for a pass's state, and ours; any other is `unknown`."""

TOLD = (
    "name", "email", "phone", "tier_id", "points", "secondary_points", "tier_points", "birthday",
    "status", "opted_out", "expires_at", "created_at", "updated_at",
)  # fmt: skip
"""What the provider says of a holder, under the same names as our columns."""

LONGEST = {"provider_id": 200, "external_id": 200, "name": 160, "email": 254, "phone": 40, "tier_id": 200}
"""Characters kept of each; together they fit one index entry on every database."""

IDS = ("provider_id", "external_id")
LARGEST = 2**63 - 1
_unstorable = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Unseen:
    """A pass that the provider's list did not show, to be asked for by its id."""

    pass_id: int
    provider_id: str
    external_id: str


def storable(holder: Mapping[str, object]) -> dict[str, Any]:
    """A provider's record made fit for any database; raises ValueError where an id or a number is not.

    Over-long names are cut, empty texts become None, and characters that Postgres cannot keep (NUL,
    half surrogates) become U+FFFD. Ids are never changed: they have to find the pass again.
    """
    fit: dict[str, Any] = dict(holder)
    for name in IDS:
        if not fit[name] or len(fit[name]) > LONGEST[name] or _unstorable.search(fit[name]):
            raise ValueError(f"record {str(holder['provider_id'])[:60]!r}: {name} cannot be kept")
    if abs(fit["tier_points"] or 0) > LARGEST:
        raise ValueError(f"record {fit['provider_id']!r}: tier_points cannot be kept")
    for name in ("name", "email", "phone", "tier_id"):
        fit[name] = _unstorable.sub("\ufffd", fit[name] or "")[: LONGEST[name]] or None
    fit["name"] = fit["name"] or ""
    fit["meta"] = {
        _unstorable.sub("\ufffd", key): _unstorable.sub("\ufffd", value) for key, value in fit["meta"].items()
    }
    return fit


def upsert_page(
    connection: sa.Connection,
    program_id: str,
    holders: Sequence[Mapping[str, Any]],
    *,
    message_key: str,
    seen_at: datetime,
    secret: keys.Secret = keys.none_here,
) -> None:
    """Write one page of the provider's records, each as `storable` gives it: members, and a pass for each.

    `seen_at` is the moment before the page was asked for: a text that we put onto a pass since then
    is newer than the page and stays. Attributes from files stay too, under the pass's own free data.
    A holder whose external id changed keeps its member; a record that stands in the page twice is
    written once, as it stood last.

    Who has opted out since, or taken that back, has a consent record for it. Who is suppressed is found
    with the consent secret; where there is none, or another, nothing is written.
    """
    if not holders:
        return
    suppressions.hold(connection)
    _follow_renames(connection, program_id, holders)
    by_external_id = {holder["external_id"]: holder for holder in holders}
    before = _opted_out(connection, program_id, list(by_external_id))
    rows = [
        {name: holder.get(name) for name in TOLD}
        | {
            "program_id": program_id,
            "external_id": external_id,
            "birthday": _day(holder.get("birthday")),
            "imported": {},
            "attributes": _without(holder["meta"], message_key),
            "synced_at": seen_at,
        }
        for external_id, holder in sorted(by_external_id.items())
    ]
    statement = upsert(connection, members)
    told = {name: statement.excluded[name] for name in (*TOLD, "attributes", "synced_at")}
    statement = statement.on_conflict_do_update(index_elements=["program_id", "external_id"], set_=told)
    kept = connection.execute(
        statement.returning(members.c.id, members.c.external_id, members.c.imported, members.c.attributes),
        rows,
    ).all()
    _underlay(connection, [(row.id, row.imported, row.attributes) for row in kept if row.imported])
    ids = {row.external_id: row.id for row in kept}
    turned = {
        id_: by_external_id[external_id]["opted_out"]
        for external_id, id_ in ids.items()
        if before.get(external_id) is (not by_external_id[external_id]["opted_out"])
    }
    if turned:
        consents.follow_passkit(connection, turned, at=seen_at, seen_at=seen_at)
    suppressions.link(connection, secret, list(ids.values()))
    _upsert_passes(connection, program_id, ids, holders, message_key, seen_at)


def unseen(
    connection: sa.Connection, program_id: str, since: datetime, after_id: int = 0, limit: int = 500
) -> list[Unseen]:
    """Passes, by id from `after_id` on, that a sync begun at `since` has not met.

    A member who was enrolled anew has two passes: both are given, so that the old one is found gone.
    """
    other = passes.alias()
    twin = sa.exists().where(
        other.c.member_id == passes.c.member_id,
        other.c.id != passes.c.id,
        other.c.channel == CHANNEL,
        other.c.status != "gone",
    )
    query = (
        sa.select(passes.c.id, passes.c.provider_id, members.c.external_id)
        .join(members, members.c.id == passes.c.member_id)
        .where(
            passes.c.program_id == program_id,
            passes.c.channel == CHANNEL,
            passes.c.status != "gone",
            passes.c.id > after_id,
            sa.or_(members.c.synced_at.is_(None), members.c.synced_at < since, twin),
        )
        .order_by(passes.c.id)
        .limit(limit)
    )
    return [Unseen(*row) for row in connection.execute(query)]


def mark_gone(connection: sa.Connection, pass_ids: Sequence[int]) -> None:
    """The provider knows these passes no more. A member left without any pass counts as DELETED."""
    if not pass_ids:
        return
    connection.execute(passes.update().where(passes.c.id.in_(pass_ids)).values(status="gone"))
    holders = sa.select(passes.c.member_id).where(passes.c.id.in_(pass_ids))
    remaining = sa.exists().where(passes.c.member_id == members.c.id, passes.c.status != "gone")
    connection.execute(members.update().where(members.c.id.in_(holders), ~remaining).values(status="DELETED"))


def _follow_renames(connection: sa.Connection, program_id: str, holders: Sequence[Mapping[str, Any]]) -> None:
    """Give members whose pass now carries another external id that id, unless another member has it.

    The rows are locked in the order of their ids, as everybody does who writes to many passes at once.
    """
    now_called = {holder["provider_id"]: holder["external_id"] for holder in holders}
    query = (
        sa.select(passes.c.provider_id, members.c.id, members.c.external_id)
        .join(members, members.c.id == passes.c.member_id)
        .where(
            passes.c.program_id == program_id,
            passes.c.channel == CHANNEL,
            passes.c.provider_id.in_(now_called),
        )
        .order_by(passes.c.id)
        .with_for_update()
    )
    for provider_id, member_id, external_id in connection.execute(query).all():
        wanted = now_called[provider_id]
        if wanted != external_id:
            namesake = sa.select(members.c.id).where(
                members.c.program_id == program_id, members.c.external_id == wanted
            )
            if connection.execute(namesake).first() is None:
                connection.execute(
                    members.update().where(members.c.id == member_id).values(external_id=wanted)
                )


def _opted_out(connection: sa.Connection, program_id: str, external_ids: Sequence[str]) -> dict[str, bool]:
    """Who of these members, as far as they are known, has opted out at the provider."""
    query = sa.select(members.c.external_id, members.c.opted_out).where(
        members.c.program_id == program_id, members.c.external_id.in_(external_ids)
    )
    return {row.external_id: row.opted_out for row in connection.execute(query)}


def _underlay(connection: sa.Connection, found: Sequence[tuple[int, dict[str, Any], dict[str, Any]]]) -> None:
    """Put attributes from files under those of the passes."""
    if found:
        statement = members.update().where(members.c.id == sa.bindparam("member"))
        connection.execute(
            statement.values(attributes=sa.bindparam("merged")),
            [{"member": id_, "merged": imported | attributes} for id_, imported, attributes in found],
        )


def _upsert_passes(
    connection: sa.Connection,
    program_id: str,
    ids: Mapping[str, int],
    holders: Sequence[Mapping[str, Any]],
    message_key: str,
    seen_at: datetime,
) -> None:
    rows = {
        holder["provider_id"]: {
            "member_id": ids[holder["external_id"]],
            "program_id": program_id,
            "channel": CHANNEL,
            "provider_id": holder["provider_id"],
            "keys": dict(holder.get("keys") or {}),
            "status": PASS_WORDS.get(holder["pass_status"], "unknown"),
            "wallets": list(holder["wallets"]),
            "installed_at": holder.get("installed_at"),
            "shown_text": holder["meta"].get(message_key),
        }
        for holder in holders
    }
    statement = upsert(connection, passes)
    new = statement.excluded
    ours = passes.c.shown_at >= sa.bindparam("page_asked_at", seen_at, Moment)
    same = passes.c.shown_text.is_not_distinct_from(new.shown_text)
    told = {name: new[name] for name in ("member_id", "keys", "status", "wallets", "installed_at")}
    told["shown_text"] = sa.case((ours, passes.c.shown_text), else_=new.shown_text)
    told["shown_at"] = sa.case((sa.or_(ours, same), passes.c.shown_at), else_=None)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["program_id", "channel", "provider_id"], set_=told),
        [rows[provider_id] for provider_id in sorted(rows)],
    )


def _without(meta: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in meta.items() if name != key}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
