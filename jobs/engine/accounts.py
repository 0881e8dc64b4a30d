"""The accounts of one worker: a channel is opened when a blast first needs it, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jobs.account import open_channel
from jobs.channels.base import Channel
from jobs.engine.breaker import Breakers
from jobs.engine.own_pace import paced
from jobs.engine.pace import Pacer
from store.database import Database
from store.sections import AppleSettings, GoogleSettings, PassKitSettings
from store.settings import Settings

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class OffLoop:
    """The store as one worker's event loop reaches it: `run` takes a database call off the loop."""

    database: Database
    settings: Settings
    worker: str
    run: Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]]

    async def store(self, act: Callable[[Any], T], *, write: bool = False) -> T:
        """Run something in one transaction, off the loop."""

        def run() -> T:
            with self.database.write() if write else self.database.read() as connection:
                return act(connection)

        result: T = await self.run(run)
        return result


@dataclass(slots=True, eq=False)
class Account(OffLoop):
    """One account on one channel, in one worker, and its pace.

    name         of the channel: passkit | apple | google
    concurrency  sends at once
    timeout      seconds that one request may take
    """

    name: str
    channel: Channel
    pacer: Pacer
    concurrency: int
    timeout: float
    breakers: Breakers = field(default_factory=Breakers)


@dataclass(slots=True, eq=False)
class Accounts(OffLoop):
    """Gives the account on a channel. Used from one event loop."""

    _open: dict[str, Account] = field(default_factory=dict, init=False)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def of(self, channel: str) -> Account:
        """The account on a channel. Raises PassbellError where it is not set up, with what is missing."""
        async with self._opening:
            if channel not in self._open:
                self._open[channel] = await self._make(channel)
            return self._open[channel]

    async def close(self) -> None:
        """Close them all; nothing may be in flight."""
        for account in self._open.values():
            await account.pacer.close()
            await account.channel.close()

    async def _make(self, channel: str) -> Account:
        settings = self.settings
        limits: PassKitSettings | AppleSettings | GoogleSettings = settings.passkit
        if channel != "passkit":
            limits = settings.apple if channel == "apple" else settings.google
        name = f"account:{settings.account}"
        pacer = Pacer(
            self.database,
            name if channel == "passkit" else f"{name}:{channel}",
            self.worker,
            limits.rate_per_second,
            timeout=3 * limits.timeout_seconds,
            concurrency=limits.concurrency,
            run=self.run,
        )
        try:
            way = await open_channel(
                settings, self.database, channel, pace=lambda: paced(pacer), run=self.run
            )
        except BaseException:
            await pacer.close()
            raise
        common = (self.database, settings, self.worker, self.run)
        return Account(*common, channel, way, pacer, limits.concurrency, limits.timeout_seconds)
