"""The pacer: the one place that decides when a request may leave.

A worker takes the slots that will be free within the next moments, together with giving back what it has
used, in one short transaction; what a slot is stands in `slots.py`.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

import sqlalchemy as sa

from jobs.channels.base import Withdrawn
from jobs.engine.slots import AHEAD, LONGEST_REST, Slots, seconds_per_slot
from jobs.engine.turns import Queue
from store.database import Database, StoreUnavailable, clock, lock, upsert
from store.schema import pacers

log = logging.getLogger("passbell")

REFILL = 0.1
"""Seconds between two visits to the store while requests are waiting."""
SPARED = 0.3
"""Seconds without a visit as long as there are slots in plenty."""
IDLE = 0.5
"""Seconds after which a slot that nobody used is given back."""
LATE = 1.5
"""Seconds after its moment at which a slot in hand is too old to be used, and is given back."""


class Pacer:
    """One worker's hand on one limit. Used from one event loop.

    Where requests of several senders wait, urgent ones go first, and otherwise the senders take turns.

    `rate` may be changed at any time; it takes effect with the next visit to the store, on every worker
    that is told the same rate. `timeout` is the longest that a request may take, in seconds; a slot that
    stays away longer than that can explain is counted as a dead worker's last request. `concurrency` is
    how many requests of this worker may be under way at once.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        holder: str,
        rate: float,
        *,
        timeout: float,
        concurrency: float = math.inf,
        run: Callable[[Callable[[], Any]], Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        self.rate = rate
        self._database = database
        self._name = name
        self._holder = holder
        self._longest_hold = timeout + AHEAD + LATE + 2
        self._run = run
        self._concurrency = concurrency
        self._under_way = 0
        self._used = 0
        self._queue = Queue()
        self._withdrawn: WeakSet[object] = WeakSet()
        self._slots: list[float] = []
        self._returns: list[float] = []
        self._closed_until = 0.0
        self._visited = 0.0
        self._tell_closed = False
        self._visits: asyncio.Task[None] | None = None
        self._closing = False

    def slot(self, sender: object = None, *, urgent: bool = False) -> Slot:
        """Wait for a slot; the block is the request. The slot is free again a second after the block.

        Raises Withdrawn where `withdraw` was or is called for this sender.
        """
        return Slot(self, sender, urgent)

    def rest(self, seconds: float) -> None:
        """Let nothing leave for so long, on any worker, since the provider asked for it."""
        until = time.monotonic() + min(seconds, LONGEST_REST)
        if until > self._closed_until:
            self._closed_until, self._tell_closed = until, True

    def withdraw(self, sender: object) -> None:
        """Let this sender's requests go away without a slot, those that wait and any to come."""
        self._withdrawn.add(sender)
        for future in self._queue.drop(sender):
            if not future.done():
                future.set_exception(Withdrawn())

    async def close(self) -> None:
        """Give everything back. No request may be under way."""
        self._closing = True
        if self._visits is not None:
            await self._visits
        self._returns.extend(self._slots)
        self._slots.clear()
        if self._returns:
            try:
                await self._visit(0)
            except StoreUnavailable as error:
                log.warning("%s; slots that were not given back are free again in a moment", error)

    async def acquire(self, sender: object, urgent: bool) -> None:
        """Take a slot; see `slot`."""
        while sender not in self._withdrawn:
            moment = self._at_once()
            if moment is None:
                moment = await self._wait(sender, urgent)
                try:
                    await _sleep_until(moment)
                except asyncio.CancelledError:
                    self.end(moment)
                    raise
            now = time.monotonic()
            if now <= moment + LATE and now >= self._closed_until and sender not in self._withdrawn:
                return
            self.end(moment)
        raise Withdrawn

    def _at_once(self) -> float | None:
        """A slot without waiting: nobody is before us, and one may be used right now."""
        now = time.monotonic()
        free = self._slots and self._slots[0] <= now and now >= self._closed_until
        if not free or self._queue or self._under_way >= self._concurrency:
            return None
        self._see_to_visits()
        self._under_way += 1
        return heapq.heappop(self._slots)

    async def _wait(self, sender: object, urgent: bool) -> float:
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._queue.add(future, sender, urgent)
        self._hand_out()
        self._see_to_visits()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.end(future.result())
            raise

    def end(self, free_from: float) -> None:
        """A request has ended, or did not leave after all: its slot is free again from that moment on."""
        self._returns.append(free_from)
        self._used += 1
        self._under_way -= 1
        if self._queue:
            self._hand_out()

    def _hand_out(self) -> None:
        while self._slots and self._under_way < self._concurrency and time.monotonic() >= self._closed_until:
            future = self._queue.next()
            if future is None:
                return
            self._under_way += 1
            future.set_result(heapq.heappop(self._slots))

    def _see_to_visits(self) -> None:
        if self._visits is None or self._visits.done():
            self._visits = asyncio.create_task(self._keep_visiting())

    async def _keep_visiting(self) -> None:
        """Visit the store while requests wait or slots are out, then rest until the next request."""
        idle_since = time.monotonic()
        while not self._closing:
            now = time.monotonic()
            if self._queue or self._under_way:
                idle_since = now
            elif now - idle_since > IDLE:
                self._returns.extend(self._slots)
                self._slots.clear()
                if not self._returns and not self._tell_closed:
                    return
            try:
                await self._try_visit()
            except Exception:
                log.exception("the pacer %s cannot be visited; requests wait", self._name)
                await asyncio.sleep(IDLE)
            await asyncio.sleep(REFILL)

    async def _try_visit(self) -> None:
        """A store that cannot be reached only makes the requests wait; the worker's ticker reports it."""
        self._hand_out()
        now = time.monotonic()
        while self._slots and self._slots[0] < now - LATE / 2:
            self._returns.append(heapq.heappop(self._slots))
        want = self._want() if now >= self._closed_until else 0
        if not want and not self._returns and not self._tell_closed:
            return
        if now < self._visited + SPARED and not self._tell_closed and not self._is_short():
            return
        self._visited = now
        self._used = 0
        try:
            await self._visit(want)
        except StoreUnavailable:
            return
        self._hand_out()

    def _is_short(self) -> bool:
        """Whether requests wait, or will before the next visit but one."""
        return bool(self._queue) or len(self._slots) < self._used + self._under_way

    def _want(self) -> int:
        """So many that a sender need not wait for the next visit: what was used since the last, and more.

        Those that go back unused say nothing of our needs: others wait for them. And no more than are used
        soon: what a killed worker has in hand is nobody's until its last request must have ended.
        """
        wanted = len(self._queue) + self._used + self._under_way
        spare = min(wanted, math.ceil(self.rate * REFILL * 2))
        return max(0, wanted + spare - len(self._slots))

    async def _visit(self, want: int) -> None:
        returns, self._returns = self._returns, []
        told, self._tell_closed = self._tell_closed, False
        closed = self._closed_until if told else 0.0
        before = time.monotonic()
        try:
            moments, shared_now, closed = await self._run(
                lambda: self._exchange(returns, before, want, closed)
            )
        except BaseException:
            self._returns.extend(returns)
            self._tell_closed = self._tell_closed or told
            raise
        # Measured after the store's clock was read, so a slot is used a little late, never early.
        skew = 0.0 if self._database.dialect == "sqlite" else time.monotonic() - shared_now
        self._closed_until = max(self._closed_until, closed + skew)
        for moment in moments:
            heapq.heappush(self._slots, moment + skew)

    def _exchange(
        self, returns: list[float], before: float, want: int, closed: float
    ) -> tuple[list[float], float, float]:
        with self._database.write() as connection:
            lock(connection, f"pacer {self._name}")
            now = clock(connection)
            # Read after `before`, so a slot's return is dated a little late, never early.
            skew = 0.0 if self._database.dialect == "sqlite" else now - before
            row = connection.execute(sa.select(pacers.c.state).where(pacers.c.name == self._name)).scalar()
            slots = Slots(**row) if row else Slots()
            slots.adjust(self.rate, now, self._longest_hold)
            slots.closed = max(slots.closed, closed + skew if closed else 0.0)
            slots.give_back(self._holder, [moment + skew for moment in returns])
            taken = slots.take(self._holder, want, now, now + self._longest_hold)
            state = {"free": slots.free, "held": slots.held, "debt": slots.debt, "closed": slots.closed}
            statement = upsert(connection, pacers).values(name=self._name, state=state)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name"], set_={"state": statement.excluded.state}
                )
            )
        return taken, now, slots.closed


class Slot:
    """A slot of a pacer, held while the block runs. See `Pacer.slot`."""

    __slots__ = ("_pacer", "_sender", "_urgent")

    def __init__(self, pacer: Pacer, sender: object, urgent: bool) -> None:
        self._pacer, self._sender, self._urgent = pacer, sender, urgent

    async def __aenter__(self) -> None:
        await self._pacer.acquire(self._sender, self._urgent)

    async def __aexit__(self, *_: object) -> None:
        self._pacer.end(time.monotonic() + seconds_per_slot(self._pacer.rate))


async def _sleep_until(moment: float) -> None:
    wait = moment - time.monotonic()
    if wait > 0:
        await asyncio.sleep(wait)
