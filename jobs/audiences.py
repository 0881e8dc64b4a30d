"""The verbs of a saved audience: keep, combine and forget, each with its audit entry; and count."""

from __future__ import annotations

from collections.abc import Sequence

from store import audiences, audit, outline, sizes
from store.audiences import Audience, Selection
from store.database import Database
from store.errors import UsageError
from store.times import now


def save(
    database: Database,
    program_id: str,
    name: str,
    chosen: Selection,
    *,
    description: str | None = None,
    replace: bool = False,
    actor: str,
) -> Audience:
    """Keep a choice under a name; a replaced audience keeps its description where none is given.

    Raises UsageError for a wrong predicate or name, and for a name in use unless `replace`.
    """
    with database.write() as connection:
        saved = audiences.save(connection, program_id, name, chosen, description=description, replace=replace)
        details = {"name": saved.name, "who": audiences.in_words(chosen), "replaced": replace}
        audit.append(connection, actor=actor, act="audience.save", subject=program_id, details=details)
    return saved


def delete(database: Database, program_id: str, name: str, *, actor: str) -> Audience:
    """Forget an audience; blasts that were planned with it keep their members. Returns what it was.

    Raises Refused while another audience names it.
    """
    with database.write() as connection:
        saved = audiences.by_name(connection, program_id, name)
        audiences.delete(connection, program_id, name)
        details = {"name": saved.name, "who": audiences.in_words(saved)}
        audit.append(connection, actor=actor, act="audience.delete", subject=program_id, details=details)
    return saved


def count(database: Database, program_id: str, saved: Audience) -> int:
    """How many members are meant now. The size is noted, so that it can be followed over time.

    The look of whoever may only read leaves no note.
    """
    with database.read() as connection:
        members = audiences.count(connection, program_id, saved)
        due = sizes.is_due(sizes.newest(connection, saved.id, most=1), now())
    if due and database.may_write:
        with database.write() as connection:
            sizes.note(connection, saved.id, members)
    return members


def combination(
    *, union: Sequence[str] = (), intersect: Sequence[str] = (), minus: Sequence[str] = ()
) -> Selection:
    """Members of any of `union`, who are in all of `intersect` and in none of `minus`, as a predicate.

    Raises UsageError where only `minus` is given: it has nothing to take members from.
    """
    if not union and not intersect:
        raise UsageError("say who is meant first: an audience to begin with, then who is left out")
    either = outline.Group("OR", tuple(map(_member_of, union)))
    parts: tuple[outline.Part, ...] = (
        either,
        *map(_member_of, intersect),
        *(_member_of(name, negated=True) for name in minus),
    )
    return Selection("where", outline.spell(outline.tidy(outline.Group("AND", parts))))


def _member_of(name: str, negated: bool = False) -> outline.Row:
    return outline.Row("in_audience", "CALL", (outline.quoted(name),), negated)
