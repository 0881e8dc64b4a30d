"""The boundary to APNs: one push goes out, one whole answer comes back, whatever carries it."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Literal, Protocol
from urllib.parse import urlsplit

from jobs.channels.apns.bearer import Bearer
from jobs.channels.wire import loopback

Driver = Literal["auto", "aioapns", "pyreqwest"]
AUTO: Driver = "aioapns" if find_spec("pyreqwest") is None else "pyreqwest"
"""What `apple.driver = "auto"` means here: docs/performance.md has the figures behind it."""

BODY = b"{}"
"""All that a push to a pass says: the phone asks us for the rest.

Apple, Adding a Web Service to Update Passes."""
QUIET_SECONDS = 300
"""A connection on which nothing came for so long is asked whether it lives. Apple advises to ask after an
hour; what translates addresses on the way forgets sooner."""
_CONNECT_SECONDS = 5.0
_TOKEN = re.compile(r"[0-9A-Fa-f]{2,1000}", re.ASCII)
"""Whoever holds a pass can register any text as push token. What is no token is not sent: it could name
another path, and Apple's answer to that would stop everybody's blast."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where pushes go, and how.

    url          APNs, or a stand-in
    client_pem   the pass type's certificate with its intermediates, and its unencrypted key; empty with a
                 bearer
    ca_pem       the authority to trust instead of the system's (pyreqwest: besides them); empty: the
                 system's
    connections  kept open for hours
    concurrency  pushes in flight at once; further ones wait, and their deadline begins after that
    timeout      seconds for one push as a whole
    push_type    the `apns-push-type`; empty sends none. `background` goes with priority 5
    bearer       signs in by a .p8 key, which Apple does not document for passes
    """

    url: str
    client_pem: bytes = field(default=b"", repr=False)
    ca_pem: bytes = b""
    connections: int = 2
    concurrency: int = 400
    timeout: float = 10.0
    push_type: str = ""
    driver: Driver = "auto"
    bearer: Bearer | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 443

    @property
    def here(self) -> bool:
        """Whether it ends on this machine."""
        return loopback(self.address[0])

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take to come about."""
        return min(_CONNECT_SECONDS, self.timeout)

    def headers(self, topic: str, apns_id: str, authorization: str) -> dict[str, str]:
        """A push's headers."""
        headers = {"apns-topic": topic, "apns-id": apns_id}
        if self.push_type:
            headers["apns-push-type"] = self.push_type
        if self.push_type == "background":
            headers["apns-priority"] = "5"
        if authorization:
            headers["authorization"] = authorization
        return headers


@dataclass(frozen=True, slots=True)
class Answer:
    """APNs's whole answer to one push.

    reason     Apple's word, such as `BadDeviceToken`; empty with 200, and where the answer has none
    timestamp  with 410: since when the token is dead. A device that registered later is alive
    apns_id    what APNs calls this push; empty where it does not say
    """

    status: int
    reason: str = ""
    timestamp: datetime | None = None
    apns_id: str = ""


class Pusher(Protocol):
    """Pushes over kept-open connections, used from one event loop."""

    async def push(self, token: str, *, topic: str, apns_id: str) -> Answer:
        """Tell a device that something of this pass type changed. Raises wire.Broken.

        A repeat is harmless: it costs the phone one question.
        """
        ...

    async def close(self) -> None:
        """Close the connections. Pushes must have ended."""
        ...


class Carrier(Protocol):
    """What a driver has to do."""

    async def push(self, path: str, headers: dict[str, str]) -> Answer:
        """One request within the line's timeout. Raises wire.Broken."""
        ...

    async def close(self) -> None:
        """See Pusher."""
        ...


def open_pusher(line: Line) -> Pusher:
    """A pusher over the line's driver; it connects at the first push.

    Raises UsageError where certificate and key are not fit for use.
    """
    driver = AUTO if line.driver == "auto" else line.driver
    if driver == "aioapns":
        from jobs.channels.apns.aioapns_driver import AioapnsCarrier

        return _Pusher(line, AioapnsCarrier(line))
    from jobs.channels.apns.pyreqwest_driver import PyreqwestCarrier

    return _Pusher(line, PyreqwestCarrier(line))


class _Pusher:
    """What both drivers have in common: so many at once, and a bearer that is renewed once."""

    def __init__(self, line: Line, carrier: Carrier) -> None:
        self._line, self._carrier = line, carrier
        self._room = asyncio.Semaphore(line.concurrency)

    async def push(self, token: str, *, topic: str, apns_id: str) -> Answer:
        """See Pusher."""
        if not _TOKEN.fullmatch(token):
            return Answer(400, "BadDeviceToken")
        path, bearer = f"/3/device/{token}", self._line.bearer
        async with self._room:
            said = bearer() if bearer else ""
            answer = await self._carrier.push(path, self._line.headers(topic, apns_id, said))
            if bearer and answer.reason == "ExpiredProviderToken" and bearer.renew(said):
                answer = await self._carrier.push(path, self._line.headers(topic, apns_id, bearer()))
            return answer

    async def close(self) -> None:
        """See Pusher."""
        await self._carrier.close()


def read_answer(status: int, apns_id: str, body: bytes) -> Answer:
    """An answer from its parts. A body that is not APNs's JSON says nothing, and the status still counts."""
    reason, timestamp = read_body(body)
    return Answer(status, "" if status == 200 else reason, timestamp, apns_id)


def read_body(body: bytes) -> tuple[str, datetime | None]:
    """The reason and the time in an answer's body or in the debug data of a GOAWAY."""
    try:
        said = json.loads(body) if body else None
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or nested without end
        return "", None
    if not isinstance(said, dict):
        return "", None
    reason, stamp = said.get("reason"), said.get("timestamp")
    timestamp = None
    if isinstance(stamp, int | float) and not isinstance(stamp, bool):
        with suppress(ValueError, OverflowError, OSError):  # no moment that a calendar knows
            timestamp = datetime.fromtimestamp(stamp / 1000, UTC)  # milliseconds
    return reason[:100] if isinstance(reason, str) else "", timestamp
