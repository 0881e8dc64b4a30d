"""The console killed in mid-blast: no blast is harmed, and the next console shows the truth at once."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from console.desk import Desk
from console.memory import Memory
from jobs import blasts, plans
from store import audit, claims, ledger
from store.audiences import Selection
from store.database import Database
from store.migrations import migrate
from store.schema import deliveries, workers
from store.settings import HOME_VARIABLE, load
from store.times import now
from tests.console.seed import CAFE, Clock, add_members, add_programs, send

SIZE = (100, 30)
PATIENCE = 20.0
MOVES = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[[0-9;?]*[A-Za-z]|\x1b[^\[]|[\r\n]")


class Terminal:
    """A console in a terminal of its own, and the words that stand on it."""

    def __init__(self, home: Path) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        self.child = subprocess.Popen(
            [sys.executable, "-c", "from console.cli import main; main()"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=os.environ
            | {HOME_VARIABLE: str(home), "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"},
        )
        os.close(theirs)
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._written = ""
        self._lines = [[" "] * SIZE[0] for _ in range(SIZE[1])]
        self._place = 0, 0

    def wait_for(self, *words: str) -> None:
        """Wait until all of the words stand on the screen."""
        until = time.monotonic() + PATIENCE
        while not all(word in self.shown for word in words):
            assert time.monotonic() < until, f"waited in vain for {words} on\n{self.shown}"
            assert self.child.poll() is None, f"it has ended\n{self.shown}"
            if select.select([self.ours], [], [], 0.1)[0]:
                self._draw(self._text.decode(os.read(self.ours, 65_536)))

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def kill(self) -> None:
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(PATIENCE)
        os.close(self.ours)

    @property
    def shown(self) -> str:
        """What stands there, line by line."""
        return "\n".join("".join(line) for line in self._lines)

    def _draw(self, written: str) -> None:
        """Follow the cursor; a sequence that has not come whole is kept."""
        self._written += written
        whole = self._written.rfind("\x1b")
        whole = whole if whole >= 0 and not MOVES.match(self._written, whole) else len(self._written)
        text, self._written = self._written[:whole], self._written[whole:]
        at, row, column = 0, *self._place
        for move in MOVES.finditer(text):
            row, column = self._put(text[at : move.start()], row, column)
            if move.group(1):
                row, column = int(move.group(1)) - 1, int(move.group(2)) - 1
            elif move.group() == "\r":
                column = 0
            elif move.group() == "\n":
                row += 1
            at = move.end()
        self._place = self._put(text[at:], row, column)

    def _put(self, text: str, row: int, column: int) -> tuple[int, int]:
        for character in text:
            if row < SIZE[1] and column < SIZE[0]:
                self._lines[row][column] = character
            column += 1
        return row, column


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        if one.child.poll() is None:
            one.kill()


def test_a_killed_console_harms_no_blast_and_the_next_shows_the_truth(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    (tmp_path / "passbell.toml").write_text("[console]\nstart_worker = false\n")
    settings = load(tmp_path, {"engine.undo_seconds": "0"})
    database, clock = Database(settings.store_url), Clock()
    clock.at = now()
    migrate(database)
    with database.write() as connection:
        add_programs(connection, settings.account)
    add_members(database, CAFE, 60)
    plan = plans.plan(
        database, settings, program=CAFE, chosen=Selection("all"), text="Cake for all", actor="ann"
    )
    expect = plan.tally.counts["pending"]

    def start() -> Terminal:
        terminals.append(Terminal(tmp_path))
        return terminals[-1]

    # On the first day it begins at home; killed there, with the blast launched behind its back.
    first = start()
    first.wait_for("NEEDS YOU", "REHEARSAL")
    blasts.launch(database, settings, plan.blast.id, expect=expect, actor="ann", ring=lambda _: None)
    first.wait_for("No worker is alive", "Cake for all")
    first.press("4")
    first.wait_for("accepted  failed")
    first.press("\r")
    first.wait_for(f"{expect:,} pending")
    until = time.monotonic() + PATIENCE
    while Memory(memory_of(tmp_path)).get("screen") != {"mode": "blasts", "blast": 1}:
        assert time.monotonic() < until
        select.select([], [], [], 0.05)
    first.kill()

    # A worker was in the middle of a batch: what it holds is neither lost nor sent by the console.
    clock.at = now()
    send(database, 1, clock, size=10)
    with database.write() as connection:
        claims.claim(
            connection, 1, worker="desk:1:abc", limit=5, lease_until=now(), at=now(), look=lambda *_: {}
        )
    with database.read() as connection:
        before = ledger.tally(connection, 1).counts
        assert before["planned"] == plan.tally.counts["planned"]
        assert audit.verify(connection)[1] is None
    assert before["sending"] == 5

    # It comes back on the very blast, with the figures of now; killed again while it draws.
    second = start()
    second.wait_for("Cake for all", f"{before['accepted']:,} accepted", "5 sending")
    second.kill()

    # Garbage where it remembered is told, and it begins at home with the truth.
    memory = memory_of(tmp_path)
    memory.write_bytes(memory.read_bytes()[:9])
    third = start()
    third.wait_for("forgotten", "NEEDS YOU", "! no worker", "Cake for all")
    third.kill()
    with database.read() as connection:
        assert ledger.tally(connection, 1).counts == before
        assert connection.execute(sa.select(sa.func.count()).select_from(workers)).scalar() == 0
        twice = sa.select(sa.func.count(), sa.func.count(sa.distinct(deliveries.c.pass_id)))
        assert len(set(connection.execute(twice).one())) == 1
    database.close()


def memory_of(home: Path) -> Path:
    """The memory of whoever runs the tests."""
    settings = load(home)
    return Desk(lambda: settings).memory_file
