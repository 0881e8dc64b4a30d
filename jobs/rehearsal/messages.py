"""PassKit's messages as proto-JSON sees them: which fields there are, how a body is read, how one is written.

Reading drops unknown keys without a word (the gateway's default) and refuses a value of the wrong type.
Writing emits every field, empty ones too (the gateway's default again).
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

STRING = "string"
BOOL = "bool"
FLOAT = "float"
INT32 = "int32"
UINT32 = "uint32"
UINT64 = "uint64"
TIME = "time"
TEXTS = "map of text to text"
OBJECT = "object"

Kind: TypeAlias = "str | tuple[str, ...] | list[Kind] | Message"
"""A scalar by name, an enum as the tuple of its names (the first is the default), `[kind]` for a repeated
field, or another message."""

EMPTY: dict[str, Any] = {
    STRING: "", BOOL: False, FLOAT: 0, INT32: 0, UINT32: 0, UINT64: "0", TIME: None, TEXTS: {}, OBJECT: None,
}  # fmt: skip

RANGES = {INT32: (-(2**31), 2**31 - 1), UINT32: (0, 2**32 - 1), UINT64: (0, 2**64 - 1)}

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class Malformed(ValueError):
    """A value whose type is not the field's. `token` is the value as JSON, `wanted` the type's name."""

    def __init__(self, value: Any, wanted: str) -> None:
        self.token = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self.wanted = wanted
        super().__init__(f"invalid value for {wanted}: {self.token}")


@dataclass(frozen=True, eq=False)
class Message:
    """A message type: the kind of each field, by its JSON name."""

    fields: dict[str, Kind]
    empty: dict[str, Any] = field(init=False)
    nested: list[tuple[str, Message]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "empty", {name: empty(kind) for name, kind in self.fields.items()})
        inner = ((name, kind[0] if isinstance(kind, list) else kind) for name, kind in self.fields.items())
        object.__setattr__(
            self, "nested", [(name, kind) for name, kind in inner if isinstance(kind, Message)]
        )

    def read(self, body: Any) -> dict[str, Any]:
        """The known fields of a JSON object; unknown keys and nulls are dropped. Raises `Malformed`."""
        if not isinstance(body, Mapping):
            raise Malformed(body, "message")
        kinds = self.fields
        return {
            name: read_value(kinds[name], value)
            for name, value in body.items()
            if value is not None and name in kinds
        }

    def full(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The message with every field, for JSON. Empty containers in it are shared: leave them as they
        are."""
        message = {**self.empty, **values}
        for name, kind in self.nested:
            value = message[name]
            if isinstance(value, list):
                message[name] = [kind.full(item) for item in value]
            elif value is not None:
                message[name] = kind.full(value)
        return message

    def is_empty(self, name: str, value: Any) -> bool:
        """Whether PATCH takes the value for a missing one: false, zero, "", {}, [] or an enum's first
        name."""
        return not value or bool(value == self.empty[name])


def empty(kind: Kind) -> Any:
    """What the gateway writes for a field that was never set."""
    if isinstance(kind, str):
        return EMPTY[kind]
    if isinstance(kind, tuple):
        return kind[0]
    return [] if isinstance(kind, list) else None


def read_value(kind: Kind, value: Any) -> Any:
    """A JSON value as the kind's Python value, or `Malformed`."""
    if isinstance(kind, Message):
        return kind.read(value)
    if isinstance(kind, list):
        if not isinstance(value, list):
            raise Malformed(value, "repeated field")
        return [read_value(kind[0], item) for item in value]
    if isinstance(kind, tuple):
        return read_enum(kind, value)
    if kind in RANGES or kind == FLOAT:
        return read_number(kind, value)
    return read_plain(kind, value)


def read_enum(names: tuple[str, ...], value: Any) -> str:
    """An enum by name or by number."""
    if isinstance(value, str) and value in names:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    raise Malformed(value, "enum type")


def read_plain(kind: str, value: Any) -> Any:
    """Everything that is neither a message, an enum nor a number."""
    if kind == STRING and isinstance(value, str):
        return sound_text(value)
    if kind == BOOL and isinstance(value, bool):
        return value
    if kind == TEXTS and isinstance(value, dict):
        return {sound_text(key): read_plain(STRING, text) for key, text in value.items()}
    if kind == TIME and isinstance(value, str) and RFC3339.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            raise Malformed(value, "google.protobuf.Timestamp") from error
        return value
    if kind == OBJECT and isinstance(value, dict):
        return value
    raise Malformed(value, "string type" if kind == TEXTS and isinstance(value, dict) else f"{kind} type")


def sound_text(text: str) -> str:
    """The text, if it can be written as UTF-8: a lone surrogate cannot."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Malformed(ascii(text), "string type") from error
    return text


def read_number(kind: str, value: Any) -> Any:
    """A number, also spelled as a string as proto-JSON allows. Floats are rounded to 32 bits, as PassKit's
    points are: whole numbers are exact only up to 16,777,216."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Malformed(value, f"{kind} type")
    try:
        number = float(value)
        if kind == FLOAT:
            if not math.isfinite(number):
                raise Malformed(value, "float type")
            return plain_number(struct.unpack("f", struct.pack("f", number))[0])
        whole = int(value)
    except (ValueError, OverflowError) as error:
        raise Malformed(value, f"{kind} type") from error
    lowest, highest = RANGES[kind]
    if whole != number or not lowest <= whole <= highest:
        raise Malformed(value, f"{kind} type")
    return str(whole) if kind == UINT64 else whole


def plain_number(number: float) -> float:
    """A whole number without its `.0`, as proto-JSON writes it."""
    return int(number) if number == int(number) else number
