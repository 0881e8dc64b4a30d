"""A stand-in for Google's Wallet API: tokens, classes and objects, and faults."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from jobs.rehearsal.gateway import left
from jobs.rehearsal.google_callbacks import Signer
from jobs.rehearsal.google_faults import STRIKES, Faults, read_faults
from jobs.rehearsal.google_phones import Phones
from jobs.rehearsal.google_world import RESOURCES, Alert, Refusal, World
from store.errors import UsageError

__all__ = ["GRANT", "SCOPE", "Faults", "Google", "Stats", "trimmed"]

Json = dict[str, Any]
Sever = Callable[[tuple[str, int]], None]

SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
TOKEN_URI = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass
class Stats:
    """What reached the API; the control routes are not among it."""

    requests: int = 0
    tokens: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_call: Counter[str] = field(default_factory=Counter)


class Google:
    """An ASGI application, for one issuer and the one service account that it has invited.

    service_account  its JSON key: the stand-in only uses the public part
    callback_root    the key in the place of Google's root, in PEM
    sever            cuts the connection from a client's address; without it, one that is to be dropped hangs
    on_alert         called for each phone that is told
    """

    def __init__(
        self,
        service_account: Mapping[str, Any],
        issuer: str,
        callback_root: bytes,
        *,
        clock: Callable[[], float] = time.time,
        sever: Sever | None = None,
        on_alert: Callable[[Alert], None] | None = None,
        seed: int = 1,
    ) -> None:
        key = serialization.load_pem_private_key(str(service_account["private_key"]).encode(), None)
        self._public_key: Any = key.public_key()
        self.email = str(service_account["client_email"])
        self.clock, self.sever = clock, sever
        self.world = World(issuer, clock, on_alert)
        self.signer = Signer(callback_root, issuer)
        self.phones = Phones(self.world, self.signer, self.email, self._public_key)
        self.stats = Stats()
        self.closing = asyncio.Event()
        self._random = Random(f"{seed}/google")
        self._tokens: dict[str, float] = {}
        self._arrivals: deque[float] = deque()
        self._struck = 0
        self.faults = Faults()
        self.app = Starlette(
            routes=[
                Route("/token", self.token, methods=["POST"]),
                *self.phones.routes(),
                Route("/_rehearsal/stats", self.get_stats),
                Route("/_rehearsal/faults", self.put_faults, methods=["PUT"]),
                Route("/_rehearsal/expire-tokens", self.expire_tokens, methods=["POST"]),
                Route("/walletobjects/v1/{rest:path}", _Api(self)),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._faults

    @faults.setter
    def faults(self, wanted: Faults) -> None:
        self._faults = self.world.habits = wanted
        self._struck = 0

    # Tokens

    async def token(self, request: Request) -> Response:
        """An access token for an assertion that is right in every part; it lasts an hour."""
        self.stats.tokens += 1
        form = parse_qs((await request.body()).decode())
        if form.get("grant_type") != [GRANT]:
            return _no_token("unsupported_grant_type", "Invalid grant_type")
        if self.faults.no_tokens:
            return _no_token("invalid_grant", "Invalid grant: account not found")
        now = self.clock()
        try:
            claims = jwt.decode(
                "".join(form.get("assertion", [])),
                self._public_key,
                ["RS256"],
                audience=[str(request.url), TOKEN_URI],
                options={"verify_exp": False, "verify_iat": False, "require": ["iss", "iat", "exp", "aud"]},
            )
        except jwt.PyJWTError as error:
            return _no_token("invalid_grant", f"Invalid JWT: {error}")
        if claims["iss"] != self.email or claims.get("scope") != SCOPE:
            return _no_token("invalid_scope", "Invalid issuer or scope")
        if not claims["iat"] - 300 <= now < claims["exp"] <= claims["iat"] + 3_600:
            return _no_token("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)")
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self._tokens[token] = now + 3_600
        return JSONResponse({"access_token": token, "expires_in": 3_599, "token_type": "Bearer"})

    async def expire_tokens(self, _: Request) -> Response:
        """All tokens are refused from now on."""
        self._tokens.clear()
        return JSONResponse({})

    # The API

    def answer(self, request: Request, body: bytes) -> Json:
        """One request to the API, done. Raises Refusal."""
        self._admit(request)
        resource, _, rest = request.path_params["rest"].partition("/")
        identifier, _, act = rest.partition("/")
        method, world = request.method, self.world
        if (resource, method, act) == ("issuer", "GET", ""):
            if identifier != world.issuer:
                raise Refusal(403, "permissionDenied", "Permission denied: not your issuer", "walletobjects")
            return {"issuerId": identifier, "name": "Rehearsal"}
        if resource not in RESOURCES:
            raise Refusal(404, "notFound", "Not Found")
        self.stats.by_call[f"{method} {resource}{'/' + act if act else ''}"] += 1
        match method, bool(identifier), act:
            case "GET", False, "":
                return self._page(resource, request)
            case "GET", True, "":
                return world.get(resource, identifier)
            case "POST", False, "":
                return world.insert(resource, _decoded(body))
            case "PATCH", True, "":
                return world.patch(resource, identifier, _decoded(body))
            case "PUT", True, "":
                return world.update(resource, identifier, _decoded(body))
            case "POST", True, "addMessage":
                return world.add_message(resource, identifier, _decoded(body))
        raise Refusal(404, "notFound", "Not Found")

    def _admit(self, request: Request) -> None:
        """The rate first, as it is looked at before anything else; then the token; then who it is."""
        now, arrivals = self.clock(), self._arrivals
        while arrivals and arrivals[0] <= now - 1:
            arrivals.popleft()
        if len(arrivals) >= self.faults.rate:
            self.world.sins["too_fast"] += 1
            text = "Rate Limit Exceeded"
            raise Refusal(self.faults.rate_status, "rateLimitExceeded", text, "usageLimits")
        arrivals.append(now)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or self._tokens.get(token, 0.0) <= now:
            raise Refusal(401, "authError", "Invalid Credentials")
        if not self.faults.invited:
            raise Refusal(403, "permissionDenied", "Permission denied", "walletobjects")

    def _page(self, resource: str, request: Request) -> Json:
        """A list's page: everything at once, where no size is asked for."""
        query = request.query_params
        owner = query.get("classId" if resource.endswith("Object") else "issuerId", "")
        rows = self.world.listed(resource, owner)
        start, size = query.get("token", "0"), query.get("maxResults", str(len(rows) or 1))
        if not start.isdigit() or not size.isdigit() or not int(size):
            raise Refusal(400, "invalid", "Invalid page")
        first, last = int(start), int(start) + int(size)
        pagination: Json = {"resultsPerPage": len(rows[first:last])}
        if last < len(rows):
            pagination["nextPageToken"] = str(last)
        page = {"resources": rows[first:last], "pagination": pagination}
        return trimmed(page, query["fields"]) if "fields" in query else page

    def strike(self, call: str) -> str:
        """What befalls a request, if anything."""
        faults = self.faults
        if faults.on not in call or (faults.times and self._struck >= faults.times):
            return ""
        luck = self._random.random()
        for name in STRIKES:
            if luck < getattr(faults, name):
                self._struck += 1
                return name
            luck -= getattr(faults, name)
        return ""

    # Looking at it

    async def get_stats(self, _: Request) -> Response:
        """What it saw: the API's requests, what phones were told, and what a good client would not do."""
        world = self.world
        return JSONResponse(
            {
                "requests": self.stats.requests,
                "tokens": self.stats.tokens,
                "by_status": dict(self.stats.by_status),
                "by_call": dict(self.stats.by_call),
                "callbacks": self.phones.callbacks,
                "objects": sum(len(kept) for name, kept in world.kept.items() if name.endswith("Object")),
                "users": sum(count > 0 for count in world.users.values()),
                "messages": dict(world.messages),
                "alerts": len(world.alerts),
                "alerted_twice": sum(count > 1 for count in world.told.values()),
                "sins": {name: count for name, count in world.sins.items() if count},
            }
        )

    async def put_faults(self, request: Request) -> Response:
        """Switch faults; what is not named is off."""
        try:
            self.faults = read_faults(await request.json())
        except UsageError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(asdict(self.faults))


class _Api:
    """The API behind its faults, as an ASGI application: a fault may end without an answer."""

    def __init__(self, google: Google) -> None:
        self._google = google

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        google, request = self._google, Request(scope, receive)
        google.stats.requests += 1
        body = await request.body()
        await self._rest(google.faults.latency_ms / 1_000)
        strike = google.strike(f"{request.method} {scope['path']}")
        if strike in ("drop_before", "hang"):
            await self._silence(strike, scope, receive)
            return
        response = _failed() if strike == "error_before" else self._done(request, body)
        if strike in ("drop_after", "hang_after"):
            await self._silence(strike, scope, receive)
            return
        if strike == "error_after":
            response = _failed()
        google.stats.by_status[str(response.status_code)] += 1
        await response(scope, receive, send)

    def _done(self, request: Request, body: bytes) -> Response:
        try:
            return JSONResponse(self._google.answer(request, body))
        except Refusal as refusal:
            return JSONResponse(refusal.payload, refusal.status)

    async def _rest(self, seconds: float) -> None:
        if seconds:
            await _first(asyncio.sleep(seconds), self._google.closing.wait())

    async def _silence(self, strike: str, scope: Scope, receive: Receive) -> None:
        self._google.stats.by_status["hung" if strike.startswith("hang") else "dropped"] += 1
        if strike.startswith("drop") and self._google.sever is not None:
            self._google.sever(scope["client"])
        await _first(left(receive), self._google.closing.wait())


async def _first(*waits: Awaitable[Any]) -> None:
    """Wait until one of them is over."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def trimmed(value: Any, mask: str) -> Any:
    """What Google's `fields` leaves of an answer: `resources(id,state),pagination`."""
    if isinstance(value, list):
        return [trimmed(one, mask) for one in value]
    kept = {}
    for part in re.findall(r"[^,()]+(?:\([^()]*\))?", mask):
        name, _, inner = part.rstrip(")").partition("(")
        if name in value:
            kept[name] = trimmed(value[name], inner) if inner else value[name]
    return kept


def _failed() -> Response:
    refusal = Refusal(503, "backendError", "The service is currently unavailable.")
    return JSONResponse(refusal.payload, 503)


def _no_token(error: str, told: str) -> Response:
    return JSONResponse({"error": error, "error_description": told}, 400)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Refusal(400, "parseError", "Parse Error") from None
