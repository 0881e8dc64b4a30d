"""The demo: on a stage of its own, one blast with faults switched on, from the sync to the last figure.

`play` runs the whole of it and lets ledger and stand-in compare their figures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs import blasts, plans, stage
from jobs.audiences import save as keep_audience
from jobs.blasts import Ring
from jobs.follow import follow
from jobs.intake.sync import Progress
from store import audiences, ledger, programs
from store.audiences import Selection
from store.database import Database
from store.errors import PassbellError
from store.settings import Settings

MEMBERS = 5_000
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
EVERYBODY = "external_id IS NOT NULL"
"""All 5,000, the expired ones too: the plan shows why each is left out that is."""
TEXT = "Fresh rolls at Kaffeehaus Linden until ten!"
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
    """The figures of both sides. `seconds` is from launch to end."""

    programs: int
    members: int
    blast: dict[str, Any]
    stand_in: dict[str, Any]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every pass is accounted for, and the stand-in saw what the ledger says."""
        counts = self.blast["counts"]
        return (
            self.blast["state"] == "finished"
            and counts["planned"] == counts["accepted"] + counts["failed"] + counts["skipped"]
            and self.stand_in["changed_passes"] == counts["accepted"]
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
            "ok": self.ok,
        }


def switch_faults(settings: Settings) -> None:
    """Let the stand-in fail now and then from here on."""
    stage.control(settings, "PUT", "faults", FAULTS)


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
        for look in follow(database, planned.blast.id, every=0.2, until=("finished", "cancelled")):
            seconds = time.monotonic() - began
            yield Moment(f"blast {look.blast.id} {look.blast.state}", look.settled, look.tally.planned)
            if seconds > BLAST_SECONDS:
                raise PassbellError(f"the demo's blast is {look.blast.state} after {seconds:.0f} s: given up")
    stand_in = stage.control(settings, "GET", "stats")
    with database.read() as connection:
        told = ledger.as_json(
            ledger.get(connection, planned.blast.id), ledger.tally(connection, planned.blast.id)
        )
    yield Ending(len(rows), read, told, stand_in, seconds)


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
