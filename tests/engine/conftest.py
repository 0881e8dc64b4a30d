"""A whole house for the engine's tests: store, stand-in and worker processes, all real."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from jobs import blasts, plans
from jobs.account import reading
from jobs.intake.sync import sync
from jobs.rehearsal import standing
from store import ledger, migrations, programs
from store.audiences import Selection
from store.database import Database
from store.ledger import Blast, Tally
from store.schema import metadata
from store.settings import HOME_VARIABLE, Settings, as_environment, load
from tests.bed.nursery import Child, Nursery
from tests.engine.stage import Stage

Rows = dict[sa.Table, list[dict[str, Any]]]
Synced = dict[tuple[str, int, int], Rows]
"""The rows of all tables after a first sync, by dialect and by the stand-in's members and seed."""

PATIENCE = 60.0
TEXT = "Zwei für eins, heute bis 18 Uhr 🎉"


class House:
    """One installation with a stand-in of its own."""

    def __init__(self, home: Path, store_url: str, synced: Synced, nursery: Nursery, **flags: str) -> None:
        wanted = {
            "store.url": store_url,
            "rehearsal.members": "120",
            "passkit.rate_per_second": "2000",
            "passkit.timeout_seconds": "2",
            "engine.backoff_seconds": "0.05",
            "engine.lease_seconds": "2",
            "engine.undo_seconds": "0",
            "engine.probe_seconds": "0.5",
            "gate.pass_interval_minutes": "0",
        }
        wanted |= {name.replace("__", "."): value for name, value in flags.items()}
        self.settings: Settings = load(home, wanted)
        self.nursery = nursery
        self.open()
        self.url = standing.address(self.settings)
        self.database = Database(store_url)
        migrations.migrate(self.database)
        self.workers: list[Child] = []
        world = (self.database.dialect, self.settings.rehearsal.members, self.settings.rehearsal.seed)
        if world in synced:
            self._fill(synced[world])
        else:
            self.sync()
            with self.database.read() as connection:
                synced[world] = {
                    table: [dict(row) for row in connection.execute(table.select()).mappings()]
                    for table in metadata.sorted_tables
                }
        with self.database.read() as connection:
            found = programs.list_programs(connection, self.settings.account)
        self.programs = {row.program.kind: row.program.id for row in found}
        self.program = self.programs["membership"]
        self.control("POST", "reset-stats")

    def open(self, *more: str) -> None:
        """Start the stand-in, which leaves its note in the home."""
        rehearsal, log = self.settings.rehearsal, self.settings.home / "rehearsal.log"
        child = self.nursery.start(
            "jobs.rehearsal.__main__:main",
            *(f"--home={self.settings.home}", f"--port={rehearsal.port}", f"--members={rehearsal.members}"),
            *(f"--seed={rehearsal.seed}", "--idle-exit=900", *more),
            surroundings=os.environ,
            log=log,
        )
        assert child.wait(PATIENCE) == 0, log.read_text()[-3000:]

    def _fill(self, rows: Rows) -> None:
        """The store as another house's first sync of the same world has left it."""
        with self.database.write() as connection:
            for table, found in rows.items():
                if found:
                    connection.execute(table.insert(), found)
                counted = table.autoincrement_column
                if found and counted is not None and self.database.dialect == "postgresql":
                    sequence = sa.func.pg_get_serial_sequence(table.name, counted.name)
                    connection.execute(
                        sa.select(sa.func.setval(sequence, max(row[counted.name] for row in found)))
                    )

    def sync(self) -> None:
        async def run() -> None:
            async with reading(self.settings, self.database) as client:
                await sync(self.database, client, self.settings, program=None, progress=None, actor="test")

        asyncio.run(run())
        self.control("POST", "reset-stats")

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method, f"{self.url}/_rehearsal/{path}", json=body, trust_env=False, timeout=10
        )
        answer.raise_for_status()
        return answer.json()

    def faults(self, **wanted: Any) -> None:
        self.control("PUT", "faults", wanted)

    @property
    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", "stats")
        return found

    def plan(self, text: str = TEXT, **selection: Any) -> plans.Plan:
        chosen = Selection(**selection) if selection else Selection("all")
        return plans.plan(
            self.database, self.settings, program=self.program, chosen=chosen, text=text, actor="test"
        )

    def launch(self, text: str = TEXT, **selection: Any) -> int:
        plan = self.plan(text, **selection)
        expect = plan.tally.counts["pending"]
        blasts.launch(
            self.database, self.settings, plan.blast.id, expect=expect, actor="test", ring=lambda _: None
        )
        return plan.blast.id

    def say(self, verb: Callable[..., Any], blast_id: int, **more: Any) -> Any:
        return verb(self.database, self.settings, blast_id, actor="test", **more)

    def surroundings(self) -> dict[str, str]:
        """The environment in which a process finds this house."""
        return os.environ | as_environment(self.settings) | {HOME_VARIABLE: str(self.settings.home)}

    def start_worker(self) -> Child:
        log = self.settings.home / "worker.log"
        child = self.nursery.start("jobs.worker_child:main", surroundings=self.surroundings(), log=log)
        self.workers.append(child)
        return child

    def blast(self, blast_id: int) -> Blast:
        with self.database.read() as connection:
            return ledger.get(connection, blast_id)

    def tally(self, blast_id: int) -> Tally:
        with self.database.read() as connection:
            return ledger.tally(connection, blast_id)

    def wait(self, what: str, seen: Callable[[], bool], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not seen():
            if time.monotonic() > deadline:
                log = (self.settings.home / "worker.log").read_text()[-3000:]
                pytest.fail(f"waited {patience:g} s in vain until {what}; the worker says:\n{log}")
            time.sleep(0.02)

    def wait_for_state(self, blast_id: int, state: str) -> None:
        self.wait(f"blast {blast_id} is {state}", lambda: self.blast(blast_id).state == state)

    def wait_for_accepted(self, blast_id: int, count: int) -> None:
        self.wait(f"{count} are accepted", lambda: self.tally(blast_id).states["accepted"] >= count)

    def nothing_lost(self, blast_id: int) -> Tally:
        """The sum holds, nobody was alerted twice, and the phones agree with the ledger."""
        tally, stats = self.tally(blast_id), self.stats
        states = tally.states
        assert tally.planned == states["accepted"] + states["failed"] + states["skipped"]
        assert stats["changed_passes"] == states["accepted"]
        assert stats["alerted_twice"] == 0
        assert stats["sins"] == {"opted_out": 0, "not_installed": 0}
        return tally

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(PATIENCE)
        standing.stop(self.settings)
        self.database.close()


@pytest.fixture(scope="session")
def synced() -> Synced:
    """What the first house of each world has read, so that the next ones need not read it again."""
    return {}


@pytest.fixture
def build(
    current_url: str, synced: Synced, nursery: Nursery, tmp_path: Path
) -> Iterator[Callable[..., House]]:
    """Builds the house with the settings that a test wants, on each database."""
    built: list[House] = []

    def build_one(**flags: str) -> House:
        built.append(House(tmp_path, current_url, synced, nursery, **flags))
        return built[-1]

    yield build_one
    for house in built:
        house.close()


@pytest.fixture
def stage(current_url: str, tmp_path: Path) -> Iterator[Stage]:
    """A blast for many hands, on each database."""
    made = Stage(current_url, tmp_path)
    yield made
    made.close()
