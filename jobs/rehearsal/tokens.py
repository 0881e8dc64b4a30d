"""The strict look at the caller's token, with the words in which PassKit refuses it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from jobs.rehearsal.replies import Refusal, refused_by_guard

OLDEST = 60
"""Seconds: a token whose `iat` is this old or older is refused, whatever its `exp` says."""


def check_token(header: str | None, *, api_key: str, api_secret: str, now: float) -> None:
    """Raises a 401 unless the Authorization header holds, bare or after `Bearer`, an HS256 token that is
    signed with the secret, names the key as `uid`, was issued within the last 60 seconds, not in the future,
    and has not expired. `now` is in seconds since 1970."""
    token = (header or "").removeprefix("Bearer ").strip()
    parts = token.split(".")
    if len(parts) != 3:
        raise refused(
            "token contains an invalid number of segments" if token else "missing authorization token"
        )
    head, claims = decoded(parts[0]), decoded(parts[1])
    if head.get("alg") != "HS256" or head.get("typ") != "JWT":
        raise refused("unexpected signing method")
    signature = hmac.new(api_secret.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256).digest()
    expected = base64.urlsafe_b64encode(signature).rstrip(b"=")
    if not hmac.compare_digest(expected, parts[2].encode()):
        raise refused("signature is invalid")
    if claims.get("uid") != api_key:
        raise refused("unknown api key")
    issued, expires = moment_of(claims, "iat"), moment_of(claims, "exp")
    if issued > now:
        raise refused("Token used before issued")
    if issued <= now - OLDEST:
        raise refused("jwt was issued too long ago")
    if expires <= now:
        raise refused("Token is expired")


def refused(why: str) -> Refusal:
    return refused_by_guard(401, why)


def moment_of(claims: dict[str, Any], name: str) -> float:
    """A claim in seconds since 1970."""
    claim = claims.get(name)
    if not isinstance(claim, int | float) or isinstance(claim, bool):
        raise refused(f"token lacks {name}")
    return claim


def decoded(part: str) -> dict[str, Any]:
    """One part of a token: base64url, without padding, of a JSON object."""
    try:
        content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError) as error:
        raise refused("token is malformed") from error
    if not isinstance(content, dict):
        raise refused("token is malformed")
    return content
