"""How one request travels: over pyreqwest where it is installed, over httpx where it is not.

Both bring the same answers and the same errors; see docs/performance.md for what each costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from pyreqwest.client import Client

AUTO = "httpx" if find_spec("pyreqwest") is None else "pyreqwest"
"""What `passkit.transport = "auto"` means here."""
HEADERS = {"content-type": "application/json", "user-agent": "passbell"}
_CONNECT_SECONDS = 5.0
_IDLE_SECONDS = 30.0
"""A connection unused for so long is closed by us, before the provider does it in mid-request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Broken(Exception):
    """A request that has no whole answer.

    timed_out  nothing came in time
    unsent     no connection came about, so that the request cannot have arrived
    reason     in the words of whoever noticed, for people
    """

    def __init__(self, reason: str, *, timed_out: bool, unsent: bool) -> None:
        super().__init__(reason)
        self.reason, self.timed_out, self.unsent = reason, timed_out, unsent


@dataclass(frozen=True, slots=True)
class Line:
    """What both ways have in common.

    timeout      seconds without a byte before a request is given up; a whole one may take three times that
    concurrency  connections at most, each kept open; a request waits until one is free
    """

    base_url: str
    timeout: float
    concurrency: int

    @property
    def encrypted(self) -> bool:
        """Whether it goes over TLS."""
        return self.base_url.startswith("https:")

    @property
    def here(self) -> bool:
        """Whether it ends on this machine: a user's proxy is respected, but not for a stand-in here."""
        return loopback(urlsplit(self.base_url).hostname or "")

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take to come about."""
        return min(_CONNECT_SECONDS, self.timeout)


class Wire(Protocol):
    """Carries requests over kept-open connections, used from one event loop. Follows no redirect."""

    async def request(self, method: str, url: str, content: str | None, token: str) -> Answer:
        """One request and its whole answer. Raises Broken."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def open_wire(line: Line, lanes: Lanes, transport: str) -> Wire:
    """The wire that the setting `passkit.transport` names; `auto` takes the fastest that is installed."""
    transport = AUTO if transport == "auto" else transport
    return HttpxWire(line, lanes) if transport == "httpx" else ReqwestWire(line)


class Lanes:
    """httpx clients with one connection each, the one used last first.

    One client with a pool of many goes through all its connections at each request: at 16 of them that
    costs as much as all the rest of the request, at 32 twice as much.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._room = asyncio.Semaphore(line.concurrency)
        self._all: list[httpx.AsyncClient] = []
        self._idle: list[httpx.AsyncClient] = []
        self._verify: Any = None

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client for one request at a time."""
        async with self._room:
            lane = self._idle.pop() if self._idle else self._open()
            try:
                yield lane
            finally:
                self._idle.append(lane)

    async def close(self) -> None:
        """Close them all."""
        for lane in self._all:
            await lane.aclose()

    def _open(self) -> httpx.AsyncClient:
        line = self._line
        if self._verify is None:
            # Reading the certificates takes tens of milliseconds: once, and not at all without TLS.
            self._verify = httpx.create_ssl_context() if line.encrypted else False
        lane = httpx.AsyncClient(
            timeout=httpx.Timeout(line.timeout, connect=line.connect_seconds),
            limits=httpx.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE_SECONDS
            ),
            headers=HEADERS,
            follow_redirects=False,
            verify=self._verify,
            trust_env=not line.here,
        )
        self._all.append(lane)
        return lane


UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""httpx's errors that come before anything was sent."""


class HttpxWire:
    """Pure Python: httpx, one connection a client."""

    def __init__(self, line: Line, lanes: Lanes) -> None:
        self._line, self._lanes = line, lanes

    async def request(self, method: str, url: str, content: str | None, token: str) -> Answer:
        """See Wire."""
        try:
            async with self._lanes.lane() as lane, asyncio.timeout(3 * self._line.timeout):
                answer = await lane.request(method, url, content=content, headers={"authorization": token})
        except (httpx.HTTPError, TimeoutError) as error:
            raise broken(error) from error
        return Answer(answer.status_code, answer.headers, answer.content)

    async def close(self) -> None:
        """Nothing: the lanes are closed by whoever opened them."""


def broken(error: Exception) -> Broken:
    """httpx's error in our terms."""
    timed_out = isinstance(error, (httpx.TimeoutException, TimeoutError))
    return Broken(str(error), timed_out=timed_out, unsent=isinstance(error, UNSENT))


def broken_in_reqwest(error: Any) -> Broken:
    """pyreqwest's error in our terms.

    Not by the error's class: pyreqwest 0.15 raises ConnectError also for a connection that was lost
    after the request had gone out, and ConnectTimeoutError where no answer came. The causes differ.
    """
    from pyreqwest.exceptions import RequestTimeoutError

    causes = [str(cause.get("message", "")) for cause in error.details.get("causes") or ()]
    return Broken(
        causes[-1] if causes else str(error),
        timed_out=isinstance(error, RequestTimeoutError),
        unsent="client error (Connect)" in causes,
    )


class ReqwestWire:
    """pyreqwest: reqwest's connection pool, on a thread of its own outside Python's lock."""

    def __init__(self, line: Line) -> None:
        from pyreqwest import exceptions

        self._client = _reqwest(line)
        self._room = asyncio.Semaphore(line.concurrency)
        self._errors: Any = exceptions

    async def request(self, method: str, url: str, content: str | None, token: str) -> Answer:
        """See Wire."""
        builder = self._client.request(method, url).header("authorization", token, is_sensitive=True)
        if content is not None:
            builder = builder.body_text(content)
        try:
            async with self._room:
                answer = await builder.build().send()
                return Answer(answer.status, answer.headers, bytes(await answer.bytes()))
        except self._errors.RequestError as error:
            raise broken_in_reqwest(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _reqwest(line: Line) -> Client:
    from pyreqwest.client import ClientBuilder

    builder = (
        ClientBuilder()
        .default_headers(HEADERS)
        .follow_redirects(False)
        .referer(False)
        .timeout(timedelta(seconds=3 * line.timeout))
        .read_timeout(timedelta(seconds=line.timeout))
        .connect_timeout(timedelta(seconds=line.connect_seconds))
        .pool_idle_timeout(timedelta(seconds=_IDLE_SECONDS))
    )
    return (builder.no_proxy() if line.here else builder).build()


def loopback(name: str) -> bool:
    """Whether a host name means this machine."""
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
