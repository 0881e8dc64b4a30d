"""Serves a stand-in Google on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.typing import ASGIFramework

from jobs.rehearsal.google import Google
from jobs.rehearsal.server import HOST, Listener, LoopbackConfig


@asynccontextmanager
async def serving(google: Google, port: int = 0) -> AsyncIterator[str]:
    """Its URL, while it answers there. `port` 0 takes any free one; PassbellError where it is in use."""
    with Listener(port) as listener:
        google.sever = listener.sever

        async def until_closed() -> None:
            await google.closing.wait()
            listener.end()

        framework = cast(ASGIFramework, google)  # the same protocol, in each library's own words
        served = asyncio.create_task(
            hypercorn_serve(framework, LoopbackConfig(listener), shutdown_trigger=until_closed, mode="asgi")
        )
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            google.closing.set()
            await served
