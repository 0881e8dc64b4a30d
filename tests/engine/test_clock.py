"""The tick under clocks of the test's own: schedules come due once, and a clock that is set does no harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobs.engine.clock import Clock
from jobs.engine.tick import Ticker
from store import audit, claims, ledger, schedules, workers
from store.claims import Answer
from store.database import Database
from store.ledger import Blast
from store.migrations import SchemaNewer
from store.schema import blasts, deliveries
from store.settings import Settings, load
from store.times import rfc3339
from store.workers import WorkerRow
from tests.store.crowd import NOW, open_store
from tests.store.test_ledger import again, claim, counts, planned, running, settle, step

HOUR = 3_600.0


@dataclass
class Hands:
    """Both clocks of one machine: the wall's, which can be set, and the steady one."""

    at: datetime = NOW
    steady: float = 0.0

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.steady += seconds

    def set(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class House:
    """A store, its clocks, and workers' ticks upon it.

    `pumped` are the blasts that they joined, `looks` when they looked whether held ones may go on.
    """

    url: str
    settings: Settings
    database: Database
    hands: Hands = field(default_factory=Hands)
    pumped: list[int] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)

    def ticker(self, worker: str = "w", database: Database | None = None) -> Ticker:
        return Ticker(
            database or self.database,
            self.settings,
            worker,
            pump=lambda blast_id, _: self.pumped.append(blast_id),
            pumping=set,
            look=lambda: self.looks.append(self.hands.at),
            clock=Clock(lambda: self.hands.at, lambda: self.hands.steady),
        )

    def schedule(self, seconds: float) -> int:
        blast_id = planned(self.database)
        with self.database.write() as connection:
            schedules.schedule(
                connection, blast_id, send_at=NOW + timedelta(seconds=seconds), at=self.hands.at
            )
        return blast_id

    def launch(self, undo: float) -> int:
        blast_id = planned(self.database)
        at = self.hands.at
        with self.database.write() as connection:
            schedules.start(connection, blast_id, at=at, sends_from=at + timedelta(seconds=undo))
        return blast_id

    def blast(self, blast_id: int) -> Blast:
        with self.database.read() as connection:
            return ledger.get(connection, blast_id)

    def moments(self, column: sa.Column[datetime], blast_id: int) -> set[datetime]:
        state = "sending" if column is deliveries.c.lease_until else "pending"
        query = sa.select(column).where(deliveries.c.state == state, deliveries.c.blast_id == blast_id)
        with self.database.read() as connection:
            return set(connection.scalars(query))

    def acts(self) -> list[tuple[str, str, str]]:
        with self.database.read() as connection:
            return [(entry.act, entry.subject, entry.actor) for entry in audit.page(connection)]


@pytest.fixture
def house(current_url: str, tmp_path: Path) -> Iterator[House]:
    made = House(current_url, load(tmp_path, {"engine.grace_seconds": "900"}), open_store(current_url))
    yield made
    made.database.close()


def test_a_schedule_starts_once_at_its_moment_though_two_tick(house: House) -> None:
    blast_id = house.schedule(60)
    one, other = house.ticker("one"), house.ticker("other")
    house.hands.wait(59)
    one.tick()
    assert (house.blast(blast_id).state, house.pumped) == ("scheduled", [])
    house.hands.wait(2)
    one.tick()
    other.tick()
    blast = house.blast(blast_id)
    assert (blast.state, blast.started_at, blast.sends_from) == ("running", house.hands.at, None)
    assert house.pumped == [blast_id, blast_id]  # each worker joins it
    assert house.acts() == [("blast.started", str(blast_id), "one")]
    assert len(claim(house.database, blast_id, at=house.hands.at)[1]) == 3  # its schedule was the window


def test_a_schedule_is_missed_after_the_grace_and_not_started_late(house: House) -> None:
    late, in_time = house.schedule(0), house.schedule(2)
    house.hands.wait(901)  # no worker was alive
    one, other = house.ticker("one"), house.ticker("other")
    one.tick()
    other.tick()
    assert (house.blast(late).state, house.blast(in_time).state) == ("missed", "running")
    assert house.acts() == [("blast.missed", str(late), "one"), ("blast.started", str(in_time), "one")]
    assert claim(house.database, late, at=house.hands.at) == (0, [])
    with house.database.read() as connection:
        (entry, _) = audit.page(connection)
        assert entry.details == {"send_at": rfc3339(NOW)}


def test_two_that_tick_at_the_same_time_start_each_schedule_once(house: House) -> None:
    ids = [house.schedule(number) for number in range(6)]
    databases = [Database(house.url) for _ in range(2)]
    tickers = [house.ticker(f"w{number}", database) for number, database in enumerate(databases)]
    barrier = threading.Barrier(2)

    def tick(ticker: Ticker) -> None:
        for _ in ids:
            barrier.wait()
            ticker.tick()
            if barrier.wait() == 0:
                house.hands.wait(1)

    threads = [threading.Thread(target=tick, args=(ticker,)) for ticker in tickers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    acts = [(act, int(subject)) for act, subject, _ in house.acts()]
    assert sorted(acts) == [("blast.started", blast_id) for blast_id in ids]
    with house.database.read() as connection:
        assert audit.verify(connection) == (len(ids), None)
    for database in databases:
        database.close()


def test_nothing_leaves_before_the_undo_window_ends(house: House) -> None:
    blast_id = house.launch(undo=10)
    ticker = house.ticker()
    for _ in range(10):
        ticker.tick()
        assert house.pumped == []
        assert claim(house.database, blast_id, at=house.hands.at) == (0, [])
        house.hands.wait(1)
    ticker.tick()
    assert house.pumped == [blast_id]
    assert len(claim(house.database, blast_id, at=house.hands.at)[1]) == 3


def test_what_is_in_flight_is_left_alone_when_the_clock_goes_forward(house: House) -> None:
    blast_id = running(house.database)
    claim(house.database, blast_id)
    ticker = house.ticker()
    ticker.tick()
    house.hands.wait(1)
    house.hands.set(HOUR)
    ticker.tick()
    assert counts(house.database, blast_id)["sending"] == 3
    house.hands.wait(59)
    ticker.tick()
    assert counts(house.database, blast_id)["sending"] == 3
    house.hands.wait(2)  # the lease ran out on the steady clock too: nobody sends it
    ticker.tick()
    assert counts(house.database, blast_id)["sending"] == 0


def test_a_jump_is_not_forgotten_where_the_store_could_not_be_written(house: House) -> None:
    blast_id = running(house.database)
    claim(house.database, blast_id)
    ticker = house.ticker()
    ticker.tick()
    rename = sa.text("UPDATE alembic_version SET version_num = :name")
    with house.database.write() as connection:
        head = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(rename, {"name": "later"})
    house.hands.set(HOUR)
    with pytest.raises(SchemaNewer):
        ticker.tick()
    with house.database.write() as connection:
        connection.execute(rename, {"name": head})
    house.hands.wait(1)
    ticker.tick()
    assert counts(house.database, blast_id)["sending"] == 3


@pytest.mark.parametrize("seen", [True, False], ids=["seen by a worker", "while no worker was alive"])
def test_nothing_waits_for_the_old_time_when_the_clock_went_back(house: House, seen: bool) -> None:
    blast_id, waiting = running(house.database), running(house.database)
    batch_id, (one, two, _) = claim(house.database, blast_id)
    settle(house.database, blast_id, batch_id, [again(one), again(two)])
    ticker = house.ticker()
    if seen:
        ticker.tick()
    held = planned(house.database)
    with house.database.write() as connection:
        row = WorkerRow("gone", "rehearsal", "elsewhere", 1, "1", NOW, NOW)
        workers.sign_on(connection, row)
    step(house.database, held, "running")
    step(house.database, held, "held")
    with house.database.write() as connection:
        connection.execute(blasts.update().where(blasts.c.id == held).values(probe_at=NOW))
    house.pumped.clear()
    house.hands.set(-2 * HOUR)
    ticker.tick()
    at = house.hands.at
    assert house.pumped == [blast_id, waiting]
    assert max(house.moments(deliveries.c.lease_until, blast_id)) == at + timedelta(seconds=60)
    longest = 60.0 if seen else HOUR
    assert max(house.moments(deliveries.c.due_at, blast_id)) == at + timedelta(seconds=longest)
    with house.database.read() as connection:
        (gone,) = workers.silent(connection, "rehearsal", "elsewhere", since=NOW)
    assert gone.seen_at == at
    assert house.looks == [at]  # what is held is looked at now, not in two hours
    assert len(claim(house.database, waiting, at=at)[1]) == 3


def test_an_undo_window_is_as_long_as_it_was_whichever_way_the_clock_goes(house: House) -> None:
    one, other = house.ticker("one"), house.ticker("other")
    for jump in (HOUR, -HOUR):
        one.tick()
        other.tick()
        blast_id = house.launch(undo=10)
        house.hands.wait(2)
        house.hands.set(jump)
        house.pumped.clear()
        for _ in range(8):
            one.tick()
            other.tick()
            assert blast_id not in house.pumped
            assert claim(house.database, blast_id, at=house.hands.at) == (0, [])
            house.hands.wait(1)
        house.hands.wait(0 if jump > 0 else 2)  # back: the window begins anew
        one.tick()
        assert blast_id in house.pumped
        step(house.database, blast_id, "cancelled", house.hands.at)


def test_clocks_that_only_drift_and_waits_that_a_provider_asked_for_are_left_alone(house: House) -> None:
    blast_id = running(house.database)
    batch_id, claimed = claim(house.database, blast_id)
    settle(house.database, blast_id, batch_id, [again(claimed[0], NOW + timedelta(minutes=50))])
    ticker = house.ticker()
    columns = (deliveries.c.due_at, deliveries.c.lease_until)
    before = [house.moments(column, blast_id) for column in columns]
    for drift in (4.0, -4.0, 0.0):
        ticker.tick()
        house.hands.wait(1)
        house.hands.set(drift)
    ticker.tick()
    assert [house.moments(column, blast_id) for column in columns] == before


@pytest.mark.parametrize(
    ("reason", "ahead", "stays"),
    [("quiet_hours", 25, True), ("too_soon", 90, True), ("quiet_hours", 30, False)],
)
def test_what_the_gate_put_off_is_left_alone_unless_no_night_is_so_long(
    house: House, reason: str, ahead: int, stays: bool
) -> None:
    blast_id, until = running(house.database), NOW + timedelta(hours=ahead)
    with house.database.write() as connection:
        claims.claim(
            connection,
            blast_id,
            worker="w",
            limit=3,
            lease_until=until,
            at=NOW,
            look=lambda _, ids: dict.fromkeys(ids, Answer(reason, "", until)),
        )
    before = house.moments(deliveries.c.due_at, blast_id)
    assert until in before
    ticker = house.ticker()
    for _ in range(3):
        ticker.tick()
        house.hands.wait(1)
    assert (house.moments(deliveries.c.due_at, blast_id) == before) is stays
