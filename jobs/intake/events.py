"""One event as a business sends it, read strictly: what is wrong is said, and nothing is guessed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from store import zones
from store.enrolments import LARGEST, LONGEST
from store.errors import UsageError
from store.imports import OWN_COLUMNS
from store.preferences import language

KEPT = timedelta(days=7)
"""So long an event's id is known, and so old an event may be: none can be taken twice."""
AHEAD = timedelta(minutes=5)
"""How far the sender's clock may be ahead of ours."""
MOST = 100
"""Events of one request."""

CREATED, UPDATED, BALANCE, REDEEMED = (
    "pass.created",
    "pass.updated",
    "pass.balance_changed",
    "pass.redeemed",
)
TYPES = (CREATED, UPDATED, BALANCE, REDEEMED)
"""What changes something here; any other type is only recorded."""
LONGEST_DATA = 8_192
"""Bytes of `data` as JSON."""
DEEPEST = 20

_KEYS = ("id", "type", "program", "external_id", "serial", "at", "data")
_ID = re.compile(r"[!-~]{1,128}")
_OWN_TYPE = re.compile(r"(?!pass\.)[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event that can be taken, if there is such a pass.

    program     id or name; empty where the pass is named by its serial
    given       values of the member, by column, others are attributes; None takes an attribute away
    """

    id: str
    type: str
    program: str
    external_id: str
    serial: str
    at: datetime
    data: Mapping[str, Any]
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What it is called among the events of a pass."""
        return self.type.removeprefix("pass.") if self.type in TYPES else self.type


def read(document: Any, *, at: datetime) -> Incoming:
    """An event of a request that came at this moment. Raises UsageError."""
    if not isinstance(document, dict):
        raise UsageError("an event is a JSON object")
    _refuse_unknown(document, _KEYS, "an event")
    id_, type_ = (_text(document, name, needed=True) for name in ("id", "type"))
    if not _ID.fullmatch(id_):
        raise UsageError("id has 1 to 128 visible ASCII characters")
    if type_ not in TYPES and not (len(type_) <= 60 and _OWN_TYPE.fullmatch(type_)):
        raise UsageError(
            f"type is one of {', '.join(TYPES)}, or your own word such as till.visited (with a dot, and not "
            "beginning with pass.)"
        )
    program, external_id, serial = (
        _text(document, name, needed=False) for name in ("program", "external_id", "serial")
    )
    if bool(external_id) == bool(serial):
        raise UsageError("say whose pass it is by either external_id or serial")
    if not program and not serial:
        raise UsageError("external_id needs its program")
    if type_ == CREATED and not external_id:
        raise UsageError(f"{CREATED} needs an external_id: the pass has no serial yet")
    data = document.get("data", {})
    if not isinstance(data, dict):
        raise UsageError("data is a JSON object")
    _storable(data)
    if len(json.dumps(data, ensure_ascii=False).encode()) > LONGEST_DATA:
        raise UsageError(f"data has more than {LONGEST_DATA:,} bytes")
    happened_at = _moment(_text(document, "at", needed=True), at)
    given = _given(type_, data) if type_ in (CREATED, UPDATED, BALANCE) else {}
    return Incoming(id_, type_, program, external_id, serial, happened_at, data, given)


def _given(type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says of the member, by column and attribute."""
    if type_ == BALANCE:
        _refuse_unknown(data, ("points", "secondary_points", "tier_points"), f"data of {BALANCE}")
        if not data:
            raise UsageError(f"data of {BALANCE} has points, secondary_points or tier_points")
    else:
        _refuse_unknown(data, (*OWN_COLUMNS, "attributes"), f"data of {type_}")
        if type_ == UPDATED and not data:
            raise UsageError(f"data of {UPDATED} says what has changed")
    given = {name: _value(name, value) for name, value in data.items() if name != "attributes"}
    attributes = data.get("attributes", {})
    if not isinstance(attributes, dict):
        raise UsageError("data.attributes is a JSON object")
    for name, value in attributes.items():
        if not 0 < len(name) <= 60 or name in (*OWN_COLUMNS, "external_id") or not name.isprintable():
            raise UsageError(f"data.attributes: {name[:60]!a} cannot be an attribute's name")
        if isinstance(value, dict | list):
            raise UsageError(f"data.attributes.{name} is a text, a number, true, false or null")
        given[name] = value
    return given


def _value(name: str, value: Any) -> Any:
    """A column's value, as `store/imports.py` writes it."""
    if name in ("points", "secondary_points"):
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST:
            raise UsageError(f"data.{name} is a number")
        return float(value)
    if name == "tier_points":
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
            raise UsageError("data.tier_points is a whole number")
        return value
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST.get(name, 60):
        raise UsageError(f"data.{name} is a text of 1 to {LONGEST.get(name, 60)} characters")
    if name == "birthday":
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise UsageError("data.birthday is a day such as 1990-01-31") from None
    if name == "time_zone" and not zones.known(value):
        raise UsageError("data.time_zone is a zone such as Europe/Vienna")
    if name == "locale":
        spoken = language(value)
        if spoken is None:
            raise UsageError("data.locale is a language such as de or de-AT")
        return spoken
    return value


def _text(document: Mapping[str, Any], name: str, *, needed: bool) -> str:
    value = document.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not 0 < len(value) <= 200 or _UNSTORABLE.search(value):
        raise UsageError(f"{name} is a text of 1 to 200 characters")
    return value


def _moment(text: str, received_at: datetime) -> datetime:
    if not _MOMENT.fullmatch(text):
        raise UsageError("at is a moment such as 2026-11-21T12:00:00Z")
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        raise UsageError("at is a moment such as 2026-11-21T12:00:00Z") from None
    if found > received_at + AHEAD:
        raise UsageError("at is in the future")
    if found < received_at - KEPT:
        raise UsageError(f"at is more than {KEPT.days} days ago: nobody knows whether it was taken then")
    return found


def _storable(value: Any, depth: int = 0) -> None:
    """Raises UsageError for what one of the databases could not keep."""
    if depth > DEEPEST:
        raise UsageError("data is nested too deeply")
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise UsageError("data holds a NUL or a half of a character")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError("data holds a number that is too large")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        raise UsageError("data holds a number that is too large")
    for inner in value if isinstance(value, list) else ():
        _storable(inner, depth + 1)
    if isinstance(value, dict):
        for name, inner in value.items():
            _storable(name, depth + 1)
            _storable(inner, depth + 1)


def _refuse_unknown(document: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = [name for name in document if name not in known]
    if unknown:
        raise UsageError(f"{what} has no {unknown[0][:60]!a}: it has {', '.join(known)}")
