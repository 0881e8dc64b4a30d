"""Small writes that travel together: what comes while a transaction runs goes into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

MOST = 500
"""Items in one transaction."""


class Gathered(Generic[Item, Outcome]):
    """`await gathered(item)` gives the item's own outcome once its transaction is committed.

    `bulk` takes items and returns an outcome for each, in one transaction; it runs off the loop, by `run`,
    once at a time. When it raises, all in that transaction get the exception. Used from one event loop.
    """

    def __init__(
        self,
        bulk: Callable[[Sequence[Item]], Sequence[Outcome]],
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        *,
        pause: float = 0.0,
    ) -> None:
        """`pause`: seconds that those who came meanwhile wait for more to come; who is first never does."""
        self._bulk, self._run, self._pause = bulk, run, pause
        self._waiting: list[tuple[Item, asyncio.Future[Outcome]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Outcome:
        """The outcome for this item, after the commit."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await outcome

    async def _work(self) -> None:
        pause = 0.0  # whoever is ready at this moment comes along
        try:
            while self._waiting:
                await asyncio.sleep(pause)
                pause = self._pause
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                items = [item for item, _ in batch]
                try:
                    outcomes = await self._run(lambda items=items: self._bulk(items))  # type: ignore[misc]
                except Exception as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), outcome in zip(batch, outcomes, strict=True):
                    if not future.done():  # its caller may have gone
                        future.set_result(outcome)
        finally:
            self._task = None
            for _, future in self._waiting:  # only where the loop ends
                future.cancel()
