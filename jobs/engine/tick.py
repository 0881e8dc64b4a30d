"""The tick: once a second, in every worker, whatever a crash or a lost queue left behind is put right."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from jobs.engine.clock import Clock
from jobs.names import host_name
from store import audit, claims, holds, ledger, opt_outs, pushes, schedules, workers
from store.database import Database
from store.errors import PassbellError
from store.migrations import SchemaNewer, check_schema
from store.settings import Settings
from store.times import rfc3339

log = logging.getLogger("passbell")

SECONDS = 1.0
SILENT = timedelta(seconds=3)
"""A heart that has not beaten for so long has stopped, if its process is gone as well."""


class Ticker(threading.Thread):
    """Beats the worker's heart, takes back expired leases, starts the blasts whose time has come, finishes
    those that are done, and joins those with work due.

    It starts this worker's own pump and rings no bell: the queue may be gone, and a bell may be answered
    by a worker that pumps the blast already. `look` is told when it is this worker's turn to look whether
    held blasts may go on, `tell` where the provider has yet to hear of somebody's withdrawal, `push` where
    phones have yet to hear of passes that changed; all return at once, since a provider that hangs must
    not stop the heart.

    Work done twice by two tickers harms nothing: each step is one guarded statement.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        worker: str,
        *,
        pump: Callable[[int, str], None],
        pumping: Callable[[], set[tuple[int, str]]],
        look: Callable[[], None],
        tell: Callable[[], None] = lambda: None,
        push: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="ticker", daemon=True)
        self._database = database
        self._settings = settings
        self._worker = worker
        self._pump = pump
        self._pumping = pumping
        self._look = look
        self._tell = tell
        self._push = push
        self._clock = clock or Clock()
        self._stop_flag = threading.Event()

    def run(self) -> None:
        """Tick until `stop`, or until a newer passbell has changed the store's tables."""
        while not self._stop_flag.wait(SECONDS):
            try:
                self.tick()
            except SchemaNewer as error:
                log.error("%s; this worker stops", error)
                os.kill(os.getpid(), signal.SIGTERM)  # it ends in order, as on an operator's word
                return
            except PassbellError as error:
                log.error("%s", error)
            except Exception:
                log.exception("the tick failed; it goes on in a second")

    def stop(self) -> None:
        """End after the present tick."""
        self._stop_flag.set()

    def tick(self) -> None:
        """One round."""
        at = self._clock.look()
        account = self._settings.account
        with self._database.write() as connection:
            check_schema(connection)
            self._clock.put_right(connection, self._settings, at)
        self._clock.forget()
        with self._database.write() as connection:
            workers.beat(connection, self._worker, at=at)
            bury_dead(connection, account, at=at)
            returned = claims.release_expired(connection, account, at=at)
            for blast_id in ledger.running_blasts(connection, account):
                ledger.finish_if_done(connection, blast_id, at=at)
            every = timedelta(seconds=self._settings.engine.probe_seconds)
            looks = holds.take_look(connection, account, at=at, every=every)
            self._start_scheduled(connection, at)
            due = ledger.due_blasts(connection, account, at=at)
            untold = opt_outs.any_due(connection, account, at=at)
            unpushed = pushes.any_due(connection, account, at=at)
        if returned:
            log.warning("took back %d deliveries whose worker went away", returned)
        for blast_id, channel in due:
            if (blast_id, channel) not in self._pumping():
                self._pump(blast_id, channel)
        if looks:
            self._look()
        if untold:
            self._tell()
        if unpushed:
            self._push()

    def _start_scheduled(self, connection: sa.Connection, at: datetime) -> None:
        grace = timedelta(seconds=self._settings.engine.grace_seconds)
        started, missed = schedules.come_due(connection, self._settings.account, at=at, grace=grace)
        for blast in (*started, *missed):
            if blast.state == "missed":
                log.warning("blast %d missed its time: nothing is sent until somebody decides", blast.id)
            else:
                log.info("blast %d starts, as scheduled", blast.id)
            audit.append(
                connection,
                actor=self._worker,
                act="blast.missed" if blast.state == "missed" else "blast.started",
                subject=str(blast.id),
                details={"send_at": rfc3339(blast.send_at)},
                at=at,
            )


def bury_dead(connection: sa.Connection, account: str, *, at: datetime) -> None:
    """Take away workers of this host that were killed, and end their leases.

    A worker counts as killed when its process is gone and its heart has stopped: in a container of the
    same name a process may be out of sight and well. Others' leases run out by themselves.
    """
    for worker in workers.silent(connection, account, host_name(), since=at - SILENT):
        if not _exists(worker.pid):
            claims.end_leases_of(connection, worker.id, at=at)
            workers.sign_off(connection, worker.id)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
