"""The stand-in's callbacks: signed as Google signs them, with a root of the rehearsal's own."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PROTOCOL = "ECv2SigningOnly"
MESSAGE_SECONDS = 600.0
KEY_SECONDS = 7.6 * 86_400
"""An intermediate key of Google's outlives its message by as much, where real ones were looked at."""
ROOT_SECONDS = 365 * 86_400.0


class Signer:
    """Google's part: publishes root keys, and signs messages for one issuer by an intermediate key.

    root  the root's private key in PEM
    """

    def __init__(self, root: bytes, issuer: str) -> None:
        loaded = serialization.load_pem_private_key(root, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError("the root of callbacks is no elliptic key")
        self._root, self._issuer = loaded, issuer
        self._intermediate = ec.generate_private_key(ec.SECP256R1())

    def published(self, now: float) -> dict[str, Any]:
        """The document of root keys; one of another protocol is in it, as in Google's own."""
        until = _milliseconds(now + ROOT_SECONDS)
        other = ec.generate_private_key(ec.SECP256R1())
        return {
            "keys": [
                {"keyValue": _spelled(other), "protocolVersion": "ECv1", "keyExpiration": until},
                {"keyValue": _spelled(self._root), "protocolVersion": PROTOCOL, "keyExpiration": until},
            ]
        }

    def signed(self, class_id: str, object_id: str, event: str, now: float) -> bytes:
        """The body of a callback: `event` is save or del. Equals signs are escaped, as by Google."""
        expires = now + MESSAGE_SECONDS
        message = {
            "classId": class_id,
            "objectId": object_id,
            "expTimeMillis": int(expires * 1_000),
            "eventType": event,
            "nonce": str(uuid4()),
            "count": 1,
        }
        key = {
            "keyValue": _spelled(self._intermediate),
            "keyExpiration": _milliseconds(expires + KEY_SECONDS),
        }
        signed_key, signed_message = _escaped(key), _escaped(message)
        body = {
            "signature": _sign(self._intermediate, "GooglePayPasses", self._issuer, PROTOCOL, signed_message),
            "intermediateSigningKey": {
                "signedKey": signed_key,
                "signatures": [_sign(self._root, "GooglePayPasses", PROTOCOL, signed_key)],
            },
            "protocolVersion": PROTOCOL,
            "signedMessage": signed_message,
        }
        return json.dumps(body, separators=(",", ":")).encode()


def _sign(key: ec.EllipticCurvePrivateKey, *parts: str) -> str:
    signed = b"".join(struct.pack("<I", len(part.encode())) + part.encode() for part in parts)
    return base64.b64encode(key.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()


def _escaped(told: dict[str, Any]) -> str:
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).replace("=", "\\u003d")


def _spelled(key: ec.EllipticCurvePrivateKey) -> str:
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(spki).decode()


def _milliseconds(moment: float) -> str:
    return str(int(moment * 1_000))
