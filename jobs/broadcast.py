"""A message to a whole class of Google passes at once: one request, and nothing of what a blast has.

Google shows it on every pass of the class and is said to alert every holder; it does not promise that, and
tells of nobody in particular (facts of the push guide; two public projects broadcast this way).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from jobs.channels.google import MOST_MESSAGES, SHOWN
from jobs.channels.google_api import Google
from jobs.channels.google_errors import GoogleError
from jobs.intake.google import class_of
from store import audit, texts
from store.database import Database, lock
from store.errors import PassbellError, Refused, UsageError
from store.programs import Program
from store.schema import audit as audit_table
from store.schema import passes
from store.times import now

Json = dict[str, Any]

MOST_A_DAY = 3
"""Alerts that Google gives one class in 24 hours."""
DAY = timedelta(hours=24)
ACT = "google.broadcast"
OURS = "passbell-class"

LOST = (
    "It goes to all who have a pass of this program, those too who opted out, withdrew or are suppressed.",
    "Quiet hours, caps and categories are not asked. The text is the same for all.",
    "It cannot be stopped or called back. Nobody can tell whom it reached: the reach is an estimate.",
    "Whoever saves a pass in the next 7 days sees it, too. A blast with the same text says it twice.",
)
"""What a broadcast does not have, for whoever is about to send one."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a broadcast would do. `passes` is to be confirmed; `reach` of them are known to be installed."""

    program: Program
    passes: int
    reach: int
    left: int

    def as_json(self) -> Json:
        """The prospect as the command prints it."""
        return {
            "program": self.program.id,
            "passes": self.passes,
            "estimated_reach": self.reach,
            "broadcasts_left_today": self.left,
            "lost": list(LOST),
        }


def look(database: Database, program: Program) -> Prospect:
    """What a broadcast to a program would do now. Raises Refused where there is nobody."""
    with database.read() as connection:
        return _prospect(connection, program, now())


async def broadcast(
    database: Database,
    client: Google,
    program: Program,
    text: str,
    *,
    expect: int,
    actor: str,
) -> Prospect:
    """Put a message on the program's class and alert its holders.

    expect  the count of passes that the operator confirmed

    The audit entry, which is also the booking of one of Google's three alerts a day, is written before the
    request: an answer may be lost. Raises Refused where the count differs, the alerts are spent, or the class
    has this very text; PassbellError where Google would not, or where nobody knows whether it did.
    """
    database.check_role(ACT)
    if not text.strip():
        raise UsageError("the text is empty")
    if texts.has_braces(text):
        raise UsageError("a broadcast is the same for all: its text cannot name a field in braces")
    resource, class_id = await asyncio.to_thread(class_of, database, program, client.issuer)
    at = now()
    message = _message(program, text, at)
    try:
        found = await client.get(resource, class_id)
        if any(_same_text(one, message["id"]) for one in found.get("messages") or ()):
            raise Refused("the class has this very text already: nobody is told it twice")
        prospect = await asyncio.to_thread(_book, database, program, message, class_id, expect, at, actor)
        if changes := _room(found):
            await client.patch(resource, class_id, changes)
    except GoogleError as error:
        raise _told(error, "nothing was sent") from error
    try:
        await client.add_message(resource, class_id, message)
    except GoogleError as error:
        if not error.sent:
            raise _told(error, "nothing was sent") from error
        await _look_again(client, resource, class_id, message, error)
    return prospect


async def _look_again(client: Google, resource: str, class_id: str, message: Json, lost: GoogleError) -> None:
    """After an answer that was lost: whether the class has the message. Never sends it again."""
    try:
        found = await client.get(resource, class_id)
    except GoogleError:
        found = {}
    if not any(one.get("id") == message["id"] for one in found.get("messages") or ()):
        raise _told(lost, "it may have been sent: look at a phone before you repeat it")


def _book(
    database: Database, program: Program, message: Json, class_id: str, expect: int, at: datetime, actor: str
) -> Prospect:
    with database.write() as connection:
        lock(connection, f"broadcast {program.id}")
        prospect = _prospect(connection, program, at)
        if expect != prospect.passes:
            raise Refused(
                f"program {program.name!r} has {prospect.passes} Google passes, and {expect} were confirmed"
            )
        if prospect.left <= 0:
            raise Refused(
                f"Google alerts for {MOST_A_DAY} messages to a class in 24 hours, and these are spent"
            )
        details = prospect.as_json() | {"class": class_id, "text": message["body"], "id": message["id"]}
        audit.append(connection, actor=actor, act=ACT, subject=program.id, details=details, at=at)
    return prospect


def _prospect(connection: sa.Connection, program: Program, at: datetime) -> Prospect:
    installed = sa.case((passes.c.status == "installed", 1), else_=0)
    row = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(installed), 0)).where(
            passes.c.program_id == program.id, passes.c.channel == "google", passes.c.status != "gone"
        )
    ).one()
    if program.issuer != "passbell" or not row[0]:
        raise Refused(f"program {program.name!r} has no Google passes that passbell issued")
    entries = audit_table.c
    sent = sa.select(sa.func.count()).where(
        entries.act == ACT, entries.subject == program.id, entries.at > at - DAY
    )
    return Prospect(program, row[0], int(row[1]), MOST_A_DAY - connection.execute(sent).scalar_one())


def _message(program: Program, text: str, at: datetime) -> Json:
    mark = sha256(text.encode()).hexdigest()[:12]
    return {
        "id": f"{OURS}-{at:%Y%m%d%H%M%S}-{mark}",
        "header": program.name,
        "body": text,
        "messageType": "TEXT_AND_NOTIFY",
        "displayInterval": {"end": {"date": (at + SHOWN).strftime("%Y-%m-%dT%H:%M:%SZ")}},
    }


def _same_text(found: Json, identifier: str) -> bool:
    """Whether a message of ours on the class has the text of the new one."""
    told = str(found.get("id", ""))
    return told.startswith(OURS) and told.rpartition("-")[2] == identifier.rpartition("-")[2]


def _room(found: Json) -> Json:
    """What a PATCH has to change so that one message more is at most the tenth; empty where nothing.

    The ids of ours begin with their moment. Classes that were reviewed have to ask for it with each change.
    """
    messages = [one for one in found.get("messages") or () if isinstance(one, dict)]
    ours = sorted(one["id"] for one in messages if str(one.get("id", "")).startswith(OURS))
    old = ours[: max(0, len(messages) + 1 - MOST_MESSAGES)]
    if not old:
        return {}
    kept = [
        {name: one for name, one in message.items() if name != "kind"} | {"messageType": "TEXT"}
        for message in messages
        if message.get("id") not in old
    ]
    return {"messages": kept} | ({"reviewStatus": "UNDER_REVIEW"} if "reviewStatus" in found else {})


def _told(error: GoogleError, what: str) -> PassbellError:
    if error.kind == "alerts_spent":
        return Refused(f"Google gives this class no further alert for now: {error.message}; {what}")
    label = f" ({error.label})" if error.label else ""
    return PassbellError(f"{error.message}{label}: {what}")
