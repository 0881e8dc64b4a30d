"""The worker process: the queue's consumer, one event loop on which all clients live, and the ticker."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.metadata import version
from typing import Any

from jobs.consumer import Ears
from jobs.engine import opt_outs, probe, pushes
from jobs.engine.accounts import Accounts
from jobs.engine.breaker import Hold
from jobs.engine.pump import Pump, put_on_hold
from jobs.engine.tick import Ticker
from jobs.names import host_name
from jobs.queue import check_queue, open_queue, without_password
from jobs.tasks import bell
from store import ledger, migrations, programs, workers
from store.database import Database
from store.errors import PassbellError
from store.settings import Settings
from store.times import now
from store.workers import WorkerRow

log = logging.getLogger("passbell")

BELLS = 2
"""Threads that answer the queue's bell. An answer takes no time: the pump itself runs on the loop."""
SWITCH = 0.0005
"""Seconds that the store's thread may keep Python's lock while the loop waits for it, instead of 0.005."""
TELLING = "telling PassKit of opt-outs"
PUSHING = "telling phones of changed passes"
STORE_THREADS = 4
"""Database calls at once. SQLite has one writer, and a second thread would only wait for the first."""


class Worker:
    """One worker. `run` blocks until SIGTERM, SIGINT or SIGHUP, and then settles what is in flight."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """Raises Refused for a viewer, and for an account of Postgres that may only read."""
        database.check_role("worker")
        self.settings = settings
        self.database = database
        self.id = f"{host_name()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._loop = asyncio.new_event_loop()
        self._store_threads = ThreadPoolExecutor(
            1 if database.dialect == "sqlite" else STORE_THREADS, "store"
        )
        self._pumps: dict[tuple[int, str], Pump | None] = {}
        self._runs: set[Future[None]] = set()
        self._beside: dict[asyncio.Task[None], str] = {}
        self._guard = threading.Lock()
        self._stopping = False

    def run(self) -> None:
        """Work until told to stop. Raises PassbellError where store or queue cannot be used."""
        sys.setswitchinterval(SWITCH)
        gc.freeze()
        gc.set_threshold(10_000, 20, 50)
        migrations.migrate(self.database)
        queue = open_queue(self.settings)
        check_queue(queue, self.settings)
        bell(queue, self._pump_all)
        self._sign_on()
        threading.Thread(target=self._loop.run_forever, name="loop", daemon=True).start()
        self._accounts = self._on_loop(self._make_accounts()).result()
        ticker = Ticker(
            self.database,
            self.settings,
            self.id,
            pump=self._pump,
            pumping=lambda: set(self._pumps),
            look=self._look,
            tell=self._tell,
            push=self._push,
        )
        ticker.start()
        log.info("%s worker %s started", self.settings.mode, self.id)
        try:
            Ears(queue, without_password(self.settings.queue_url), self.drain, threads=BELLS).run()
        finally:
            ticker.stop()
            ticker.join()
            self.drain()
            wait(set(self._runs))
            self._on_loop(self._close_account()).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._sign_off()
            self._store_threads.shutdown()
            log.info("worker %s stopped", self.id)

    def drain(self) -> None:
        """Send nothing more; give back what waits; let what is in flight be settled."""
        with self._guard:
            self._stopping = True
            self._loop.call_soon_threadsafe(self._end_beside)
            for pump in self._pumps.values():
                if pump is not None:
                    self._loop.call_soon_threadsafe(pump.end)

    def _pump_all(self, blast_id: int) -> None:
        """Answer the bell: pump on each channel where the blast has something to send."""
        with self.database.read() as connection:
            channels = ledger.open_channels(connection, blast_id)
        for channel in channels:
            self._pump(blast_id, channel)

    def _pump(self, blast_id: int, channel: str) -> None:
        """Start pumping, unless it is under way."""
        with self._guard:
            if self._stopping or (blast_id, channel) in self._pumps:
                return
            self._pumps[blast_id, channel] = None
            run = self._on_loop(self._run(blast_id, channel))
            self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    async def _run(self, blast_id: int, channel: str) -> None:
        try:
            pump = await self._made(blast_id, channel)
            if pump is not None:
                await pump.run()
        except PassbellError as error:
            log.error("blast %s: %s", blast_id, error)
        except Exception:
            log.exception("blast %s: the pump failed; the blast is held until somebody looks", blast_id)
        finally:
            with self._guard:
                del self._pumps[blast_id, channel]

    async def _made(self, blast_id: int, channel: str) -> Pump | None:
        """A pump on the channel's account; None where none is wanted any more, or there is no account."""
        try:
            account = await self._accounts.of(channel)
        except PassbellError as error:
            hold = Hold(f"nothing can be sent through {channel}: {error}", probe=True)
            await self._accounts.store(lambda c: put_on_hold(c, blast_id, hold, self._accounts), write=True)
            return None
        with self._guard:
            if self._stopping:
                return None
            pump = self._pumps[blast_id, channel] = Pump(account, blast_id)
        return pump

    def _look(self) -> None:
        """Look, beside everything else, whether held blasts may go on."""
        self._on_loop(
            self._run_beside("the look at held blasts", lambda: probe.look(self._accounts, self._pump))
        )

    def _tell(self) -> None:
        """Tell the provider, beside everything else, of withdrawals; one such round at a time."""

        async def tell() -> None:
            await opt_outs.tell(await self._accounts.of("passkit"))

        self._on_loop(self._run_beside(TELLING, tell, alone=True))

    def _push(self) -> None:
        """Tell phones, beside everything else, of passes that have changed; one such round at a time."""
        self._on_loop(self._run_beside(PUSHING, lambda: pushes.tell(self._accounts), alone=True))

    async def _run_beside(
        self, what: str, work: Callable[[], Awaitable[None]], *, alone: bool = False
    ) -> None:
        if alone and what in self._beside.values():
            return
        task = asyncio.current_task()
        assert task is not None
        self._beside[task] = what
        if self._stopping:
            self._end_beside()
        try:
            await work()
        except PassbellError as error:
            log.error("%s", error)
        except Exception:
            log.exception("%s failed; the tick starts the next one", what)
        finally:
            del self._beside[task]

    def _end_beside(self) -> None:
        for task in self._beside:
            if not task.cancelling():  # it is giving its turn back already
                task.cancel()

    async def _make_accounts(self) -> Accounts:
        accounts = Accounts(self.database, self.settings, self.id, self._in_store_thread)
        issuers = await accounts.store(lambda c: programs.issuers(c, self.settings.account))
        if self.settings.passkit.api_key or not (self.settings.live or issuers == {programs.OWN}):
            await accounts.of("passkit")  # what is wrong with it is said at the start
        return accounts

    async def _close_account(self) -> None:
        await asyncio.gather(*self._beside, return_exceptions=True)  # they were cancelled
        await self._accounts.close()

    async def _in_store_thread(self, act: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._store_threads, act)

    def _on_loop(self, coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _sign_on(self) -> None:
        at = now()
        row = WorkerRow(
            id=self.id,
            account=self.settings.account,
            host=host_name(),
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


def end_with_parent() -> None:
    """Stop in order once the other end of standard input is closed: the console that started us is gone."""

    def watch() -> None:
        # Not through sys.stdin: its lock, held here, would abort the interpreter at its end.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
