"""A blast as it stands in some scene, and two hands that act on it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs import blasts
from jobs.engine.tick import Ticker
from store import audit, claims, ledger, schedules, settlements
from store.claims import Claimed
from store.database import Database
from store.schema import attempts, batches, deliveries
from store.schema import audit as audit_table
from store.schema import blasts as blast_table
from store.settings import Settings, load
from store.settlements import Settlement
from store.times import now
from tests.store.crowd import open_store
from tests.store.test_ledger import accepted, again, failed, planned

PASSES = 7
LEASE = timedelta(hours=1)
TABLES = (blast_table, batches, deliveries, attempts, audit_table)
ENDS = ("accepted", "skipped", "held_out")


def quiet(_: int) -> None:
    """A bell that nobody hears."""


class Stage:
    """One blast with a delivery in each state, and two hands that act on it, each on its own connections."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.settings: Settings = load(home, {"store.url": url, "engine.undo_seconds": "0"})
        self.mine, self.theirs = open_store(url), Database(url)
        self.open = ExitStack()
        self.eyes = self.open.enter_context(self.theirs.read())
        self.scene = ""

    def set(self, scene: str) -> None:
        """A blast as it stands in this scene, and nothing else.

        planned    nothing was sent
        scheduled  its moment has come
        midway     it runs, and a delivery is in each state; one is `flying`, one has lost its lease (`stray`)
        held       the same, held, and it is time to look whether it may go on
        settled    it runs, and nothing is open
        """
        if self.scene != scene:
            self.replace({})
            self.build(scene)
            with self.mine.read() as connection:
                self.rows = {table: connection.execute(sa.select(table)).mappings().all() for table in TABLES}
            self.scene = scene
        self.replace(self.rows)

    def replace(self, rows: Mapping[sa.Table, Sequence[Any]]) -> None:
        """All there is of blasts is these rows."""
        with self.mine.write() as connection:
            for table in reversed(TABLES):
                connection.execute(table.delete())
            for table, its in rows.items():
                if its:
                    connection.execute(table.insert(), [dict(row) for row in its])

    def build(self, scene: str) -> None:
        at = now()
        self.blast_id = planned(self.mine, PASSES, 1)
        if scene == "planned":
            return
        if scene == "scheduled":
            with self.mine.write() as connection:
                schedules.schedule(connection, self.blast_id, send_at=at, at=at)
            return
        blasts.launch(self.mine, self.settings, self.blast_id, expect=PASSES, actor="test", ring=quiet)
        first, (one, two) = self.claim(self.mine, 2)
        self.settle(self.mine, first, [accepted(one), failed(two, "timeout")])
        self.live, (self.flying,) = self.claim(self.mine, 1)
        self.late, (self.stray,) = self.claim(self.mine, 1, lease=timedelta(0))
        if scene == "settled":
            self.settle(self.mine, self.live, [accepted(self.flying)])
            self.settle(self.mine, self.late, [accepted(self.stray)])
            batch_id, rest = self.claim(self.mine, PASSES)
            self.settle(self.mine, batch_id, [accepted(each) for each in rest])
        if scene == "held":
            with self.mine.write() as connection:
                ledger.step(
                    connection, self.blast_id, "held", at=at, hold_reason="the provider is down", probe_at=at
                )

    def claim(self, database: Database, limit: int, lease: timedelta = LEASE) -> tuple[int, list[Claimed]]:
        at = now()
        with database.write() as connection:
            return claims.claim(
                connection,
                self.blast_id,
                worker="w",
                limit=limit,
                lease_until=at + lease,
                at=at,
                look=lambda *_: {},
            )

    def settle(self, database: Database, batch_id: int, ended: list[Settlement]) -> int:
        with database.write() as connection:
            return settlements.settle(connection, self.blast_id, batch_id, ended, at=now())

    def say(self, verb: Callable[..., Any], database: Database, **more: Any) -> Any:
        return verb(database, self.settings, self.blast_id, actor="test", **more)

    def said(self, act: str) -> int:
        """How many entries of an act the audit has."""
        query = sa.select(sa.func.count()).where(audit_table.c.act == act)
        with self.mine.read() as connection:
            return connection.execute(query).scalar_one()

    def look(self) -> tuple[str, Counter[str]]:
        """The blast's state and its deliveries by state, after seeing that the ledger is sound."""
        with self.mine.read() as connection:
            state = ledger.get(connection, self.blast_id).state
            rows = connection.execute(sa.select(deliveries)).all()
            of_batches = connection.execute(sa.select(batches)).all()
            assert audit.verify(connection)[1] is None
        counts = Counter(row.state for row in rows)
        assert sum(counts[each] for each in ledger.STATES) == PASSES
        if state == "finished":
            assert not counts["pending"] + counts["sending"]
        if state == "cancelled":
            assert not counts["pending"]
        states = {row.id: row.state for row in rows}
        assert all(states[row["id"]] == row["state"] for row in self.rows[deliveries] if row["state"] in ENDS)
        for batch in of_batches:
            ended = Counter(row.state for row in rows if row.batch_id == batch.id)
            assert batch.accepted == ended["accepted"]
            assert ended.total() <= batch.size
        return state, counts

    def somebody_waits(self) -> bool:
        """On Postgres: whether a connection waits for a lock."""
        return bool(self.eyes.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    def close(self) -> None:
        self.open.close()
        self.mine.close()
        self.theirs.close()


def launch(stage: Stage, database: Database) -> None:
    stage.say(blasts.launch, database, expect=PASSES, ring=quiet)


def pause(stage: Stage, database: Database) -> None:
    stage.say(blasts.pause, database)


def resume(stage: Stage, database: Database) -> None:
    stage.say(blasts.resume, database, ring=quiet)


def cancel(stage: Stage, database: Database) -> None:
    stage.say(blasts.cancel, database)


def retry(stage: Stage, database: Database) -> None:
    stage.say(blasts.retry, database, ring=quiet)


def claim(stage: Stage, database: Database) -> None:
    stage.claim(database, 2)


def finish(stage: Stage, database: Database) -> None:
    with database.write() as connection:
        ledger.finish_if_done(connection, stage.blast_id, at=now())


def tick(stage: Stage, database: Database) -> None:
    Ticker(
        database,
        stage.settings,
        "w",
        pump=lambda *_: None,
        pumping=set,
        look=lambda: None,
    ).tick()


def settle_live(stage: Stage, database: Database) -> None:
    stage.settle(database, stage.live, [accepted(stage.flying)])


def settle_again(stage: Stage, database: Database) -> None:
    stage.settle(database, stage.live, [again(stage.flying, now())])


def settle_late(stage: Stage, database: Database) -> None:
    stage.settle(database, stage.late, [again(stage.stray, now(), "unknown")])
