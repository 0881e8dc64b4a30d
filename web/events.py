"""`POST /v1/events`: a business's own systems tell what happened to passes. See docs/events.md."""

from __future__ import annotations

import hmac
import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.events import take_in
from jobs.intake.events import MOST
from store.times import now

if TYPE_CHECKING:
    from web.face import Face

TOLERANCE_SECONDS = 300
"""How far the sender's clock may be off; a copied request works no longer than that."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"sha256=([0-9a-fA-F]{64})", re.ASCII)


def routes(face: Face) -> list[BaseRoute]:
    """`/v1/events`."""

    async def take(request: Request) -> Response:
        secret = face.settings.web.events_secret.get_secret_value()
        if not secret:
            raise HTTPException(404, "no events are taken here: web.events_secret is not set")
        body = await request.body()
        _check(request, body, secret)
        documents = _documents(body)
        outcomes = await face.off_loop(lambda: take_in(face.database, face.settings, documents, at=now()))
        refused = sum(one.status == "refused" for one in outcomes)
        status = 200 if not refused else 422 if refused == len(outcomes) else 207
        return JSONResponse({"events": [one.as_json() for one in outcomes]}, status)

    return [Route("/v1/events", take, methods=["POST"])]


def _check(request: Request, body: bytes, secret: str) -> None:
    """Raises HTTPException for a request that the secret's owner did not sign, or not lately."""
    timestamp = request.headers.get("x-passbell-timestamp", "")
    given = _SIGNATURE.fullmatch(request.headers.get("x-passbell-signature", ""))
    if not _TIMESTAMP.fullmatch(timestamp) or given is None:
        raise HTTPException(
            401, "X-Passbell-Timestamp (unix seconds) and X-Passbell-Signature (sha256=...) are needed"
        )
    expected = hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256")
    if not hmac.compare_digest(expected, bytes.fromhex(given[1])):
        raise HTTPException(401, "the signature is not that of timestamp and body")
    if abs(now().timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise HTTPException(401, f"the timestamp is more than {TOLERANCE_SECONDS} s off")


def _documents(body: bytes) -> list[Any]:
    try:
        given = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is no JSON") from None
    documents = given if isinstance(given, list) else [given]
    if not 0 < len(documents) <= MOST:
        raise HTTPException(400, f"the body is one event, or an array of 1 to {MOST}")
    return documents


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
