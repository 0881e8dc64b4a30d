"""Apple's pass web service, version 1: what iPhones and watches call (Apple, "Adding a Web Service to
Update Passes"; the older PassKit Web Service Reference tells of 204 and 304, too).

Paths are read as they came, part by part, so a `%2F` in a serial is a character of it and no step down.
Who does not show a pass's own token gets the same 401, whether there is such a pass or not.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qs, unquote_to_bytes

import sqlalchemy as sa
from starlette.types import Receive, Scope, Send

from store import arrivals, devices
from store.devices import Changes, Place, Question
from store.times import now
from web.face import Face, Handler, answer, refuse
from web.phone_log import PhoneLog
from web.pkpasses import Standing

KIND = b"application/vnd.apple.pkpass"
LONGEST = 200
"""Characters of a serial, a pass type or a device's id; longer ones are nobody's."""
_PUSH_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,1024}")
"""Apple: "never assume its length". It goes into a path, so it has to be made of what a path can hold."""
_TAG = re.compile(r"[0-9]{1,18}")
_NOBODYS = "0" * 32
"""What a token is compared with where there is no such pass, so that both take the same time."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A pass came onto a device, which is reached by this token."""

    place: Place
    token: str


@dataclass(frozen=True, slots=True)
class _Left:
    """A pass was taken off a device."""

    place: Place


@dataclass(frozen=True, slots=True)
class _Listed:
    """A device was told of these passes."""

    pass_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A device got this pass as it was at this tag."""

    pass_id: int
    tag: int


_Act = _Arrived | _Left | _Listed | _Fetched


class Apple:
    """The five calls. `handler` finds the one that a path means."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._phone_log = PhoneLog()
        self._changes = face.gathered_read(devices.changed_for)
        self._awaited = face.gathered_read(_awaited)
        self._write = face.gathered_write(_write)

    def handler(self, scope: Scope) -> Handler | None:
        """What answers this path, with the refusal of other methods in it; None where it is none of ours."""
        raw = scope["raw_path"].split(b"/")
        if len(raw) < 3 or raw[:2] != [b"", b"v1"]:
            return None
        allowed: dict[str, Handler]
        parts = [_decoded(part) for part in raw[2:]]
        match parts:
            case ["devices", device, "registrations", pass_type, serial]:
                place = _place(pass_type, device, serial)
                allowed = {
                    "POST": lambda *call: self._post(place, *call),
                    "DELETE": lambda *call: self._delete(place, *call),
                }
            case ["devices", device, "registrations", pass_type]:
                asker = _place(pass_type, device, "-")
                allowed = dict.fromkeys(("GET", "HEAD"), lambda *call: self._list(asker, *call))
            case ["passes", pass_type, serial]:
                place = _place(pass_type, "-", serial)
                allowed = dict.fromkeys(("GET", "HEAD"), lambda *call: self._pass(place, *call))
            case ["log"]:
                allowed = {"POST": self._log}
            case _:
                return None
        return allowed.get(scope["method"]) or _only(sorted(allowed))

    async def _post(self, place: Place | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Register a pass on a device: 201, or 200 where it was; the newest push token counts in any case."""
        # Read whoever sends it: an answer before the body's end costs an HTTP/1.1 connection, and where the
        # rest comes after the close, the caller sees a broken one instead of the answer.
        token = _push_token(await _body(receive))
        if place is None or await self._allowed(place, scope) is None:
            return await _unauthorised(send)
        if await self._too_fast(place.library_id, send):
            return None
        if token is None:
            return await refuse(send, 400, 'the body has to be {"pushToken": "..."}')
        new = await self._write(_Arrived(place, token))
        if new is None:  # it was deleted between the two
            return await _unauthorised(send)
        return await answer(send, 201 if new else 200)

    async def _delete(self, place: Place | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a pass off a device. 200 also where it was not on it: the phone wants nothing else."""
        if place is None or await self._allowed(place, scope) is None:
            return await _unauthorised(send)
        if await self._too_fast(place.library_id, send):
            return None
        await self._write(_Left(place))
        return await answer(send, 200)

    async def _list(self, asker: Place | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Serials that changed since a tag. No token is asked for: to know the device's id is the secret.

        A tag that is no number of ours (an earlier server's, say) is taken for none: the phone hears of
        all its passes, which costs it a few requests. A 400 would keep it from every change for good.
        """
        if asker is None:
            return await answer(send, 204)
        if await self._too_fast(asker.library_id, send):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("passesUpdatedSince", [""])[-1]
        tag = int(given) if _TAG.fullmatch(given) else None
        changes: Changes | None = await self._changes(Question(asker.pass_type, asker.library_id, tag))
        if changes is None:
            return await answer(send, 204)
        if scope["method"] == "GET" and await self._awaited(changes.pass_ids):
            await self._write(_Listed(changes.pass_ids))
        told = {"serialNumbers": changes.serials, "lastUpdated": str(changes.tag)}
        return await answer(send, 200, json.dumps(told).encode())

    async def _pass(self, place: Place | None, scope: Scope, receive: Receive, send: Send) -> None:
        """The pass as it is now, signed; or 304 where the phone has it.

        An invalidated pass is still served, as voided: the phone then greys it out. A 404 or 410 would
        leave the old pass standing there as if it were good.
        """
        found = None if place is None else await self._allowed(place, scope)
        if found is None:
            return await _unauthorised(send)
        held = found.held
        if await self._too_fast(held.holder.serial, send):
            return None
        modified = (b"last-modified", format_datetime(held.changed_at, usegmt=True).encode())
        since = _since(scope)
        if since is not None and held.changed_at <= since:
            return await answer(send, 304, more=[modified])
        if scope["method"] == "HEAD":
            more = [modified, (b"content-type", KIND)]
            await send({"type": "http.response.start", "status": 200, "headers": more})
            return await send({"type": "http.response.body", "body": b""})
        content = await self._face.pkpasses.of(found)
        if found.awaited:
            await self._write(_Fetched(held.pass_id, held.tag))
        return await answer(send, 200, content, KIND, [modified])

    async def _log(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Phones report their errors here; 200 whatever becomes of them."""
        if not self._phone_log.take(await _body(receive)):
            return await refuse(send, 400, 'the body has to be {"logs": ["...", ...]}')
        return await answer(send, 200)

    async def _allowed(self, place: Place, scope: Scope) -> Standing | None:
        """The pass, if the request carries its token."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        found: Standing | None = await self._face.pkpasses.standing(place.serial)
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        known = _NOBODYS if found is None else found.held.holder.token
        same = hmac.compare_digest(token.strip(), known.encode())
        if found is None or not same or scheme.lower() != b"applepass":
            return None
        return found if (found.held.channel, found.held.pass_type) == ("apple", place.pass_type) else None

    async def _too_fast(self, who: str, send: Send) -> bool:
        """Whether a device, or a pass, asks too often; it then was told to wait."""
        seconds = self._face.by_device.wait(who)
        if seconds is None:
            return False
        await refuse(send, 429, "too many requests", [(b"retry-after", b"%d" % seconds)])
        return True


def _awaited(connection: sa.Connection, each: Sequence[Sequence[int]]) -> list[bool]:
    found = arrivals.awaited(connection, {pass_id for ids in each for pass_id in ids})
    return [not found.isdisjoint(ids) for ids in each]


def _write(connection: sa.Connection, acts: Sequence[_Act]) -> list[bool | None]:
    """What phones did, in one transaction. The outcome of a registration: see devices.register_all."""
    at = now()
    arrived = [one for one in acts if isinstance(one, _Arrived)]
    left = [one.place for one in acts if isinstance(one, _Left)]
    listed = {pass_id for one in acts if isinstance(one, _Listed) for pass_id in one.pass_ids}
    fetched = [(one.pass_id, one.tag) for one in acts if isinstance(one, _Fetched)]
    outcomes: dict[int, bool | None] = {}
    # Phones wait for the answer to one call before they make the next, so these do not overtake each other.
    if arrived:
        wanted = [(one.place, one.token) for one in arrived]
        told = devices.register_all(connection, wanted, at=at)
        outcomes = {id(one): new for one, new in zip(arrived, told, strict=True)}
    if left:
        devices.unregister_all(connection, left, at=at)
    if listed:
        arrivals.note_listed(connection, listed, at=at)
    if fetched:
        arrivals.note_fetched_all(connection, fetched, at=at)
    return [outcomes.get(id(one)) for one in acts]


def _decoded(part: bytes) -> str | None:
    """A part of a path; None where it is no text, or longer than any of ours."""
    if len(part) > 3 * LONGEST:
        return None
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return None
    return text if 0 < len(text) <= LONGEST else None


def _place(pass_type: str | None, library_id: str | None, serial: str | None) -> Place | None:
    """The place that a path means; None where it cannot be one, as no database keeps a NUL."""
    parts = (pass_type, library_id, serial)
    if any(part is None or "\0" in part for part in parts):
        return None
    return Place(*(part or "" for part in parts))


def _push_token(body: bytes) -> str | None:
    try:
        token = json.loads(body)["pushToken"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return token if isinstance(token, str) and _PUSH_TOKEN.fullmatch(token) else None


def _since(scope: Scope) -> datetime | None:
    """The moment of If-Modified-Since; None where there is none, or it is no date."""
    for name, value in scope["headers"]:
        if name == b"if-modified-since":
            try:
                given = parsedate_to_datetime(value.decode("latin-1"))
                return given if given.tzinfo else given.replace(tzinfo=UTC)
            except (ValueError, OverflowError, IndexError):
                return None
    return None


async def _body(receive: Receive) -> bytes:
    whole = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        whole += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(whole)


async def _unauthorised(send: Send) -> None:
    await refuse(send, 401, "not authorised", [(b"www-authenticate", b"ApplePass")])


def _only(methods: Sequence[str]) -> Handler:
    async def refused(scope: Scope, receive: Receive, send: Send) -> None:
        allow = ", ".join(methods)
        await refuse(send, 405, f"allowed here: {allow}", [(b"allow", allow.encode())])

    return refused
