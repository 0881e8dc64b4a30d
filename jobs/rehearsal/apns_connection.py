"""One connection to the stand-in for APNs: HTTP/2 by h2, with everything odd that a peer may do."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

from jobs.rehearsal.apns_faults import ODDITIES, STATUS

if TYPE_CHECKING:
    from jobs.rehearsal.apns import Apns

LARGEST_PAYLOAD = 4_096


def _most_streams(count: int) -> Settings:
    return Settings(client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: count})


class _Request:
    __slots__ = ("body", "headers", "size")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers, self.body, self.size = headers, b"", 0


class Connection(asyncio.Protocol):
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
