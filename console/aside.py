"""A job on an event loop of its own, in a thread: whatever it reads and parses never holds a key up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import Event
from typing import Any, TypeVar

T = TypeVar("T")


async def aside(job: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the job's coroutine gives; raises what it raises.

    Where whoever waits for it is cancelled, so is the job, and its end is waited for: it has put its
    things in order then.
    """
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    unwanted = Event()

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        begun.append((asyncio.get_running_loop(), task))
        if unwanted.is_set():
            raise asyncio.CancelledError
        return await job()

    def run() -> tuple[T] | None:
        try:
            return (asyncio.run(main()),)
        except asyncio.CancelledError:
            return None

    running = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        done = await asyncio.shield(running)
    except asyncio.CancelledError:
        unwanted.set()
        for loop, task in begun:
            loop.call_soon_threadsafe(task.cancel)
        await asyncio.wait([running])
        raise
    if done is None:
        raise asyncio.CancelledError
    return done[0]
