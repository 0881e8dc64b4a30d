"""In front of the routes: finds the route, looks at the token, lets faults strike, writes the answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from jobs.rehearsal.faults import Faults, Strike
from jobs.rehearsal.journal import Journal
from jobs.rehearsal.messages import Malformed
from jobs.rehearsal.passkit import Handler, PassKit, Rows
from jobs.rehearsal.replies import (
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    Refusal,
    refused_by_gateway,
    refused_by_guard,
    refused_by_service,
)
from jobs.rehearsal.stats import Stats
from jobs.rehearsal.tokens import check_token

CHUNK = 64 * 1024
"""Bytes after which a part of a list is sent, and the loop is given to others."""

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Gateway:
    """An ASGI application. `sever` closes the connection from a client's address without another byte;
    `closing` is set when the server ends, so that nobody who hangs keeps it up."""

    def __init__(
        self,
        passkit: PassKit,
        faults: Faults,
        stats: Stats,
        *,
        api_key: str,
        api_secret: str,
        sever: Callable[[tuple[str, int]], None],
        closing: asyncio.Event,
        journal: Journal | None = None,
    ) -> None:
        self.passkit = passkit
        self.faults = faults
        self.stats = stats
        self.api_key = api_key
        self.api_secret = api_secret
        self.sever = sever
        self.closing = closing
        self.journal = journal
        self.routes = {(path.replace("/{}", ""), path.count("{}")): by for path, by in passkit.routes.items()}
        self._date = (0, "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.stats.under_way():
            await self.serve(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request to its end, whatever end the faults have for it."""
        request = Request(scope, receive)
        token = request.headers.get("authorization")
        self.stats.requests += 1
        if token is not None:
            self.stats.arrived(self.passkit.clock(), time.monotonic())
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        strike = self.faults.strike() if token is not None else Strike.NONE
        if delay := self.faults.latency():
            await self.rest(delay)
        if strike in (Strike.HANG, Strike.DROP_BEFORE):
            await self.silence(strike, scope, receive)
            return
        response = self.respond(request.method, scope["raw_path"].decode("ascii"), token, body, strike)
        if strike is Strike.DROP_AFTER:
            await self.silence(strike, scope, receive)
            return
        if strike in (Strike.HANG_HEADERS, Strike.HANG_BODY):
            await self.stall(strike, response, scope, receive, send)
            return
        self.stats.by_status[str(response.status_code)] += 1
        await response(scope, receive, send)

    async def rest(self, seconds: float) -> None:
        """Waits, but not beyond the end of the server."""
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    async def silence(self, strike: Strike, scope: Scope, receive: Receive) -> None:
        """No answer: until the client gives up, or because its connection is cut."""
        self.stats.by_status["hung" if strike is Strike.HANG else "dropped"] += 1
        if strike is not Strike.HANG:
            self.sever(scope["client"])
        await left(receive)

    async def stall(
        self, strike: Strike, response: Response, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The headers, half of the body or nothing of it, and then no more until the client gives up."""
        self.stats.by_status["hung"] += 1
        parts: list[Message] = []

        async def keep(part: Message) -> None:
            parts.append(part)

        await response(scope, receive, keep)
        body = b"".join(part.get("body", b"") for part in parts)
        half = body[: len(body) // 2] if strike is Strike.HANG_BODY else b""
        await send(parts[0])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await left(receive)

    def respond(self, method: str, path: str, token: str | None, body: bytes, strike: Strike) -> Response:
        """The answer to a request, whatever it is."""
        headers = {"date": self.date(), "content-type": "application/json"}
        try:
            if refusal := struck(strike):
                raise refusal
            answer = self.answer(method, path, token, body)
        except Refusal as refusal:
            wait = self.faults.settings.retry_after
            if strike is Strike.THROTTLED and wait is not None:
                headers["retry-after"] = str(wait)
            return Response(encode(refusal.payload).encode(), refusal.status, headers)
        if isinstance(answer, Rows):
            return StreamingResponse(self.lines(answer, self.faults.breaks_stream()), headers=headers)
        return Response(encode(answer).encode(), headers=headers)

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> dict[str, Any] | Rows:
        if self.faults.settings.revoked:
            raise refused_by_guard(401, "api key is revoked")
        check_token(token, api_key=self.api_key, api_secret=self.api_secret, now=self.passkit.clock())
        handler, parameters = self.route(method, path)
        if self.faults.settings.wrong_region:
            raise refused_by_service(404, NOT_FOUND, "not found")
        try:
            with self.passkit.one_moment() as at:
                answer = handler(parameters, decoded(body))
        except Malformed as error:
            position = max(body.decode(errors="replace").find(error.token), 0) + 1
            message = f"proto: syntax error (line 1:{position}): {error}"
            raise refused_by_gateway(400, INVALID_ARGUMENT, message) from error
        if self.journal is not None and method == "PUT":
            self.journal.note(path, body.decode(), at=at)
        return answer

    def redo(self, path: str, body: str) -> None:
        """Make a change once more that the journal holds."""
        handler, parameters = self.route("PUT", path)
        handler(parameters, decoded(body.encode()))

    def route(self, method: str, path: str) -> tuple[Handler, list[str]]:
        """The handler and the path's parameters, which are always its last segments."""
        segments = path.split("/")
        for count in range(3):
            cut = len(segments) - count
            handlers = self.routes.get(("/".join(segments[:cut]), count))
            if handlers is not None and all(segments[cut:]):
                if method not in handlers:
                    raise refused_by_gateway(501, UNIMPLEMENTED, "Method Not Allowed")
                return handlers[method], [unquote(segment) for segment in segments[cut:]]
        raise refused_by_gateway(404, NOT_FOUND, "Not Found")

    async def lines(self, answer: Rows, breaks: bool) -> AsyncIterator[bytes]:
        """A line of JSON for each row, in chunks. One that breaks does so in its first chunk."""
        full, chunk, size = answer.message.full, list[bytes](), 0
        for row in answer.rows:
            line = b'{"result":' + encode(full(row)).encode() + b"}\n"
            chunk.append(line)
            size += len(line)
            if size >= CHUNK:
                if breaks:
                    break
                yield b"".join(chunk)
                chunk, size = [], 0
                await asyncio.sleep(0)
        if breaks:
            chunk = chunk[: len(chunk) // 2]
            chunk.append(
                encode({"error": {"code": INTERNAL, "message": "stream broke off"}}).encode() + b"\n"
            )
        yield b"".join(chunk)

    def date(self) -> str:
        """The Date header, by the same clock as tokens are judged by."""
        now = int(self.passkit.clock())
        if now != self._date[0]:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]


async def left(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def struck(strike: Strike) -> Refusal | None:
    """What a fault answers in the place of the route."""
    if strike is Strike.UNAVAILABLE:
        return refused_by_gateway(503, UNAVAILABLE, "service unavailable, try again")
    if strike is Strike.THROTTLED:
        return refused_by_service(429, RESOURCE_EXHAUSTED, "too many requests")
    if strike is Strike.SERVER_ERROR:
        return refused_by_guard(500, "internal server error")
    return None


def decoded(body: bytes) -> Any:
    """The JSON body; none at all is an empty message."""
    if not body:
        return {}
    try:
        return json.loads(body, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        position = error.colno if isinstance(error, json.JSONDecodeError) else 1
        message = f"proto: syntax error (line 1:{position}): unexpected token"
        raise refused_by_gateway(400, INVALID_ARGUMENT, message) from error


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
