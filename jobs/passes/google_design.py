"""What Google is given: the class of a program and the object of each pass, for every type.

Field names and enums are those of the Wallet API's discovery document (walletobjects v1), which tests hold
every body against. Texts carry their translations along, since Google picks the phone's language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from jobs.passes.google_words import is_common
from jobs.passes.holder import Holder, filled
from jobs.passes.template import PassField, Template
from store import texts
from store.errors import UsageError

BARCODES = {"qr": "QR_CODE", "pdf417": "PDF_417", "aztec": "AZTEC", "code128": "CODE_128"}
TRANSIT = {"boat": "FERRY", "bus": "BUS", "train": "RAIL", "generic": "OTHER"}
REDEMPTION = {"instore": "INSTORE", "online": "ONLINE", "both": "BOTH"}
STATES = ("ACTIVE", "COMPLETED", "EXPIRED", "INACTIVE")
_SUFFIX = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
_INT32 = 2**31


def class_id(issuer: str, program_id: str) -> str:
    """The id of a program's class. Raises UsageError for characters that Google refuses."""
    return _id(issuer, program_id)


def object_id(issuer: str, serial: str) -> str:
    """The id of a pass's object. Raises UsageError for characters that Google refuses."""
    return _id(issuer, serial)


def class_body(
    template: Template, program_id: str, issuer: str, *, callback_url: str | None = None
) -> tuple[str, dict[str, Any]]:
    """Type (`loyalty`) and body of the class; the path is the type and `Class`.

    callback_url  where Google tells of saves and removals; it has to be https and public
    """
    google = template.google
    body: dict[str, Any] = {"id": class_id(issuer, program_id)}
    if google.type != "generic":
        body |= {"issuerName": template.organisation, "reviewStatus": "UNDER_REVIEW"}
        if (colour := template.colours.get("background")) is not None:
            body["hexBackgroundColor"] = "#{:02x}{:02x}{:02x}".format(*colour)
        if google.hero is not None:
            body["heroImage"] = _image(template, google.hero)
    body |= _CLASS.get(google.type, lambda _: {})(template)
    if modules := _modules(template, (one for one in template.fields if is_common(one)), {}, None):
        body["textModulesData"] = modules
    if callback_url is not None:
        body["callbackOptions"] = {"url": callback_url}
    return google.type, body


def object_body(
    template: Template, holder: Holder, issuer: str, state: str = "ACTIVE"
) -> tuple[str, dict[str, Any]]:
    """Type and body of one pass's object; the path is the type and `Object`.

    The message stands in the text module of the message field's key. `state` is one of STATES.
    """
    if state not in STATES:
        raise UsageError(f"a Google pass is {', '.join(STATES)}, not {state!r}")
    values, google = holder.values, template.google
    body: dict[str, Any] = {
        "id": object_id(issuer, holder.serial),
        "classId": class_id(issuer, holder.program_id),
        "state": state,
    }
    body |= _OBJECT[google.type](template, holder, values)
    modules = _modules(
        template, (one for one in template.fields if not is_common(one)), values, holder.locale
    )
    modules.append(message_module(template, holder.message))
    body["textModulesData"] = modules
    if template.barcode is not None:
        value = filled(template, template.barcode.value, values, holder.locale)
        if value:
            body["barcode"] = {"type": BARCODES[template.barcode.format], "value": value}
            alt_text = filled(template, template.barcode.alt_text or "", values, holder.locale)
            if alt_text:
                body["barcode"]["alternateText"] = alt_text
    if holder.expires_at is not None:
        body["validTimeInterval"] = {
            "end": {"date": holder.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        }
    return google.type, body


def message_module(template: Template, message: str | None) -> dict[str, Any]:
    """The text module that keeps the newest message; without one, what the template shows until then."""
    said = _module(template, template.message.key, template.message.label)
    if message is not None:
        return said | {"body": message}
    return said | _text(template, "body", template.message.empty, {}, None)


# The classes


def _loyalty_class(template: Template) -> dict[str, Any]:
    assert template.google.logo is not None
    return {
        "programName": template.google.words.get("program_name", template.organisation),
        "programLogo": _image(template, template.google.logo),
    }


def _offer_class(template: Template) -> dict[str, Any]:
    words = template.google.words
    return {
        "title": words.get("title", template.description),
        "provider": template.organisation,
        "redemptionChannel": REDEMPTION[words.get("redemption", "both")],
    } | _logo(template, "titleImage")


def _gift_card_class(template: Template) -> dict[str, Any]:
    return {"merchantName": template.organisation} | _logo(template, "programLogo")


def _event_class(template: Template) -> dict[str, Any]:
    words = template.google.words
    body: dict[str, Any] = {"eventName": _localized(template, words.get("event_name", template.description))}
    if "venue_name" in words:
        body["venue"] = {
            "name": _localized(template, words["venue_name"]),
            "address": _localized(template, words["venue_address"]),
        }
    if "starts_at" in words:
        body["dateTime"] = {"start": words["starts_at"]}
    return body | _logo(template, "logo")


def _transit_class(template: Template) -> dict[str, Any]:
    assert template.transit_type is not None
    return {"transitType": TRANSIT[template.transit_type]} | _logo(template, "logo")


def _flight_class(template: Template) -> dict[str, Any]:
    words = template.google.words
    carrier: dict[str, Any] = {"carrierIataCode": words["carrier"]} | _logo(template, "airlineLogo")
    return {
        "flightHeader": {"carrier": carrier, "flightNumber": words["flight_number"]},
        "origin": {"airportIataCode": words["origin"]},
        "destination": {"airportIataCode": words["destination"]},
        "localScheduledDepartureDateTime": words["departure"],
    }


_CLASS = {
    "loyalty": _loyalty_class,
    "offer": _offer_class,
    "giftCard": _gift_card_class,
    "eventTicket": _event_class,
    "transit": _transit_class,
    "flight": _flight_class,
}


# The objects


def _generic_object(template: Template, holder: Holder, values: Mapping[str, Any]) -> dict[str, Any]:
    words = template.google.words
    header = filled(template, words.get("header", "{name|}"), values, holder.locale) or template.description
    body: dict[str, Any] = {
        "cardTitle": _localized(template, template.logo_text or template.organisation),
        "header": _localized(template, header),
    }
    if subheader := filled(template, words.get("subheader", ""), values, holder.locale):
        body["subheader"] = _localized(template, subheader)
    if (colour := template.colours.get("background")) is not None:
        body["hexBackgroundColor"] = "#{:02x}{:02x}{:02x}".format(*colour)
    if template.google.hero is not None:
        body["heroImage"] = _image(template, template.google.hero)
    return body | _logo(template, "logo")


def _loyalty_object(template: Template, holder: Holder, values: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"accountId": holder.external_id}
    if holder.name:
        body["accountName"] = holder.name
    if holder.points is not None:
        label = template.google.words.get("points_label", "Points")
        body["loyaltyPoints"] = {"label": label, "balance": _balance(holder.points)}
        if translated := _translations(template, label):
            body["loyaltyPoints"]["localizedLabel"] = translated
    return body


def _gift_card_object(template: Template, holder: Holder, values: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"cardNumber": holder.external_id}
    currency = template.google.words.get("currency")
    if currency is not None and holder.points is not None:
        body["balance"] = {"micros": str(round(holder.points * 1_000_000)), "currencyCode": currency}
    return body


def _event_object(template: Template, holder: Holder, values: Mapping[str, Any]) -> dict[str, Any]:
    body = {"ticketNumber": holder.external_id}
    return body | ({"ticketHolderName": holder.name} if holder.name else {})


def _transit_object(template: Template, holder: Holder, values: Mapping[str, Any]) -> dict[str, Any]:
    said = {key: filled(template, text, values, holder.locale) for key, text in template.google.words.items()}
    leg: dict[str, Any] = {"originName": _localized(template, said.get("origin") or "-")}
    if said.get("destination"):
        leg["destinationName"] = _localized(template, said["destination"])
    if said.get("departure"):
        leg["departureDateTime"] = said["departure"]
    body: dict[str, Any] = {"tripType": "ONE_WAY", "ticketNumber": holder.external_id, "ticketLeg": leg}
    return body | ({"passengerNames": holder.name} if holder.name else {})


def _flight_object(template: Template, holder: Holder, values: Mapping[str, Any]) -> dict[str, Any]:
    confirmation = template.google.words.get("confirmation", "{external_id}")
    code = filled(template, confirmation, values, holder.locale) or holder.external_id
    return {
        "passengerName": holder.name or holder.external_id,
        "reservationInfo": {"confirmationCode": code},
    }


_OBJECT = {
    "generic": _generic_object,
    "loyalty": _loyalty_object,
    "offer": lambda template, holder, values: {},
    "giftCard": _gift_card_object,
    "eventTicket": _event_object,
    "transit": _transit_object,
    "flight": _flight_object,
}


# Parts


def _modules(
    template: Template, fields: Iterable[PassField], values: Mapping[str, Any], locale: str | None
) -> list[dict[str, Any]]:
    """A text module for each field that has something to say."""
    modules = []
    for one in fields:
        said = _text(template, "body", one.value, values, locale)
        if said["body"]:
            modules.append(_module(template, one.key, one.label) | said)
    return modules


def _module(template: Template, key: str, label: str) -> dict[str, Any]:
    said = {"id": key}
    return said | (_text(template, "header", label, {}, None) if label else {})


def _text(
    template: Template, name: str, text: str, values: Mapping[str, Any], locale: str | None
) -> dict[str, Any]:
    """A text, and its translations beside it. One with a member's values is in the member's language."""
    said: dict[str, Any] = {name: filled(template, text, values, locale)}
    if not texts.has_braces(text) and (translated := _translations(template, text)):
        said[f"localized{name.capitalize()}"] = translated
    return said


def _translations(template: Template, text: str) -> dict[str, Any] | None:
    """The text in every language; None where there is one only."""
    localized = _localized(template, text)
    return localized if "translatedValues" in localized else None


def _localized(template: Template, text: str) -> dict[str, Any]:
    said: dict[str, Any] = {"defaultValue": {"language": template.locale, "value": text}}
    translated = [
        {"language": language, "value": template.strings[language][text]}
        for language in sorted(template.strings)
        if text in template.strings[language]
    ]
    return said | ({"translatedValues": translated} if translated else {})


def _balance(points: float) -> dict[str, Any]:
    whole = float(points).is_integer() and -_INT32 <= points < _INT32
    return {"int": int(points)} if whole else {"double": float(points)}


def _logo(template: Template, name: str) -> dict[str, Any]:
    return {} if template.google.logo is None else {name: _image(template, template.google.logo)}


def _image(template: Template, address: str) -> dict[str, Any]:
    described = {"defaultValue": {"language": template.locale, "value": template.organisation}}
    return {"sourceUri": {"uri": address}, "contentDescription": described}


def _id(issuer: str, suffix: str) -> str:
    if not _SUFFIX.fullmatch(suffix):
        raise UsageError(f"{suffix!r} cannot be part of a Google id: letters, digits, `.`, `_` and `-` can")
    return f"{issuer}.{suffix}"
