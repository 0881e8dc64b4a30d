"""Google's Wallet API (walletobjects v1), as far as passbell speaks it, over one client that is kept open."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
from google.auth import jwt
from google.auth.credentials import TokenState
from google.auth.exceptions import GoogleAuthError, TransportError
from google.oauth2.service_account import Credentials

from jobs.channels.base import Pace
from jobs.channels.google_errors import GoogleError, from_answer
from jobs.channels.passkit_errors import plain
from jobs.channels.patience import patiently
from jobs.channels.wire import UNSENT, loopback
from store.errors import UsageError

Json = dict[str, Any]

SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
TYPES = ("generic", "loyalty", "offer", "giftCard", "eventTicket", "transit", "flight")
"""Kinds of pass, as Google spells them in paths: `giftCardObject`, `giftCardClass`."""
LONGEST_SAVE_JWT = 1_800
"""Characters of a save link's JWT that Google calls safe."""
PAGE = 100
STATES_ONLY = "resources(id,state,hasUsers),pagination"
_FIRST_WAIT = 0.5
_IDLE_SECONDS = 30.0
"""A connection unused for so long is closed by us, before Google does it in mid-request."""


@dataclass(frozen=True)
class Account:
    """One issuer, and the service account that it has invited.

    info         the service account's JSON key, parsed
    token_url    where tokens are asked for; empty: as the key says
    ca           path of a certificate authority to trust instead of the system's
    timeout      seconds without a byte before a request is given up; a whole one may take three times that
    concurrency  connections at most, each kept open; a request waits until one is free
    """

    base_url: str
    issuer: str
    info: Mapping[str, Any] = field(repr=False)
    token_url: str = ""
    ca: str = ""
    timeout: float = 10.0
    concurrency: int = 8


class Google:
    """One account, kept open, used from one event loop. Its calls raise GoogleError.

    `resource` is a type with its thing: `loyaltyObject`, `genericClass`.

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
        self.issuer = account.issuer
        self._base = f"{account.base_url.rstrip('/')}/walletobjects/v1/"
        self._pace, self._now, self._sleep = pace, now, sleep
        self._credentials = credentials(account.info, account.token_url)
        self._renewing = asyncio.Lock()
        self._room = asyncio.Semaphore(account.concurrency)
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=account.concurrency, keepalive_expiry=_IDLE_SECONDS),
            **_options(account, account.base_url),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, resource: str, identifier: str) -> Json:
        """A class, an object, or `issuer`."""
        return await self._call("GET", _path(resource, identifier))

    async def insert(self, resource: str, body: Json) -> Json:
        """Make a class or an object; `conflict` where it is there."""
        return await self._call("POST", resource, body)

    async def patch(self, resource: str, identifier: str, body: Json) -> Json:
        """Change what the body names; arrays are replaced whole. The answer is the whole resource."""
        return await self._call("PATCH", _path(resource, identifier), body)

    async def add_message(self, resource: str, identifier: str, message: Json) -> Json:
        """Add a message to a class or an object. Google never asks whether it is there: twice is two.

        The answer is the whole resource, with `hasUsers` where it is an object.
        """
        answer = await self._call("POST", f"{_path(resource, identifier)}/addMessage", {"message": message})
        found = answer.get("resource")
        return found if isinstance(found, dict) else {}

    async def pages(
        self, resource: str, owner: str, fields: str = STATES_ONLY
    ) -> AsyncGenerator[list[Json], None]:
        """All objects of a class, or all classes of an issuer, page by page.

        A page is repeated up to five times where a repeat may help.
        """
        by = "classId" if resource.endswith("Object") else "issuerId"
        query, token = {by: owner, "maxResults": str(PAGE), "fields": fields}, ""
        while True:
            answer = await self._patiently(
                f"{resource}?{urlencode(query | ({'token': token} if token else {}))}"
            )
            rows, pagination = answer.get("resources") or [], answer.get("pagination") or {}
            if not isinstance(rows, list) or not isinstance(pagination, dict):
                raise GoogleError("protocol", f"the list of {resource} is of another shape", status=200)
            yield [row for row in rows if isinstance(row, dict)]
            before, token = token, str(pagination.get("nextPageToken") or "")
            if not token:
                return
            if token == before:
                raise GoogleError("protocol", f"the list of {resource} names the same page again", status=200)

    async def _patiently(self, path: str) -> Json:
        return await patiently(
            lambda: self._call("GET", path), first=_FIRST_WAIT, longest=math.inf, sleep=self._sleep
        )

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        """One request; one more with a new token where the old one is refused. A 401 did nothing."""
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        token = await self._token()
        answer = await self._send(method, path, content, token)
        if answer.status_code == 401:
            answer = await self._send(method, path, content, await self._token(refused=token))
        reading = method == "GET"
        if not answer.is_success:
            raise from_answer(
                answer.status_code, answer.content, answer.headers, now=self._now(), reading=reading
            )
        try:
            found = json.loads(answer.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            text = "the answer is not Google's: it holds no JSON object"
            raise GoogleError("protocol", text, status=answer.status_code, sent=not reading)
        return found

    async def _send(self, method: str, path: str, content: bytes | None, token: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        async with self._pace(), self._room:
            try:
                async with asyncio.timeout(3 * self.account.timeout):
                    return await self._client.request(
                        method, self._base + path, content=content, headers=headers
                    )
            except (httpx.HTTPError, TimeoutError) as error:
                raise self._broken(error, reading=method == "GET") from error

    def _broken(self, error: Exception, *, reading: bool) -> GoogleError:
        sent = not reading and not isinstance(error, UNSENT)
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            return GoogleError("timeout", f"no answer from {self.account.base_url} in time", sent=sent)
        if isinstance(error, UNSENT):
            return GoogleError("network", plain(f"cannot reach {self.account.base_url}: {error}"))
        return GoogleError("network", f"the connection to {self.account.base_url} broke", sent=sent)

    async def _token(self, refused: str | None = None) -> str:
        """A token that holds for some minutes more, and is not the one that was refused.

        Only google-auth's `refresh` is used: its `before_request` would ask another service besides.
        """
        async with self._renewing:
            known = self._credentials
            if known.token_state is not TokenState.FRESH or known.token == refused:
                try:
                    await asyncio.to_thread(known.refresh, self._ask_for_token)
                except TransportError as error:
                    raise GoogleError("network", plain(f"no token from Google: {error}")) from error
                except (GoogleAuthError, ValueError) as error:
                    text = plain(f"Google gives this service account no token: {error}")
                    raise GoogleError("key_refused", text) from error
            return str(known.token)

    def _ask_for_token(
        self, url: str, method: str = "GET", body: bytes | None = None, headers: Any = None, **_: Any
    ) -> SimpleNamespace:
        """google-auth's transport. It gives no timeout, so ours holds; in a thread, once an hour.

        A server's fault is raised here: google-auth would sleep and repeat, which is the engine's part.
        """
        try:
            with httpx.Client(**_options(self.account, url)) as client:
                answer = client.request(method, url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise _no_answer(f"{type(error).__name__} at {urlsplit(url).hostname}") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise _no_answer(f"HTTP {answer.status_code} at {urlsplit(url).hostname}")
        return SimpleNamespace(status=answer.status_code, headers=answer.headers, data=answer.content)


def credentials(info: Mapping[str, Any], token_url: str = "") -> Credentials:
    """A service account's credentials, for this API's scope only. Raises UsageError for a broken key."""
    told = {**info, "token_uri": token_url or info.get("token_uri", "")}
    try:
        made: Credentials = Credentials.from_service_account_info(told, scopes=[SCOPE])  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, GoogleAuthError) as error:
        raise UsageError(
            "google.service_account is no service account's JSON key: download it anew from Google Cloud"
        ) from error
    return made


def save_link(
    info: Mapping[str, Any] | Credentials,
    save_url: str,
    objects: Sequence[tuple[str, str]],
    *,
    now: float | None = None,
) -> str:
    """The link by which a phone saves objects that exist: (type, id) each, such as `("loyalty", "338.a1")`.

    By reference only, since a link with whole objects is longer than Google calls safe. `now` is in Unix
    seconds. `info`: a service account's key, or the credentials made of it, where many links are made: to
    read a key takes 40 times as long as to sign with it. Raises UsageError where a link cannot
    hold as many objects.
    """
    known = info if isinstance(info, Credentials) else credentials(info)
    payload: dict[str, list[dict[str, str]]] = {}
    for kind, identifier in objects:
        payload.setdefault(f"{kind}Objects", []).append({"id": identifier})
    claims = {
        "iss": known.service_account_email,
        "aud": "google",
        "typ": "savetowallet",
        "iat": int(time.time() if now is None else now),
        "origins": [],
        "payload": payload,
    }
    signed: str = jwt.encode(known.signer, claims).decode()  # type: ignore[no-untyped-call]
    if len(signed) > LONGEST_SAVE_JWT:
        raise UsageError(
            f"a save link holds {LONGEST_SAVE_JWT} characters: {len(objects)} passes are too many"
        )
    return save_url + signed


def _no_answer(why: str) -> TransportError:
    return TransportError(why)  # type: ignore[no-untyped-call]


def _path(resource: str, identifier: str) -> str:
    return f"{resource}/{quote(identifier, safe='')}"


def _options(account: Account, url: str) -> dict[str, Any]:
    """What both clients have in common. A user's proxy is respected, but not for a stand-in here."""
    verify: Any = False
    if url.startswith("https:"):
        # Of a stand-in's authority only; without one, what httpx trusts.
        verify = ssl.create_default_context(cafile=account.ca) if account.ca else httpx.create_ssl_context()
    return {
        "timeout": httpx.Timeout(account.timeout, connect=min(5.0, account.timeout), pool=None),
        "headers": {"user-agent": "passbell"},
        "follow_redirects": False,
        "verify": verify,
        "trust_env": not loopback(urlsplit(url).hostname or ""),
    }
