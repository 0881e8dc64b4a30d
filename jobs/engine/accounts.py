"""The accounts of one worker: a channel is opened when a blast first needs it, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from jobs.account import open_channel
from jobs.engine.pace import Pacer
from jobs.engine.pump import Account, paced
from store.database import Database
from store.sections import AppleSettings, GoogleSettings, PassKitSettings
from store.settings import Settings

T = TypeVar("T")


class Accounts:
    """Gives the account on a channel. Used from one event loop; `run` runs database calls off it."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        worker: str,
        run: Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]],
    ) -> None:
        self.database, self.settings, self.worker, self._run = database, settings, worker, run
        self._open: dict[str, Account] = {}
        self._opening = asyncio.Lock()

    async def of(self, channel: str) -> Account:
        """The account on a channel. Raises PassbellError where it is not set up, with what is missing."""
        async with self._opening:
            if channel not in self._open:
                self._open[channel] = await self._make(channel)
            return self._open[channel]

    async def store(self, act: Callable[[Any], T], *, write: bool = False) -> T:
        """Run something in one transaction, off the loop."""

        def run() -> T:
            with self.database.write() if write else self.database.read() as connection:
                return act(connection)

        result: T = await self._run(run)
        return result

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
        name = f"account:{self.settings.account}"
        pacer = Pacer(
            self.database,
            name if channel == "passkit" else f"{name}:{channel}",
            self.worker,
            limits.rate_per_second,
            timeout=3 * limits.timeout_seconds,
            concurrency=limits.concurrency,
            run=self._run,
        )
        try:
            way = await open_channel(
                self.settings, self.database, channel, pace=lambda: paced(pacer), run=self._run
            )
        except BaseException:
            await pacer.close()
            raise
        return Account(
            self.database,
            self.settings,
            channel,
            way,
            pacer,
            limits.concurrency,
            limits.timeout_seconds,
            self.worker,
            self._run,
        )
