"""Processes of passbell's own that need no second to start.

Each is a real one, with a pid, signals, an environment, files and an end of its own. Only the imports, which
are most of what a start costs, were done before: this module, run by `Nursery`, has loaded what workers,
commands and stand-ins need, and forks each of them.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = (
    "alembic.command",
    "console.cli.blasts",
    "console.cli.root",
    "jobs.rehearsal.__main__",
    "jobs.worker",
    "jobs.worker_child",
    "jobs.worker_log",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
LONGEST = 1 << 20
"""Bytes of an order: names, words and an environment."""


class Child:
    """A process that a nursery has started, with what tests ask of a Popen.

    Its standard input stays open until `stdin` is closed, its end was seen, or the tests end in any way.
    """

    def __init__(self, stdin: int, news: int) -> None:
        self.stdin = open(stdin, "wb", buffering=0)  # noqa: SIM115 its end is what a test may want to see
        self._news = open(news, "rb", buffering=0)  # noqa: SIM115 closed with the last news
        self.pid = int(self._news.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, or -9 for one that SIGKILL has ended. Raises TimeoutError."""
        if self.returncode is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise TimeoutError(f"process {self.pid} has not ended within {timeout} s")
            self.returncode = int(self._news.readline())
            self._news.close()
            self.stdin.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit code; None while it lives."""
        with suppress(TimeoutError):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The parent of such processes. They outlive it, each until it hears that its standard input ended."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.bed.nursery", str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT)

    def start(self, entry: str, *words: str, surroundings: Mapping[str, str], log: Path) -> Child:
        """Start what the function `entry` (`jobs.worker_child:main`) does with these words behind its name.

        surroundings  all of its environment
        log           where its standard output and error go, behind what is there
        """
        stdin, ours = os.pipe()
        news, theirs = os.pipe()
        order = json.dumps([entry, words, dict(surroundings)]).encode() + b"\n"
        with open(log, "ab") as file:
            socket.send_fds(self._door, [order], [stdin, file.fileno(), theirs])
        os.close(stdin)
        os.close(theirs)
        return Child(ours, news)

    def close(self) -> None:
        self._door.close()
        self._process.wait()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """What starts processes of passbell's own quickly."""
    made = Nursery()
    yield made
    made.close()


def serve(door: socket.socket) -> None:
    """Fork for each order; returns in the child, which then lives its life, and at the end of all orders."""
    while True:
        order, (*files,) = socket.recv_fds(door, LONGEST, 3)[:2]
        if not order:
            return
        while not order.endswith(b"\n"):
            order += door.recv(LONGEST)
        if not os.fork():
            door.close()
            if not mind(files.pop()):
                live(*json.loads(order), *files)
            return
        for one in files:
            os.close(one)
        while os.waitpid(0, os.WNOHANG)[0]:  # those who have no child to mind any more
            pass


def mind(news: int) -> int:
    """Fork once more; returns 0 in the child, and otherwise tells its pid and how it ended, and ends."""
    if child := os.fork():
        os.write(news, b"%d\n" % child)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(news, b"%d\n" % ended)
        os._exit(0)
    os.close(news)
    return child


def live(entry: str, words: list[str], surroundings: dict[str, str], stdin: int, log: int) -> None:
    """The life of a child. What it raises, SystemExit first of all, ends it as it would end a program."""
    os.environ.clear()
    os.environ.update(surroundings)
    time.tzset()
    for stream, file in enumerate((stdin, log, log)):
        os.dup2(file, stream)
    for file in {stdin, log}:
        os.close(file)
    module, _, name = entry.partition(":")
    sys.argv = [entry, *words]
    getattr(import_module(module), name)()


if __name__ == "__main__":
    for name in LOADED:
        import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as door:
        serve(door)
