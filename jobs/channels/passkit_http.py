"""How PassKit is spoken to: hosts, tokens, errors, streamed lists and pages, over kept-open connections."""

from __future__ import annotations

import asyncio
import json
import time
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import jwt
from jwt.warnings import InsecureKeyLengthWarning

from jobs.channels.base import Pace
from jobs.channels.passkit_errors import PassKitError, from_answer, from_line, http_date, plain
from jobs.channels.patience import patiently
from jobs.channels.wire import Broken, Lanes, Line, broken, loopback, open_wire
from store.errors import UsageError

Json = dict[str, Any]
Wrap = Callable[[Json], Json]
Pages = AsyncGenerator[tuple[int, list[Json]], None]

HOSTS = {"pub1": "https://api.pub1.passkit.io", "pub2": "https://api.pub2.passkit.io"}
"""One host per region: pub1 is Europe and Asia, pub2 the USA. The region belongs to the account."""

PAGE = 500
LONGEST_PATIENCE = 30.0
"""Seconds: a read that is asked to wait for longer ends with that word, since a person waits for it."""
_FIRST_WAIT = 0.25

# PassKit makes the secret, so its length is nothing that a user could better.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


@dataclass(frozen=True)
class Account:
    """One PassKit account.

    base_url     `pub1`, `pub2` or a URL
    timeout      seconds without a byte before a request is given up; a whole one may take three times that
    concurrency  connections at most, each kept open; a request waits until one is free
    transport    auto | pyreqwest | httpx: what carries single requests; lists always come over httpx
    """

    base_url: str
    api_key: str
    api_secret: str = field(repr=False)
    timeout: float = 10.0
    concurrency: int = 16
    transport: str = "auto"


def host(region_or_url: str) -> str:
    """The base URL of a region, or the given URL without its closing slash.

    Plain http is refused except to this machine: the token would travel in the clear.
    """
    if region_or_url in HOSTS:
        return HOSTS[region_or_url]
    wrong = f"passkit.base_url is {region_or_url!r:.200}: it has to be pub1, pub2 or an http(s) URL"
    try:
        parts = urlsplit(region_or_url)
        name, _ = parts.hostname, parts.port
        httpx.URL(region_or_url)
    except (ValueError, httpx.InvalidURL) as error:
        raise UsageError(wrong) from error
    if parts.scheme not in ("http", "https") or not name:
        raise UsageError(wrong)
    if parts.username is not None or parts.query or parts.fragment or not region_or_url.isprintable():
        raise UsageError(f"{wrong}, without user name, query or fragment")
    if parts.scheme == "http" and not loopback(name):
        raise UsageError(
            f"{wrong}; plain http would show the token to everybody between here and {name:.100}"
        )
    return region_or_url.rstrip("/")


class Connection:
    """A connection to one account, kept open, used from one event loop. Its calls raise PassKitError.

    pace   entered around each request; what it raises (Withdrawn) passes through
    now    the wall clock in Unix seconds
    sleep  how a repeated page waits
    """

    def __init__(
        self,
        account: Account,
        *,
        pace: Pace = nullcontext,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.account = account
        self.base_url = host(account.base_url)
        self.skew_seconds: float | None = None
        """PassKit's clock minus ours, in seconds, as last seen; None before the first answer."""
        self._pace, self._now, self._sleep = pace, now, sleep
        self._date = ""
        self._signed = (0, "")
        self._secrets = (account.api_secret, account.api_key)
        if not account.api_key or not account.api_secret:
            raise UsageError("passkit.api_key and passkit.api_secret are both needed")
        try:
            self._token()
        except (jwt.PyJWTError, UnicodeEncodeError) as error:
            raise UsageError("passkit.api_secret cannot sign a token; copy it again from PassKit") from error
        line = Line(self.base_url, account.timeout, account.concurrency)
        self._lanes = Lanes(line)
        self._wire = open_wire(line, self._lanes, account.transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()
        await self._lanes.close()

    async def call(
        self, method: str, path: str, body: Json | None = None, *, reading: bool | None = None
    ) -> Json:
        """One request and its answer; an empty answer is `{}`.

        `reading` says that the request changes nothing; by default that goes for GET alone.
        """
        reading = method == "GET" if reading is None else reading
        content = None if body is None else json.dumps(body, separators=(",", ":"))
        async with self._pace():
            try:
                answer = await self._wire.request(method, self.base_url + path, content, self._token())
            except Broken as error:
                raise self._broken(error, reading) from error
        self._watch_clock(answer.headers)
        if not 200 <= answer.status < 300:
            raise self._refused(answer.status, answer.content, answer.headers, reading)
        if not answer.content:
            return {}
        found = _object(answer.content)
        if found is None:
            what = answer.headers.get("content-type", "no content type")
            raise PassKitError(
                "protocol",
                f"the answer is not a JSON object ({what!r:.80})",
                status=answer.status,
                sent=not reading,
            )
        return found

    async def stream(self, path: str, body: Json) -> AsyncGenerator[Json, None]:
        """The rows of a list, one `{"result": ...}` a line, as they come; an empty body is an empty list.

        PassKit reports a failure in mid-list as an `{"error": ...}` line under HTTP 200: it raises.
        """
        began = False
        async with self._lanes.lane() as lane, self._pace():
            request = lane.build_request(
                "POST",
                self.base_url + path,
                content=json.dumps(body, separators=(",", ":")),
                headers={"authorization": self._token()},
            )
            try:
                async with aclosing(await lane.send(request, stream=True)) as answer:
                    self._watch_clock(answer.headers)
                    if not answer.is_success:
                        said = await answer.aread()
                        raise self._refused(answer.status_code, said, answer.headers, reading=True)
                    began = True
                    async for line, whole in _lines(answer.aiter_bytes()):
                        yield self._row(line, whole)
            except httpx.HTTPError as error:
                raise self._broken(broken(error), reading=True, began=began) from error

    async def pages(self, path: str, wrap: Wrap, *, offset: int = 0, limit: int = PAGE) -> Pages:
        """A long list page by page: (offset of the page, its rows), oldest first, until an empty page.

        Going on until the page is empty also copes with a server that gives fewer rows than asked for.
        A page is repeated up to five times where a repeat may help; it comes out whole or not at all.
        A row deleted at PassKit while the list is read moves the rest up by one: one row may be missed.
        """
        before: Json | None = None
        while True:
            filters = {"limit": limit, "offset": offset, "orderBy": "created", "orderAsc": True}
            rows = await self._page(path, wrap(filters))
            if not rows:
                return
            if rows[0] == before:
                raise PassKitError("protocol", f"{path} gives the same rows at every offset", status=200)
            before = rows[0]
            yield offset, rows
            offset += len(rows)

    async def _page(self, path: str, body: Json) -> list[Json]:
        async def whole() -> list[Json]:
            async with aclosing(self.stream(path, body)) as rows:
                return [row async for row in rows]

        # PassKit on 503: wait 250 ms and repeat.
        return await patiently(whole, first=_FIRST_WAIT, longest=LONGEST_PATIENCE, sleep=self._sleep)

    def _token(self) -> str:
        """A token for one request. Its claims are whole seconds, so all requests of a second share it.

        PassKit refuses one whose `iat` is ahead of its clock or 60 s old; ten seconds back, fifty to go
        stands a clock that is a little off on either side.
        """
        second = int(self._now())
        if second != self._signed[0]:
            claims = {"uid": self.account.api_key, "iat": second - 10, "exp": second + 50}
            self._signed = second, jwt.encode(claims, self.account.api_secret, algorithm="HS256")
        return self._signed[1]

    def _row(self, line: bytes, whole: bool) -> Json:
        found = _object(line)
        if found is None and not whole:
            raise PassKitError("cut", "PassKit's list broke off in the middle of a line", status=200)
        if found is not None and found.get("error") is not None:
            raise from_line(found["error"], secrets=self._secrets)
        result = found.get("result") if found is not None else None
        if not isinstance(result, dict):
            raise PassKitError("protocol", "a line of PassKit's list is not a row", status=200)
        return result

    def _refused(self, status: int, body: bytes, headers: Mapping[str, str], reading: bool) -> PassKitError:
        return from_answer(
            status,
            body,
            headers,
            now=self._now(),
            reading=reading,
            secrets=self._secrets,
            skew=self.skew_seconds,
        )

    def _broken(self, error: Broken, reading: bool, began: bool = False) -> PassKitError:
        """The error for a request without a whole answer, and whether it may have reached PassKit."""
        kind: Literal["timeout", "network", "cut"] = "network"
        if error.timed_out:
            kind, text = "timeout", f"no answer from {self.base_url} in time"
        elif began:
            kind, text = "cut", "PassKit's answer broke off in the middle"
        elif error.unsent:
            text = plain(f"cannot reach {self.base_url}: {error.reason}", secrets=self._secrets)
        else:
            text = f"the connection to {self.base_url} broke"
        return PassKitError(kind, text, sent=not reading and not error.unsent)

    def _watch_clock(self, headers: Mapping[str, str]) -> None:
        """Note the skew whenever the `Date` header, which has whole seconds only, has just moved on."""
        date = headers.get("date", "")
        if date and date != self._date:
            self._date = date
            moment = http_date(date)
            self.skew_seconds = None if moment is None else moment - self._now()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """Lines and whether they had their end: a line feed alone, for names may hold any other separator."""
    parts: list[bytes] = []
    async for chunk in chunks:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            parts.append(line)
            whole = b"".join(parts)
            parts.clear()
            if whole.strip():
                yield whole, True
        if rest:
            parts.append(rest)
        await asyncio.sleep(0)  # else a page that is here already is taken in one go, and a screen waits
    last = b"".join(parts)
    if last.strip():
        yield last, False


def _object(text: bytes) -> Json | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
