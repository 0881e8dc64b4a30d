"""Whose passes we issue: Apple's certificate, the push key and Google's service account; and their verbs.

Each comes from a file that the settings name, or else from the store, encrypted. A rehearsal has its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from jobs.passes.certificates import (
    AppleIdentity,
    PasswordNeeded,
    pem_of,
    private_key,
    read_apple,
)
from jobs.passes.vault import seal, unseal
from jobs.rehearsal import authority
from store import audit, credentials
from store.credentials import Sealed
from store.database import Database
from store.errors import PassbellError, Refused, UsageError
from store.settings import Settings
from store.times import now, rfc3339

__all__ = ["AppleIdentity", "PasswordNeeded", "apple_identity", "google_account", "push_key"]

NAMES = ("apple", "push_key", "google")
WARN_DAYS = 30
LARGEST = 100_000
"""Bytes of a credential's file."""
SERVICE_ACCOUNT = ("client_email", "private_key", "private_key_id", "token_uri")


@dataclass(frozen=True, slots=True)
class PushKey:
    """A .p8 key, by which pushes may be signed instead of sent with the certificate."""

    key_id: str
    team: str
    pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """One credential as it stands. `problem` is in words; empty where it can be used.

    place  `store`, or the file's path
    """

    name: str
    place: str
    subject: str
    expires_at: datetime | None = None
    problem: str = ""

    def days_left(self, at: datetime) -> int | None:
        """Whole days until it expires; None: it does not, or nobody can tell."""
        return None if self.expires_at is None else (self.expires_at - at).days

    def level(self, at: datetime) -> Literal["ok", "warn", "fail"]:
        """ok | warn | fail: it warns from 30 days before it expires."""
        if self.problem or (self.expires_at is not None and self.expires_at <= at):
            return "fail"
        return "warn" if (left := self.days_left(at)) is not None and left < WARN_DAYS else "ok"

    def sentence(self, at: datetime) -> str:
        """What there is to say of it."""
        if self.problem:
            return self.problem
        if self.expires_at is None:
            return f"{self.subject}; it does not expire"
        until, left = str(rfc3339(self.expires_at))[:10], self.days_left(at)
        if self.expires_at <= at:
            return f"{self.subject} has expired, on {until}: phones and Apple refuse it; add a new one"
        return f"{self.subject}, good until {until}: {left:,} days left"

    def as_json(self, at: datetime) -> dict[str, Any]:
        """The state as the commands print it."""
        return {
            "name": self.name,
            "place": self.place,
            "subject": self.subject,
            "expires_at": rfc3339(self.expires_at),
            "days_left": self.days_left(at),
            "level": self.level(at),
            "sentence": self.sentence(at),
        }


def apple_identity(settings: Settings, database: Database) -> AppleIdentity:
    """The identity for the pass type of the settings; in a rehearsal the stand-in's.

    Reading takes some 50 ms: keep what is returned. Raises Refused where none is set up, UsageError where
    what is there does not fit.
    """
    if not settings.live:
        made = authority.ensure(settings.home)
        return read_apple(made.client_pem, wwdr=made.wwdr_pem, where="the rehearsal's certificate")
    if not settings.apple.pass_type:
        raise Refused("apple.pass_type is not set: passbell issues no Apple passes")
    return _fitting(_apple(settings, database), settings)


def google_account(settings: Settings, database: Database) -> dict[str, Any]:
    """The service account's table; in a rehearsal the stand-in's. Raises Refused or UsageError."""
    if not settings.live:
        made = authority.ensure(settings.home)
        return read_service_account(made.service_account.read_bytes(), "the rehearsal's service account")
    if not settings.google.issuer:
        raise Refused("google.issuer is not set: passbell issues no Google passes")
    if path := settings.google.service_account:
        return read_service_account(_file(path, "google.service_account"), path)
    return dict(_unsealed(settings, database, "google"))


def push_key(settings: Settings, database: Database) -> PushKey:
    """The .p8 key. Raises Refused where there is none: a rehearsal has none."""
    if path := settings.apple.push_key:
        key_id = settings.apple.push_key_id
        if not key_id:
            raise UsageError(
                "apple.push_key is set but apple.push_key_id is not: Apple shows it beside the key"
            )
        return PushKey(key_id, settings.apple.team, read_push_key(_file(path, "apple.push_key"), path))
    holds = _unsealed(settings, database, "push_key")
    return PushKey(holds["key_id"], settings.apple.team, holds["pem"].encode())


def read_service_account(content: bytes, where: str) -> dict[str, Any]:
    """Google's JSON key. Raises UsageError; nothing of the key stands in it."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise UsageError(
            f"{where} is no JSON: download the service account's key from Google Cloud"
        ) from None
    if not isinstance(found, dict) or found.get("type") != "service_account":
        raise UsageError(f"{where} is not the key of a service account: its `type` is another")
    for key in SERVICE_ACCOUNT:
        if not isinstance(found.get(key), str) or not found[key]:
            raise UsageError(f"{where}: `{key}` is missing: download the key anew")
    if not isinstance(private_key(found["private_key"].encode(), None, where), rsa.RSAPrivateKey):
        raise UsageError(f"{where}: the private key is not RSA: download the key anew")
    return found


def read_push_key(content: bytes, where: str) -> bytes:
    """A .p8 file, as PEM. Raises UsageError where it is none."""
    key = private_key(content, None, where)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError(f"{where} is no key for APNs: those are of the curve P-256")
    return pem_of(key)


# The verbs


def add_apple(
    database: Database,
    settings: Settings,
    certificate: Path,
    *,
    key: Path | None = None,
    wwdr: Path | None = None,
    password: str | None = None,
    actor: str,
) -> State:
    """Check a certificate and keep it with its key and intermediate, encrypted.

    Raises PasswordNeeded where the file is locked and no password is given, and UsageError where the parts
    do not belong together, are expired, or are not of the settings' pass type.
    """
    database.check_role("credential.add")
    wwdr_file = str(wwdr) if wwdr is not None else settings.apple.wwdr
    identity = read_apple(
        _file(certificate, "--certificate"),
        key=_file(key, "--key") if key is not None else None,
        wwdr=_file(wwdr_file, "the WWDR certificate") if wwdr_file else None,
        password=password,
        where=str(certificate),
    )
    _fitting(identity, settings)
    holds = {
        "client": identity.client_pem.decode(),
        "wwdr": identity.wwdr.public_bytes(Encoding.PEM).decode(),
    }
    until = min(identity.expires_at, identity.wwdr.not_valid_after_utc)
    return _keep(database, settings, "apple", holds, _whose(identity), until, actor)


def add_google(database: Database, settings: Settings, file: Path, *, actor: str) -> State:
    """Check a service account's key and keep it, encrypted."""
    database.check_role("credential.add")
    account = read_service_account(_file(file, "FILE"), str(file))
    return _keep(database, settings, "google", account, account["client_email"], None, actor)


def add_push_key(database: Database, settings: Settings, file: Path, key_id: str, *, actor: str) -> State:
    """Check a .p8 key and keep it, encrypted."""
    database.check_role("credential.add")
    if not (key_id.isascii() and key_id.isalnum() and len(key_id) <= 20):
        raise UsageError(f"{key_id!r} is no key id: Apple shows ten letters and digits beside the key")
    holds = {"key_id": key_id, "pem": read_push_key(_file(file, "FILE"), str(file)).decode()}
    return _keep(database, settings, "push_key", holds, f"key {key_id}", None, actor)


def remove(database: Database, name: str, *, actor: str) -> None:
    """Forget a credential that the store keeps. Raises UsageError where there is none."""
    database.check_role("credential.remove")
    with database.write() as connection:
        if not credentials.remove(connection, name):
            there = ", ".join(one.name for one in credentials.listed(connection)) or "none"
            raise UsageError(f"the store keeps no credential {name!r}: there is {there}")
        audit.append(connection, actor=actor, act="credential.remove", subject=name, details={})


def states(settings: Settings, database: Database) -> Iterator[State]:
    """Every credential that is set up, by file or in the store, and whether it can be used."""
    with database.read() as connection:
        kept = {one.name: one for one in credentials.listed(connection)}
    apple, google = settings.apple, settings.google
    for name, path, wanted, read in (
        ("apple", apple.certificate, bool(apple.pass_type), _apple_states),
        ("push_key", apple.push_key, apple.push_with == "key", _push_key_states),
        ("google", google.service_account, bool(google.issuer), _google_states),
    ):
        place = path or "store"
        if not path and name not in kept:
            if wanted:
                told = f"there is none: `passbell credentials add {name}` keeps one"
                yield State(name, "nowhere", "", None, told)
            continue
        try:
            yield from read(settings, database, place)
        except PassbellError as error:
            yield State(name, place, kept[name].subject if name in kept else "", None, str(error))


def _apple_states(settings: Settings, database: Database, place: str) -> Iterator[State]:
    found = _apple(settings, database, check=False)  # an expired one is to be shown, too
    if settings.apple.pass_type:
        _fitting(found, settings)
    yield State("apple", place, _whose(found), found.expires_at)
    yield State("apple wwdr", place, "Apple's intermediate certificate", found.wwdr.not_valid_after_utc)


def _push_key_states(settings: Settings, database: Database, place: str) -> Iterator[State]:
    yield State("push_key", place, f"key {push_key(settings, database).key_id}")


def _google_states(settings: Settings, database: Database, place: str) -> Iterator[State]:
    path = settings.google.service_account
    found = (
        read_service_account(_file(path, "google.service_account"), path)
        if path
        else _unsealed(settings, database, "google")
    )
    yield State("google", place, found["client_email"])


def _apple(settings: Settings, database: Database, check: bool = True) -> AppleIdentity:
    """The identity by file or from the store; `check` as read_apple has it."""
    apple = settings.apple
    if not apple.certificate:
        holds = _unsealed(settings, database, "apple")
        parts: dict[str, Any] = {"certificate": holds["client"].encode(), "wwdr": holds["wwdr"].encode()}
        where = "the certificate in the store"
    else:
        where = apple.certificate
        parts = {
            "certificate": _file(apple.certificate, "apple.certificate"),
            "key": _file(apple.key, "apple.key") if apple.key else None,
            "wwdr": _file(apple.wwdr, "apple.wwdr") if apple.wwdr else None,
            "password": apple.key_password.get_secret_value() or None,
        }
    return read_apple(**parts, where=where, check=check)


def _fitting(identity: AppleIdentity, settings: Settings) -> AppleIdentity:
    """The identity, if it is of the pass type and team of the settings, where these name them."""
    for key, wanted, has in (
        ("pass_type", settings.apple.pass_type, identity.pass_type),
        ("team", settings.apple.team, identity.team),
    ):
        if wanted and wanted != has:
            raise UsageError(f"apple.{key} is {wanted}, and the certificate is of {has}: change one of them")
    return identity


def _whose(identity: AppleIdentity) -> str:
    return f"{identity.pass_type}, team {identity.team}"


def _keep(
    database: Database,
    settings: Settings,
    name: str,
    holds: dict[str, Any],
    subject: str,
    expires_at: datetime | None,
    actor: str,
) -> State:
    at = now()
    kept = Sealed(name, seal(settings.keys_secret(), name, holds), subject, expires_at, at, actor)
    with database.write() as connection:
        credentials.put(connection, kept)
        details = {"subject": subject, "expires_at": rfc3339(expires_at)}
        audit.append(connection, actor=actor, act="credential.add", subject=name, details=details, at=at)
    return State(name, "store", subject, expires_at)


def _unsealed(settings: Settings, database: Database, name: str) -> dict[str, Any]:
    with database.read() as connection:
        kept = credentials.get(connection, name)
    if kept is None:
        raise Refused(f"there is no credential {name}: `passbell credentials add {name}` keeps one")
    return unseal(settings.keys_secret(), name, kept.sealed)


def _file(path: Path | str, what: str) -> bytes:
    try:
        with open(Path(path).expanduser(), "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{what}: cannot read {path}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise UsageError(f"{what}: {path} has more than {LARGEST:,} bytes, so it is no credential")
    return content
