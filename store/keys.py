"""What is derived from the consent secret: a key for each use, and a fingerprint to tell secrets apart."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import sqlalchemy as sa

from store.database import upsert
from store.errors import PassbellError
from store.schema import installation

Secret = Callable[[], str]
"""Gives the consent secret. Asked only where something is hashed or signed with it."""

FINGERPRINT = "consent.secret"


def none_here() -> str:
    """The secret of a caller that was given none: where one is needed, nothing may go on."""
    raise PassbellError("members are suppressed here, and the consent secret to find them by was not given")


def derive(secret: Secret, use: str) -> bytes:
    """The key for one use, 32 bytes; keys for different uses say nothing about each other.

    Raises PassbellError where the secret is empty.
    """
    given = secret().strip()
    if not given:
        raise PassbellError(
            "consent.secret is empty: restore its file from the backup, or set consent.secret"
        )
    return hmac.digest(given.encode(), f"passbell {use}".encode(), "sha256")


def fingerprint(secret: Secret) -> str:
    """What tells this secret from another without telling anything else of it."""
    return derive(secret, "fingerprint").hex()[:32]


def check(connection: sa.Connection, secret: Secret) -> None:
    """Raises PassbellError where the hashes kept here were made with another secret: none would be found."""
    kept = connection.scalar(_kept())
    if kept is not None and kept != fingerprint(secret):
        raise PassbellError(
            "consent.secret is not the one that this store's suppressions were made with, so they would not "
            "be found: set consent.secret as on the other machines, or restore its file from the backup"
        )


def keep(connection: sa.Connection, secret: Secret) -> None:
    """Note whose hashes the store is about to keep; raises PassbellError as `check` does."""
    row = {"name": FINGERPRINT, "value": fingerprint(secret)}
    connection.execute(upsert(connection, installation).values(**row).on_conflict_do_nothing())
    check(connection, secret)


def forget(connection: sa.Connection) -> None:
    """The store keeps no hash any more: the next one may be made with any secret."""
    connection.execute(installation.delete().where(installation.c.name == FINGERPRINT))


def _kept() -> sa.Select[str]:
    return sa.select(installation.c.value).where(installation.c.name == FINGERPRINT)
