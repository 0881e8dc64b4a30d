"""aioapns as carrier, over connections that are made safe."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from urllib.parse import urlsplit

from jobs.channels.apns.aioapns_connection import Ask, Connection
from jobs.channels.apns.line import Answer, Line
from jobs.channels.wire import Broken
from store.errors import UsageError


class AioapnsCarrier:
    """So many connections, each opened when it is needed and again when it is lost."""

    def __init__(self, line: Line) -> None:
        self._line, self._context = line, tls(line)
        self._places = [_Place(line, self._context) for _ in range(line.connections)]

    async def push(self, path: str, headers: dict[str, str]) -> Answer:
        """See Carrier. What certainly never left is sent once more."""
        said = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", urlsplit(self._line.url).netloc),
            (":path", path),
            *headers.items(),
        ]
        ask: Ask | None = None
        try:
            async with asyncio.timeout(self._line.timeout):
                while True:
                    again, place = ask is not None, min(self._places, key=_Place.load)
                    connection = await place.connection()
                    ask = Ask(said, connection.loop.create_future())
                    try:
                        return await connection.push(ask)
                    except Broken as broken:
                        if again or not broken.unsent:
                            raise
        except TimeoutError as error:
            unsent = ask is None or ask.stream == 0
            raise Broken("no answer in time", timed_out=True, unsent=unsent) from error

    async def close(self) -> None:
        """See Carrier."""
        for place in self._places:
            await place.close()


class _Place:
    """Where one connection is, or comes about: whoever asks meanwhile waits for the same one."""

    def __init__(self, line: Line, context: ssl.SSLContext) -> None:
        self._line, self._context = line, context
        self._current: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._waiting = 0

    def load(self) -> int:
        """Requests that it has."""
        return self._waiting + (self._current.load if self._current is not None else 0)

    async def connection(self) -> Connection:
        """The open connection. Raises Broken where none comes about."""
        if self._current is not None and self._current.usable:
            return self._current
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        self._waiting += 1
        try:
            return await asyncio.shield(self._opening)
        finally:
            self._waiting -= 1

    def _opened(self, task: asyncio.Task[Connection]) -> None:
        self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._current = task.result()

    async def _open(self) -> Connection:
        host, port = self._line.address
        loop, seconds = asyncio.get_running_loop(), self._line.connect_seconds
        connection = Connection(self._line.timeout)
        try:
            async with asyncio.timeout(seconds):
                transport, _ = await loop.create_connection(lambda: connection, host, port, ssl=self._context)
                spoken = transport.get_extra_info("ssl_object").selected_alpn_protocol()
                if spoken != "h2":
                    raise Broken("the peer does not speak HTTP/2", timed_out=False, unsent=True)
                await connection.ready
        except BaseException as error:
            if connection.transport is not None:
                connection.transport.abort()
            if isinstance(error, TimeoutError) and not str(error):
                raise Broken("no connection in time", timed_out=True, unsent=True) from error
            if isinstance(error, OSError):
                raise Broken(str(error), timed_out=False, unsent=True) from error
            raise
        return connection

    async def close(self) -> None:
        """Let go of it."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._current is not None:
            await self._current.leave()


def tls(line: Line) -> ssl.SSLContext:
    """TLS 1.2 or newer with the pass type's certificate, and HTTP/2 as the only offer."""
    try:
        context = ssl.create_default_context(cadata=line.ca_pem.decode() if line.ca_pem else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        if line.client_pem:
            # OpenSSL reads certificate and key from a file only, which nobody else can read.
            with tempfile.NamedTemporaryFile() as file:
                file.write(line.client_pem)
                file.flush()
                # A password is given, so that OpenSSL never asks for one on the terminal.
                context.load_cert_chain(file.name, password="")
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"the certificate and key for pushes are not fit for use: {error}") from error
    return context
