"""The tick: once a second, in every worker, whatever a crash or a lost queue left behind is put right."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from jobs.engine.breaker import PROBE_SECONDS
from store import audit, ledger, workers
from store.database import Database
from store.errors import PassbellError
from store.settings import Settings
from store.times import now

log = logging.getLogger("passbell")

SECONDS = 1.0
SILENT = timedelta(seconds=3)
"""A heart that has not beaten for so long has stopped, if its process is gone as well."""


class Ticker(threading.Thread):
    """Beats the worker's heart, takes back expired leases, finishes blasts, and joins those with work due.

    It starts this worker's own pump and rings no bell: the queue may be gone, and a bell may be answered
    by a worker that pumps the blast already.

    Work done twice by two tickers harms nothing: each step is one guarded statement.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        worker: str,
        *,
        pump: Callable[[int], None],
        pumping: Callable[[], set[int]],
        account_works: Callable[[], bool],
    ) -> None:
        super().__init__(name="ticker", daemon=True)
        self._database = database
        self._settings = settings
        self._worker = worker
        self._pump = pump
        self._pumping = pumping
        self._account_works = account_works
        self._stop_flag = threading.Event()

    def run(self) -> None:
        """Tick until `stop`."""
        while not self._stop_flag.wait(SECONDS):
            try:
                self.tick()
            except PassbellError as error:
                log.error("%s", error)
            except Exception:
                log.exception("the tick failed; it goes on in a second")

    def stop(self) -> None:
        """End after the present tick."""
        self._stop_flag.set()

    def tick(self) -> None:
        """One round."""
        at = now()
        account = self._settings.account
        with self._database.write() as connection:
            workers.beat(connection, self._worker, at=at)
            bury_dead(connection, account, at=at)
            returned = ledger.release_expired(connection, account, at=at)
            for blast_id in ledger.running_blasts(connection, account):
                ledger.finish_if_done(connection, blast_id, at=at)
            due = ledger.due_blasts(connection, account, at=at)
            next_at = at + timedelta(seconds=PROBE_SECONDS)
            held = ledger.take_probe(connection, account, at=at, next_at=next_at)
        if returned:
            log.warning("took back %d deliveries whose worker went away", returned)
        for blast_id in due:
            if blast_id not in self._pumping():
                self._pump(blast_id)
        if held is not None:
            self._probe(held)

    def _probe(self, blast_id: int) -> None:
        """Look at the account of a held blast; if it works, the blast goes on."""
        if not self._account_works():
            return
        at = now()
        with self._database.write() as connection:
            if ledger.get(connection, blast_id, lock_row=True).state != "held":
                return
            ledger.step(connection, blast_id, "running", at=at)
            audit.append(
                connection, actor=self._worker, act="blast.resumed", subject=str(blast_id), details={}, at=at
            )
        log.info("blast %s goes on: the account answers again", blast_id)
        self._pump(blast_id)


def bury_dead(connection: sa.Connection, account: str, *, at: datetime) -> None:
    """Take away workers of this host that were killed, and end their leases.

    A worker counts as killed when its process is gone and its heart has stopped: in a container of the
    same name a process may be out of sight and well. Others' leases run out by themselves.
    """
    for worker in workers.silent(connection, account, socket.gethostname(), since=at - SILENT):
        if not _exists(worker.pid):
            ledger.end_leases_of(connection, worker.id, at=at)
            workers.sign_off(connection, worker.id)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
