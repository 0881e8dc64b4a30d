"""What a condition may name: fields with their types, and functions; offered while a row is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from console.audience_words import how_many
from console.clause_words import FUNCTION_WORDS
from store import audiences, outline, past
from store.fields import fields_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from store.catalogue import Entry

FUNCTION_NOTES = {
    "in_audience": "a saved audience",
    "received": "a blast that was accepted for them",
    "fetched": "a blast whose text their phone has fetched",
    "birthday_today": "",
}


@dataclass(frozen=True, slots=True)
class Known:
    """One field or function.

    spelled  as the language spells it; the function's name for one that is a condition by itself
    words    as lists show it
    kind     the field's type; the function's name for one that is a condition by itself
    note     the type, and how many members have a value
    top      its common values and how many members have each, as the catalogue counted them
    """

    spelled: str
    words: str
    kind: str
    note: str
    top: Sequence[tuple[Any, int]] = ()


def read_known(connection: sa.Connection, program_id: str, counted: Sequence[Entry] = ()) -> list[Known]:
    """Those of a program: fields that somebody has a value for, functions, and the other fields.

    `counted` is the program's catalogue, where there is one already.
    """
    entries = {entry.name: entry for entry in counted}
    filled: list[Known] = []
    empty: list[Known] = []
    since: list[Known] = []
    for name, field in fields_of(connection, program_id).items():
        spelled, entry = outline.field(name), entries.get(name)
        share = entry.share if entry is not None else None
        note = field.type if share is None else f"{field.type}, {share:.0%} filled"
        known = Known(spelled, spelled, field.type, note, entry.top if entry else ())
        (empty if share == 0 else filled).append(known)
        if field.type in ("moment", "date"):
            call = f"days_since({spelled})"
            since.append(Known(call, call, "number", "number of days"))
    calls = [Known(name, words, name, FUNCTION_NOTES[name]) for name, words in FUNCTION_WORDS.items()]
    return [*filled, *calls, *since, *empty]


def values_of(connection: sa.Connection, program_id: str, known: Known) -> list[tuple[str, str]]:
    """Values to choose from, each as the language spells it, with a note."""
    if known.kind == "in_audience":
        saved = audiences.list_all(connection, program_id)
        return [(outline.quoted(one.name), one.description or audiences.in_words(one)) for one in saved]
    if known.kind in ("received", "fetched"):
        return [(outline.quoted(name), "") for name in past.blast_ids(connection, program_id)]
    return [(_spelled(value), how_many(count)) for value, count in known.top]


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return f"{value:.15g}" if isinstance(value, int | float) else outline.quoted(str(value))
