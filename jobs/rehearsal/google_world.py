"""What the stand-in of Google keeps: classes, objects, and what phones were told; strict as the real one."""

from __future__ import annotations

import copy
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.rehearsal.google_schema import schema_name, wrong

Json = dict[str, Any]

TYPES = ("generic", "loyalty", "offer", "giftCard", "eventTicket", "transit", "flight")
RESOURCES = tuple(f"{kind}{thing}" for kind in TYPES for thing in ("Class", "Object"))
DAY = 86_400.0
MOST_MESSAGES = 10
_ID = re.compile(r"[0-9]+\.[A-Za-z0-9._-]+", re.ASCII)
_OUTPUT_ONLY = ("hasUsers", "hasLinkedDevice", "classReference", "kind", "version")
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$", re.ASCII)


class Refusal(Exception):
    """An answer other than 200, in Google's shape."""

    def __init__(self, status: int, reason: str, message: str, domain: str = "global") -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.domain = status, reason, message, domain

    @property
    def payload(self) -> Json:
        """The body of the answer."""
        entry = {"message": self.message, "domain": self.domain, "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [entry]}}


@dataclass(frozen=True, slots=True)
class Alert:
    """A phone was told. The text is the message's, though Google words what a phone shows."""

    object_id: str
    message_id: str
    header: str
    body: str
    at: float


@dataclass(slots=True)
class Habits:
    """What Google's documentation leaves open, one way or the other.

    eleventh       what the 11th message does: `evict` the oldest, or `reject` it
    patch_alerts   whether messages that a PATCH writes with TEXT_AND_NOTIFY alert
    alerts_a_day   notifying messages to one resource in 24 hours
    lower_case     reads give `state` in the deprecated spelling
    forgets_users  whether `hasUsers` turns false once the last user has removed the pass
    """

    eleventh: str = "evict"
    patch_alerts: bool = True
    alerts_a_day: int = 3
    lower_case: bool = False
    forgets_users: bool = True


class World:
    """Classes and objects of one issuer. Its methods raise Refusal.

    clock     seconds since 1970
    on_alert  called for each alert, in the request's own task
    """

    def __init__(
        self, issuer: str, clock: Callable[[], float], on_alert: Callable[[Alert], None] | None = None
    ) -> None:
        self.issuer, self.clock = issuer, clock
        self.on_alert = on_alert or (lambda _: None)
        self.habits = Habits()
        self.kept: dict[str, dict[str, Json]] = {resource: {} for resource in RESOURCES}
        self.users: Counter[str] = Counter()
        self.had_users: set[str] = set()
        self.alerts: list[Alert] = []
        self.told: Counter[tuple[str, str]] = Counter()
        """How often each pass alerted for each text."""
        self.messages: Counter[str] = Counter()
        """Messages added, by the id of class or object."""
        self.sins: Counter[str] = Counter()
        self._notified: dict[str, deque[float]] = {}

    def get(self, resource: str, identifier: str) -> Json:
        """A copy, with what only Google sets."""
        found = self.kept[resource].get(self._own(identifier))
        if found is None:
            raise Refusal(404, "resourceNotFound", f"{resource} {identifier} not found", "walletobjects")
        shown = copy.deepcopy(found)
        if resource.endswith("Object"):
            forgotten = self.habits.forgets_users or identifier not in self.had_users
            shown["hasUsers"] = self.users[identifier] > 0 if forgotten else True
            shown.setdefault("state", "ACTIVE")
            if self.habits.lower_case:
                shown["state"] = shown["state"].lower()
        return shown

    def insert(self, resource: str, body: Json) -> Json:
        """Make one; 409 where it is there."""
        self._check(resource, body, whole=True)
        identifier = body["id"]
        if not _ID.fullmatch(identifier):
            raise self._invalid(f"Invalid resource ID: {identifier!r}")
        self._own(identifier)
        if identifier in self.kept[resource]:
            raise Refusal(409, "existingResource", f"{identifier} already exists", "walletobjects")
        if resource.endswith("Object"):
            self._class_of(resource, body)
        self.kept[resource][identifier] = _input(body)
        return self.get(resource, identifier)

    def update(self, resource: str, identifier: str, body: Json) -> Json:
        """PUT: what is not said is gone."""
        self.get(resource, identifier)
        return self._write(resource, identifier, {**body, "id": identifier}, whole=True)

    def patch(self, resource: str, identifier: str, body: Json) -> Json:
        """PATCH: what is not said stays, and arrays are replaced whole."""
        self.get(resource, identifier)
        self._check(resource, body)
        before = self.kept[resource][identifier]
        if "textModulesData" in body:
            kept = {one.get("id") for one in body["textModulesData"] or ()}
            lost = {one.get("id") for one in before.get("textModulesData", ())} - kept
            self.sins["text_modules_lost"] += bool(lost)
        return self._write(resource, identifier, _merged(before, _input(body)), told=body)

    def add_message(self, resource: str, identifier: str, body: Json) -> Json:
        """A message more: never asked whether it is there, and over the budget refused."""
        self.get(resource, identifier)
        if told := wrong("AddMessageRequest", body):
            raise self._invalid(told)
        message = body.get("message")
        if not message:
            raise self._invalid("message is required")
        self._check_message(message)
        kept = self.kept[resource][identifier]
        messages = list(kept.get("messages", ()))
        if len(messages) >= MOST_MESSAGES:
            self.sins["eleventh_message"] += 1
            if self.habits.eleventh == "reject":
                raise self._invalid(f"at most {MOST_MESSAGES} messages are allowed")
            messages = messages[1 - MOST_MESSAGES :]
        self.sins["not_active"] += kept.get("state", "ACTIVE").upper() not in ("ACTIVE", "STATE_UNSPECIFIED")
        if message.get("messageType") == "TEXT_AND_NOTIFY":
            self._notify(resource, identifier, message)
        kept["messages"] = [
            *messages,
            {"kind": "walletobjects#walletObjectMessage", **copy.deepcopy(message)},
        ]
        self.messages[identifier] += 1
        return {"resource": self.get(resource, identifier)}

    def listed(self, resource: str, owner: str) -> list[Json]:
        """All objects of a class, or all classes of the issuer, by id."""
        if resource.endswith("Class"):
            if owner != self.issuer:
                raise self._foreign()
            return [self.get(resource, identifier) for identifier in sorted(self.kept[resource])]
        self.get(resource.replace("Object", "Class"), owner)
        found = sorted(key for key, one in self.kept[resource].items() if one.get("classId") == owner)
        return [self.get(resource, identifier) for identifier in found]

    def save(self, resource: str, identifier: str) -> None:
        """A user saves the pass."""
        self.get(resource, identifier)
        self.users[identifier] += 1
        self.had_users.add(identifier)

    def remove(self, resource: str, identifier: str) -> None:
        """A user removes the pass; the object stays."""
        self.get(resource, identifier)
        self.users[identifier] = max(0, self.users[identifier] - 1)

    def _write(
        self, resource: str, identifier: str, body: Json, *, told: Json | None = None, whole: bool = False
    ) -> Json:
        self._check(resource, body, whole=whole)
        told = body if told is None else told
        status = "reviewStatus" in self.kept[resource][identifier]
        if resource.endswith("Class") and status and told.get("reviewStatus") != "UNDER_REVIEW":
            raise self._invalid("reviewStatus has to be UNDER_REVIEW in an update")
        messages = body.get("messages") or []
        if len(messages) > MOST_MESSAGES:
            raise self._invalid(f"at most {MOST_MESSAGES} messages are allowed")
        for message in messages:
            self._check_message(message)
        if resource.endswith("Object"):
            self._class_of(resource, body)
        if self.habits.patch_alerts:
            for message in told.get("messages") or []:
                if message.get("messageType") == "TEXT_AND_NOTIFY":
                    self._notify(resource, identifier, message)
        self.kept[resource][identifier] = _input(body)
        return self.get(resource, identifier)

    def _notify(self, resource: str, identifier: str, message: Json) -> None:
        """Let the phones alert: all of them that have the pass, or any pass of the class."""
        now = self.clock()
        lately = self._notified.setdefault(f"{resource}/{identifier}", deque())
        while lately and lately[0] <= now - DAY:
            lately.popleft()
        if len(lately) >= self.habits.alerts_a_day:
            self.sins["over_budget"] += 1
            text = f"Quota exceeded: notifications of issuer {self.issuer}, {identifier}"
            raise Refusal(403, "quotaExceeded", text, "walletobjects")
        lately.append(now)
        objects = [identifier]
        if resource.endswith("Class"):
            kept = self.kept[resource.replace("Class", "Object")]
            objects = [key for key, one in kept.items() if one.get("classId") == identifier]
        header, body = str(message.get("header", "")), str(message.get("body", ""))
        for object_id in objects:
            if self.users[object_id]:
                alert = Alert(object_id, str(message.get("id", "")), header, body, now)
                self.alerts.append(alert)
                self.told[object_id, body] += 1
                self.on_alert(alert)

    def _class_of(self, resource: str, body: Json) -> None:
        class_id = body.get("classId", "")
        if class_id not in self.kept[resource.replace("Object", "Class")]:
            raise Refusal(404, "classNotFound", f"class {class_id} not found", "walletobjects")

    def _check(self, resource: str, body: Any, *, whole: bool = False) -> None:
        if told := wrong(schema_name(resource), body, whole=whole):
            raise self._invalid(told)

    def _check_message(self, message: Json) -> None:
        if message.get("messageType") in ("EXPIRATION_NOTIFICATION", "expirationNotification"):
            raise self._invalid("messageType EXPIRATION_NOTIFICATION is not supported")
        interval = message.get("displayInterval") or {}
        ends = [str((interval.get(end) or {}).get("date", "")) for end in ("start", "end")]
        for moment in filter(None, ends):
            try:
                datetime.fromisoformat(moment)
            except ValueError:
                raise self._invalid(f"Invalid date {moment!r}") from None
        if all(ends) and len({bool(_OFFSET.search(moment)) for moment in ends}) == 2:
            raise self._invalid("start and end: either both have an offset or none")

    def _own(self, identifier: str) -> str:
        if identifier.partition(".")[0] != self.issuer:
            raise self._foreign()
        return identifier

    def _foreign(self) -> Refusal:
        return Refusal(403, "permissionDenied", "Permission denied: not your issuer", "walletobjects")

    def _invalid(self, message: str) -> Refusal:
        self.sins["invalid_request"] += 1
        return Refusal(400, "invalid", message)


def _input(body: Json) -> Json:
    return {key: copy.deepcopy(one) for key, one in body.items() if key not in _OUTPUT_ONLY}


def _merged(before: Any, told: Any) -> Any:
    """What a PATCH makes of a value: objects grow together, everything else is replaced; null takes away."""
    if not isinstance(before, dict) or not isinstance(told, dict):
        return copy.deepcopy(told)
    whole = {**before, **{key: _merged(before.get(key), one) for key, one in told.items()}}
    return {key: one for key, one in whole.items() if one is not None}
