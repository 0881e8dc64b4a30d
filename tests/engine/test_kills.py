"""SIGKILL at each step of the way, SIGTERM, SIGHUP, the console gone: nothing lost, nobody alerted twice."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from jobs import blasts
from jobs.queue import open_queue
from jobs.tasks import ring_from
from store import audit, ledger
from store.schema import audit as audit_table
from store.schema import deliveries, workers
from tests.bed.nursery import Nursery
from tests.engine.conftest import PATIENCE, TEXT, House

pytestmark = pytest.mark.slow
Build = Callable[..., House]
KillAt = Callable[..., None]
Killed = Callable[..., dict[str, int]]
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

BATCH = 5
SEND = "jobs.channels.passkit:PassKitChannel.send"
PASSBELL = ("-c", "from console.cli import main; main()")
ON_A_TERMINAL = """
import os, sys
os.open(sys.argv[1], os.O_RDWR)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""A process that leads its session takes the first terminal it opens for its own."""


@pytest.fixture
def kill_at(nursery: Nursery) -> KillAt:
    """Runs a command, or a worker, to a step, and sees it killed there."""

    def kill(house: House, when: str, where: str, *what: str) -> None:
        log = house.settings.home / "worker.log"
        words = (when, where, *what)
        child = nursery.start(
            "tests.engine.killed_at:main", *words, surroundings=house.surroundings(), log=log
        )
        assert child.wait(PATIENCE) == -signal.SIGKILL, (
            f"it did not come to {when} {where}:\n{log.read_text()[-3000:]}"
        )

    return kill


def entries(house: House, act: str) -> int:
    """How many entries of an act the audit has; it holds together."""
    with house.database.read() as connection:
        assert audit.verify(connection)[1] is None
        query = sa.select(sa.func.count()).where(audit_table.c.act == act)
        return connection.execute(query).scalar_one()


def alive(house: House) -> int:
    """How many workers have signed on and not off."""
    with house.database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(workers)).scalar_one()


class Terminal:
    """A terminal of 80 by 24 that somebody looks at; `hang_up` closes it, as a lost connection does."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.name = os.ttyname(self.slave)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.shown = b""
        self.hung_up = threading.Event()
        self.children: list[subprocess.Popen[bytes]] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def run(self, house: House, *words: str) -> subprocess.Popen[bytes]:
        """`passbell` in this terminal, which is its own: it hears when it hangs up."""
        child = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, self.name, *PASSBELL, *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            env=house.surroundings() | {"TERM": "xterm-256color"},
        )
        self.children.append(child)
        return child

    def hang_up(self) -> None:
        if not self.hung_up.is_set():
            self.hung_up.set()
            self.reader.join()
            os.close(self.slave)
            os.close(self.master)

    def _read(self) -> None:
        while not self.hung_up.is_set():
            if select.select([self.master], [], [], 0.05)[0]:
                self.shown += os.read(self.master, 65_536)


@pytest.fixture
def terminal() -> Iterator[Callable[[], Terminal]]:
    opened: list[Terminal] = []

    def open_one() -> Terminal:
        opened.append(Terminal())
        return opened[-1]

    yield open_one
    for one in opened:
        one.hang_up()
        for child in one.children:
            child.kill()
            child.wait()


def test_a_command_killed_in_mid_plan_or_launch_leaves_it_whole_or_undone(
    build: Build, kill_at: KillAt
) -> None:
    house = build()
    plan = ("blasts", "plan", "--program", house.program, "--all", "--text", TEXT)

    kill_at(house, "within", "store.plans:freeze", *plan)
    with house.database.read() as connection:
        assert ledger.list_blasts(connection, house.settings.account) == []
        assert connection.execute(sa.select(deliveries)).first() is None
    assert entries(house, "blast.plan") == 0

    kill_at(house, "after", "store.plans:seal", *plan)
    with house.database.read() as connection:
        (blast,) = ledger.list_blasts(connection, house.settings.account)
    assert (blast.state, bool(blast.plan_hash), entries(house, "blast.plan")) == ("planned", True, 1)
    expect = house.tally(blast.id).states["pending"]
    launch = ("blasts", "launch", str(blast.id), "--expect", str(expect))

    kill_at(house, "within", "store.ledger:step", *launch)
    assert (house.blast(blast.id).state, entries(house, "blast.launch")) == ("planned", 0)

    kill_at(house, "after", "store.ledger:step", *launch)  # before it could ring
    assert (house.blast(blast.id).state, entries(house, "blast.launch")) == ("running", 1)
    queue = open_queue(house.settings)
    assert queue.pending_count() == 0
    queue.storage.close()
    assert house.stats["changed_passes"] == 0
    house.start_worker()
    house.wait_for_state(blast.id, "finished")
    assert house.nothing_lost(blast.id).states["accepted"] == expect


@pytest.fixture
def killed(kill_at: KillAt) -> Killed:
    """What the operator sees after a worker was killed at a step: it runs, and nobody is missing."""

    def kill(house: House, blast_id: int, when: str, where: str) -> dict[str, int]:
        planned = house.tally(blast_id).planned
        kill_at(house, when, where)
        tally = house.tally(blast_id)
        assert house.blast(blast_id).state == "running"
        assert tally.planned == planned
        return tally.states

    return kill


def test_a_worker_killed_in_or_after_each_transaction_loses_nobody(build: Build, killed: Killed) -> None:
    house = build(engine__batch_size=str(BATCH), passkit__concurrency="4")
    ring = ring_from(house.settings)
    blast_id = house.launch()
    before = house.tally(blast_id).states
    # Nobody rings for this one: it dies in its first tick, before it has sent anything.
    assert killed(house, blast_id, "within", "store.claims:release_expired") == before
    for _ in range(4):
        ring(blast_id)
    assert killed(house, blast_id, "within", "store.claims:claim") == before
    assert killed(house, blast_id, "after", "store.claims:claim")["sending"] == BATCH
    assert house.stats["changed_passes"] == 0
    assert killed(house, blast_id, "within", "store.settlements:settle")["accepted"] == 0
    assert house.stats["changed_passes"] > 0  # phones have shown what the ledger does not know yet
    assert killed(house, blast_id, "after", "store.settlements:settle")["accepted"] > 0
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["accepted"] == before["pending"]
    assert house.stats["duplicate_writes"] <= BATCH
    house.wait("the dead are buried", lambda: alive(house) == 1)


@one_store
def test_a_worker_killed_before_in_and_after_a_send_loses_nobody(build: Build, killed: Killed) -> None:
    house = build(engine__batch_size=str(BATCH), passkit__concurrency="4")
    blast_id = house.launch()
    before = house.tally(blast_id).states
    assert killed(house, blast_id, "before", SEND)["sending"] >= BATCH
    assert house.stats["changed_passes"] == 0
    assert killed(house, blast_id, "after", SEND)["accepted"] == 0
    assert house.stats["changed_passes"] > 0
    house.faults(latency_ms=200)
    seen = house.stats["requests"]
    in_flight = house.start_worker()
    house.wait("writes are in flight", lambda: house.stats["requests"] > seen + 2 * BATCH)
    in_flight.kill()
    in_flight.wait()
    assert house.tally(blast_id).states["sending"] > 0
    house.faults()
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["accepted"] == before["pending"]
    assert house.stats["duplicate_writes"] <= BATCH


@one_store
def test_a_worker_whose_terminal_is_lost_ends_in_order(
    build: Build, terminal: Callable[[], Terminal]
) -> None:
    house = build(passkit__rate_per_second="5")
    blast_id = house.launch()
    theirs = terminal()
    worker = theirs.run(house, "worker")
    house.wait_for_accepted(blast_id, 5)
    theirs.hang_up()
    assert worker.wait(PATIENCE) == 0
    tally = house.tally(blast_id)
    assert (tally.states["sending"], alive(house)) == (0, 0)
    assert house.stats["changed_passes"] == tally.states["accepted"] < tally.states["pending"]


@one_store
def test_the_blast_outlives_its_console_and_whoever_watches_it(
    build: Build, terminal: Callable[[], Terminal]
) -> None:
    house = build()
    blast_id = house.launch()
    house.say(blasts.set_rate, blast_id, per_second=5)  # it is not at its end before we let it

    def sent_on() -> None:
        accepted = house.tally(blast_id).states["accepted"]
        house.wait_for_accepted(blast_id, accepted + 3)

    def its_worker_ends() -> None:
        house.wait("the console's worker has ended", lambda: alive(house) == 0)
        assert house.tally(blast_id).states["sending"] == 0

    killed_one = terminal().run(house)
    sent_on()  # by the console's own worker
    killed_one.kill()
    assert killed_one.wait(PATIENCE) == -signal.SIGKILL
    its_worker_ends()

    lost = terminal()
    lost_one = lost.run(house)
    sent_on()
    lost.hang_up()
    lost_one.wait(PATIENCE)
    its_worker_ends()

    house.start_worker()
    watch = [sys.executable, *PASSBELL, "blasts", "watch", str(blast_id), "--json"]
    watching = subprocess.Popen(
        watch, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=house.surroundings()
    )
    assert watching.stdout is not None
    assert '"running"' in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, told = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 130
    assert f"blast {blast_id} goes on" in told
    sent_on()
    house.say(blasts.set_rate, blast_id, per_second=None)
    house.wait_for_state(blast_id, "finished")
    house.nothing_lost(blast_id)
    assert house.stats["duplicate_writes"] == 0
