"""The demo: a home of its own, a stand-in PassKit, a worker, and one blast with faults switched on.

Nothing of the user's is touched: the home is made for the occasion and removed, and no key, file or
variable of theirs is looked at. `play` runs the whole of it and lets ledger and stand-in compare figures.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jobs import blasts, worker_child
from jobs.account import reading
from jobs.audiences import save as keep_audience
from jobs.blasts import Ring
from jobs.follow import follow
from jobs.intake.sync import Progress
from jobs.intake.sync import sync as read_everything
from jobs.rehearsal import standing
from store import audiences, ledger, programs
from store.audiences import Selection
from store.database import Database
from store.errors import PassbellError
from store.settings import PREFIX, Settings, load

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
END_SECONDS, BLAST_SECONDS = 5.0, 300.0


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


@contextmanager
def set_up(*, rate: float = HEADLESS_RATE) -> Iterator[Settings]:
    """A home in which everything is made up, with its stand-in running; both are gone afterwards.

    Until then the environment holds no setting of the user's, and SIGTERM and SIGHUP end the demo in order.
    """
    flags = {
        "passkit.rate_per_second": str(rate),
        "passkit.concurrency": "32",
        "console.start_worker": "false",  # the demo has its own, and waits for its end
        "rehearsal.port": str(_free_port()),
        "rehearsal.members": str(MEMBERS),
    }
    with _no_settings(), _orderly_end(), _home() as home:
        settings = load(home, flags)
        with _stand_in(settings):
            yield settings


@contextmanager
def worker(settings: Settings) -> Iterator[None]:
    """A worker of the demo's own; it has ended before the home is taken away."""
    child = worker_child.start(settings)
    try:
        yield
    finally:
        _end(child)


def sync(database: Database, settings: Settings, progress: Callable[[Progress], None]) -> int:
    """Read everything from the stand-in; returns how many records that were."""

    async def run() -> int:
        async with reading(settings, database) as client:
            report = await read_everything(database, client, settings, progress=progress, actor="demo")
        return sum(one.read for one in report.programs)

    return asyncio.run(run())


def switch_faults(settings: Settings) -> None:
    """Let the stand-in fail now and then from here on."""
    _control(settings, "PUT", "faults", FAULTS)


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

    planned = blasts.plan(
        database, settings, program=first.id, chosen=Selection("where", EVERYBODY), text=TEXT, actor=actor
    )
    pending = planned.tally.states["pending"]
    yield Scene(
        f"blast {planned.blast.id}, {planned.tally.planned:,} passes of {first.name} "
        f"({planned.blast.audience}): {TEXT}",
        planned.tally.verdicts,
        planned.tally.skipped_by_reason,
    )
    _control(settings, "POST", "reset-stats")
    switch_faults(settings)
    with worker(settings):
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
    stand_in = _control(settings, "GET", "stats")
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
            outcome.append(sync(database, settings, told.append))
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


@contextmanager
def _no_settings() -> Iterator[None]:
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    try:
        yield
    finally:
        os.environ.update(taken)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Turn the signals that would leave children behind into an exit that unwinds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="passbell-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stand_in(settings: Settings) -> Iterator[None]:
    try:
        standing.address(settings)
        yield
    finally:
        standing.stop(settings)
        deadline = time.monotonic() + END_SECONDS
        while standing.running(settings) is not None and time.monotonic() < deadline:
            time.sleep(0.02)


def _free_port() -> int:
    """A port that is free now, so that the user's own stand-in keeps its usual one."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        child.stdin.close()
    child.terminate()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _control(settings: Settings, method: str, door: str, body: object = None) -> Any:
    """Use one of the doors that PassKit does not have."""
    url = f"{standing.address(settings)}/_rehearsal/{door}"
    answer = httpx.request(method, url, json=body, timeout=10, trust_env=False)
    return answer.raise_for_status().json()
