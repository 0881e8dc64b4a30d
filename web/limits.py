"""What hostile and broken callers meet before any route: limits of rate, size and time, and plain errors."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store.database import StoreUnavailable
from store.errors import PassbellError
from web.counts import place_of

if TYPE_CHECKING:
    from web.face import Face

log = logging.getLogger("passbell")

BODY_BYTES = 64 * 1024
"""The largest body that any route takes."""
BODY_SECONDS = 15.0
"""How long a body may take to come: who sends it a byte at a time is not waited for."""
HEADER_BYTES = 16 * 1024
"""All headers of a request together."""
KEPT = 50_000
"""So many callers a limit remembers, twice: for this minute and for the one before."""
MINUTE = 60.0

SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""On every answer that does not say otherwise."""
ONLY_ENCRYPTED = (b"strict-transport-security", b"max-age=31536000")


class Limit:
    """So many a minute of each caller, by a window that slides; each process counts for itself.

    Bounded: where more callers come than are kept, the window moves on early and the oldest are forgotten.
    """

    def __init__(
        self, per_minute: int, *, kept: int = KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._kept, self._clock = per_minute, kept, clock
        self._since = clock()
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def wait(self, caller: str) -> int | None:
        """None where the caller may go on, or else the seconds to wait; what is refused is not counted."""
        passed = self._clock() - self._since
        if passed >= MINUTE or (caller not in self._now and len(self._now) >= self._kept):
            self._before = self._now if passed < 2 * MINUTE else {}
            self._now = {}
            self._since += MINUTE * (passed // MINUTE) if passed >= MINUTE else passed
            passed = self._clock() - self._since
        count, before = self._now.get(caller, 0), self._before.get(caller, 0)
        if count + before * (1 - passed / MINUTE) < self._most:
            self._now[caller] = count + 1
            return None
        if count >= self._most:
            return _whole(MINUTE - passed)
        return _whole((1 - (self._most - count) / before) * MINUTE - passed)


def _whole(seconds: float) -> int:
    """The first whole second after so many: in that very moment the window is still full."""
    return max(1, math.floor(seconds + 1e-6) + 1)


class TooLarge(Exception):
    """The body is larger than any of ours."""


class TooSlow(Exception):
    """The body did not come in time."""


class Guard:
    """Around all routes. Nothing that goes wrong behind it reaches a caller in other words than its own."""

    def __init__(self, app: ASGIApp, face: Face) -> None:
        self._app, self._face = app, face
        self._encrypted = face.settings.live and face.url.startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._guard(scope, receive, send)
        else:  # a WebSocket, which nothing here speaks
            await send({"type": "websocket.close", "code": 1000})

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def safe(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = [*message.get("headers", ())]
                names = {name for name, _ in present}
                present += [pair for pair in SAFE if pair[0] not in names]
                if self._encrypted:
                    present.append(ONLY_ENCRYPTED)
                message = {**message, "headers": present}
            await send(message)

        refusal: tuple[int, str, dict[str, str]]
        try:
            refused = self._refused(scope)
            if refused is None:
                await self._app(scope, _Body(receive), safe)
                return
            refusal = refused
        except HTTPException as error:
            refusal = error.status_code, error.detail, dict(error.headers or {})
        except TooLarge:
            refusal = 413, f"a body here has at most {BODY_BYTES:,} bytes", {"connection": "close"}
        except TooSlow:
            refusal = 408, "the body did not come in time", {"connection": "close"}
        except ClientDisconnect:
            return
        except StoreUnavailable as error:
            log.error("a request could not be answered: %s", error)
            refusal = 503, "not available at the moment", {"retry-after": "10"}
        except PassbellError as error:
            log.error("a request failed: %s", error)
            refusal = 500, "something went wrong here", {}
        except Exception as error:
            if started and isinstance(error, (ssl.SSLError, ConnectionError)):
                return  # the caller broke off in mid-answer, or sent on after the connection's end
            # Whatever it was, the caller gets no trace of it, and the operator all of it.
            # The rest of a path may be a key: a token, or a device's id.
            log.exception("a request failed: %s %s", scope["method"], place_of(scope["path"]))
            refusal = 500, "something went wrong here", {}
        if started:
            raise ConnectionAbortedError("the answer broke off")
        from web.face import refuse

        status, sentence, more = refusal
        if scope["http_version"] == "2":
            more.pop("connection", None)
        headers = [(name.lower().encode(), value.encode()) for name, value in more.items()]
        await refuse(safe, status, sentence, headers)

    def _refused(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        """Why a request is not let in at all."""
        size, lengths, chunked = 0, [], False
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"content-length":
                lengths.append(value)
            chunked = chunked or name == b"transfer-encoding"
        if size > HEADER_BYTES:
            return 431, "the headers are too large", {"connection": "close"}
        if lengths and (chunked or len(lengths) > 1):
            # A proxy may go by the other one, and take what follows for another caller's request.
            return 400, "the body has two lengths", {"connection": "close"}
        # A length that is no number was refused by the server's own parser.
        if lengths and int(lengths[0][:12]) > BODY_BYTES:
            raise TooLarge
        seconds = self._face.by_address.wait(
            address(scope, behind_proxy=self._face.settings.web.behind_proxy)
        )
        if seconds is not None:
            return 429, "too many requests", {"retry-after": str(seconds)}
        return None

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin and end with the server."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self._face.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


class _Body:
    """A request's body as it comes, until it is too large or too slow."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self._whole = False
        self._until = time.monotonic() + BODY_SECONDS

    async def __call__(self) -> Message:
        if self._whole:  # only a disconnect can come
            return await self._receive()
        try:
            async with asyncio.timeout(max(self._until - time.monotonic(), 0)):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._size > BODY_BYTES:
                raise TooLarge
        return message


def address(scope: Scope, *, behind_proxy: bool) -> str:
    """Whose request it is: an IPv4 address, or the /64 of an IPv6 one, since a caller has all of it.

    Behind a proxy it is the last address of `X-Forwarded-For`, the one that the proxy itself put there.
    Everything before it is the caller's own claim.
    """
    client = scope.get("client")
    told = client[0] if client else ""
    if behind_proxy:
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                told = value.decode("latin-1").rpartition(",")[2].strip()
    try:
        found = ipaddress.ip_address(told)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return told
