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
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from uuid import UUID, uuid4

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

from jobs.rehearsal.authority import PUSH_KEY_ID, TEAM, Authority
from store.errors import PassbellError, UsageError

HOST = "127.0.0.1"
LARGEST_PAYLOAD = 4_096
STATUS = {
    "BadCollapseId": 400,
    "BadDeviceToken": 400,
    "BadExpirationDate": 400,
    "BadMessageId": 400,
    "BadPriority": 400,
    "BadTopic": 400,
    "DeviceTokenNotForTopic": 400,
    "DuplicateHeaders": 400,
    "IdleTimeout": 400,
    "InvalidPushType": 400,
    "MissingDeviceToken": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "BadCertificate": 403,
    "BadCertificateEnvironment": 403,
    "BadEnvironmentKeyIdInToken": 403,
    "ExpiredProviderToken": 403,
    "Forbidden": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}
"""Every reason that Apple lists, with its status."""
ODDITIES = (
    "silent",  # never answered
    "reset",  # the stream is reset: INTERNAL_ERROR
    "refused",  # the stream is reset: REFUSED_STREAM
    "drop",  # the connection is cut
    "goaway",  # the connection ends with this request undone, and says why
    "goaway_after",  # the connection ends with this request perhaps done
    "garbage",  # bytes that are no HTTP/2
    "empty",  # an error without a body
    "no_id",  # 200 without an apns-id
    "other_id",  # 200 with somebody else's apns-id
    "pieces",  # an error whose body comes byte by byte
    "padded",  # an error whose body has padding
    "not_json",  # an error whose body is not JSON
    "long",  # an error with a body of 30,000 bytes
)
"""What may befall a push besides a reason of Apple's."""
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


@dataclass
class Faults:
    """What goes wrong; settable while it runs. A fault is one of Apple's reasons or one of ODDITIES.

    next           the coming pushes, one after the other; an empty word lets one pass
    tokens         a push token's fault, each time
    every          1: each push has the fault `word`, 10: each tenth; 0: none
    word           see `every`
    first_streams  streams at once until the first push was accepted on a connection
    streams        streams at once from then on
    burst_seconds  a second push to a token sooner than this is TooManyRequests; 0: never
    bad_tokens     a connection with so many BadDeviceTokens is ended
    heard_after    seconds until the phone hears an accepted push
    """

    next: deque[str] = field(default_factory=deque)
    tokens: dict[str, str] = field(default_factory=dict)
    every: int = 0
    word: str = ""
    first_streams: int = 1
    streams: int = 1_000
    burst_seconds: float = 0.0
    bad_tokens: int = 1_000
    heard_after: float = 0.0

    def set(self, **wanted: Any) -> None:
        """Set some from JSON. Raises UsageError that names what is wrong, and sets nothing then."""
        kinds = {entry.name: type(getattr(self, entry.name)) for entry in fields(self)}
        words: list[Any] = [wanted.get("word", ""), *wanted.get("next", ())]
        words += (wanted.get("tokens") or {}).values()
        for word in words:
            if word and word not in STATUS and word not in ODDITIES:
                raise UsageError(
                    f"unknown fault {word!r} of APNs: known are {', '.join((*STATUS, *ODDITIES))}"
                )
        for name, value in wanted.items():
            if name not in kinds:
                raise UsageError(f"unknown setting {name!r} of APNs's faults: known are {', '.join(kinds)}")
            if kinds[name] in (int, float) and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise UsageError(f"{name!r} of APNs's faults takes a number")
        for name, value in wanted.items():
            setattr(self, name, kinds[name](value))

    def clear(self) -> None:
        """As at the start."""
        self.__init__()  # type: ignore[misc]

    def as_json(self) -> dict[str, Any]:
        """What is set."""
        return asdict(self) | {"next": list(self.next)}

    def of(self, token: str, number: int) -> str:
        """The fault of the push with this number, to this token."""
        if self.next:
            return self.next.popleft()
        if self.tokens and token in self.tokens:
            return self.tokens[token]
        return self.word if self.every and number % self.every == 0 else ""


@dataclass
class Stats:
    """What came, and what was said. `reasons` also counts the oddities."""

    requests: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    refused_connections: int = 0
    resets: int = 0
    pings: int = 0
    most_at_once: int = 0

    def as_json(self) -> dict[str, Any]:
        """Everything, for the control routes."""
        return asdict(self) | {"reasons": dict(self.reasons)}


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
        self.connections: set[_Connection] = set()
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
                lambda: _Connection(self), HOST, port, ssl=context, backlog=1024
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


def _most_streams(count: int) -> Settings:
    return Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: count})


class _Request:
    __slots__ = ("body", "headers", "size")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers, self.body, self.size = headers, b"", 0


class _Connection(asyncio.Protocol):
    """One connection from its handshake to its end."""

    def __init__(self, service: Apns) -> None:
        self.service = service
        self.conn = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.newest = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests: dict[int, _Request] = {}
        self._bodies: dict[int, deque[bytes]] = {}
        self._warm = False
        self._bad_tokens = 0
        self._uid = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is through."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.service.connections.add(self)
        tls = transport.get_extra_info("ssl_object")
        if tls.selected_alpn_protocol() != "h2":
            self.service.stats.refused_connections += 1
            transport.abort()
            return
        subject = (transport.get_extra_info("peercert") or {}).get("subject", ())
        self._uid = next((value for part in subject for name, value in part if name == "userId"), "")
        self.service.stats.connections += 1
        # One stream until the first push was accepted, as Apple does for those who sign in by token.
        self._streams = self.service.faults.first_streams
        self.conn.local_settings = _most_streams(self._streams)
        self.conn.initiate_connection()
        # A client may open more before it has read that: those are refused one by one, where h2 would end
        # the connection.
        self.conn.local_settings = _most_streams(2**31 - 1)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self.service.connections.discard(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def cut(self) -> None:
        """End it without a word."""
        self._transport.abort()

    def deafen(self) -> None:
        """Read nothing more, as a peer does that is no longer there."""
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Everything that comes from the client."""
        try:
            for event in self.conn.receive_data(data):
                self._on(event)
        except ProtocolError:
            self._flush()  # says what was wrong
            self._transport.close()
            return
        self._flush()

    def _on(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived():
                self.newest = event.stream_id or 0
                if len(self._requests) >= self._streams:
                    self.service.stats.reasons["too many streams"] += 1
                    self.conn.reset_stream(self.newest, ErrorCodes.REFUSED_STREAM)
                    return
                self._requests[self.newest] = _Request(list(event.headers or ()))
                most = self.service.stats
                most.most_at_once = max(most.most_at_once, len(self._requests))
            case events.DataReceived():
                stream = event.stream_id or 0
                self.conn.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                if (request := self._requests.get(stream)) is not None:
                    request.body = (request.body + (event.data or b""))[: LARGEST_PAYLOAD + 1]
            case events.StreamEnded():
                if (request := self._requests.get(event.stream_id or 0)) is not None:
                    self._answer(event.stream_id or 0, request)
            case events.StreamReset():
                self._requests.pop(event.stream_id or 0, None)
                self._bodies.pop(event.stream_id or 0, None)
                self.service.stats.resets += 1
            case events.WindowUpdated():
                for stream in list(self._bodies):
                    self._send_body(stream)
            case events.PingReceived():
                self.service.stats.pings += 1
            case events.ConnectionTerminated():
                self._transport.close()
            case _:
                pass

    def _answer(self, stream: int, request: _Request) -> None:
        service = self.service
        service.stats.requests += 1
        reason, apns_id, topic, token = service.judge(request.headers, request.body, self._uid)
        fault = reason or service.faults.of(token, service.stats.requests)
        if fault in ODDITIES:
            service.stats.reasons[fault] += 1
            self._odd(fault, stream, apns_id, topic, token)
        elif fault:
            self._refuse(stream, apns_id, fault, token)
        else:
            self._accept(stream, apns_id, topic, token)

    def _accept(self, stream: int, apns_id: str, topic: str, token: str) -> None:
        del self._requests[stream]
        headers = [(":status", "200")]
        if apns_id:
            headers.append(("apns-id", apns_id))
        self.conn.send_headers(stream, headers, end_stream=True)
        if not self._warm:
            self._warm = True
            self._streams = self.service.faults.streams
            self.conn.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._streams})
        self.service.heard(topic, token)

    def _refuse(self, stream: int, apns_id: str, reason: str, token: str) -> None:
        service = self.service
        service.stats.reasons[reason] += 1
        status = STATUS[reason]
        said: dict[str, Any] = {"reason": reason}
        if status == 410:
            said["timestamp"] = int(service.dead_since(token) * 1000)
        self._send(stream, status, apns_id, [json.dumps(said).encode()])
        if reason == "BadDeviceToken":
            self._bad_tokens += 1
            if self._bad_tokens >= service.faults.bad_tokens:
                # Apple: many of these end a connection sooner. It names no reason for that.
                self.go_away("BadDeviceToken", self.newest)

    def _odd(self, fault: str, stream: int, apns_id: str, topic: str, token: str) -> None:
        error = json.dumps({"reason": "InternalServerError"}).encode()
        match fault:
            case "silent":
                return  # it stays open for ever
            case "reset" | "refused":
                del self._requests[stream]
                code = ErrorCodes.INTERNAL_ERROR if fault == "reset" else ErrorCodes.REFUSED_STREAM
                self.conn.reset_stream(stream, code)
            case "drop":
                self.cut()
            case "goaway":
                self.go_away("Shutdown", stream - 2 if stream > 2 else 0)
            case "goaway_after":
                self.go_away("Shutdown", stream)
            case "garbage":
                self._transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            case "empty":
                self._send(stream, 503, apns_id, [])
            case "no_id":
                self._accept(stream, "", topic, token)
            case "other_id":
                self._accept(stream, str(UUID(int=0)), topic, token)
            case "pieces":
                self._send(stream, 500, apns_id, [error[at : at + 1] for at in range(len(error))])
            case "padded":
                del self._requests[stream]
                self.conn.send_headers(stream, [(":status", "500"), ("apns-id", apns_id)])
                self.conn.send_data(stream, error, end_stream=True, pad_length=200)
            case "not_json":
                self._send(stream, 500, apns_id, [b"<html>\xff</html>"])
            case "long":
                self._send(stream, 500, apns_id, [b" " * 10_000] * 3)

    def _send(self, stream: int, status: int, apns_id: str, pieces: list[bytes]) -> None:
        """An answer with a body, each piece in a frame of its own, as the client has room for it."""
        headers = [(":status", str(status)), ("apns-id", apns_id)]
        self._requests.pop(stream, None)
        self.conn.send_headers(stream, headers, end_stream=not pieces)
        if pieces:
            self._bodies[stream] = deque(pieces)
            self._send_body(stream)

    def _send_body(self, stream: int) -> None:
        pieces = self._bodies[stream]
        with suppress(StreamClosedError):  # the client has given it up
            while pieces and self.conn.local_flow_control_window(stream) >= len(pieces[0]):
                piece = pieces.popleft()
                self.conn.send_data(stream, piece, end_stream=not pieces)
        if not pieces:
            self._bodies.pop(stream, None)

    def go_away(self, reason: str, last: int) -> None:
        """End the connection with a reason; requests after `last` were not looked at."""
        said = json.dumps({"reason": reason}).encode()
        self.conn.close_connection(ErrorCodes.NO_ERROR, additional_data=said, last_stream_id=last)
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if (data := self.conn.data_to_send()) and not self._transport.is_closing():
            self._transport.write(data)
