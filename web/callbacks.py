"""What wallets' makers tell by themselves: Google of passes saved and deleted, PassKit of its passes.

A message is believed only with its signature, counts once, and is answered as soon as it is written down. One
about a pass that is not known here is answered as taken, since sending it again would change nothing.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

import httpx
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.callbacks import effects, google, passkit
from jobs.rehearsal import authority, standing
from store.settings import Settings
from store.times import now

if TYPE_CHECKING:
    from web.face import Face

log = logging.getLogger("passbell")

LARGEST_KEYS = 256 * 1024


def routes(face: Face, google_keys: google.Keys | None = None) -> list[BaseRoute]:
    """`/callbacks/google` and `/callbacks/passkit`. `google_keys` stand for those that would be fetched."""
    settings, database = face.settings, face.database
    keys = google_keys or google.Keys(lambda: fetch_keys(settings))
    issuer = settings.google.issuer or ("" if settings.live else authority.GOOGLE_ISSUER)
    secret = settings.web.passkit_secret.get_secret_value()

    async def from_google(request: Request) -> Response:
        if not issuer:
            raise HTTPException(404, "no callbacks of Google's are taken here: google.issuer is not set")
        body, at = await request.body(), now()

        def take() -> str:
            return effects.google(database, google.verify(body, keys, issuer, at), at=at)

        try:
            outcome = await face.off_loop(take)
        except google.Forged as error:
            log.warning("a callback that claims to be Google's was refused: %s", error.reason)
            raise HTTPException(400, f"not a callback of Google's for us: {error.reason}") from None
        except google.KeysUnavailable as error:
            log.error("a callback of Google's could not be checked: %s", error)
            raise HTTPException(503, "Google's keys cannot be read", {"Retry-After": "60"}) from None
        return JSONResponse({"status": outcome})

    async def from_passkit(request: Request) -> Response:
        if not secret:
            raise HTTPException(404, "no webhooks are taken here: web.passkit_secret is not set")
        body, at = await request.body(), now()
        try:
            nonce = passkit.verify(request.headers.get("x-passkit-signature", ""), body, secret)
            told = passkit.read(body)
        except passkit.Forged:
            log.warning("a webhook that claims to be PassKit's was refused: x-passkit-signature is wrong")
            raise HTTPException(401, "x-passkit-signature is not that of nonce and body") from None
        except passkit.Unreadable as error:
            log.warning("a webhook of PassKit's cannot be read: %s", error)
            raise HTTPException(400, str(error)) from None
        outcome = await face.off_loop(lambda: effects.passkit(database, settings, told, nonce, at=at))
        return JSONResponse({"status": outcome})

    return [
        Route("/callbacks/google", from_google, methods=["POST"]),
        # PassKit's verb goes with the event.
        Route("/callbacks/passkit", from_passkit, methods=["POST", "PUT", "DELETE"]),
    ]


def fetch_keys(settings: Settings) -> bytes:
    """The document of Google's root keys; in a rehearsal the stand-in's. Raises what httpx raises."""
    url, trust = settings.google.keys_url, ssl.create_default_context(cafile=settings.google.ca or None)
    if not settings.live:
        wallets = standing.running_wallets(settings)
        if wallets is None:
            raise OSError("the stand-in for Google does not run")
        url, trust = f"{wallets.google_url}/gp/m/issuer/keys", wallets.trust
    answer = httpx.get(url, timeout=settings.google.timeout_seconds, verify=trust)
    content = answer.raise_for_status().content
    if len(content) > LARGEST_KEYS:
        raise OSError("the document is too large")
    return content
