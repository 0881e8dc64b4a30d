"""The worker's ears: huey's consumer, made so that a queue's troubles and strangers' messages harm nothing.

Huey's own threads log a traceback each time the queue cannot be read, several times a second, and its
scheduler one each second, though nothing is ever scheduled here. `worker_class` and `scheduler_class` are
huey's own places for others.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

from huey import Huey
from huey.consumer import Consumer, Scheduler, Worker

from jobs.worker_log import Seldom

log = logging.getLogger("passbell")

REST = 1.0
"""Seconds between two tries to read a queue that cannot be read."""


class Ears(Consumer):  # type: ignore[misc]
    """Huey's consumer, which drains the pumps before it waits for its threads.

    `name` is the queue's in words. Its own answer to SIGHUP is to start itself anew, so that a closed
    terminal would leave a sender behind; here it stops like the others.
    """

    def __init__(self, queue: Huey, name: str, drain: Callable[[], None], *, threads: int) -> None:
        self._name = name
        self._trouble, self._refused = Seldom(), Seldom()
        self._drain = drain
        super().__init__(
            queue,
            workers=threads,
            periodic=False,
            initial_delay=0.05,
            max_delay=0.25,
            check_worker_health=True,
            graceful_signal="TERM",
        )
        self._signal_actions = dict.fromkeys((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), (False, True))

    def stop(self, graceful: bool = False) -> None:
        self._drain()
        super().stop(graceful)

    def _create_worker(self) -> Listener:
        return Listener(self, stop_flag=self.stop_flag)

    def _create_scheduler(self) -> Unscheduled:
        return Unscheduled(self.huey, self.stop_flag, self.scheduler_interval, self.periodic)

    def cannot_hear(self, error: Exception) -> None:
        """The queue cannot be read: tell it once a minute. Workers find blasts by their tick meanwhile."""
        if self._trouble.passes() is not None:
            words = " ".join(str(error).split()) or type(error).__name__
            log.error("the queue %s cannot be read: %s; blasts are found without it", self._name, words)

    def hears(self) -> None:
        """The queue was read."""
        if self._trouble.ends():
            log.info("the queue %s can be read again", self._name)

    def refuse(self, why: str) -> None:
        """A message that is none of ours was thrown away: tell it, but not for each of a flood."""
        kept_back = self._refused.passes()
        if kept_back is not None:
            more = f" (and {kept_back:,} others before)" if kept_back else ""
            log.error("refused a message in the queue %s%s: %s", self._name, more, why)


class Listener(Worker):  # type: ignore[misc]
    """One thread that reads the queue and answers the bell.

    Huey's own `execute` asks the queue before and after each task whether it was revoked; a queue that goes
    away in between would lose the ring. Nothing here is revoked, delayed or kept, so the task is just run.
    """

    def __init__(self, ears: Ears, *, stop_flag: threading.Event) -> None:
        super().__init__(ears.huey, stop_flag, ears.default_delay, ears.max_delay, ears.backoff)
        self._ears = ears

    def loop(self, now: Any = None) -> None:
        try:
            message = self.huey.storage.dequeue()
        except Exception as error:  # each kind of queue has its driver's own errors
            self._ears.cannot_hear(error)
            self.stop_flag.wait(REST)
            return
        self._ears.hears()
        if message is not None:
            self.delay = self.default_delay
            self._answer(message)
        elif not self.huey.storage.blocking:
            self.sleep()

    def _answer(self, message: bytes) -> None:
        try:
            task = self.huey.deserialize_task(message)
        except ValueError:
            self._ears.refuse("it is not signed with this installation's queue.secret")
        except Exception as error:  # signed, and yet not a task of this version
            self._ears.refuse(f"this version does not know its task ({type(error).__name__})")
        else:
            self._run(task)

    def _run(self, task: Any) -> None:
        try:
            task.execute()
        except Exception:
            log.exception("a ring could not be answered; the tick finds its blast")


class Unscheduled(Scheduler):  # type: ignore[misc]
    """In place of huey's scheduler: nothing is scheduled here, so the queue is not asked for it."""

    def loop(self, now: Any = None) -> None:
        self.stop_flag.wait(self.interval)
