"""Suppressions: who must not be messaged, by a keyed hash of external id, e-mail or phone.

The value itself is not kept. Which members a suppression means is found when either of the two is written,
and stands in `suppressed`; an expired one stays there and stops counting. Writers of members call `hold`
before they write and `link` afterwards, so that neither side misses what the other has not committed yet.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import keys
from store.database import among, lock, upsert
from store.errors import UsageError
from store.keys import Secret
from store.schema import members, suppressed, suppressions
from store.times import rfc3339

KINDS = ("external_id", "email", "phone")
LONGEST_VALUE = 254
LONGEST_REASON = 200
CHUNK = 5_000
_LOCK = "suppressions"
_BETWEEN_DIGITS = re.compile(r"[\s().\-/\u2010-\u2015\u2212]")
_NO_DIGIT = re.compile("[^0-9]")

_Entries = dict[tuple[str, str], list[tuple[str, int]]]
"""(kind, hash) to the (scope, id) of each suppression that has them."""

Progress = Callable[[int, int], None]
"""Told now and then how many members were looked at, of how many."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry of the list.

    scope    a program's id; empty: every program
    hash     64 hexadecimal digits
    members  how many of the members known now it means
    """

    id: int
    scope: str
    kind: str
    hash: str
    reason: str
    expires_at: datetime | None
    created_at: datetime
    actor: str
    members: int = 0

    def in_force(self, at: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or self.expires_at > at

    def as_json(self) -> dict[str, Any]:
        """The suppression as the commands print it."""
        return {
            "id": self.id,
            "program": self.scope or None,
            "kind": self.kind,
            "hash": self.hash,
            "reason": self.reason,
            "expires_at": rfc3339(self.expires_at),
            "created_at": rfc3339(self.created_at),
            "actor": self.actor,
            "members": self.members,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be suppressed; `hash` as `Hasher` makes it. See `Suppression`."""

    scope: str
    kind: str
    hash: str
    reason: str
    expires_at: datetime | None = None


class Hasher:
    """Hashes values with the key that belongs to the secret."""

    def __init__(self, secret: Secret) -> None:
        key = keys.derive(secret, "suppressions").ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def __call__(self, kind: str, value: str) -> str:
        """The hash of a value that `normalised` gave.

        HMAC-SHA256, from the two states that its key leads to: three times as fast as `hmac.digest`, which
        begins at the key each time.
        """
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{kind}\0{value}".encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.hexdigest()


def normalised(kind: str, value: str) -> str:
    """The value as all spellings of it are hashed; empty where it is none.

    An external id counts as it stands. An e-mail loses blanks around it and case. A phone keeps its digits
    and a leading +, for which 00 may stand; without either, the same number with a country code is another.
    """
    if kind == "email":
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).strip().lower())
    if kind == "phone":
        plain = _number(value)
        digits = _NO_DIGIT.sub("", plain)
        plus = "+" if plain.startswith(("+", "00")) else ""
        digits = digits[2:] if plain.startswith("00") else digits
        return plus + digits if digits else ""
    return value


def _number(value: str) -> str:
    return _BETWEEN_DIGITS.sub("", value if value.isascii() else unicodedata.normalize("NFKC", value))


def check_value(kind: str, value: str) -> str:
    """The normalised value. Raises UsageError for one that nobody can have."""
    if kind not in KINDS:
        raise UsageError(f"a suppression is of {', '.join(KINDS)}, not of {kind[:40]!r}")
    found = normalised(kind, value)
    if not found or len(found) > LONGEST_VALUE or not found.isprintable():
        raise UsageError(f"{kind} is empty, too long, or holds what cannot be printed")
    if kind == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", found):
        raise UsageError("email is not written as name@example.com")
    if kind == "phone" and (len(found) < 4 or re.search("[^0-9+]", _number(value))):
        raise UsageError("phone is not written as +43 660 1234567")
    return found


def check_reason(reason: str) -> str:
    """The reason without blanks around it. Raises UsageError for an unusable one."""
    reason = reason.strip()
    if not 1 <= len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise UsageError(f"a reason has 1 to {LONGEST_REASON} printable characters")
    return reason


def hold(connection: sa.Connection) -> None:
    """Let nobody change the list until this transaction ends. To be called before members are written."""
    lock(connection, _LOCK, shared=True)


def link(connection: sa.Connection, secret: Secret, member_ids: Sequence[int]) -> None:
    """Find anew which suppressions mean these members, who were just written.

    Costs one look where nobody is suppressed. Raises PassbellError where the secret is another one.
    """
    hold(connection)
    if not member_ids or not _any(connection):
        return
    keys.check(connection, secret)
    hasher = Hasher(secret)
    kinds = connection.scalars(sa.select(suppressions.c.kind).distinct()).all()
    for start in range(0, len(member_ids), CHUNK):
        ids = list(member_ids[start : start + CHUNK])
        query = _values().where(among(connection, members.c.id, ids))
        wanted = _meant(connection, hasher, kinds, connection.execute(query).all())
        there = {
            (row.member_id, row.suppression_id)
            for row in connection.execute(
                sa.select(suppressed).where(among(connection, suppressed.c.member_id, ids))
            )
        }
        for member_id, suppression_id in sorted(there - wanted):
            connection.execute(
                suppressed.delete().where(
                    suppressed.c.member_id == member_id, suppressed.c.suppression_id == suppression_id
                )
            )
        _insert_links(connection, wanted - there)


def add(
    connection: sa.Connection,
    secret: Secret,
    entries: Sequence[Entry],
    *,
    at: datetime,
    actor: str,
    progress: Progress | None = None,
) -> tuple[int, int]:
    """Suppress; returns how many entries are new, and how many members of those known now all of them mean.

    An entry that is there already takes over the reason and keeps the later expiry: adding never frees
    anybody. Raises PassbellError where the secret is another one.
    """
    lock(connection, _LOCK)
    keys.keep(connection, secret)
    before = _count(connection)
    once = {(one.scope, one.kind, one.hash): one for one in sorted(entries, key=_expiry)}
    statement = upsert(connection, suppressions)
    new = statement.excluded
    never = sa.or_(suppressions.c.expires_at.is_(None), new.expires_at.is_(None))
    later = sa.case((suppressions.c.expires_at > new.expires_at, suppressions.c.expires_at))
    statement = statement.on_conflict_do_update(
        index_elements=["scope", "kind", "hash"],
        set_={
            "reason": new.reason,
            "expires_at": sa.case((never, None), else_=sa.func.coalesce(later, new.expires_at)),
        },
    )
    rows = [
        {
            "scope": one.scope,
            "kind": one.kind,
            "hash": one.hash,
            "reason": one.reason,
            "expires_at": one.expires_at,
            "created_at": at,
            "actor": actor,
        }
        for one in once.values()
    ]
    written = _Entries()
    if rows:
        told = statement.returning(*(suppressions.c[name] for name in ("id", "scope", "kind", "hash")))
        for row in connection.execute(told, rows):
            written.setdefault((row.kind, row.hash), []).append((row.scope, row.id))
    meant = _link_all(connection, Hasher(secret), written, {one.scope for one in entries}, progress)
    return _count(connection) - before, meant


def remove(connection: sa.Connection, suppression_ids: Sequence[int]) -> list[Suppression]:
    """Take entries off the list: their members are free at once. Returns what they were."""
    lock(connection, _LOCK)
    chosen = among(connection, suppressions.c.id, suppression_ids)
    gone = _read(connection, chosen)
    connection.execute(suppressions.delete().where(chosen))
    if not _any(connection):
        keys.forget(connection)
    return gone


def find(connection: sa.Connection, scope: str, kind: str, hash_: str) -> Suppression | None:
    """The entry with this hash in exactly this scope."""
    same = sa.and_(suppressions.c.scope == scope, suppressions.c.kind == kind, suppressions.c.hash == hash_)
    return next(iter(_read(connection, same)), None)


def page(
    connection: sa.Connection, *, scopes: Sequence[str] | None = None, after_id: int = 0, limit: int = 1_000
) -> list[Suppression]:
    """The list in the order of ids: those of some scopes, or all."""
    chosen = suppressions.c.id > after_id
    if scopes is not None:
        chosen = sa.and_(chosen, suppressions.c.scope.in_(scopes))
    return _read(connection, chosen, limit)


def of_member(connection: sa.Connection, member_id: int) -> list[Suppression]:
    """The entries that mean this member, expired ones too."""
    mine = sa.select(suppressed.c.suppression_id).where(suppressed.c.member_id == member_id)
    return _read(connection, suppressions.c.id.in_(mine))


def _read(
    connection: sa.Connection, condition: sa.ColumnElement[bool], limit: int | None = None
) -> list[Suppression]:
    meant = (
        sa.select(sa.func.count())
        .where(suppressed.c.suppression_id == suppressions.c.id)
        .scalar_subquery()
        .label("members")
    )
    query = sa.select(suppressions, meant).where(condition).order_by(suppressions.c.id).limit(limit)
    return [Suppression(**row._mapping) for row in connection.execute(query)]


def _any(connection: sa.Connection) -> bool:
    return bool(connection.scalar(sa.select(sa.exists(sa.select(suppressions.c.id)))))


def _count(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(suppressions)) or 0


def _values() -> sa.Select[Any]:
    return sa.select(members.c.id, members.c.program_id, *(members.c[kind] for kind in KINDS))


def _hashes(hasher: Hasher, row: Any, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
    for kind in kinds:
        value = getattr(row, kind)
        if value and (plain := normalised(kind, value)):
            yield kind, hasher(kind, plain)


def _meant(
    connection: sa.Connection, hasher: Hasher, kinds: Sequence[str], rows: Sequence[Any]
) -> set[tuple[int, int]]:
    """(member, suppression) of members that were read with `_values`."""
    hashes = {row.id: list(_hashes(hasher, row, kinds)) for row in rows}
    entries = _Entries()
    for kind in kinds:
        texts = sorted({hash_ for found in hashes.values() for its_kind, hash_ in found if its_kind == kind})
        query = sa.select(suppressions.c.id, suppressions.c.scope, suppressions.c.hash).where(
            suppressions.c.scope.in_(_scopes(rows)),
            suppressions.c.kind == kind,
            suppressions.c.hash.in_(_listed(connection, texts)),
        )
        for one in connection.execute(query):
            entries.setdefault((kind, one.hash), []).append((one.scope, one.id))
    return {pair for row in rows for pair in _pairs(row, hashes[row.id], entries)}


def _pairs(row: Any, hashes: Iterable[tuple[str, str]], entries: _Entries) -> Iterator[tuple[int, int]]:
    for one in hashes:
        for scope, id_ in entries.get(one, ()):
            if scope in ("", row.program_id):
                yield row.id, id_


def _scopes(rows: Sequence[Any]) -> list[str]:
    return ["", *sorted({row.program_id for row in rows})]


def _link_all(
    connection: sa.Connection,
    hasher: Hasher,
    entries: _Entries,
    scopes: set[str],
    progress: Progress | None,
) -> int:
    """Link all members of these scopes that these entries mean; returns how many members that are."""
    kinds = sorted({kind for kind, _ in entries})
    query = sa.select(members.c.id, members.c.program_id, *(members.c[kind] for kind in kinds))
    query = query.order_by(members.c.id).limit(CHUNK)
    count = sa.select(sa.func.count()).select_from(members)
    if "" not in scopes:
        query, count = (one.where(members.c.program_id.in_(scopes)) for one in (query, count))
    total = connection.scalar(count) or 0
    done, last, found = 0, 0, 0
    while entries and (rows := connection.execute(query.where(members.c.id > last)).all()):
        pairs = {pair for row in rows for pair in _pairs(row, _hashes(hasher, row, kinds), entries)}
        _insert_links(connection, pairs)
        found += len({member_id for member_id, _ in pairs})
        done, last = done + len(rows), rows[-1].id
        if progress is not None:
            progress(done, total)
    return found


def _insert_links(connection: sa.Connection, pairs: Iterable[tuple[int, int]]) -> None:
    rows = [{"member_id": member_id, "suppression_id": id_} for member_id, id_ in sorted(pairs)]
    if rows:
        connection.execute(upsert(connection, suppressed).on_conflict_do_nothing(), rows)


def _expiry(entry: Entry) -> tuple[bool, float]:
    """Those that never expire last, so that of two alike the longer one stays."""
    return entry.expires_at is None, entry.expires_at.timestamp() if entry.expires_at else 0.0


def _listed(connection: sa.Connection, texts: Sequence[str]) -> sa.Select[Any]:
    """Texts as rows that travel as one bound value."""
    listed = sa.bindparam(None, json.dumps(texts), sa.Text)
    if connection.dialect.name == "postgresql":
        words = sa.func.json_array_elements_text(sa.cast(listed, sa.JSON)).column_valued("word")
        return sa.select(words)
    return sa.select(sa.func.json_each(listed).table_valued(sa.column("value", sa.Text)).c.value)
