"""From issuing to the lock screen: own passes, over real TLS, on simulated iPhones that say what they saw."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import blasts, house, plans, stage, worker_child
from jobs.passes import changes
from jobs.rehearsal import standing
from store import ledger, migrations
from store.audiences import Selection
from store.database import Database
from store.errors import PassbellError, Refused
from store.ledger import Tally
from store.schema import deliveries, issued, members, pushes_due
from store.settings import Settings, load
from store.times import now

TEXT = "Zwei für eins, heute bis 18 Uhr 🎉"
PATIENCE = 90.0


class Business:
    """A business that issues its own passes: store, web face, stand-ins, workers and phones, all real."""

    def __init__(self, home: Path, store_url: str, open_: ExitStack, **more: str) -> None:
        port = stage.free_port()
        flags = {
            "store.url": store_url,
            "web.port": str(port),
            "web.url": f"https://127.0.0.1:{port}",
            "web.processes": "1",
            "web.address_per_minute": "10000000",
            # A worker starts PassKit's stand-in as well, which has no part here.
            "rehearsal.port": str(stage.free_port()),
            "rehearsal.members": "10",
            "engine.undo_seconds": "0",
            "engine.backoff_seconds": "0.05",
            "engine.lease_seconds": "2",
            "gate.pass_interval_minutes": "0",
        }
        self.settings: Settings = load(
            home, flags | {name.replace("__", "."): one for name, one in more.items()}
        )
        self.database = Database(store_url)
        open_.callback(self.database.close)
        open_.callback(standing.stop, self.settings)
        migrations.migrate(self.database)
        open_.enter_context(house.opened(self.settings))
        self._open = open_

    def issue(self, count: int, shares: dict[str, float]) -> dict[str, Any]:
        """Issue passes and let phones take them; the phones' counts."""
        self.program = house.issued(self.database, self.settings, count=count)
        house.hand_out(self.database, self.settings, self.program, shares)
        stats = house.settled(self.settings)
        assert stats["trouble"] == {}
        assert (stats["registered"], stats["signature_failures"]) == (count, 0)
        house.control(self.settings, "POST", "reset-stats")
        # Nobody comes back by chance: the test says when.
        house.control(self.settings, "PUT", "phones", {"away_seconds": [3600, 3600]})
        return stats

    def start_worker(self) -> subprocess.Popen[bytes]:
        child = worker_child.start(self.settings)
        self._open.callback(stage.end, child)
        return child

    def launch(self, text: str) -> int:
        plan = plans.plan(
            self.database,
            self.settings,
            program=self.program.id,
            chosen=Selection("all"),
            text=text,
            actor="test",
        )
        pending = plan.tally.counts["pending"]
        blasts.launch(
            self.database, self.settings, plan.blast.id, expect=pending, actor="test", ring=lambda _: None
        )
        return plan.blast.id

    def tally(self, blast_id: int) -> Tally:
        with self.database.read() as connection:
            return ledger.tally(connection, blast_id)

    def wait(self, what: str, seen: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not seen():
            if time.monotonic() > deadline:
                log = (self.settings.home / "worker.log").read_text()[-3000:]
                pytest.fail(f"waited {PATIENCE:g} s in vain until {what}; the worker says:\n{log}")
            time.sleep(0.02)  # between two looks at the store

    def finish(self, blast_id: int) -> Tally:
        def finished() -> bool:
            with self.database.read() as connection:
                return ledger.get(connection, blast_id).state == "finished"

        self.wait(f"blast {blast_id} is finished", finished)
        return self.tally(blast_id)

    def told(self, blast_id: int) -> set[str]:
        """The serials that the ledger calls accepted."""
        query = (
            sa.select(issued.c.serial)
            .join(deliveries, deliveries.c.pass_id == issued.c.pass_id)
            .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "accepted")
        )
        with self.database.read() as connection:
            return set(connection.scalars(query))

    def untold(self) -> int:
        """Passes that changed, and whose phones have yet to be told."""
        with self.database.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(pushes_due)) or 0

    def shown(self) -> dict[str, list[str]]:
        alerts = house.control(self.settings, "GET", "alerts")
        return {serial: [alert["text"] for alert in said] for serial, said in alerts.items()}

    def funnel(self, blast_id: int) -> dict[str, int]:
        found = house.funnel(self.database, blast_id).steps["apple"]
        return {name: step.count for name, step in found.items()}


@pytest.fixture
def business(current_url: str, tmp_path: Path) -> Iterator[Callable[..., Business]]:
    with ExitStack() as open_:
        yield lambda **more: Business(tmp_path, current_url, open_, **more)


@pytest.mark.slow
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_two_thousand_passes_from_issuing_to_the_lock_screen(business: Callable[..., Business]) -> None:
    own = business()
    before = own.issue(2_000, {"online": 0.92, "away": 0.03, "muted": 0.03, "leaving": 0.02})
    kinds = before["kinds"]
    assert before["can_fetch"] == 2_000 - kinds["away"] - kinds["muted"]
    own.start_worker()

    blast_id = own.launch(TEXT)
    assert own.finish(blast_id).counts["accepted"] == 2_000
    phones = house.settled(own.settings)
    assert phones["fetched"] == phones["alerted"] == phones["alerts"] == before["can_fetch"]
    assert (phones["pushed"], phones["alerted_twice"], phones["signature_failures"]) == (2_000, 0, 0)
    assert phones["trouble"] == {}
    shown = own.shown()
    assert set(map(tuple, shown.values())) == {(TEXT,)}
    assert shown.keys() < own.told(blast_id)
    assert own.funnel(blast_id) == {
        "accepted": phones["pushed"],
        "listed": phones["listed"],
        "fetched": phones["fetched"],
    }

    found = house.compared(own.database, own.settings, blast_id)
    assert found.differences == []
    assert found.phones["fetched"] == 2_000 - kinds["muted"] == own.funnel(blast_id)["fetched"]
    assert set(map(tuple, own.shown().values())) == {(TEXT,)}


@pytest.mark.slow
def test_a_worker_is_killed_while_pushes_fly_and_nobody_is_alerted_twice(
    business: Callable[..., Business],
) -> None:
    own = business(apple__rate_per_second="100")
    own.issue(150, {"online": 0.9, "muted": 0.1})
    faults = {
        "every": 9,
        "word": "InternalServerError",
        "next": ["reset", "goaway", "TooManyRequests", "drop"],
    }
    house.control(own.settings, "PUT", "faults", faults)
    first, _ = own.start_worker(), own.start_worker()
    blast_id = own.launch(TEXT)
    own.wait("40 are accepted", lambda: own.tally(blast_id).states["accepted"] >= 40)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(PATIENCE) == -signal.SIGKILL
    assert own.finish(blast_id).counts["accepted"] == 150
    found = house.compared(own.database, own.settings, blast_id)
    assert found.differences == []
    assert set(map(tuple, own.shown().values())) == {(TEXT,)}
    assert len(own.shown()) == 150 - found.phones["kinds"]["muted"]

    second = own.launch("Morgen wieder")
    assert own.finish(second).counts["accepted"] == 150
    house.settled(own.settings)
    assert set(map(tuple, own.shown().values())) == {(TEXT, "Morgen wieder")}

    # Points change without a blast: a worker pushes, phones fetch, and no lock screen says a word.
    house.control(own.settings, "POST", "reset-stats")
    with own.database.write() as connection:
        ids = list(connection.scalars(sa.select(members.c.id).order_by(members.c.id).limit(20)))
        connection.execute(members.update().where(members.c.id.in_(ids)).values(points=777))
        changes.members_changed(connection, own.program.id, {id_: ["points"] for id_ in ids}, at=now())
    own.wait("all were told", lambda: not own.untold())
    phones = house.settled(own.settings)
    assert 0 < phones["fetched"] == phones["listed"] <= phones["pushed"] == 20
    assert (phones["alerts"], phones["trouble"]) == (0, {})


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_anybody_can_rehearse_with_phones(business: Callable[..., Business], tmp_path: Path) -> None:
    own = business()
    program = house.issued(own.database, own.settings, count=5)
    told = [house.rehearse(own.database, own.settings, program, most=3) for _ in range(3)]
    assert [one["taken"] for one in told] == [3, 2, 0]
    assert [one["registered"] for one in told] == [3, 5, 5]
    flags = {"store.url": own.settings.store_url, "web.port": str(stage.free_port())}
    with pytest.raises(PassbellError, match="run `passbell serve` beside this"):
        house.rehearse(own.database, load(tmp_path, flags), program, most=3)
    live = load(tmp_path, flags | {"apple.pass_type": "pass.com.example"})
    with pytest.raises(Refused, match="this is LIVE"):
        house.rehearse(own.database, live, program, most=3)
