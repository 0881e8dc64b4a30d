"""Workers and commands that kill themselves at a step of their way.

The process is a real one and so is its end: SIGKILL, which leaves it no time for anything. This module is the
parent of them all: run by `Nursery`, it has loaded once what they need, and forks each of them.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from store.database import Database

PATIENCE = 60
"""Seconds that a process has to come to its step."""
LOADED = ("alembic.command", "console.cli.blasts", "console.cli.root", "jobs.worker_child", "jobs.worker")


class Nursery:
    """Starts processes that end at a step."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.killed_at"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, when: str, where: str, what: Sequence[str], *, surroundings: Mapping[str, str], log: Path
    ) -> int:
        """Run it to its end, which is -9 where it came to the step.

        when   before   the step begins
               within   the step is done, and the transaction it belongs to is not yet committed
               after    the transaction it belongs to is committed; for a coroutine: its result is there
        where  the step, a public function: `store.claims:claim`
        what   the words after `passbell`; none for a worker
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = [when, where, what, dict(surroundings), str(log)]
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def arm(when: str, where: str) -> None:
    """From now on the step is the last."""
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    holder: Any = import_module(module)
    for owner in owners:
        holder = getattr(holder, owner)
    step = getattr(holder, name)
    done = threading.local()

    async def waits(*given: Any, **named: Any) -> Any:
        if when != "before":
            await step(*given, **named)
        die()

    def acts(*given: Any, **named: Any) -> Any:
        if when == "before":
            die()
        result = step(*given, **named)
        if when == "within":
            die()
        done.here = True
        return result

    setattr(holder, name, waits if inspect.iscoroutinefunction(step) else acts)
    write = Database.write

    @contextmanager
    def committed(database: Database) -> Iterator[Any]:
        with write(database) as connection:
            yield connection
        if getattr(done, "here", False):
            die()

    Database.write = committed  # type: ignore[method-assign,assignment]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(when: str, where: str, what: list[str], surroundings: dict[str, str], log: str) -> NoReturn:
    """The life of a child, from the fork on."""
    signal.alarm(PATIENCE)
    os.environ.clear()
    os.environ.update(surroundings)
    os.dup2(os.pipe()[0], 0)  # open as long as the child lives, as a console's end of it is
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), stream)
    try:
        arm(when, where)
        if what:
            import_module("console.cli").main(what)
        else:
            import_module("jobs.worker_child").main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)  # that it ended in any way but by its own hand is the failure


if __name__ == "__main__":
    for name in LOADED:
        import_module(name)
    for line in sys.stdin:
        if not (child := os.fork()):
            live(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201
