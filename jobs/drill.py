"""The drill: a big blast at full speed, workers killed with SIGKILL, faults that come and go.

It ends with one table of what ledger and stand-in say. Anybody can run it, on the engines they mean to
use, before they trust them with customers. It goes to PassKit's passes, or to passes of our own: then pushes
fly when workers are killed, and simulated iPhones say what they have shown.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from jobs import blasts, house, plans, stage, worker_child
from store import ledger, migrations, programs
from store.audiences import Selection
from store.database import Database
from store.errors import PassbellError
from store.ledger import Tally
from store.schema import deliveries
from store.settings import Settings

EVERYBODY = Selection("where", "external_id IS NOT NULL")
TEXT = "This is a drill."
RATE = 5_000
"""Requests a second: more than any of us sends, so that the engine runs at its own speed."""
LOOK = 0.1
STALLED = 120.0
"""Seconds without any delivery settled after which the drill is given up."""
FAULTS: tuple[dict[str, Any], ...] = (
    {},
    {"unavailable": 0.1, "drop": 0.02},
    {"server_error": 0.05, "drop": 0.05, "latency_ms": 5, "jitter_ms": 10},
    {"throttled": 0.001, "retry_after": 1},
    {"drop": 0.1},
)
"""Weather: each spell lasts until the next kill."""
PUSH_FAULTS: tuple[dict[str, Any], ...] = (
    {},
    {"every": 10, "word": "InternalServerError"},
    {"every": 25, "word": "reset"},
    {"every": 40, "word": "TooManyRequests"},
    {"every": 100, "word": "goaway_after"},
    {"every": 150, "word": "drop"},
)
"""The same of APNs."""
SHARES = {"online": 0.9, "slow": 0.05, "muted": 0.05}
"""Phones of the drill: those that are away would only make it longer."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the drill.

    lost            passes that are nowhere: not accepted, failed or skipped; accepted but not changed;
                    or changed though the ledger denies it. Of our own passes: accepted, and on no phone
                    that asks, though none is away
    unknown         failed ones of which the ledger says that they may have arrived
    repeated        writes of a value that was there already, or pushes that told a phone again (no phone
                    alerts at one)
    alerted_twice   phones that showed the same text again
    longest_stall   seconds between two accepted deliveries
    busiest_second  most requests, or pushes, in any window of one second, under the limit `limit`
    """

    planned: int
    accepted: int
    failed: int
    skipped: int
    unknown: int
    lost: int
    repeated: int
    alerted_twice: int
    longest_stall: float
    busiest_second: int
    limit: float
    kills: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Nothing lost, nobody alerted twice, and never above the limit."""
        return not self.lost and not self.alerted_twice and self.busiest_second <= self.limit

    def as_json(self) -> dict[str, Any]:
        """The table as `passbell drill --json` prints it."""
        told = {name: getattr(self, name) for name in self.__slots__} | {"ok": self.ok}
        return told | {"longest_stall": round(self.longest_stall, 2), "seconds": round(self.seconds, 1)}


@dataclass(frozen=True, slots=True)
class Moment:
    """How far the drill is: deliveries that have come to an end, and the workers killed so far."""

    settled: int
    planned: int
    kills: int


def drill(
    *,
    passes: int,
    kills: int,
    workers: int,
    seed: int,
    store_url: str = "",
    queue_url: str = "",
    direct: bool = False,
) -> Iterator[Moment | Report]:
    """Run it; the last thing that comes is the Report. A store that is named has to be empty.

    `direct`: over passes of our own, not over PassKit's.

    Raises PassbellError where the blast stalls, or store or queue cannot be used.
    """
    engines = {"store__url": store_url, "queue__url": queue_url}
    named = {name: url for name, url in engines.items() if url}
    named |= {"rehearsal__seed": str(seed), "engine__undo_seconds": "0"}
    scene: _PassKit | _Direct = _Direct() if direct else _PassKit()
    with stage.set_up(members=50 if direct else passes, rate=RATE, **named) as settings:
        database = Database(settings.store_url)
        try:
            _empty(database)
            with scene.prepared(database, settings, passes) as program:
                dice = random.Random(seed)
                yield from _Drill(database, settings, scene, program, dice, kills, workers).run()
        finally:
            database.close()


def _empty(database: Database) -> None:
    migrations.migrate(database)
    with database.read() as connection:
        if connection.execute(sa.select(sa.func.count()).select_from(deliveries)).scalar_one():
            raise PassbellError(f"the store {database} is not empty: a drill needs one of its own")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the other side says at the end; see Report."""

    missing: int
    repeated: int
    alerted_twice: int
    busiest_second: int
    limit: float


class _PassKit:
    """The drill over the stand-in PassKit."""

    @contextmanager
    def prepared(self, database: Database, settings: Settings, passes: int) -> Iterator[str]:
        """The id of the program, with so many members."""
        stage.sync(database, settings, lambda _: None)
        stage.control(settings, "POST", "reset-stats")
        with database.read() as connection:
            rows = programs.list_programs(connection, settings.account)
        yield max(rows, key=lambda row: row.members).program.id

    def storm(self, settings: Settings, dice: random.Random) -> None:
        """Change the weather."""
        stage.control(settings, "PUT", "faults", dice.choice(FAULTS))

    def seen(self, database: Database, settings: Settings, blast_id: int, tally: Tally) -> _Seen:
        """What the stand-in says."""
        stats = stage.control(settings, "GET", "stats")
        accepted, changed = tally.states["accepted"], stats["changed_passes"]
        unknown = tally.failed_by_reason.get("unknown", 0)
        return _Seen(
            missing=max(0, accepted - changed) + max(0, changed - accepted - unknown),
            repeated=stats["duplicate_writes"],
            alerted_twice=stats["alerted_twice"],
            busiest_second=stats["busiest_second"],
            limit=settings.passkit.rate_per_second,
        )


class _Direct:
    """The drill over passes of our own."""

    @contextmanager
    def prepared(self, database: Database, settings: Settings, passes: int) -> Iterator[str]:
        """The id of the program, with so many passes on phones."""
        with house.opened(settings):
            program = house.issued(database, settings, count=passes)
            house.hand_out(database, settings, program, SHARES)
            house.settled(settings, seconds=house.PHONES_SECONDS + passes / 20)
            house.control(settings, "POST", "reset-stats")
            yield program.id

    def storm(self, settings: Settings, dice: random.Random) -> None:
        """Change the weather."""
        house.control(settings, "PUT", "faults", dice.choice(PUSH_FAULTS))

    def seen(self, database: Database, settings: Settings, blast_id: int, tally: Tally) -> _Seen:
        """What the phones say, once they have come to rest."""
        found = house.compared(database, settings, blast_id)
        phones, accepted = found.phones, tally.states["accepted"]
        told = phones["fetched"] + phones["ignored"]
        return _Seen(
            missing=abs(accepted - told) + abs(phones["fetched"] - phones["alerted"]),
            repeated=phones["pushed"] - told,
            alerted_twice=phones["alerted_twice"],
            busiest_second=phones["busiest_second"],
            limit=settings.apple.rate_per_second,
        )


class _Drill:
    """One drill under way."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        scene: _PassKit | _Direct,
        program: str,
        dice: random.Random,
        kills: int,
        workers: int,
    ) -> None:
        self._database, self._settings, self._dice = database, settings, dice
        self._scene, self._program = scene, program
        self._to_kill, self._killed = kills, 0
        self._crew: list[subprocess.Popen[bytes]] = []
        self._size = workers

    def run(self) -> Iterator[Moment | Report]:
        """Launch, let it storm, and count."""
        blast_id, pending = self._launch()
        at_kills = sorted(self._dice.uniform(0.02, 0.9) * pending for _ in range(self._to_kill))
        began = time.monotonic()
        try:
            for _ in range(self._size):
                self._crew.append(worker_child.start(self._settings))
            for done, moment in self._watch(blast_id):
                yield moment
                while at_kills and done >= at_kills[0]:
                    at_kills.pop(0)
                    self._kill_one()
        finally:
            for child in self._crew:
                stage.end(child)
        yield self._report(blast_id, time.monotonic() - began)

    def _launch(self) -> tuple[int, int]:
        plan = plans.plan(
            self._database, self._settings, program=self._program, chosen=EVERYBODY, text=TEXT, actor="drill"
        )
        pending = plan.tally.counts["pending"]
        blasts.launch(
            self._database, self._settings, plan.blast.id, expect=pending, actor="drill", ring=lambda _: None
        )
        return plan.blast.id, pending

    def _watch(self, blast_id: int) -> Iterator[tuple[int, Moment]]:
        """(deliveries settled since the launch, the moment) until the blast is finished."""
        before, since = -1, time.monotonic()
        while True:
            with self._database.read() as connection:
                blast, tally = ledger.get(connection, blast_id), ledger.tally(connection, blast_id)
            settled = tally.planned - tally.open
            done = tally.states["accepted"] + tally.states["failed"]
            yield done, Moment(settled, tally.planned, self._killed)
            if blast.state == "finished":
                return
            if settled != before:
                before, since = settled, time.monotonic()
            if time.monotonic() - since > STALLED:
                raise PassbellError(
                    f"the blast is {blast.state} and nothing was settled for {STALLED:.0f} s: {tally.counts}"
                )
            time.sleep(LOOK)

    def _kill_one(self) -> None:
        """SIGKILL a worker, put another in its place, and change the weather."""
        victim = self._dice.randrange(len(self._crew))
        self._crew[victim].kill()
        self._crew[victim].wait()
        if (pipe := self._crew[victim].stdin) is not None:
            pipe.close()
        self._crew[victim] = worker_child.start(self._settings)
        self._killed += 1
        self._scene.storm(self._settings, self._dice)

    def _report(self, blast_id: int, seconds: float) -> Report:
        accepted = sa.select(deliveries.c.accepted_at).where(
            deliveries.c.blast_id == blast_id, deliveries.c.state == "accepted"
        )
        with self._database.read() as connection:
            tally = ledger.tally(connection, blast_id)
            moments: list[datetime] = sorted(connection.scalars(accepted))
        seen = self._scene.seen(self._database, self._settings, blast_id, tally)
        gaps = [(late - early).total_seconds() for early, late in pairwise(moments)]
        states, unknown = tally.states, tally.failed_by_reason.get("unknown", 0)
        ended = states["accepted"] + states["failed"] + states["skipped"]
        return Report(
            planned=tally.planned,
            accepted=states["accepted"],
            failed=states["failed"],
            skipped=states["skipped"],
            unknown=unknown,
            lost=tally.planned - ended + seen.missing,
            repeated=seen.repeated,
            alerted_twice=seen.alerted_twice,
            longest_stall=max(gaps, default=0.0),
            busiest_second=seen.busiest_second,
            limit=seen.limit,
            kills=self._killed,
            seconds=seconds,
        )
