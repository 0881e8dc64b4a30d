"""The worker process: the queue's consumer, one event loop on which all clients live, and the ticker."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from huey import Huey
from huey.consumer import Consumer

from jobs.account import open_channel
from jobs.channels.base import Outcome
from jobs.engine.pace import Pacer
from jobs.engine.pump import Account, Pump, paced
from jobs.engine.tick import Ticker
from jobs.queue import check_queue, open_queue
from jobs.tasks import bell
from store import migrations, workers
from store.database import Database
from store.errors import PassbellError
from store.settings import Settings
from store.times import now
from store.workers import WorkerRow

log = logging.getLogger("passbell")

PUMPS = 4
"""Blasts that one worker pumps at the same time."""


class Worker:
    """One worker. `run` blocks until SIGTERM, SIGINT or SIGHUP, and then settles what is in flight."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._loop = asyncio.new_event_loop()
        self._store_threads = ThreadPoolExecutor(1 if database.dialect == "sqlite" else PUMPS, "store")
        self._aside = ThreadPoolExecutor(PUMPS, "pump")
        self._pumps: dict[int, Pump] = {}
        self._guard = threading.Lock()
        self._stopping = False

    def run(self) -> None:
        """Work until told to stop. Raises PassbellError where store or queue cannot be used."""
        migrations.migrate(self.database)
        queue = open_queue(self.settings)
        check_queue(queue, self.settings)
        bell(queue, self._pump)
        self._sign_on()
        threading.Thread(target=self._loop.run_forever, name="loop", daemon=True).start()
        self._account = self._on_loop(self._open_account()).result()
        ticker = Ticker(
            self.database,
            self.settings,
            self.id,
            pump=self._pump_aside,
            pumping=lambda: set(self._pumps),
            account_works=self._account_works,
        )
        ticker.start()
        log.info("%s worker %s started", self.settings.mode, self.id)
        try:
            _Consumer(queue, self.drain).run()
        finally:
            ticker.stop()
            ticker.join()
            self._aside.shutdown()
            self._on_loop(self._close_account()).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._sign_off()
            self._store_threads.shutdown()
            log.info("worker %s stopped", self.id)

    def drain(self) -> None:
        """Send nothing more; give back what waits; let what is in flight be settled."""
        with self._guard:
            self._stopping = True
            for pump in self._pumps.values():
                self._loop.call_soon_threadsafe(pump.end)

    def _pump_aside(self, blast_id: int) -> None:
        """Pump a blast that the ticker found, unless there are enough pumps already."""
        if len(self._pumps) < PUMPS and not self._stopping:
            self._aside.submit(self._pump, blast_id)

    def _pump(self, blast_id: int) -> None:
        """Answer the bell, in one of the consumer's threads."""
        with self._guard:
            if self._stopping or blast_id in self._pumps:
                return
            pump = self._pumps[blast_id] = Pump(self._account, blast_id)
        try:
            self._on_loop(pump.run()).result()
        except PassbellError as error:
            log.error("blast %s: %s", blast_id, error)
        finally:
            with self._guard:
                del self._pumps[blast_id]

    def _account_works(self) -> bool:
        result = self._on_loop(self._account.channel.probe()).result()
        return bool(result.outcome is Outcome.ACCEPTED)

    async def _open_account(self) -> Account:
        pacer = Pacer(
            self.database,
            f"account:{self.settings.account}",
            self.id,
            self.settings.passkit.rate_per_second,
            timeout=3 * self.settings.passkit.timeout_seconds,
            run=self._in_store_thread,
        )
        channel = open_channel(self.settings, pace=lambda: paced(pacer))
        return Account(self.database, self.settings, channel, pacer, self.id, self._in_store_thread)

    async def _close_account(self) -> None:
        await self._account.pacer.close()
        await self._account.channel.close()

    async def _in_store_thread(self, act: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._store_threads, act)

    def _on_loop(self, coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _sign_on(self) -> None:
        at = now()
        row = WorkerRow(
            id=self.id,
            account=self.settings.account,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version("passbell"),
            started_at=at,
            seen_at=at,
        )
        with self.database.write() as connection:
            workers.sign_on(connection, row)

    def _sign_off(self) -> None:
        try:
            with self.database.write() as connection:
                workers.sign_off(connection, self.id)
        except PassbellError as error:
            log.error("%s; the worker's row stays until it is too old to count", error)


class _Consumer(Consumer):  # type: ignore[misc]
    """Huey's consumer, which drains the pumps before it waits for its threads.

    Its own answer to SIGHUP is to start itself anew, so that a closed terminal would leave a sender
    behind; here it stops like the others.
    """

    def __init__(self, queue: Huey, drain: Callable[[], None]) -> None:
        super().__init__(
            queue,
            workers=PUMPS,
            periodic=False,
            initial_delay=0.05,
            max_delay=0.25,
            check_worker_health=True,
            graceful_signal="TERM",
        )
        self._drain = drain
        self._signal_actions = dict.fromkeys((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), (False, True))

    def stop(self, graceful: bool = False) -> None:
        self._drain()
        super().stop(graceful)


def set_up_log() -> None:
    """Plain lines on standard error; Huey's own chatter only from warnings on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("huey").setLevel(logging.WARNING)
    for noisy in ("httpx", "httpcore", "hypercorn", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def end_with_parent() -> None:
    """Stop in order once the other end of standard input is closed: the console that started us is gone."""

    def watch() -> None:
        # Not through sys.stdin: its lock, held here, would abort the interpreter at its end.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
