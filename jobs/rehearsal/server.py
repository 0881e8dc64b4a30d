"""Serves a stand-in PassKit on the loopback."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing as closing_after
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import cast
from weakref import WeakValueDictionary

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config, Sockets
from hypercorn.typing import ASGIFramework
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from jobs.rehearsal.control import Control
from jobs.rehearsal.faults import Faults
from jobs.rehearsal.gateway import Gateway
from jobs.rehearsal.journal import Journal
from jobs.rehearsal.passkit import PassKit
from jobs.rehearsal.phones import Phones
from jobs.rehearsal.stats import Stats
from jobs.rehearsal.world import World
from store.errors import PassbellError

HOST = "127.0.0.1"
BACKLOG = 1024
KEEP_ALIVE = 120.0
"""Seconds an idle connection is kept: longer than any client keeps its own."""


class Listener(socket.socket):
    """A listening socket that knows its connections, so that one can be cut: ASGI has no word for that."""

    def __init__(self, port: int) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.ending = False
        self.connections: WeakValueDictionary[tuple[str, int], socket.socket] = WeakValueDictionary()
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.bind((HOST, port))
            self.listen(BACKLOG)
        except OSError as error:
            self.close()
            raise PassbellError(f"port {port} on {HOST} is in use: {error.strerror}") from error
        self.setblocking(False)

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[address] = connection
        if self.ending:
            self.sever(address)
        return connection, address

    def sever(self, address: tuple[str, int]) -> None:
        """Cuts a connection. What is still to be read from it ends there."""
        connection = self.connections.pop(address, None)
        if connection is not None:
            with suppress(OSError):  # the client was quicker
                connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Cuts every connection, and those that are still to come."""
        self.ending = True
        for address in list(self.connections):
            self.sever(address)


class LoopbackConfig(Config):
    """Hypercorn's settings for one listener that is already open.

    `certificate` is the path of a PEM file with certificate and key; without it, plain HTTP.
    """

    def __init__(self, listener: Listener, certificate: Path | None = None) -> None:
        self.listener = listener
        self.certfile = self.keyfile = None if certificate is None else str(certificate)
        self.accesslog = None
        self.loglevel = "ERROR"
        self.include_date_header = False
        self.backlog = BACKLOG
        self.keep_alive_timeout = KEEP_ALIVE
        self.keep_alive_max_requests = 2**31
        self.graceful_timeout = 0.5

    def create_sockets(self) -> Sockets:
        listeners: list[socket.socket] = [self.listener]
        return Sockets(listeners, [], []) if self.ssl_enabled else Sockets([], listeners, [])


class Idleness:
    """Passes requests on, and knows how long ago the last one came."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.touch()
        await self.app(scope, receive, send)

    def touch(self) -> None:
        """Something else came than a request."""
        self.last = time.monotonic()

    async def wait(self, stop: asyncio.Event, seconds: float | None) -> None:
        """Returns when `stop` is set, or when no request came for `seconds`."""
        while seconds is None or (left := self.last + seconds - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if seconds is None else left):
                    await stop.wait()
                    return


async def serve(
    world: World,
    *,
    port: int,
    api_key: str,
    api_secret: str,
    ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    idle_exit: float | None = None,
    clock: Callable[[], float] = time.time,
    journal: Path | None = None,
) -> None:
    """Serves `world` on 127.0.0.1 until `stop` is set, or until no request came for `idle_exit` seconds.

    `port` 0 takes any free port. `ready` is called with the URL as soon as it listens. `clock` gives the
    seconds since 1970 by which tokens are judged and answers are dated. Changes are kept in `journal`, and
    those in it are made first. Raises `PassbellError` if the port is in use."""
    stop = stop or asyncio.Event()
    closing = asyncio.Event()
    with Listener(port) as listener, opened(journal) as book:
        phones, faults, stats = Phones(world), Faults(world.seed), Stats()
        passkit = PassKit(world, phones, clock)
        gateway = Gateway(
            passkit,
            faults,
            stats,
            api_key=api_key,
            api_secret=api_secret,
            sever=listener.sever,
            closing=closing,
            journal=book,
        )
        control = Control(passkit, phones, faults, stats, book)
        if book is not None:
            replay(book, passkit, gateway, control)
        app = Idleness(Router([Mount("/_rehearsal", routes=control.routes()), Mount("/", app=gateway)]))

        async def until_stopped() -> None:
            await app.wait(stop, idle_exit)
            closing.set()
            listener.end()

        if ready is not None:
            ready(f"http://{HOST}:{listener.getsockname()[1]}")
        framework = cast(ASGIFramework, app)  # the same protocol, in each library's own words
        await hypercorn_serve(
            framework, LoopbackConfig(listener), shutdown_trigger=until_stopped, mode="asgi"
        )


@contextmanager
def opened(path: Path | None) -> Iterator[Journal | None]:
    """The journal, where there is to be one."""
    if path is None:
        yield None
        return
    with closing_after(Journal(path)) as journal:
        yield journal


def replay(journal: Journal, passkit: PassKit, gateway: Gateway, control: Control) -> None:
    """Make all changes of the journal once more, each at its own moment."""
    clock = passkit.clock
    for entry in journal.entries():
        passkit.clock = partial(float, entry.at)
        if entry.door.startswith("/"):
            gateway.redo(entry.door, entry.body)
        else:
            control.redo(entry.door, *json.loads(entry.body))
    passkit.clock = clock


def stop_by_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM, for a process of its own."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def run(
    world: World,
    *,
    port: int,
    api_key: str,
    api_secret: str,
    ready: Callable[[str], None] | None = None,
    idle_exit: float | None = None,
    journal: Path | None = None,
) -> None:
    """`serve` for a process of its own, which SIGINT and SIGTERM end cleanly whoever still waits."""

    async def main() -> None:
        await serve(
            world,
            port=port,
            api_key=api_key,
            api_secret=api_secret,
            ready=ready,
            stop=stop_by_signal(),
            idle_exit=idle_exit,
            journal=journal,
        )

    # The world lives as long as the process: the collector need not walk through it again and again.
    gc.collect()
    gc.freeze()
    asyncio.run(main())
