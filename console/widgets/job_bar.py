"""A long job of one transaction: a line with how far it is, and the way to stop it with nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from textual.message import Message

from console.threads import in_thread
from console.widgets.how_far import HowFar

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""What a job calls now and then: what it does, how much of it is done, and how much there is."""


class Stopped(Exception):
    """Thrown into a job by its own reports, so that its transaction is rolled back."""


class JobBar(HowFar):
    """Hidden while nothing is done. One job at a time."""

    class At(Message):
        """How far a job is."""

        def __init__(self, doing: str, done: int, total: int) -> None:
            super().__init__()
            self.doing, self.done, self.total = doing, done, total

    def __init__(self, of: str = "rows") -> None:
        super().__init__()
        self._of = of
        self._stop: Event | None = None

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._stop is not None

    async def run(self, job: Callable[[Progress], T], *, left: str = "") -> T:
        """Do it in a thread. Raises Stopped where it was stopped in time, and what the job raises.

        Where its worker is cancelled, since the screen or the console is left, the job stops at its next
        report; `left` is what to say then.
        """
        self.stop()
        stop = self._stop = Event()

        def report(doing: str, done: int, total: int) -> None:
            if stop.is_set():
                raise Stopped
            self.post_message(self.At(doing, done, total))

        self._show("starting", 0, 0)
        self.display = True
        try:
            return await in_thread(job, report)
        except asyncio.CancelledError:
            if left:
                self.app.notify(left, markup=False)
            raise
        finally:
            stop.set()
            if self._stop is stop:
                self._stop, self.display = None, False

    def stop(self) -> None:
        """Let the job end at its next report."""
        if self._stop is not None:
            self._stop.set()

    def on_job_bar_at(self, event: At) -> None:
        """Draw how far it is."""
        event.stop()
        if self.running:
            self._show(event.doing, event.done, event.total)

    def _show(self, doing: str, done: int, total: int) -> None:
        far = f": {done:,} of {total:,} {self._of}" if total else " …"
        self.draw(f"{doing.capitalize()}{far}", done, total)
