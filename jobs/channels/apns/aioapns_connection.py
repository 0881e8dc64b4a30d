"""aioapns's connection made safe: with its bookkeeping of requests replaced.

aioapns 4.0 finds a request by the `apns-id` of its answer, ends none that is reset or answered without a
body, never gives flow-control room back, sends before it knows how many streams it may open, and leaves
every other request of a connection hanging where one was cancelled. Here a request is its stream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aioapns.connection import APNsProductionClientProtocol
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import NoAvailableStreamIDError, ProtocolError

from jobs.channels.apns.line import BODY, QUIET_SECONDS, Answer, read_answer, read_body
from jobs.channels.wire import Broken

_LONGEST_BODY = 16_384
"""Bytes of an answer that are looked at: APNs's are under a hundred."""
_LAST_WORDS = 1.0
"""Seconds that a connection has to end in order."""


@dataclass(slots=True, eq=False)
class Ask:
    """One request. `stream` is 0 until it was sent."""

    headers: list[tuple[str, str]]
    answer: asyncio.Future[Answer]
    stream: int = 0
    sent_at: float = 0.0
    status: int = 0
    apns_id: str = ""
    body: bytearray = field(default_factory=bytearray)

    def fail(self, reason: str, *, unsent: bool | None = None) -> None:
        """End it without an answer. What nobody waits for any more stays as it is."""
        if not self.answer.done():
            unsent = self.stream == 0 if unsent is None else unsent
            self.answer.set_exception(Broken(reason, timed_out=False, unsent=unsent))


class Connection(APNsProductionClientProtocol):
    """One connection. Requests wait in it for a free stream, in order."""

    INACTIVITY_TIME = QUIET_SECONDS

    def __init__(self, patience: float) -> None:
        """`patience`: seconds that an answer to a ping may take."""
        super().__init__("", asyncio.get_running_loop())
        # What we send is ours, and right: looking through it again costs a tenth of a push.
        self.conn = H2Connection(
            H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self._patience = patience
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self.usable = False
        self._asks: dict[int, Ask] = {}
        self._queue: deque[Ask] = deque()
        self._why = "the connection was lost"
        self._heard = self.loop.time()
        self._pong: asyncio.TimerHandle | None = None
        self._flushing = False

    @property
    def load(self) -> int:
        """Requests under way and waiting."""
        return len(self._asks) + len(self._queue)

    async def push(self, ask: Ask) -> Answer:
        """One request; whoever stops waiting ends it, and no other."""
        self._queue.append(ask)
        self._pump()
        try:
            return await ask.answer
        finally:
            self._give_up(ask)

    def _give_up(self, ask: Ask) -> None:
        """Reset the stream of a request that has no answer, or take it out of the queue."""
        if not ask.stream and ask in self._queue:
            self._queue.remove(ask)
        if self._asks.pop(ask.stream, None) is None:
            return
        self.conn.reset_stream(ask.stream, ErrorCodes.CANCEL)
        if self._heard <= ask.sent_at:
            self._ask_alive()
        self._pump()
        self._flush_soon()

    def _pump(self) -> None:
        """Send what waits, as far as the peer has room for it."""
        conn = self.conn
        while self._queue and self.usable and len(self._asks) < conn.remote_settings.max_concurrent_streams:
            room = min(conn.outbound_flow_control_window, conn.remote_settings.initial_window_size)
            if room < len(BODY):
                return  # until a WINDOW_UPDATE
            try:
                stream = conn.get_next_available_stream_id()
            except NoAvailableStreamIDError:
                self._end("the connection has used all its streams")
                return
            ask = self._queue.popleft()
            if ask.answer.done():
                continue  # whoever waited is about to stop
            ask.stream = stream
            conn.send_headers(ask.stream, ask.headers)
            conn.send_data(ask.stream, BODY, end_stream=True)
            ask.sent_at = self.loop.time()
            self._asks[ask.stream] = ask
            self._flush_soon()

    def _flush_soon(self) -> None:
        """What is sent in one turn of the loop leaves in one piece."""
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is to be written."""
        self._flushing = False
        assert self.transport is not None
        if (data := self.conn.data_to_send()) and not self.transport.is_closing():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Everything that comes from the peer."""
        try:
            happened = self.conn.receive_data(data)
        except ProtocolError as error:
            self._end(f"the peer does not keep to HTTP/2: {error}")
            return
        if happened:  # half a frame is no sign of life: what is no HTTP/2 may look like a huge one
            self._heard = self.loop.time()
        for event in happened:
            self._on(event)
        self._pump()
        self._flush_soon()

    def _on(self, event: events.Event) -> None:
        match event:
            case events.ResponseReceived():
                if (ask := self._asks.get(event.stream_id or 0)) is not None:
                    headers = dict(event.headers or ())
                    ask.status = int(headers.get(b":status", b"0"))
                    ask.apns_id = headers.get(b"apns-id", b"").decode("ascii", "replace")
            case events.DataReceived():
                stream = event.stream_id or 0
                self.conn.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                if (ask := self._asks.get(stream)) is not None and len(ask.body) < _LONGEST_BODY:
                    ask.body += event.data or b""
            case events.StreamEnded():
                self._answered(event.stream_id or 0)
            case events.StreamReset():
                stream, code = event.stream_id or 0, event.error_code
                if code == ErrorCodes.NO_ERROR and (ask := self._asks.get(stream)) and ask.status:
                    self._answered(stream)
                elif (ask := self._asks.pop(stream, None)) is not None:
                    refused = code == ErrorCodes.REFUSED_STREAM  # says that nothing was done
                    ask.fail(f"the peer reset the request: {_name(code)}", unsent=refused)
            case events.RemoteSettingsChanged():
                if not self.ready.done():
                    self.usable = True
                    self.ready.set_result(None)
            case events.ConnectionTerminated():
                self._going_away(event)
            case events.PingAckReceived():
                self._alive()
            case _:
                pass  # window updates and what else needs no answer of ours

    def _answered(self, stream: int) -> None:
        ask = self._asks.pop(stream, None)
        if ask is not None and not ask.answer.done():
            ask.answer.set_result(read_answer(ask.status, ask.apns_id, bytes(ask.body)))

    def _going_away(self, event: events.ConnectionTerminated) -> None:
        """The peer ends the connection: what it names as last it may have done, later requests never."""
        said, _ = read_body(event.additional_data or b"")
        last = event.last_stream_id or 0
        for stream, ask in self._asks.items():
            if stream > last:
                ask.fail(f"the peer ended the connection: {said or _name(event.error_code)}", unsent=True)
        self._end(f"the peer ended the connection: {said or _name(event.error_code)}")

    def _end(self, why: str) -> None:
        """No more requests; those under way are in doubt, those that wait were never sent."""
        self.usable, self._why = False, why
        asks = [*self._asks.values(), *self._queue]
        self._asks.clear()
        self._queue.clear()
        for ask in asks:
            ask.fail(why)
        if not self.ready.done():
            self.ready.set_exception(Broken(why, timed_out=False, unsent=True))
            self.ready.exception()  # seen, where nobody waits for it any more
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self._alive()
        self._end(f"the connection was lost: {exc}" if exc else self._why)
        if not self.lost.done():
            self.lost.set_result(None)

    def refresh_inactivity_timer(self) -> None:
        """Look again when nothing may have come for too long; kept open otherwise."""
        quiet = self.loop.time() - self._heard
        if quiet >= self.INACTIVITY_TIME:
            self._ask_alive()
            quiet = 0.0
        self.inactivity_timer = self.loop.call_later(
            self.INACTIVITY_TIME - quiet, self.refresh_inactivity_timer
        )

    def _ask_alive(self) -> None:
        if self._pong is None and self.usable:
            self.conn.ping(b"passbell")
            self._flush_soon()
            self._pong = self.loop.call_later(self._patience, self._dead)

    def _alive(self) -> None:
        if self._pong is not None:
            self._pong.cancel()
            self._pong = None

    def _dead(self) -> None:
        self._end("the connection is dead: no answer to a ping")
        if self.transport is not None:
            self.transport.abort()

    async def leave(self) -> None:
        """End the connection in order."""
        if self.usable:
            self.conn.close_connection()
            self.flush()
        self._end("closed")
        await asyncio.wait([self.lost], timeout=_LAST_WORDS)
        if not self.lost.done() and self.transport is not None:
            self.transport.abort()
            await self.lost


def _name(code: int | None) -> str:
    """An error code of HTTP/2 in its own words."""
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"code {code}"
