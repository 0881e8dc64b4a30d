"""Workers and commands that kill themselves at a step of their way.

The process is a real one and so is its end: SIGKILL, which leaves it no time for anything.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from store.database import Database

PATIENCE = 60
"""Seconds that a process has to come to its step."""


def main() -> None:
    """Do what the words say: when, where, and the words behind `passbell`, or none for a worker.

    when   before   the step begins
           within   the step is done, and the transaction it belongs to is not yet committed
           after    the transaction it belongs to is committed; for a coroutine: its result is there
    where  the step, a public function: `store.claims:claim`
    """
    when, where, *what = sys.argv[1:]
    signal.alarm(PATIENCE)
    arm(when, where)
    if what:
        import_module("console.cli").main(what)
    else:
        import_module("jobs.worker_child").main()


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
