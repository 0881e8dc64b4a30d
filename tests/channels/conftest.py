"""A small HTTP server over loopback that does exactly what a test scripts, faults of transport included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobs.channels import wire
from jobs.channels.passkit_api import Account

SECRET = "a-secret-of-more-than-thirty-two-characters"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["pyreqwest", "httpx"])
def each_wire(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever carries the requests, what comes of them is the same."""
    auto, wire.AUTO = wire.AUTO, request.param
    yield
    wire.AUTO = auto


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer(body: Any = b"", status: int = 200, **headers: str) -> bytes:
    """A whole HTTP/1.1 answer; anything but bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def chunked(*chunks: bytes, ended: bool = True) -> bytes:
    """A chunked answer; one that has not ended is followed by the end of the connection."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n" * ended


def rows(*rows: Any) -> bytes:
    """The body of a PassKit list."""
    return b"".join(json.dumps({"result": row}, ensure_ascii=False).encode() + b"\n" for row in rows)


Script = Callable[[Request], bytes | None]
"""Gives the bytes to send; without a Content-Length or a last chunk the connection is closed after them.

None: never answer.
"""


@dataclass
class Server:
    script: Script
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _halt: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def account(self) -> Account:
        return Account(self.url, "the-key", SECRET, timeout=2.0, concurrency=4)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        self.connections += 1
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                said = self.script(request)
                if said is None:
                    await self._halt.wait()
                    return
                writer.write(said)
                await writer.drain()
                if b"Content-Length" not in said and not said.endswith(b"0\r\n\r\n"):
                    return
        except ConnectionError:
            pass  # the client has left, which some tests are about
        finally:
            writer.close()
            del self._open[writer]

    async def close(self) -> None:
        self._halt.set()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*self._open.values())


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.close()
