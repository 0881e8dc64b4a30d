"""How everything stands, as people read it on home and in `passbell overview`."""

from __future__ import annotations

from datetime import datetime

from console.words import duration
from jobs.overview import Account, Crew, Overview, Running

NEEDS = {
    "no_worker": "no worker",
    "held": "held",
    "unusable": "unusable",
    "missed": "missed",
    "failed": "failed",
    "waits": "waits",
    "paused": "paused",
    "expiring": "expires",
    "silent": "silent",
    "rejects": "left out",
}
"""What may need a person, in a word."""


def workers_in_words(found: Overview) -> str:
    """`2 workers: desk (process 12) sends blast 5; shop (process 40) waits`."""
    if not found.workers:
        return "none is alive: nothing is sent"
    number = f"{len(found.workers)} worker{'s' * (len(found.workers) != 1)}"
    return f"{number}: " + "; ".join(map(_worker, found.workers))


def _worker(one: Crew) -> str:
    ids = ", ".join(map(str, one.sends))
    does = f"sends blast{'s' * (len(one.sends) != 1)} {ids}" if one.sends else "waits"
    return f"{one.host} (process {one.pid}) {does}"


def account_in_words(one: Account, at: datetime) -> str:
    """`pub1, last accepted 3 min ago, 12 of 50 requests a second free`, before that what is wrong."""
    told = [one.whose]
    if one.held:
        told.append(f"held: {one.held.rstrip('. ')}")
    if one.rests:
        told.append(f"it asks to wait {duration(one.rests)}")
    return ", ".join([*told, last_in_words(one, at), rate_in_words(one)])


def last_in_words(one: Account, at: datetime) -> str:
    """When it last accepted a message."""
    if one.last_accepted is None:
        return "accepted nothing yet"
    ago = (at - one.last_accepted).total_seconds()
    return "accepts messages now" if ago < 5 else f"last accepted {duration(ago)} ago"


def rate_in_words(one: Account) -> str:
    """How much of its rate is left."""
    return f"{max(one.rate - one.taken, 0):,} of {one.rate:,} requests a second free"


def days_in_words(found: Overview) -> str:
    """`1,204 accepted; 980 a day in the seven days before`."""
    return f"{found.today:,} accepted; {found.usual:,.0f} a day in the seven days before"


def pace_in_words(one: Running) -> str:
    """`12.5/s, 40 s left`; nothing where nothing leaves."""
    if one.undo_seconds:
        return f"leaves in {duration(one.undo_seconds)}"
    if one.per_second is None or one.seconds_left is None:
        return ""
    return f"{one.per_second:,.1f}/s, {duration(one.seconds_left)} left"
