"""A stand-in for APNs over real HTTP/2 and TLS: as strict as Apple's documents say that Apple is.

Sources: Apple, Sending Notification Requests to APNs; Handling Notification Responses from APNs. What it
cannot know is where Apple is stricter or milder than its documents.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from jobs.rehearsal.apns_connection import LARGEST_PAYLOAD, Connection
from jobs.rehearsal.apns_faults import ODDITIES, STATUS, Faults, Stats
from jobs.rehearsal.authority import PUSH_KEY_ID, TEAM, Authority
from store.errors import PassbellError

__all__ = ["ODDITIES", "STATUS", "Apns", "Faults", "Stats"]

HOST = "127.0.0.1"
_PUSH_TYPES = frozenset(
    (
        "alert",
        "background",
        "complication",
        "controls",
        "fileprovider",
        "liveactivity",
        "location",
        "mdm",
        "pushtotalk",
        "voip",
        "widgets",
    )
)
_ONCE = frozenset(
    (b"apns-id", b"apns-topic", b"apns-push-type", b"apns-priority", b"apns-expiration", b"authorization")
)
_TOKEN_LIFE = 3_600
_TOKEN = re.compile(r"[0-9a-fA-F]{2,200}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class Apns:
    """The service. `on_push` hears of each accepted push, in the loop that serves.

    tokens   push tokens that were given out: None for one in use, else since when it is dead (Unix seconds);
             with `tokens` None, as at the start, every token is taken for one in use
    faults   what goes wrong
    stats    what happened
    """

    def __init__(
        self,
        authority: Authority,
        on_push: Callable[[str, str], None] = lambda topic, token: None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.authority, self.on_push, self.clock = authority, on_push, clock
        self.tokens: dict[str, float | None] | None = None
        self.faults, self.stats = Faults(), Stats()
        self.connections: set[Connection] = set()
        self.last: dict[str, float] = {}
        self._bearers: dict[str, float | str] = {}
        self._server: asyncio.Server | None = None

    async def serve(self, port: int = 0) -> str:
        """Listen on the loopback, 0: on any free port; returns the URL. Ends with `close`."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        context.load_cert_chain(self.authority.server_path)
        context.load_verify_locations(cadata=(self.authority.root_pem + self.authority.wwdr_pem).decode())
        # A push by token comes without a certificate: what is missing is told in the answer.
        context.verify_mode = ssl.CERT_OPTIONAL
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self), HOST, port, ssl=context, backlog=1024
            )
        except OSError as error:
            raise PassbellError(f"port {port} on {HOST} is in use: {error.strerror}") from error
        return f"https://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is None:
            return
        self._server.close()
        leaving = [connection.lost for connection in self.connections]
        for connection in list(self.connections):
            connection.cut()
        if leaving:
            await asyncio.wait(leaving)
        await self._server.wait_closed()

    def end_connections(self, reason: str) -> None:
        """GOAWAY on every connection, with this reason, after all that was answered."""
        for connection in list(self.connections):
            connection.go_away(reason, connection.newest)

    def judge(self, headers: list[tuple[bytes, bytes]], body: bytes, uid: str) -> tuple[str, str, str, str]:
        """Reason (empty: accepted), apns-id, topic and token of a request. `uid`: the certificate's."""
        said: dict[bytes, bytes] = {}
        twice = False
        for name, value in headers:
            twice = twice or (name in said and name in _ONCE)
            said[name] = value
        apns_id = said.get(b"apns-id", b"").decode("ascii", "replace")
        path = said.get(b":path", b"").decode("ascii", "replace")
        topic = said.get(b"apns-topic", uid.encode()).decode("ascii", "replace")
        token = path.removeprefix("/3/device/")
        if apns_id and not _UUID.fullmatch(apns_id):
            return "BadMessageId", str(uuid4()), topic, token
        apns_id = apns_id or str(uuid4())
        if said.get(b":method") != b"POST":
            reason = "MethodNotAllowed"
        elif not path.startswith("/3/device/"):
            reason = "MissingDeviceToken" if path == "/3/device" else "BadPath"
        elif not token:
            reason = "MissingDeviceToken"
        elif twice:
            reason = "DuplicateHeaders"
        else:
            reason = self._who(said, topic, uid) or _parts(said, body) or self._token(topic, token)
        return reason, apns_id, topic, token

    def _who(self, said: dict[bytes, bytes], topic: str, uid: str) -> str:
        """What is wrong with whoever asks."""
        bearer = said.get(b"authorization", b"").decode("ascii", "replace")
        if uid:
            return "" if topic == uid else "TopicDisallowed" if topic else "MissingTopic"
        if not bearer.lower().startswith("bearer "):
            return "MissingProviderToken"
        if bearer not in self._bearers:
            self._bearers[bearer] = self._issued_at(bearer[7:])
        issued = self._bearers[bearer]
        if isinstance(issued, str):
            return issued
        if not 0 <= self.clock() - issued + 1 <= _TOKEN_LIFE:
            return "ExpiredProviderToken"
        return "" if topic else "MissingTopic"

    def _issued_at(self, token: str) -> float | str:
        """When a token was made, or the reason against it."""
        import jwt
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key: Any = load_pem_private_key(self.authority.push_key, None)
        checks = {"verify_iat": False, "require": ["iat", "iss"]}
        try:
            if jwt.get_unverified_header(token).get("kid") != PUSH_KEY_ID:
                return "InvalidProviderToken"
            claims = jwt.decode(token, key.public_key(), algorithms=["ES256"], options=checks)  # type: ignore[arg-type]
            return float(claims["iat"]) if claims["iss"] == TEAM else "InvalidProviderToken"
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return "InvalidProviderToken"

    def _token(self, topic: str, token: str) -> str:
        """What is wrong with the device."""
        if not _TOKEN.fullmatch(token) or len(token) % 2:
            return "BadDeviceToken"
        if self.tokens is not None:
            if token not in self.tokens:
                return "BadDeviceToken"
            if self.tokens[token] is not None:
                return "Unregistered"
        if self.faults.burst_seconds:
            now = self.clock()
            if now - self.last.get(token, 0.0) < self.faults.burst_seconds:
                return "TooManyRequests"
            self.last[token] = now
        return ""

    def dead_since(self, token: str) -> float:
        """Unix seconds that go with a 410."""
        since = (self.tokens or {}).get(token)
        return self.clock() if since is None else since

    def heard(self, topic: str, token: str) -> None:
        """The push reaches the phone, at once or later."""
        self.stats.accepted += 1
        if self.faults.heard_after:
            asyncio.get_running_loop().call_later(self.faults.heard_after, self.on_push, topic, token)
        else:
            self.on_push(topic, token)


def _parts(said: dict[bytes, bytes], body: bytes) -> str:
    """What is wrong with the headers and the payload of a push."""
    kind = said.get(b"apns-push-type", b"").decode("ascii", "replace")
    priority = said.get(b"apns-priority", b"10")
    if kind and kind not in _PUSH_TYPES:
        return "InvalidPushType"
    if priority not in (b"1", b"5", b"10") or (kind == "background" and priority == b"10"):
        return "BadPriority"
    if not said.get(b"apns-expiration", b"0").isdigit():
        return "BadExpirationDate"
    if len(said.get(b"apns-collapse-id", b"")) > 64:
        return "BadCollapseId"
    if len(body) > LARGEST_PAYLOAD:
        return "PayloadTooLarge"
    if body == b"{}":
        return ""
    try:
        # Apple lists no reason for what is no JSON object: the nearest one stands in.
        return "" if isinstance(json.loads(body), dict) else "PayloadEmpty"
    except (ValueError, RecursionError):
        return "PayloadEmpty"
