"""What every route works with: settings, the store off the event loop, limits, and short answers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from starlette.types import Receive, Scope, Send

from jobs.gather import Gathered
from store.database import Database
from store.settings import Settings
from web.limits import Limit
from web.pkpasses import Pkpasses

T = TypeVar("T")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

Header = tuple[bytes, bytes]
Handler = Callable[[Scope, Receive, Send], Any]

STORE_THREADS = 8
"""Transactions of one process at once; most wait for the store and not for the processor."""
PAUSE = 0.02
"""Seconds in which calls of a busy process gather: ten in one transaction cost hardly more than one does."""


class Face:
    """One process's view of the web. Used from one event loop."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.url = settings.web.url
        """The address that passes and links carry; no slash at its end."""
        self.by_address = Limit(settings.web.address_per_minute)
        self.by_device = Limit(settings.web.device_per_minute)
        self.pkpasses = Pkpasses(self)
        self._store = ThreadPoolExecutor(STORE_THREADS, "store")
        self._work = ThreadPoolExecutor(max(os.cpu_count() or 1, 1), "work")

    async def read(self, question: Callable[[sa.Connection], T]) -> T:
        """Ask the store, in one transaction that only reads."""

        def ask() -> T:
            with self.database.read() as connection:
                return question(connection)

        return await self.off_loop(ask)

    async def write(self, act: Callable[[sa.Connection], T]) -> T:
        """Change the store in one transaction; it is committed when this returns."""

        def change() -> T:
            with self.database.write() as connection:
                return act(connection)

        return await self.off_loop(change)

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Run what waits for the store in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._store, work)

    async def compute(self, work: Callable[[], T]) -> T:
        """Run what needs the processor, such as a signature, in one of as many threads as there are cores."""
        return await asyncio.get_running_loop().run_in_executor(self._work, work)

    def gathered_read(
        self, bulk: Callable[[sa.Connection, Sequence[Item]], Sequence[Outcome]]
    ) -> Gathered[Item, Outcome]:
        """Questions that come at the same time are asked together."""
        return Gathered(partial(self._in, self.database.read, bulk), self.off_loop, pause=PAUSE)

    def gathered_write(
        self, bulk: Callable[[sa.Connection, Sequence[Item]], Sequence[Outcome]]
    ) -> Gathered[Item, Outcome]:
        """Changes that come at the same time are made in one transaction, and answered after its commit."""
        return Gathered(partial(self._in, self.database.write, bulk), self.off_loop, pause=PAUSE)

    def close(self) -> None:
        """End the threads and give the store's connections back."""
        self._store.shutdown()
        self._work.shutdown()
        self.database.close()

    @staticmethod
    def _in(opened: Callable[[], Any], bulk: Callable[..., Sequence[Outcome]], items: Sequence[Any]) -> Any:
        with opened() as connection:
            return bulk(connection, items)


async def answer(
    send: Send, status: int, body: bytes = b"", kind: bytes = b"application/json", more: Sequence[Header] = ()
) -> None:
    """One whole answer. A body's length is told; an answer without a body has no type."""
    headers = [*more]
    if status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    if body:
        headers.append((b"content-type", kind))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, sentence: str, more: Sequence[Header] = ()) -> None:
    """An error as a short JSON object: `{"error": "..."}`."""
    await answer(send, status, json.dumps({"error": sentence}).encode(), more=more)
