"""Google's word that a pass was saved or deleted: believed after every check, on the strings as they came.

The format is Google's `ECv2SigningOnly` (its guide to callbacks, Tink's PaymentMethodTokenRecipient): a root
key signs an intermediate key, that one signs the message. A frame is a length of four bytes, the lowest
first, counted in bytes of UTF-8, and the bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from store.errors import PassbellError

SENDER = "GooglePayPasses"
PROTOCOL = "ECv2SigningOnly"
KEPT_SECONDS = 86_400.0
"""How long fetched root keys are used."""
REFETCH_SECONDS = 60.0
"""Keys are not fetched more often than this: else every forged callback would make us ask Google."""
LARGEST_EXPIRY = 253_402_300_799_000
"""Milliseconds since 1970 at the end of the year 9999: a datetime holds no later moment."""


class Forged(Exception):
    """A callback that is not Google's word to us, or is too old.

    reason  malformed | protocol | intermediate | intermediate_expired | signature | expired | foreign
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class KeysUnavailable(PassbellError):
    """Google's root keys cannot be fetched: nothing can be said of a callback now."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A pass was saved to a wallet, or deleted from one.

    nonce       Google's name for this message: a second one with it is a repeat
    expires_ms  milliseconds since 1970; after this the message is refused, and its nonce need not be kept
    """

    class_id: str
    object_id: str
    event: Literal["save", "del"]
    nonce: str
    expires_ms: int


class Keys:
    """Google's root keys, fetched when first needed and kept for a day. Safe to use from several threads.

    fetch  gives the document that Google publishes at `google.keys_url`; what it raises comes out as
           KeysUnavailable
    """

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: list[tuple[ec.EllipticCurvePublicKey, int | None]] = []
        self._fetched_at: float | None = None

    def roots(self, now: datetime) -> list[ec.EllipticCurvePublicKey]:
        """The keys that hold at this moment. Raises KeysUnavailable."""
        with self._lock:
            if self._fetched_at is None or now.timestamp() - self._fetched_at > KEPT_SECONDS:
                self._read(now)
            return self._valid(now)

    def changed_roots(self, now: datetime) -> list[ec.EllipticCurvePublicKey]:
        """Fetched anew, since the known ones did not do: Google may have changed them. Empty if too soon."""
        with self._lock:
            if self._fetched_at is not None and now.timestamp() - self._fetched_at < REFETCH_SECONDS:
                return []
            self._read(now)
            return self._valid(now)

    def _valid(self, now: datetime) -> list[ec.EllipticCurvePublicKey]:
        at = now.timestamp() * 1_000
        return [key for key, expires in self._keys if expires is None or expires > at]

    def _read(self, now: datetime) -> None:
        try:
            entries = json.loads(self._fetch())["keys"]
            self._keys = [
                (_public_key(entry["keyValue"]), _milliseconds(entry.get("keyExpiration")))
                for entry in entries
                if entry.get("protocolVersion") == PROTOCOL
            ]
        except Exception as error:  # whatever a fetcher raises: no callback can be judged without keys
            raise KeysUnavailable(f"Google's keys for callbacks cannot be read: {error}") from error
        self._fetched_at = now.timestamp()


def verify(body: bytes, keys: Keys, issuer: str, now: datetime) -> Callback:
    """The callback in a request's body, if Google wrote it for this issuer, and lately.

    Raises Forged, and KeysUnavailable. It may fetch keys: call it in a thread. The nonce is the caller's
    to look up.
    """
    envelope = _object(body, "the body")
    if envelope.get("protocolVersion") != PROTOCOL:
        raise Forged("protocol", f"protocolVersion is not {PROTOCOL}")
    intermediate = envelope.get("intermediateSigningKey")
    if not isinstance(intermediate, dict):
        raise Forged("malformed", "there is no intermediateSigningKey")
    signed_key, signed_message = _text(intermediate, "signedKey"), _text(envelope, "signedMessage")
    signatures = intermediate.get("signatures")
    if not isinstance(signatures, list):
        raise Forged("malformed", "the intermediate key has no signatures")
    # As received: Google's own escapes in them would not survive being read and written again.
    signed = _frames(SENDER, PROTOCOL, signed_key)
    ours = [_signature(one) for one in signatures[:10]]
    if not _any(keys.roots(now), ours, signed) and not _any(keys.changed_roots(now), ours, signed):
        raise Forged("intermediate", "no root key of Google's signed the intermediate key")
    key = _intermediate_key(signed_key, now)
    signature = _signature(envelope.get("signature"))
    if not _any([key], [signature], _frames(SENDER, issuer, PROTOCOL, signed_message)):
        raise Forged("signature", f"it is not signed for issuer {issuer}")
    return _message(signed_message, issuer, now)


def _intermediate_key(signed_key: str, now: datetime) -> ec.EllipticCurvePublicKey:
    told = _object(signed_key, "signedKey")
    try:
        expires, key = _milliseconds(told.get("keyExpiration")), _public_key(told.get("keyValue"))
    except ValueError as error:
        raise Forged("malformed", f"signedKey: {error}") from None
    if expires is None or expires <= now.timestamp() * 1_000:
        raise Forged("intermediate_expired", "the intermediate key has expired")
    return key


def _message(signed_message: str, issuer: str, now: datetime) -> Callback:
    told = _object(signed_message, "signedMessage")
    class_id, object_id, nonce = (_text(told, name) for name in ("classId", "objectId", "nonce"))
    try:
        expires = _milliseconds(told.get("expTimeMillis"))
    except ValueError as error:
        raise Forged("malformed", f"signedMessage: {error}") from None
    if expires is None or expires <= now.timestamp() * 1_000:
        raise Forged("expired", "the message has expired")
    # A suffix may hold dots, an issuer id none.
    if any(identifier.partition(".")[0] != issuer for identifier in (class_id, object_id)):
        raise Forged("foreign", f"class or object are not of issuer {issuer}")
    event = told.get("eventType")
    if event not in ("save", "del"):
        raise Forged("malformed", "eventType is neither save nor del")
    return Callback(class_id, object_id, event, nonce, expires)


def _any(keys: Sequence[ec.EllipticCurvePublicKey], signatures: Sequence[bytes], signed: bytes) -> bool:
    """Whether any of the signatures is any of the keys'."""
    for key in keys:
        for signature in signatures:
            try:
                key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                continue
            return True
    return False


def _frames(*parts: str) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "little") + part for part in encoded)


def _public_key(value: Any) -> ec.EllipticCurvePublicKey:
    """A key as base64 of its SubjectPublicKeyInfo. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("a key is not given as text")
    try:
        key = serialization.load_der_public_key(base64.b64decode(value, validate=True))
    except Exception as error:  # binascii, and whatever the library raises for bytes that are no key
        raise ValueError("a key cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("a key is not of the curve P-256")
    return key


def _signature(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Forged("malformed", "a signature is not given as text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Forged("malformed", "a signature is not base64") from None


def _milliseconds(value: Any) -> int | None:
    """Milliseconds since 1970, which Google writes as a number or as a string of digits."""
    if value is None:
        return None
    digits = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(digits, str) or not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise ValueError("a moment is not given in milliseconds")
    return min(int(digits), LARGEST_EXPIRY)


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value:
        raise Forged("malformed", f"{name} is not given as text")
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no database takes
        raise Forged("malformed", f"{name} is no Unicode text") from None
    return value


def _object(text: bytes | str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Forged("malformed", f"{what} is not JSON") from None
    if not isinstance(found, dict):
        raise Forged("malformed", f"{what} is not an object")
    return found
