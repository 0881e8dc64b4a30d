"""PassKit's records in plain words: programs, tiers and holders as dicts that know nothing of PassKit's JSON.

Missing and null fields take their proto default. A record that cannot be read raises ValueError, which
names its id and the field. IP addresses, user agents and locations are personal data and stay behind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, TypedDict

Json = Mapping[str, Any]

_BOARDING_KEYS = (
    "ticketNumber",
    "ticketLeg",
    "boardingPoint",
    "carrierCode",
    "flightNumber",
    "departureDate",
    "sequenceNumber",
)
CANNOT_ALERT = {
    "no_field": "has no field {field}: a message would change nothing that a phone shows",
    "no_change_message": "has the field {field} without a lock-screen message: phones would stay silent",
    "no_placeholder": "has a lock-screen message without %@ for {field}: phones would not show the text",
}
"""What `message_field_state` found wrong with a design, in words."""

MEND = "in PassKit's designer give the field {field} the Apple lock-screen message %@"
"""What the owner of such a design has to do."""

_WALLETS = {"APPLE": "apple", "GOOGLE": "google", "ANDROID_OTHER": "other"}


class Program(TypedDict):
    """kind: membership | coupon | ticket. status: PassKit's flags (PROJECT_DRAFT). time_zone: IANA name."""

    id: str
    kind: str
    name: str
    status: list[str]
    time_zone: str | None


class Tier(TypedDict):
    """A membership tier, coupon offer or ticket type; after_template_id is the design after redemption."""

    id: str
    program_id: str
    name: str
    template_id: str
    after_template_id: str | None
    time_zone: str | None


class Holder(TypedDict):
    """A member, a coupon, a ticket or a boarding record.

    external_id  the ticket number for tickets and boarding records; the provider's id where there is none
    points       None where the kind has none; PassKit holds 32-bit floats, exact up to 16,777,216
    birthday     `YYYY-MM-DD`, None if any part is missing
    pass_status  PASS_ISSUED | PASS_INSTALLED | PASS_UNINSTALLED | PASS_INVALIDATED
    wallets      of an installed pass: apple, google, other, as far as its events tell
    meta         the free data, shown by designs as `meta.<key>`
    keys         the key fields of a boarding record, empty for all others
    """

    provider_id: str
    external_id: str
    tier_id: str
    name: str
    email: str
    phone: str
    points: float | None
    secondary_points: float | None
    tier_points: int | None
    birthday: str | None
    status: str
    opted_out: bool
    expires_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    pass_status: str
    wallets: list[str]
    installed_at: datetime | None
    meta: dict[str, str]
    keys: dict[str, Any]


def program(kind: str, record: Json) -> Program:
    """A Program (membership), CouponCampaign (coupon) or Production (ticket)."""
    record = _record(record)
    return Program(
        id=_id(record),
        kind=kind,
        name=_text(record, "name"),
        status=_words(record, record, "status"),
        time_zone=_text(record, "ianaTimezone") or None,
    )


def tier(kind: str, record: Json) -> Tier:
    """A Tier (membership), CouponOffer (coupon) or TicketType (ticket)."""
    record = _record(record)
    if kind == "membership":
        owner, name, design, zone = "programId", _text(record, "name"), "passTemplateId", "timezone"
    elif kind == "coupon":
        name = _text(record, "offerTitle") or _text(record, "offerShortTitle")
        owner, design, zone = "campaignId", "beforeRedeemPassTemplateId", "ianaTimezone"
    else:
        owner, name, design, zone = (
            "productionId",
            _text(record, "name"),
            "beforeRedeemPassTemplateId",
            "timezone",
        )
    return Tier(
        id=_id(record),
        program_id=_text(record, owner),
        name=name,
        template_id=_text(record, design),
        after_template_id=_text(record, "afterRedeemPassTemplateId") or None,
        time_zone=_text(record, zone) or None,
    )


def holder(kind: str, record: Json) -> Holder:
    """A Member (membership), Coupon, Ticket or its list row (ticket), or BoardingPassRecord (flight)."""
    record = _record(record)
    provider_id = _id(record)
    flight = kind == "flight"
    person = (
        _part(_part(record, "passenger"), "passengerDetails", record) if flight else _part(record, "person")
    )
    life = _life(kind, record)
    state = pass_status(kind, record)
    external = "ticketNumber" if kind in ("ticket", "flight") else "externalId"
    return Holder(
        provider_id=provider_id,
        external_id=_text(record, external) or provider_id,
        tier_id=_tier_of(kind, record),
        name=_name(person, record),
        email=_text(person, "emailAddress", record),
        phone=_text(person, "mobileNumber", record),
        points=_number(record, "points"),
        secondary_points=_number(record, "secondaryPoints"),
        tier_points=_whole(record, "tierPoints"),
        birthday=_birthday(_part(person, "dateOfBirth", record), record),
        status=_word(record, record, "passengerStatus" if flight else "status"),
        opted_out=opted_out(record),
        expires_at=_moment(record, "expiryDate"),
        created_at=_moment(life, "issueAt", record) if flight else _moment(record, "created"),
        updated_at=_moment(life, "lastUpdatedAt", record) if flight else _moment(record, "updated"),
        pass_status=state,
        wallets=_wallets(life, record) if state == "PASS_INSTALLED" else [],
        installed_at=_moment(life, "lastInstalledAt", record) or _moment(life, "firstInstalledAt", record),
        meta=free_data(kind, record),
        keys=boarding_keys(record) if flight else {},
    )


def pass_status(kind: str, record: Json) -> str:
    """The state of the pass itself; PASS_ISSUED, the proto default, where none is given."""
    return _word(_life(kind, record), record, "status") or "PASS_ISSUED"


def opted_out(record: Json) -> bool:
    """Whether the holder declined marketing: a boolean, but ON or OFF in a ticket."""
    value = record.get("optOut")
    if value in (True, "ON", "true"):
        return True
    if value in (None, False, "", "OFF", "DO_NOT_USE", "false"):
        return False
    raise _wrong(record, "optOut")


def free_data(kind: str, record: Json) -> dict[str, str]:
    """The free data of a pass: metaData, or additionalDataItems.items of a boarding record."""
    if kind == "flight":
        name, data = "additionalDataItems.items", _part(_part(record, "additionalDataItems"), "items", record)
    else:
        name, data = "metaData", _part(record, "metaData")
    for value in data.values():
        if not isinstance(value, str):
            raise _wrong(record, name)
    return dict(data)


def boarding_keys(record: Json) -> dict[str, Any]:
    """The key fields that a boarding record has, as PassKit spells them."""
    return {name: record[name] for name in _BOARDING_KEYS if record.get(name)}


def message_field_state(template: Json, field: str) -> str:
    """Whether a template lets a field alert: ok | no_field | no_change_message | no_placeholder.

    PassKit: an iPhone shows a changed value only if the field's changeMessage has `%@` in it.
    field: the unique name with its prefix, such as `meta.latestOffer`.
    """
    data = template.get("data")
    fields = data.get("dataFields") if isinstance(data, dict) else None
    for one in fields if isinstance(fields, list) else []:
        if isinstance(one, dict) and one.get("uniqueName") == field:
            options = one.get("appleWalletFieldRenderOptions")
            message = options.get("changeMessage") if isinstance(options, dict) else None
            if not isinstance(message, str) or not message.strip():
                return "no_change_message"
            return "ok" if "%@" in message else "no_placeholder"
    return "no_field"


def _record(record: Any) -> Json:
    if not isinstance(record, dict):
        raise ValueError("a record from PassKit is not an object")
    return record


def _wrong(record: Json, field: str) -> ValueError:
    return ValueError(f"PassKit record {record.get('id')!r:.60}: {field} cannot be read")


def _id(record: Json) -> str:
    value = record.get("id")
    if not isinstance(value, str) or not value:
        raise _wrong(record, "id")
    return value


def _text(part: Json, field: str, record: Json | None = None) -> str:
    value = part.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(record or part, field)
    return value


def _part(part: Json, field: str, record: Json | None = None) -> Json:
    value = part.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(record or part, field)
    return value


def _word(part: Json, record: Json, field: str) -> str:
    """An enum: its name, or the bare number of one that the gateway does not know yet."""
    value = part.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(part, field, record)


def _words(part: Json, record: Json, field: str) -> list[str]:
    value = part.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(record, field)
    return [_word({field: one}, record, field) for one in value]


def _number(record: Json, field: str) -> float | None:
    """A float. Proto-JSON may also spell numbers, NaN and infinities as text; the last two are no points."""
    value = record.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _wrong(record, field)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _wrong(record, field) from None
    return number if math.isfinite(number) else None


def _whole(record: Json, field: str) -> int | None:
    number = _number(record, field)
    if number is not None and not number.is_integer():
        raise _wrong(record, field)
    return None if number is None else int(number)


def _moment(part: Json, field: str, record: Json | None = None) -> datetime | None:
    """An RFC 3339 moment in UTC. Year 1 and 1970-01-01T00:00Z are how Go and proto spell "not set"."""
    text = _text(part, field, record)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.year == 1:
            return None
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(record or part, field) from None
    return moment if moment.timestamp() else None


def _birthday(parts: Json, record: Json) -> str | None:
    year, month, day = (parts.get(name) or 0 for name in ("year", "month", "day"))
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in (year, month, day)):
        raise _wrong(record, "dateOfBirth")
    try:
        return date(year, month, day).isoformat()
    except (ValueError, OverflowError):
        return None


def _name(person: Json, record: Json) -> str:
    full = f"{_text(person, 'forename', record)} {_text(person, 'surname', record)}".strip()
    return _text(person, "displayName", record) or full


def _tier_of(kind: str, record: Json) -> str:
    if kind == "ticket":
        return _text(_part(record, "ticketType"), "id", record)
    return _text(record, {"membership": "tierId", "coupon": "offerId"}.get(kind, "tierId"))


def _life(kind: str, record: Json) -> Json:
    return _part(record, "metadata" if kind == "flight" else "passMetaData")


def _wallets(life: Json, record: Json) -> list[str]:
    """Wallets with an INSTALLED event and no later UNINSTALLED one; the list of events only grows."""
    held: dict[str, bool] = {}
    for event in _words(life, record, "lifecycleEvents"):
        act, _, wallet = event.partition("_")
        if wallet in _WALLETS and act in ("INSTALLED", "UNINSTALLED"):
            held[_WALLETS[wallet]] = act == "INSTALLED"
    return [wallet for wallet, there in held.items() if there]
