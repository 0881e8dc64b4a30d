"""The verbs of a saved audience: keep and forget, each with its audit entry."""

from __future__ import annotations

from store import audiences, audit
from store.audiences import Audience, Selection
from store.database import Database


def save(
    database: Database, program_id: str, name: str, chosen: Selection, *, replace: bool = False, actor: str
) -> Audience:
    """Keep a choice under a name.

    Raises UsageError for a wrong predicate or name, and for a name in use unless `replace`.
    """
    with database.write() as connection:
        saved = audiences.save(connection, program_id, name, chosen, replace=replace)
        details = {"name": saved.name, "who": audiences.in_words(chosen), "replaced": replace}
        audit.append(connection, actor=actor, act="audience.save", subject=program_id, details=details)
    return saved


def delete(database: Database, program_id: str, name: str, *, actor: str) -> Audience:
    """Forget an audience; blasts that were planned with it keep their members. Returns what it was."""
    with database.write() as connection:
        saved = audiences.by_name(connection, program_id, name)
        audiences.delete(connection, program_id, name)
        details = {"name": saved.name, "who": audiences.in_words(saved)}
        audit.append(connection, actor=actor, act="audience.delete", subject=program_id, details=details)
    return saved
