"""The channel to passes that PassKit holds: the message becomes a value on the pass.

A phone alerts when a value changes in a field whose template has a changeMessage with `%@`. So a
message is one key in the pass's free data, and sending the same text again is silent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from jobs.channels import passkit_records as records
from jobs.channels.base import Outcome, Parcel, Result
from jobs.channels.passkit_api import PassKit
from jobs.channels.passkit_errors import PassKitError

Json = dict[str, Any]


class PassKitChannel:
    """Messages to members, coupons, tickets and boarding records of one PassKit account.

    Each send reads the pass, looks whether it may be messaged, and writes the text into it: two
    requests. It never repeats a request: that is the engine's part. Because the pass is read first, a
    text that an earlier, unanswered write did bring there is found and not written twice.
    """

    def __init__(self, client: PassKit) -> None:
        self._client = client

    async def send(self, parcel: Parcel) -> Result:
        """Bring the text onto the pass; see `Outcome` for the ways it may end."""
        if wrong := _unsendable(parcel):
            return wrong
        try:
            record = await self._read(parcel)
        except PassKitError as error:
            return _failure(error, wrote=False)
        if not record.get("id") or parcel.provider_id not in ("", record["id"]):
            return Result(Outcome.LATER, "odd_reply", "PassKit's answer is not the pass asked for")
        try:
            data = records.free_data(parcel.kind, record)
            if ended := _look(parcel, record, data):
                return ended
            path, body = _WRITES[parcel.kind](parcel, record, {**data, parcel.message_key: parcel.text})
        except ValueError as error:
            return Result(Outcome.SKIPPED, "unreadable", str(error))
        try:
            reply = await self._client.call("PUT", path, body)
        except PassKitError as error:
            return _failure(error, wrote=True)
        if not reply.get("id"):
            return Result(
                Outcome.UNKNOWN, "odd_reply", "PassKit answered the update without an id", "HTTP 200"
            )
        return Result(Outcome.ACCEPTED)

    async def opt_out(self, parcel: Parcel) -> Result:
        """Set the pass's opt-out flag, unless it is set. PassKit's PATCH takes true only: nothing clears it.

        A boarding record has none.
        """
        if parcel.kind not in _OPTED_OUT:
            detail = f"PassKit keeps no opt-out for passes of kind {parcel.kind!r}"
            return Result(Outcome.REFUSED, "not_supported", detail)
        try:
            record = await self._read(parcel)
        except PassKitError as error:
            return _failure(error, wrote=False)
        if record.get("id") != parcel.provider_id:
            return Result(Outcome.LATER, "odd_reply", "PassKit's answer is not the pass asked for")
        try:
            if records.opted_out(record):
                return Result(Outcome.ACCEPTED, "already_there", "the holder has opted out already")
        except ValueError as error:
            return Result(Outcome.SKIPPED, "unreadable", str(error))
        path, message = _WRITES[parcel.kind](parcel, record, {})
        body = {name: value for name, value in message.items() if name != "metaData"}
        try:
            await self._client.call("PUT", path, {**body, "optOut": _OPTED_OUT[parcel.kind]})
        except PassKitError as error:
            return _failure(error, wrote=True)
        return Result(Outcome.ACCEPTED)

    async def check(self, kind: str, designs: Mapping[str, str], message_key: str) -> Result:
        """Whether the templates still have the message's field, with a changeMessage that alerts.

        PassKit takes a message for a field that is not there with a 200, and drops it. A template that
        cannot be read now makes the answer a `later`, where no other one is mute.
        """
        unread: Result | None = None
        field = f"meta.{message_key}"
        for template_id, who in designs.items():
            try:
                template = await self._client.template(template_id)
            except PassKitError as error:
                found = _failure(error, wrote=False)
                if error.kind in ("key_refused", "quota_spent", "throttled"):
                    return found
                unread = unread if error.kind in _OF_THE_OBJECT else found
                continue
            state = records.message_field_state(template, field)
            if state in records.CANNOT_ALERT:
                what = records.CANNOT_ALERT[state].format(field=field)
                detail = f"{_GROUPS.get(kind, 'tier')} {who}: the design {template_id} {what}"
                mend = records.MEND.format(field=field)
                return Result(Outcome.REFUSED, "no_message_field", f"{detail}; {mend}", account=True)
        return unread or Result(Outcome.ACCEPTED)

    async def probe(self, kind: str = "", program_id: str = "") -> Result:
        """Whether the key is taken, PassKit answers, and the program is not over its quota.

        PassKit's ProjectStatus has PROJECT_OVER_QUOTA for that. A program that cannot be read says
        nothing: the first message to it will.
        """
        try:
            await self._client.profile()
            flags = await self._flags(kind, program_id)
        except PassKitError as error:
            return _failure(error, wrote=False)
        if any(flag.endswith("OVER_QUOTA") for flag in flags):
            detail = "PassKit flags the program as over its quota"
            return Result(Outcome.REFUSED, "quota_spent", detail, account=True)
        return Result(Outcome.ACCEPTED)

    async def _flags(self, kind: str, program_id: str) -> list[str]:
        """A program's status flags; none where it has no page of its own or cannot be read now."""
        if kind not in _PROGRAMS:
            return []
        try:
            record = await self._client.call("GET", _PROGRAMS[kind] + quote(program_id, safe=""))
            return records.program(kind, record)["status"]
        except PassKitError as error:
            if error.kind in ("key_refused", "quota_spent"):
                raise
        except ValueError:
            pass  # a record of another shape says nothing of a quota
        return []

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    def _read(self, parcel: Parcel) -> Awaitable[Json]:
        if parcel.kind == "flight":
            return self._client.boarding_record(parcel.keys, parcel.provider_id)
        reads: dict[str, Callable[[str], Awaitable[Json]]] = {
            "membership": self._client.member,
            "coupon": self._client.coupon,
            "ticket": self._client.ticket,
        }
        return reads[parcel.kind](parcel.provider_id)


def _unsendable(parcel: Parcel) -> Result | None:
    """What is wrong with a parcel itself. PassKit's PATCH ignores an empty value, with a 200."""
    if not parcel.text.strip():
        return Result(Outcome.REFUSED, "empty_text", "the text is empty")
    if parcel.kind not in _WRITES:
        return Result(Outcome.REFUSED, "unknown_kind", f"PassKit has no passes of kind {parcel.kind!r}")
    if not parcel.message_key:
        return Result(Outcome.REFUSED, "no_message_key", "no field is named that carries the message")
    if not parcel.provider_id and not (parcel.kind == "flight" and parcel.keys):
        return Result(Outcome.REFUSED, "no_id", "the pass has no id to address it by")
    return None


def _look(parcel: Parcel, record: Json, data: dict[str, str]) -> Result | None:
    """What a fresh look says against writing, or None. A pass whose state is not given is not installed.

    A text that an earlier try brought there was sent, whatever became of the pass since.
    """
    there = Result(Outcome.ACCEPTED, "already_there", "the pass shows this text already")
    shows_it = data.get(parcel.message_key) == parcel.text
    if shows_it and parcel.again:
        return there
    if parcel.why_not is not None:
        return Result(Outcome.SKIPPED, parcel.why_not, "a try did not arrive, and the gate allows no other")
    status = records.pass_status(parcel.kind, record)
    member = record.get("status") if parcel.kind == "membership" else None
    if member == "DELETED":
        return Result(Outcome.GONE, "deleted", "the member is deleted")
    if status == "PASS_INVALIDATED":
        return Result(Outcome.GONE, "invalidated", "the pass is invalidated")
    if records.opted_out(record) and not parcel.to_opted_out:
        return Result(Outcome.SKIPPED, "opted_out", "the holder has opted out")
    if member == "EXPIRED":
        return Result(Outcome.SKIPPED, "expired", "the membership has expired")
    if status != "PASS_INSTALLED":
        return Result(Outcome.SKIPPED, "not_installed", "the pass is in no wallet")
    return there if shows_it else None


def _write_member(parcel: Parcel, record: Json, data: dict[str, str]) -> tuple[str, Json]:
    """PassKit: PATCH leaves out what is missing or empty, and replaces metaData whole.

    Program and tier are those just read, so that a member who has changed tier is not moved back. The
    person goes back unchanged: some designs make its fields required, and refuse an update without them.
    """
    body = {
        "id": record["id"],
        "programId": record.get("programId") or parcel.program_id,
        "tierId": record.get("tierId") or parcel.tier_id,
        "operation": "OPERATION_PATCH",
        "metaData": data,
    }
    person = record.get("person")
    if isinstance(person, dict) and any(person.values()):
        body["person"] = person
    return "/members/member", body


def _write_coupon(parcel: Parcel, record: Json, data: dict[str, str]) -> tuple[str, Json]:
    """PassKit: a coupon is updated by its id and keeps what is not sent; there is no operation to name."""
    body = {"id": record["id"], "campaignId": record.get("campaignId") or parcel.program_id, "metaData": data}
    if offer := record.get("offerId") or parcel.tier_id:
        body["offerId"] = offer
    return "/coupon/singleUse/coupon", body


def _write_ticket(parcel: Parcel, record: Json, data: dict[str, str]) -> tuple[str, Json]:
    """PassKit: a ticket is updated by its id alone; event and ticket type take no part in an update."""
    return "/eventTickets/ticket", {"id": record["id"], "metaData": data}


def _write_flight(parcel: Parcel, record: Json, data: dict[str, str]) -> tuple[str, Json]:
    """PassKit: a boarding record is updated by its key fields; designs show its free data as `meta.<key>`."""
    keys = records.boarding_keys(record) or dict(parcel.keys)
    return "/flights/boardingRecord", {**keys, "additionalDataItems": {"items": data}}


_WRITES: dict[str, Callable[[Parcel, Json, dict[str, str]], tuple[str, Json]]] = {
    "membership": _write_member,
    "coupon": _write_coupon,
    "ticket": _write_ticket,
    "flight": _write_flight,
}

_OPTED_OUT: dict[str, object] = {"membership": True, "coupon": True, "ticket": "ON"}
"""How each kind spells that its holder has opted out."""

_GROUPS = {"coupon": "offer", "ticket": "ticket type"}
"""What the passes of one design are called; a tier where nothing else is said."""

_PROGRAMS = {
    "membership": "/members/program/",
    "coupon": "/coupon/singleUse/campaign/",
    "ticket": "/eventTickets/production/",
}
"""Where the program itself is read, by its id."""

_OF_THE_OBJECT = ("not_found", "forbidden", "bad_request", "not_supported", "conflict")
"""Kinds of error that speak of the thing asked for, and not of the account or the network."""

_ENDINGS: dict[str, tuple[Outcome, str]] = {
    "key_refused": (Outcome.REFUSED, "key_refused"),
    "forbidden": (Outcome.REFUSED, "key_refused"),
    "quota_spent": (Outcome.REFUSED, "quota_spent"),
    "bad_request": (Outcome.REFUSED, "bad_request"),
    "not_supported": (Outcome.REFUSED, "not_supported"),
    "not_found": (Outcome.GONE, "not_found"),
    "throttled": (Outcome.THROTTLED, "throttled"),
    "conflict": (Outcome.LATER, "conflict"),
    "unavailable": (Outcome.LATER, "unavailable"),
    "server_error": (Outcome.LATER, "server_error"),
    "timeout": (Outcome.LATER, "timeout"),
    "network": (Outcome.LATER, "network"),
    "cut": (Outcome.LATER, "network"),
    "protocol": (Outcome.LATER, "odd_reply"),
}


def _failure(error: PassKitError, *, wrote: bool) -> Result:
    """The result of a request that failed; unknown where a write may have been done all the same."""
    outcome, reason = _ENDINGS[error.kind]
    if wrote and error.sent and outcome is Outcome.LATER:
        outcome = Outcome.UNKNOWN
    return Result(
        outcome,
        reason,
        error.message,
        error.label,
        wait=error.retry_after,
        account=reason in ("key_refused", "quota_spent"),
    )
