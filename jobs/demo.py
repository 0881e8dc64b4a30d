"""The demo: on a stage of its own, two blasts with faults switched on, from the sync to the last figure.

The first goes to PassKit's members, the second to passes that we issue ourselves, on simulated iPhones.
`play` runs the whole of it and lets the ledger compare its figures with those of stand-ins and phones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs import blasts, house, plans, stage
from jobs.audiences import save as keep_audience
from jobs.blasts import Ring
from jobs.follow import follow
from jobs.house import Comparison
from jobs.intake.sync import Progress
from store import audiences, ledger, programs
from store.audiences import Selection
from store.database import Database
from store.errors import PassbellError
from store.programs import Program
from store.settings import Settings

MEMBERS = 5_000
PHONES = 2_000
"""Passes of our own, each on a phone of its own."""
HEADLESS_RATE = 2_000
WATCHABLE_RATE = 400
"""Requests a second: as fast as it goes, and so that a person can watch 5,000 messages for half a minute."""
FAULTS = {
    "unavailable": 0.02,
    "throttled": 0.0005,
    "retry_after": 1,
    "drop": 0.01,
    "latency_ms": 2,
    "jitter_ms": 4,
}
"""Each 429 lets the whole account rest for a second, so there are few of them."""
PUSH_FAULTS = {"every": 40, "word": "InternalServerError", "next": ["reset", "goaway", "TooManyRequests"]}
"""Of APNs. Each push is made again until it is taken."""
EVERYBODY = "external_id IS NOT NULL"
"""All 5,000, the expired ones too: the plan shows why each is left out that is."""
TEXT = "Fresh rolls at Kaffeehaus Linden until ten!"
OWN_TEXT = "Your tenth cup is on us until Sunday."
AUDIENCE = ("gold", "tier = 'gold'")
BLAST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Moment:
    """How far the present step is."""

    label: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A step that is done, in a sentence; a plan also by verdict and by reason for skipping."""

    sentence: str
    verdicts: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """The figures of both sides. `seconds` is from launch to end; `own` is of the blast to our own passes,
    `own_seconds` from its launch until the last phone that was not away had shown it."""

    programs: int
    members: int
    blast: dict[str, Any]
    stand_in: dict[str, Any]
    seconds: float
    own: dict[str, Any]
    comparison: Comparison
    own_seconds: float

    @property
    def ok(self) -> bool:
        """Whether every pass is accounted for, and stand-in and phones saw what the ledger says."""
        return (
            all(_accounted(blast) for blast in (self.blast, self.own))
            and self.stand_in["changed_passes"] == self.blast["counts"]["accepted"]
            and not self.comparison.differences
            and not self.stand_in["alerted_twice"]
            and not any(self.stand_in["sins"].values())
        )

    def as_json(self) -> dict[str, Any]:
        """The figures as `passbell demo --headless --json` prints them."""
        return {
            "mode": "REHEARSAL",
            "programs": self.programs,
            "members": self.members,
            "blast": self.blast,
            "stand_in": self.stand_in,
            "seconds": round(self.seconds, 1),
            "own": {
                "blast": self.own,
                **self.comparison.as_json(),
                "seconds": round(self.own_seconds, 1),
            },
            "ok": self.ok,
        }


def _accounted(blast: Mapping[str, Any]) -> bool:
    counts = blast["counts"]
    ended: int = counts["accepted"] + counts["failed"] + counts["skipped"]
    return bool(blast["state"] == "finished" and counts["planned"] == ended)


def switch_faults(settings: Settings) -> None:
    """Let the stand-in PassKit fail now and then from here on."""
    stage.control(settings, "PUT", "faults", FAULTS)


def open_own(database: Database, settings: Settings) -> Program:
    """A program of our own, whose phones get their passes in the background; the house is open."""
    program = house.issued(database, settings, count=PHONES)
    house.hand_out(database, settings, program)
    return program


def play(
    database: Database, settings: Settings, *, ring: Ring, actor: str
) -> Iterator[Moment | Scene | Ending]:
    """The way of one blast, from sync to the comparison of figures; the last thing told is the `Ending`."""
    read = 0
    for step in _synced(database, settings):
        if isinstance(step, int):
            read = step
        else:
            yield step
    with database.read() as connection:
        rows = programs.list_programs(connection, settings.account)
    first = max(rows, key=lambda row: row.members).program
    name, expression = AUDIENCE
    saved = keep_audience(database, first.id, name, Selection("where", expression), actor=actor)
    with database.read() as connection:
        count = audiences.count(connection, first.id, saved)
    yield Scene(
        f"REHEARSAL: read {len(rows)} programs with {read:,} members; {count:,} of {first.name} are gold"
    )

    planned = plans.plan(
        database, settings, program=first.id, chosen=Selection("where", EVERYBODY), text=TEXT, actor=actor
    )
    pending = planned.tally.states["pending"]
    yield Scene(
        f"blast {planned.blast.id}, {planned.tally.planned:,} passes of {first.name} "
        f"({planned.blast.audience}): {TEXT}",
        planned.tally.verdicts,
        planned.tally.skipped_by_reason,
    )
    stage.control(settings, "POST", "reset-stats")
    switch_faults(settings)
    with stage.worker(settings):
        began = time.monotonic()
        blasts.launch(database, settings, planned.blast.id, expect=pending, actor=actor, ring=ring)
        yield Scene(
            f"launched to {pending:,} passes, with faults switched on: 503, 429 and dropped connections"
        )
        yield from _followed(database, planned.blast.id, began)
        seconds = time.monotonic() - began
        stand_in = stage.control(settings, "GET", "stats")
        with house.opened(settings):
            own, own_seconds = yield from _own_blast(database, settings, ring=ring, actor=actor)
            comparison = house.compared(database, settings, own)
    told = _told(database, planned.blast.id)
    yield Ending(len(rows), read, told, stand_in, seconds, _told(database, own), comparison, own_seconds)


def _own_blast(
    database: Database, settings: Settings, *, ring: Ring, actor: str
) -> Generator[Moment | Scene, None, tuple[int, float]]:
    """The blast to our own passes, and its seconds."""
    program = open_own(database, settings)
    yield Scene(f"issued {PHONES:,} passes of {program.name}: each is downloaded, verified and registered")
    phones = house.settled(settings)
    house.control(settings, "POST", "reset-stats")
    house.control(settings, "PUT", "faults", PUSH_FAULTS)
    planned = plans.plan(
        database, settings, program=program.id, chosen=Selection("all"), text=OWN_TEXT, actor=actor
    )
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in phones["kinds"].items())
    yield Scene(
        f"blast {planned.blast.id}, {planned.tally.planned:,} passes of {program.name}: {OWN_TEXT}",
        planned.tally.verdicts,
        planned.tally.skipped_by_reason,
    )
    pending = planned.tally.states["pending"]
    began = time.monotonic()
    blasts.launch(database, settings, planned.blast.id, expect=pending, actor=actor, ring=ring)
    yield Scene(f"launched to {pending:,} passes on simulated iPhones ({kinds}), with faults switched on")
    yield from _followed(database, planned.blast.id, began)
    house.settled(settings)
    return planned.blast.id, time.monotonic() - began


def _followed(database: Database, blast_id: int, began: float) -> Iterator[Moment]:
    """A blast to its end."""
    for look in follow(database, blast_id, every=0.2, until=("finished", "cancelled")):
        seconds = time.monotonic() - began
        yield Moment(f"blast {look.blast.id} {look.blast.state}", look.settled, look.tally.planned)
        if seconds > BLAST_SECONDS:
            raise PassbellError(f"the demo's blast is {look.blast.state} after {seconds:.0f} s: given up")


def _told(database: Database, blast_id: int) -> dict[str, Any]:
    with database.read() as connection:
        return ledger.as_json(ledger.get(connection, blast_id), ledger.tally(connection, blast_id))


def _synced(database: Database, settings: Settings) -> Iterator[Moment | int]:
    """The sync in a thread of its own, so that its progress can be told from here."""
    told: list[Progress] = []
    outcome: list[int | BaseException] = []

    def run() -> None:
        try:
            outcome.append(stage.sync(database, settings, told.append))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, name="sync")
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        if told:
            yield Moment(told[-1].name, told[-1].done, told[-1].total)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    yield outcome[0]
