"""How everything stands at one moment: who sends, what runs, what needs a person, and how much was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from jobs.engine.slots import Slots, slots_of
from store import overview, programs, workers, zones
from store.database import clock
from store.ledger import UNDER_WAY, Blast
from store.overview import states
from store.sections import AppleSettings, GoogleSettings, PassKitSettings
from store.settings import Settings
from store.times import now, rfc3339

DAYS = 7
"""Days that today is compared with, and after which what failed or was rejected is told no more."""
LATELY = timedelta(seconds=20)
"""Over so long a pace is taken."""
SOON = timedelta(hours=1)
"""A blast that is scheduled so soon needs a worker now."""
NAMES = {"passkit": "PassKit", "apple": "Apple", "google": "Google"}

Kind = Literal[
    "no_worker", "held", "unusable", "missed", "failed", "waits", "paused", "expiring", "silent", "rejects"
]
URGENT: tuple[Kind, ...] = (
    *("no_worker", "held", "unusable", "missed", "failed"),
    *("waits", "paused", "expiring", "silent", "rejects"),
)
"""What may need a person, the most urgent first.

no_worker  something is due and nobody sends     held      a blast waits for an operator's word
unusable   a credential cannot be used           missed    a blast was not started at its time
failed     deliveries that may be tried again    waits     a blast is held, and goes on by itself
paused     a blast that somebody paused          expiring  a credential has days left
silent     designs that keep phones from alerting          rejects  an import left rows out
"""


class Weak(Protocol):
    """A credential that needs somebody; `fails` where it cannot be used any more."""

    @property
    def sentence(self) -> str:
        """What there is to say of it."""

    @property
    def fails(self) -> bool:
        """Whether it is of no use."""


@dataclass(frozen=True, slots=True)
class Crew:
    """A worker that is alive, and the blasts it sends at this moment."""

    id: str
    host: str
    pid: int
    started_at: datetime
    sends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A channel that messages leave by.

    whose    region, pass type or issuer; `stand-in` in a rehearsal
    rate     requests in one window, which is a second where the rate is at least one a second
    taken    of these, under way or answered within the window
    rests    seconds for which the provider asked us to be silent
    last_accepted  None: it never took a message
    held     why blasts that have something to send on it are held; "" where none is
    """

    channel: str
    whose: str
    rate: int
    taken: int
    rests: float
    last_accepted: datetime | None
    held: str


@dataclass(frozen=True, slots=True)
class Running:
    """A blast under way. `per_second` and `seconds_left` are None while nothing was sent lately."""

    id: int
    name: str
    program: str
    state: str
    urgent: bool
    states: dict[str, int]
    undo_seconds: float
    per_second: float | None
    seconds_left: float | None

    @property
    def done(self) -> int:
        """What was sent, whatever came of it."""
        return self.states["accepted"] + self.states["failed"]

    @property
    def to_send(self) -> int:
        """What was and will be sent."""
        return self.done + self.states["pending"] + self.states["sending"]


@dataclass(frozen=True, slots=True)
class Need:
    """Something that needs a person, and where to see to it: a blast, or a program. Names are as given."""

    kind: Kind
    sentence: str
    blast: int | None = None
    program: str | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """Messages accepted from one midnight to the next, or till now."""

    begins: datetime
    accepted: int


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything stands. `days` are the seven before today, and today; `blasts` counts all there are."""

    at: datetime
    mode: str
    role: str
    accounts: tuple[Account, ...]
    workers: tuple[Crew, ...]
    running: tuple[Running, ...]
    needs: tuple[Need, ...]
    days: tuple[Day, ...]
    programs: int
    blasts: int

    @property
    def today(self) -> int:
        """Messages accepted today."""
        return self.days[-1].accepted

    @property
    def usual(self) -> float:
        """The mean of the days before."""
        return sum(day.accepted for day in self.days[:-1]) / max(len(self.days) - 1, 1)

    @property
    def busy(self) -> bool:
        """Whether something changes from one second to the next."""
        return any(one.state == "running" for one in self.running)

    def as_json(self) -> dict[str, Any]:
        """The overview as the command prints it."""
        return {
            "at": rfc3339(self.at),
            "mode": self.mode,
            "role": self.role,
            "accounts": [
                asdict(one) | {"last_accepted": rfc3339(one.last_accepted)} for one in self.accounts
            ],
            "workers": [
                asdict(one) | {"started_at": rfc3339(one.started_at), "sends": list(one.sends)}
                for one in self.workers
            ],
            "running": [asdict(one) | {"done": one.done, "to_send": one.to_send} for one in self.running],
            "needs": [asdict(one) for one in self.needs],
            "today": self.today,
            "days": [{"begins": rfc3339(day.begins), "accepted": day.accepted} for day in self.days],
            "programs": self.programs,
            "blasts": self.blasts,
        }


def look(
    connection: sa.Connection,
    settings: Settings,
    *,
    weak: Sequence[Weak] = (),
    known: dict[datetime, int] | None = None,
) -> Overview:
    """Look at everything. `weak` are the credentials that need somebody: finding those takes files and keys.

    `known` keeps the figures of days that are over, for a caller who asks again and again.
    """
    at, account = now(), settings.account
    week = at - timedelta(days=DAYS)
    names = programs.names(connection, account)
    blasts = overview.current_blasts(connection, account, since=week)
    under_way = [one for one in blasts if one.state in UNDER_WAY]
    counted = overview.counts(connection, [one.id for one in under_way])
    paces = overview.paces(connection, since=at - LATELY, at=at)
    sends = overview.sending(connection, since=at - timedelta(minutes=1))
    crew = tuple(
        Crew(one.id, one.host, one.pid, one.started_at, tuple(sends.get(one.id, ())))
        for one in workers.alive(connection, account)
    )
    running = tuple(_running(one, names, counted[one.id], paces.get(one.id, 0.0), at) for one in under_way)
    failed = overview.failed(connection, [one.id for one in blasts])
    needs = [
        *_lonely(blasts, crew, at),
        *(need for one in blasts for need in _of_blast(one, running, failed.get(one.id, 0))),
        *(Need("unusable" if one.fails else "expiring", one.sentence) for one in weak),
        *_of_programs(connection, account, week),
    ]
    known_programs, planned = overview.how_many(connection, account)
    return Overview(
        at,
        settings.mode,
        settings.role,
        tuple(_accounts(connection, settings, under_way, counted)),
        crew,
        running,
        tuple(sorted(needs, key=lambda need: URGENT.index(need.kind))),
        tuple(_days(connection, settings, at, {} if known is None else known)),
        known_programs,
        planned,
    )


def _running(
    blast: Blast, names: dict[str, str], counted: dict[tuple[str, str], int], pace: float, at: datetime
) -> Running:
    found = states(counted)
    left = found["pending"] + found["sending"]
    moving = pace if blast.state == "running" and pace > 0 else None
    return Running(
        blast.id,
        blast.name,
        names.get(blast.program_id, blast.program_id),
        blast.state,
        blast.urgent,
        found,
        blast.undo_left(at),
        round(moving, 1) if moving else None,
        round(left / moving, 1) if moving else None,
    )


def _lonely(blasts: Sequence[Blast], crew: Sequence[Crew], at: datetime) -> list[Need]:
    """Something is due, and nobody is there to send it."""
    due = [
        one.id
        for one in blasts
        if one.state == "running" or (one.state == "scheduled" and one.send_at and one.send_at <= at + SOON)
    ]
    if crew or not due:
        return []
    told = f"blast {due[0]} is" if len(due) == 1 else f"{len(due)} blasts are"
    return [
        Need("no_worker", f"No worker is alive, and {told} due: start one with `passbell worker`.", due[0])
    ]


def _of_blast(blast: Blast, running: Sequence[Running], failed: int) -> list[Need]:
    named, reason = f"Blast {blast.id} “{blast.name}”", (blast.hold_reason or "").rstrip(". ")
    left = sum(one.to_send - one.done for one in running if one.id == blast.id)
    match blast.state:
        case "held" if blast.probe_at is None:
            return [Need("held", f"{named} waits for you: {reason or 'the provider refuses us'}.", blast.id)]
        case "held":
            told = f"{named} goes on by itself once this has passed: {reason or 'the provider refuses us'}."
            return [Need("waits", told, blast.id)]
        case "missed":
            return [Need("missed", f"{named} was not started at its time: launch or cancel it.", blast.id)]
        case "paused":
            return [Need("paused", f"{named} is paused with {left:,} to go.", blast.id)]
        case "running" | "finished" if failed:
            return [Need("failed", f"{named}: {failed:,} failed and may be tried again.", blast.id)]
    return []


def _of_programs(connection: sa.Connection, account: str, since: datetime) -> list[Need]:
    found = []
    for one in overview.silent_programs(connection, account):
        told = f"{one.name}: phones stay silent for {one.unable} of {one.designs} designs."
        found.append(Need("silent", told, program=one.program_id))
    for left_out in overview.rejects(connection, account, since=since):
        told = f"Import {left_out.import_id} of {left_out.file}: {left_out.rejected:,} rows were not used."
        found.append(Need("rejects", told, program=left_out.program_id))
    return found


def _accounts(
    connection: sa.Connection,
    settings: Settings,
    blasts: Sequence[Blast],
    counted: dict[int, dict[tuple[str, str], int]],
) -> list[Account]:
    at, last = clock(connection), overview.last_accepted(connection, settings.account)
    issuers = programs.issuers(connection, settings.account)
    found = []
    for channel, whose in _whose(settings, issuers).items():
        limits: PassKitSettings | AppleSettings | GoogleSettings = getattr(settings, channel)
        name = f"account:{settings.account}" + ("" if channel == "passkit" else f":{channel}")
        taken, rests = 0, 0.0
        if state := overview.pacer_state(connection, name):
            slots = Slots(**state)
            slots.adjust(limits.rate_per_second, at, 3 * limits.timeout_seconds)
            free = sum(count for moment, count in slots.free if moment <= at)
            taken = max(slots_of(limits.rate_per_second) - int(free), 0)
            rests = round(max(slots.closed - at, 0.0), 1)
        held = [
            one.hold_reason or ""
            for one in blasts
            if one.state == "held" and ("pending", channel) in counted[one.id]
        ]
        rate = slots_of(limits.rate_per_second)
        found.append(Account(channel, whose, rate, taken, rests, last.get(channel), held[0] if held else ""))
    return found


def _whose(settings: Settings, issuers: set[str]) -> dict[str, str]:
    """The channels in use, and whose account each is."""
    if not settings.live:
        channels = ("passkit", *(("apple", "google") if programs.OWN in issuers else ()))
        return dict.fromkeys(channels, "stand-in")
    whose = {
        "passkit": settings.passkit.base_url if settings.passkit.api_key else "",
        "apple": settings.apple.pass_type,
        "google": settings.google.issuer and f"issuer {settings.google.issuer}",
    }
    return {channel: found for channel, found in whose.items() if found}


def _days(
    connection: sa.Connection, settings: Settings, at: datetime, known: dict[datetime, int]
) -> list[Day]:
    """The seven days before today, and today, by the clock of the house."""
    zone = zones.zone(settings.gate.time_zone) or ZoneInfo("UTC")
    midnight = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = [midnight - timedelta(days=back) for back in range(DAYS, -1, -1)]
    first = next((n for n, day in enumerate(begins) if day not in known), DAYS)
    asked = overview.accepted_between(connection, settings.account, [*begins[first:], at + timedelta(days=1)])
    figures = [*(known[day] for day in begins[:first]), *asked]
    # What was claimed just before midnight may be accepted after it.
    known |= {day: figures[n] for n, day in enumerate(begins[:-1]) if begins[n + 1] < at - SOON}
    return [Day(day, count) for day, count in zip(begins, figures, strict=True)]
