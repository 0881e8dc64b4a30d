"""What a wallet's or a provider's message changes here. The pass's events are the record of it.

Each is one transaction with the note that the message was heard: sent again it changes nothing. Messages
may come out of order; the one that its sender dates later decides.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from jobs.callbacks import google as google_callbacks
from jobs.callbacks.passkit import Told
from store import enrolments, heard, issued, pass_events
from store.database import Database, lock_rows
from store.members import CHANNEL as PASSKIT
from store.pass_events import Event
from store.schema import pass_events as events_table
from store.schema import passes
from store.settings import Settings

log = logging.getLogger("passbell")

MARGIN = timedelta(hours=1)
"""Google's nonces are kept for so long beyond the message's own end, should clocks differ."""
KEPT = timedelta(days=365)
"""PassKit's messages have no end of their own: so long a replay is known for one."""

STATES = {
    "PASS_EVENT_INSTALLED": ("installed", "installed"),
    "PASS_EVENT_UNINSTALLED": ("uninstalled", "removed"),
    "PASS_EVENT_INVALIDATED": ("invalidated", "updated"),
}
"""PassKit's events, what the pass is after them, and the event that is kept."""


def google(database: Database, told: google_callbacks.Callback, *, at: datetime) -> str:
    """A verified callback of Google: `taken`, `duplicate`, or `unknown` where the pass is not ours.

    Google tells each user's saving and removing by itself, and not how many are left: a removal by one of two
    users counts as the pass's, until its object is read anew.
    """
    until = max(_moment(told.expires_ms), at) + MARGIN
    with database.write() as connection:
        if not heard.take(connection, "google", told.nonce, until=until, at=at):
            return "duplicate"
        one = issued.by_provider_id(connection, "google", told.object_id)
        if one is None:
            log.info("Google tells of a pass that is not known here")
            return "unknown"
        lock_rows(connection, passes.c.id, [one.pass_id])
        saved = told.event == "save"
        event = Event(
            one.pass_id, "installed" if saved else "removed", at, "google", {"expires_ms": told.expires_ms}
        )
        if _later_known(connection, one.pass_id, told.expires_ms):
            pass_events.add(connection, [event])
        else:
            status = "installed" if saved else "uninstalled"
            pass_events.turn(connection, event, status, wallet="google")
    return "taken"


def passkit(database: Database, settings: Settings, told: Told, nonce: str, *, at: datetime) -> str:
    """A verified webhook of PassKit: `taken`, `duplicate`, or `unknown` where the pass was never synced.

    Only what it says of the pass itself is taken from it; the rest of the record is read by the next sync,
    which reads all of them.
    """
    with database.write() as connection:
        if not heard.take(connection, "passkit", nonce, until=at + KEPT, at=at):
            return "duplicate"
        query = sa.select(passes.c.id).where(
            passes.c.channel == PASSKIT, passes.c.provider_id == told.provider_id
        )
        if told.program_id:
            query = query.where(passes.c.program_id == told.program_id)
        found = list(connection.scalars(query))
        if len(found) != 1:
            return "unknown"
        (pass_id,) = found
        lock_rows(connection, passes.c.id, [pass_id])
        when = min(told.at, at) if told.at is not None else at
        details = {"event": told.event}
        if told.event in STATES:
            status, kind = STATES[told.event]
            event = Event(pass_id, kind, when, "passkit", details)
            if _newer_known(connection, pass_id, when):
                pass_events.add(connection, [event])
            else:
                pass_events.turn(connection, event, status)
        elif told.event == "PASS_EVENT_RECORD_DELETED":
            enrolments.mark_gone(connection, [pass_id])
            pass_events.add(connection, [Event(pass_id, "removed", when, "passkit", details)])
        else:
            kind = "created" if told.event == "PASS_EVENT_RECORD_CREATED" else "updated"
            pass_events.add(connection, [Event(pass_id, kind, when, "passkit", details)])
    return "taken"


def _later_known(connection: sa.Connection, pass_id: int, expires_ms: int) -> bool:
    """Whether Google dated something that it told of this pass before later than this."""
    return any(
        int(details.get("expires_ms", 0)) > expires_ms for _, details in _told(connection, pass_id, "google")
    )


def _newer_known(connection: sa.Connection, pass_id: int, when: datetime) -> bool:
    """Whether PassKit told of a state that this pass came into later than this."""
    told = _told(connection, pass_id, "passkit")
    return any(at > when for at, details in told if details.get("event") in STATES)


def _told(connection: sa.Connection, pass_id: int, source: str) -> list[tuple[datetime, dict[str, Any]]]:
    query = sa.select(events_table.c.at, events_table.c.details).where(
        events_table.c.pass_id == pass_id, events_table.c.source == source
    )
    return [(row.at, row.details) for row in connection.execute(query)]


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(min(max(milliseconds, 0), 4_102_444_800_000) / 1_000, UTC)
