"""Download links: whoever has one can add the pass, until it expires.

A token is 40 characters that name one pass and one moment, with a MAC over both: nothing is kept for it, and
none can be made without the consent secret. It says nothing about the member.
"""

from __future__ import annotations

import base64
import hmac
import re
from datetime import UTC, datetime, timedelta

from store import keys
from store.errors import UsageError
from store.settings import Settings
from store.times import now

PATH = "/get/"
"""Where the web face takes download tokens."""

_USE = "download links"
_MAC = 16
_TOKEN = re.compile("[A-Za-z0-9_-]{40}")
_LAST = 2**48 - 1


class Forged(UsageError):
    """This token is none of ours, or was changed on its way."""


class Expired(UsageError):
    """This token is ours, and its time is over."""


def link_token(secret: keys.Secret, pass_id: int, expires: datetime) -> str:
    """A token for the pass that works until `expires` (in whole seconds)."""
    seconds = min(max(int(expires.timestamp()), 0), _LAST)
    claims = pass_id.to_bytes(8, "big") + seconds.to_bytes(6, "big")
    return base64.urlsafe_b64encode(claims + _mac(secret, claims)).decode("ascii")


def read_link_token(secret: keys.Secret, token: str, at: datetime) -> int:
    """The id of the pass that a token names. Raises Forged, or Expired; says nothing else about it."""
    # 30 bytes fill 40 characters to the last bit: each token has one spelling.
    if not _TOKEN.fullmatch(token):
        raise Forged("this link is not valid: ask for a new one")
    content = base64.urlsafe_b64decode(token)
    claims, mac = content[:-_MAC], content[-_MAC:]
    if not hmac.compare_digest(mac, _mac(secret, claims)):
        raise Forged("this link is not valid: ask for a new one")
    if at.timestamp() > int.from_bytes(claims[8:], "big"):
        raise Expired("this link has expired: ask for a new one")
    return int.from_bytes(claims[:8], "big")


def download_link(settings: Settings, pass_id: int, *, at: datetime | None = None) -> str:
    """The address of a pass, for its holder; works for `web.link_days`."""
    expires = (at or now()).astimezone(UTC) + timedelta(days=settings.web.link_days)
    return settings.web_url + PATH + link_token(settings.consent_secret, pass_id, expires)


def _mac(secret: keys.Secret, claims: bytes) -> bytes:
    return hmac.digest(keys.derive(secret, _USE), claims, "sha256")[:_MAC]
