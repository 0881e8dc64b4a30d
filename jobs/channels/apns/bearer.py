"""Pushes by a .p8 key instead of a certificate: an extra that Apple does not document for passes."""

from __future__ import annotations

import time
from collections.abc import Callable

from store.errors import UsageError

_RENEW_AFTER = 40 * 60.0
_SHORTEST_LIFE = 20 * 60.0
"""Apple wants one token kept between 20 and 60 minutes: newer ones sooner are TooManyProviderTokenUpdates,
older ones ExpiredProviderToken (Establishing a Token-Based Connection to APNs)."""


class Bearer:
    """Gives the `authorization` header: the same ES256 token for 40 minutes, then a new one.

    key      the .p8 file's content
    key_id   its id at Apple
    team     the team that it belongs to
    clock    Unix seconds

    Raises UsageError where the key is none.
    """

    def __init__(self, key: bytes, key_id: str, team: str, *, clock: Callable[[], float] = time.time) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            loaded = load_pem_private_key(key, None)
        except (ValueError, TypeError) as error:
            raise UsageError("apple.push_key is no unencrypted .p8 key, as Apple gives them") from error
        if not isinstance(loaded, EllipticCurvePrivateKey) or not isinstance(loaded.curve, SECP256R1):
            raise UsageError("apple.push_key is not of the kind that Apple gives: an ES256 key")
        self._key, self._key_id, self._team, self._clock = loaded, key_id, team, clock
        self._said, self._since = "", 0.0

    def __call__(self) -> str:
        """The header's value."""
        if not self._said or not 0 <= self._clock() - self._since < _RENEW_AFTER:
            self._make()
        return self._said

    def renew(self, expired: str) -> bool:
        """APNs called this one expired: whether a newer one can be had.

        One that is younger than 20 minutes is not replaced: then a clock is wrong, and a newer one would
        be refused, too.
        """
        if expired == self._said and self._clock() - self._since >= _SHORTEST_LIFE:
            self._make()
        return expired != self._said

    def _make(self) -> None:
        import jwt

        self._since = self._clock()
        claims = {"iss": self._team, "iat": int(self._since)}
        token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})
        self._said = f"bearer {token}"
