"""What is looked after while the console is open: its worker, its memory, and credentials that run out."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from console import ahead, expiry, places, thrift

if TYPE_CHECKING:
    import subprocess

    import sqlalchemy as sa

    from console.app import Console
    from console.expiry import Weak

LOOK_SECONDS = 2.0
"""How often the console looks whether a worker is alive."""
RESTART_SECONDS = 20.0
"""A worker that went away is replaced, but no sooner than this after the last was started."""

KEEP_SECONDS = 2.0
"""How often the console writes down what it remembers, where that has changed."""
SETTLED_SECONDS = 5.0
"""So long after the first screen, all that it takes is loaded."""


class Attendance:
    """Tells the app's `workers_alive` and `weak`, and has a worker of its own where there is no other.

    child  our worker; None where none was needed
    """

    def __init__(self, app: Console) -> None:
        self._app = app
        self.child: subprocess.Popen[bytes] | None = None
        self._started_at = -RESTART_SECONDS

    def begin(self) -> None:
        """Look once the first picture is drawn, and now and then; and leave when told to end.

        In a browser the driver ends the console. A lost terminal needs no care, and its signal just ends us.
        """
        if not self._app.is_web:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._app.exit)
        for look, seconds in (
            (self.look_after_workers, LOOK_SECONDS),
            (self.look_after_credentials, expiry.LOOK_SECONDS),
        ):
            self._app.call_after_refresh(look)
            self._app.set_interval(seconds, look)
        self._app.set_interval(KEEP_SECONDS, partial(places.keep, self._app))
        if not self._app.is_headless:  # a test begins many consoles in one process, and some have to go again
            settle = partial(self._app.run_worker, self._settle, group="settle")  # type: ignore[arg-type]
            self._app.set_timer(SETTLED_SECONDS, settle)

    async def _settle(self) -> None:
        await ahead.quiet(self._app)
        thrift.begin(self._app)
        await ahead.open_all(self._app)
        await ahead.quiet(self._app)
        thrift.keep_loaded()

    def look_after_workers(self) -> None:
        """Count the workers that are alive and start one of our own if there is none."""
        # As a function: a console that is leaving never calls it, and a coroutine would be left unawaited.
        self._app.run_worker(self._look, group="workers", exclusive=True)  # type: ignore[arg-type]

    async def _look(self) -> None:
        settings = self._app.desk.settings

        def count(connection: sa.Connection) -> int:
            from store.workers import alive  # loads SQLAlchemy: off the UI's thread

            return len(alive(connection, settings.account))

        self._app.workers_alive = await self._app.read(count)
        waited = time.monotonic() - self._started_at >= RESTART_SECONDS
        wanted = settings.console.start_worker and settings.role != "viewer"
        if wanted and not self._app.workers_alive and not self.has_worker and waited:
            self._started_at = time.monotonic()
            self.child = await self._app.act(self._start_worker)

    def look_after_credentials(self) -> None:
        """Find what expires soon."""
        looking = self._look_for_weak  # a function, as above
        self._app.run_worker(looking, group="credentials", exclusive=True)  # type: ignore[arg-type]

    async def _look_for_weak(self) -> None:
        self._app.weak = await asyncio.to_thread(self._weak)

    def _weak(self) -> tuple[Weak, ...]:
        return expiry.weak(self._app.desk.settings, self._app.open_store())

    def _start_worker(self) -> subprocess.Popen[bytes] | None:
        from jobs.worker_child import start_if_none

        return start_if_none(self._app.desk.settings, self._app.desk.database)

    @property
    def has_worker(self) -> bool:
        """Whether a worker of ours is alive."""
        return self.child is not None and self.child.poll() is None

    def release_worker(self) -> None:
        """Let our worker end: it settles what is in flight and goes."""
        if self.child is not None and self.child.stdin is not None:
            self.child.stdin.close()

    async def may_leave(self) -> bool:
        """Whether the console may be left: asks where a blast depends on our worker."""
        if not self.has_worker:
            return True
        from console.screens.ask import Ask
        from store import ledger

        account = self._app.desk.settings.account
        running = await self._app.read(lambda connection: ledger.running_blasts(connection, account))
        newest = await self._app.read(lambda connection: ledger.list_blasts(connection, account))
        scheduled = [blast.id for blast in reversed(newest) if blast.state == "scheduled"]
        if not running and not scheduled:
            return True
        title = f"Leave while a blast is {'running' if running else 'scheduled'}?"
        question = Ask(title, what_leaving_means(running, scheduled), yes="Leave", no="Stay")
        return await self._app.push_screen_wait(question)


def what_leaving_means(running: Sequence[int], scheduled: Sequence[int]) -> str:
    """For the blasts that this console's worker sends, and for those that it was to start."""
    told = []
    these, later = (", ".join(map(str, ids)) for ids in (running, scheduled))
    if running:
        told.append(
            f"Blast {these} is sent by this console's worker. It finishes its batch and ends "
            "with the console; nothing is lost: a worker started later goes on (`passbell worker`)."
        )
    if scheduled:
        told.append(f"Blast {later} is scheduled, and missed if no worker is alive at its time.")
    return "\n".join(told)
