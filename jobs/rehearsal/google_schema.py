"""What a request to the Wallet API may hold: fields and enums, as its discovery document has them.

google_schema.json is that document, walletobjects.v1, cut down to the requests that the stand-in takes; a
test holds the two together. A type is `string`, `@Schema`, `[type]` for an array, or `A|B` for an enum.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

Json = dict[str, Any]


@cache
def schema() -> Json:
    """`fields`: schema -> field -> type; `required`: schema -> what an insert has to have."""
    found: Json = json.loads(files("jobs.rehearsal").joinpath("google_schema.json").read_text("utf-8"))
    return found


def schema_name(resource: str) -> str:
    """`loyaltyObject` as `LoyaltyObject`."""
    return resource[:1].upper() + resource[1:]


def wrong(name: str, body: Any, *, whole: bool = False) -> str:
    """The first thing wrong with a body, in the words of Google's own errors; empty where there is none.

    whole  fields that are required have to be there, as in an insert
    """
    return next(_wrong(f"@{name}", body, "", whole), "")


def _wrong(kind: Any, value: Any, at: str, whole: bool) -> Iterator[str]:
    if value is None:
        return
    if isinstance(kind, list):
        if not isinstance(value, list):
            yield f"Invalid value at '{at}': an array is wanted"
            return
        for number, one in enumerate(value):
            yield from _wrong(kind[0], one, f"{at}[{number}]", whole)
    elif kind.startswith("@"):
        yield from _wrong_object(kind[1:], value, at, whole)
    elif "|" in kind:
        if value not in kind.split("|"):
            yield f"Invalid value at '{at}' (TYPE_ENUM), {json.dumps(value)}"
    elif not _FITS[kind](value):
        yield f"Invalid value at '{at}' ({kind}), {json.dumps(value)}"


def _wrong_object(name: str, value: Any, at: str, whole: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"Invalid value at '{at}': an object is wanted"
        return
    known = schema()["fields"][name]
    for field, one in value.items():
        if field not in known:
            yield (
                f'Invalid JSON payload received. Unknown name "{field}"'
                + (f" at '{at}'" if at else "")
                + ": Cannot find field."
            )
        else:
            yield from _wrong(known[field], one, f"{at}.{field}" if at else field, whole)
    if whole:
        for field in schema()["required"].get(name, ()):
            if value.get(field) in (None, "", [], {}):
                yield f"{at or name}: {field} is required"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": _number,
    "any": lambda value: True,
}
