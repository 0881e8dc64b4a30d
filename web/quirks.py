"""Hypercorn 0.18, where none of its settings does: HTTP/1.1 only, and answers and idle connections cheaply.

`install` puts these in the place of its own parts. tests/web/test_serve.py would see it if a newer Hypercorn
no longer asked for them there.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, ClassVar

import h11
import hypercorn.asyncio.run
import hypercorn.asyncio.tcp_server
import hypercorn.protocol
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol

WRITE_BYTES = 256 * 1024
"""What is gathered of an answer before it leaves."""


class OnlyHttp1(H11Protocol):
    """Hypercorn would turn to HTTP/2 in mid-connection where it is asked to, also through a proxy that knows
    nothing of it, past whatever that proxy forbids. And it loses a whole connection of HTTP/2, with all that
    is under way there, when one request is answered before its body has come.
    """

    _waiting = b""

    async def _check_protocol(self, event: h11.Request) -> None:
        return

    async def _send_h11_event(self, event: Any) -> None:
        """An answer leaves whole, in one write: Hypercorn makes two of it, and two records of TLS."""
        try:
            self._waiting += self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
        if not isinstance(event, (h11.Response, h11.Data)) or len(self._waiting) > WRITE_BYTES:
            data, self._waiting = self._waiting, b""
            await self.send(RawData(data=data))


class Idleness:
    """Ends a connection that is idle for too long, by a timer.

    Hypercorn starts and cancels a task for each pause between two requests, which costs a third of a request.
    """

    seconds = 0.0
    _all: ClassVar[set[Idleness]] = set()
    _leaving = False

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._end: Callable[[], None] = lambda: None

    async def restart(self, task_group: Any, action: Callable[[], Any]) -> None:
        """The connection is idle from now on. `action` is the server's own waiting; its end is ours, too."""
        await self.stop()
        server: Any = getattr(action, "__self__")  # noqa: B009 a bound method has it, and no type says so
        self._end = lambda: task_group.spawn(server._initiate_server_close)
        self._all.add(self)
        wait = 0.0 if Idleness._leaving else self.seconds
        self._timer = asyncio.get_running_loop().call_later(wait, self._over)

    async def stop(self) -> None:
        """It is not, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._all.discard(self)

    @classmethod
    def leave(cls) -> None:
        """The server is about to end: whoever is idle goes now, and whoever gets idle, then."""
        cls._leaving = True
        for one in list(cls._all):
            one._over()

    def _over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._all.discard(self)
            self._end()


class Closing(TCPServer):
    """Hypercorn takes a caller that sends on after the end of its TLS for a fault of the server: the request
    fails, and where the server is ending, everything ends at once, under what is still being answered.
    """

    async def _close(self) -> None:
        try:
            await super()._close()
        except ssl.SSLError:  # APPLICATION_DATA_AFTER_CLOSE_NOTIFY: the connection is closed all the same
            return


def install(idle_seconds: float) -> None:
    """For all servers of this process. A connection ends when it is idle, or at its headers, for so long."""
    Idleness.seconds = idle_seconds
    protocol: Any = hypercorn.protocol
    protocol.H11Protocol = OnlyHttp1
    server: Any = hypercorn.asyncio.tcp_server
    server.AsyncioSingleTask = Idleness
    run: Any = hypercorn.asyncio.run
    run.TCPServer = Closing
