"""Sealing: credentials in the store are AES-256-GCM under a key derived from the secret of [keys]."""

from __future__ import annotations

import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from store.errors import PassbellError

_FORM = b"\x01"
_SALT, _NONCE = 16, 12


def seal(secret: str, name: str, holds: dict[str, Any]) -> bytes:
    """Encrypt. The name goes into the seal, so that one credential cannot be put in another's place."""
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    text = json.dumps(holds).encode()
    return _FORM + salt + nonce + AESGCM(_key(secret, salt)).encrypt(nonce, text, _FORM + name.encode())


def unseal(secret: str, name: str, sealed: bytes) -> dict[str, Any]:
    """Decrypt. Raises PassbellError where the secret is another one, or the bytes were changed."""
    salt, rest = sealed[1 : 1 + _SALT], sealed[1 + _SALT :]
    try:
        text = AESGCM(_key(secret, salt)).decrypt(rest[:_NONCE], rest[_NONCE:], sealed[:1] + name.encode())
    except (InvalidTag, ValueError):
        raise PassbellError(
            f"the credential {name} in the store cannot be decrypted: the secret of [keys] is another now; "
            "bring the old one back, or add the credential anew with `passbell credentials add`"
        ) from None
    holds: dict[str, Any] = json.loads(text)
    return holds


def _key(secret: str, salt: bytes) -> bytes:
    # Slow on purpose (about 50 ms): a person may have chosen the secret.
    return Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(secret.encode())
