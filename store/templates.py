"""Templates of our own passes: kept as versions; the newest of a program is in force."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store.database import lock
from store.errors import UsageError
from store.issued import next_tag
from store.schema import template_files, templates
from store.times import rfc3339

_NEWEST = (
    sa.select(templates.c.version, templates.c.hash)
    .where(templates.c.program_id == sa.bindparam("program"))
    .order_by(templates.c.version.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a program's template.

    design  the template's table as it was read; jobs/passes/template.py knows its meaning
    tag     of the moment when it came: a pass with a later one shows it
    files   images by their names in the pass
    """

    program_id: str
    version: int
    design: Mapping[str, Any]
    hash: str
    tag: int
    at: datetime
    actor: str
    files: Mapping[str, bytes]

    def as_json(self) -> dict[str, Any]:
        """The version as the commands print it: files by their sizes in bytes."""
        return {
            "program": self.program_id,
            "version": self.version,
            "hash": self.hash,
            "at": rfc3339(self.at),
            "actor": self.actor,
            "files": {name: len(content) for name, content in sorted(self.files.items())},
            "design": dict(self.design),
        }


def fingerprint(design: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """A hash over design and files: the same template twice has the same."""
    named = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    spelled = json.dumps([design, named], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(spelled.encode()).hexdigest()


def add(
    connection: sa.Connection,
    program_id: str,
    design: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    at: datetime,
    actor: str,
) -> tuple[int, bool]:
    """Make this the program's template: its version, and whether that is a new one.

    The template in force given again stays the version that it is.
    """
    lock(connection, f"template {program_id}")
    newest_ = _newest(connection, program_id)
    wanted = fingerprint(design, files)
    if newest_ is not None and newest_.hash == wanted:
        return newest_.version, False
    version = 1 if newest_ is None else newest_.version + 1
    row = {"program_id": program_id, "version": version, "design": dict(design), "hash": wanted}
    connection.execute(templates.insert().values(**row, tag=next_tag(connection), at=at, actor=actor))
    rows = [
        {"program_id": program_id, "version": version, "name": name, "content": content}
        for name, content in sorted(files.items())
    ]
    if rows:
        connection.execute(template_files.insert(), rows)
    return version, True


def newest_version(connection: sa.Connection, program_id: str) -> int | None:
    """The version in force; None where the program has no template."""
    found = _newest(connection, program_id)
    return None if found is None else found.version


def newest(connection: sa.Connection, program_id: str) -> Stored:
    """The version in force. Raises UsageError where the program has none."""
    return get(connection, program_id)


def get(connection: sa.Connection, program_id: str, version: int | None = None) -> Stored:
    """A version with its files, the newest where none is named. Raises UsageError where there is none."""
    if version is None:
        version = newest_version(connection, program_id)
        if version is None:
            raise UsageError(f"program {program_id} has no template: `passbell templates add` gives it one")
    query = sa.select(templates).where(templates.c.program_id == program_id, templates.c.version == version)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UsageError(f"program {program_id} has no template of version {version}")
    return Stored(**row._mapping, files=_files(connection, program_id, version))


def listed(connection: sa.Connection, program_id: str) -> list[Stored]:
    """All versions, the newest first, without their files."""
    query = sa.select(templates).where(templates.c.program_id == program_id)
    rows = connection.execute(query.order_by(templates.c.version.desc()))
    return [Stored(**row._mapping, files={}) for row in rows]


def _newest(connection: sa.Connection, program_id: str) -> Any:
    return connection.execute(_NEWEST, {"program": program_id}).one_or_none()


def _files(connection: sa.Connection, program_id: str, version: int) -> dict[str, bytes]:
    query = sa.select(template_files.c.name, template_files.c.content).where(
        template_files.c.program_id == program_id, template_files.c.version == version
    )
    return {name: bytes(content) for name, content in connection.execute(query)}
