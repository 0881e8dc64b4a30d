"""PassKit's webhooks: is one signed with our secret, and what does it say?

PassKit signs with HMAC-SHA256 over a nonce and the payload as it is sent, and puts both into the header
`x-passkit-signature`, comma-separated, each with a prefix (help.passkit.com, article 8661572). The prefixes
and the spelling of the HMAC are published nowhere, so these are taken, and nothing else:

- two parts, divided by `,` or `;`, in either order where both have a prefix, else the nonce first;
- prefixes `n=`, `nonce=`, `t=` for the nonce and `s=`, `sig=`, `signature=`, `h=`, `hmac=`, `v1=`, `sha256=`
  for the HMAC; a `:` may stand for the `=`, and case does not matter;
- the HMAC in hex (64 digits) or base64 (either alphabet, with or without its `=`).

The payload is JSON: `event` is one of PassKit's PassEventId, as a word or a number (it sends enums as
numbers); `pass` has the id, `metadata` may be spelled `metaData`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NONCES = ("n", "nonce", "t")
SIGNATURES = ("s", "sig", "signature", "h", "hmac", "v1", "sha256")
EVENTS = {
    1: "PASS_EVENT_RECORD_CREATED",
    2: "PASS_EVENT_INSTALLED",
    4: "PASS_EVENT_RECORD_UPDATED",
    8: "PASS_EVENT_UNINSTALLED",
    16: "PASS_EVENT_INVALIDATED",
    32: "PASS_EVENT_RECORD_DELETED",
}
"""PassEventId of PassKit's SDK (io/common/integration.proto)."""

LONGEST_HEADER = 600
_part = re.compile(
    rf"(?i:({'|'.join((*NONCES, *SIGNATURES))})[=:])?([!-+\--:<-~]{{1,200}})", re.ASCII
)  # without space, comma and semicolon


class Forged(Exception):
    """It is not signed with our secret."""


class Unreadable(ValueError):
    """It is signed, and it is not what PassKit sends. Its text says what is wrong, for people."""


@dataclass(frozen=True, slots=True)
class Told:
    """What PassKit says happened to a pass.

    event  of EVENTS, or any word that PassKit may send one day
    at     when, where the payload tells; None otherwise
    """

    event: str
    provider_id: str
    program_id: str
    at: datetime | None


def verify(header: str, body: bytes, secret: str) -> str:
    """The nonce of a message that is signed with `secret`. Raises Forged for any other."""
    nonce, signature = _parts(header)
    if not secret or not hmac.compare_digest(
        _decoded(signature), hmac.digest(secret.encode(), nonce.encode() + body, "sha256")
    ):
        raise Forged
    return nonce


def read(body: bytes) -> Told:
    """What a verified payload says. Raises Unreadable."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("the payload is no JSON") from None
    one = payload.get("pass") if isinstance(payload, Mapping) else None
    if not isinstance(one, Mapping):
        raise Unreadable("the payload has no `pass`")
    event = payload.get("event")
    if isinstance(event, int) and not isinstance(event, bool):
        event = EVENTS.get(event, str(event))
    ids = event, one.get("id"), one.get("classId", "")
    if not all(isinstance(value, str) and len(value) <= 200 and value.isprintable() for value in ids):
        raise Unreadable("`event`, `pass.id` and `pass.classId` have to be texts")
    if not one.get("id"):
        raise Unreadable("`pass.id` is empty")
    about = one.get("metadata", one.get("metaData"))
    return Told(str(event), str(one["id"]), str(ids[2]), _moment(str(event), about))


def _parts(header: str) -> tuple[str, str]:
    if len(header) > LONGEST_HEADER:
        raise Forged
    found = [_part.fullmatch(part.strip()) for part in re.split("[,;]", header)]
    if len(found) != 2 or found[0] is None or found[1] is None:
        raise Forged
    names = [(one[1] or "").lower() for one in found if one is not None]
    values = found[0][2], found[1][2]
    if (names[0] in (*NONCES, "")) and (names[1] in (*SIGNATURES, "")):
        return values
    if names[0] in SIGNATURES and names[1] in NONCES:
        return values[1], values[0]
    raise Forged


def _decoded(signature: str) -> bytes:
    try:
        if len(signature) == 64:
            return bytes.fromhex(signature)
        plain = signature.translate(str.maketrans("-_", "+/")).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise Forged from None


def _moment(event: str, about: Any) -> datetime | None:
    """`{seconds, nanos}` of the field that dates this event."""
    names = {
        "PASS_EVENT_INSTALLED": "lastInstalledAt",
        "PASS_EVENT_UNINSTALLED": "lastUninstalledAt",
        "PASS_EVENT_INVALIDATED": "invalidatedAt",
        "PASS_EVENT_RECORD_UPDATED": "lastUpdatedAt",
    }
    found = about.get(names.get(event, "")) if isinstance(about, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    seconds = found.get("seconds")
    if isinstance(seconds, str) and re.fullmatch(r"\d{1,12}", seconds, re.ASCII):
        seconds = int(seconds)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds < 2**33:
        return None
    return datetime.fromtimestamp(seconds, UTC)
