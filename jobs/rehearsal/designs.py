"""The pass designs of the stand-in's world: which fields a pass shows, and which of them may alert."""

from __future__ import annotations

from typing import Any

MESSAGE_FIELD = "meta.latestOffer"
"""The field that carries the message: `metaData.latestOffer` of a holder, without the prefix."""

FIELD_TYPES = {"meta": "META", "person": "PII", "universal": "UNIVERSAL_FIELDS"}


def data_field(
    unique_name: str,
    label: str,
    section: str,
    *,
    default: str = "",
    change_message: str = "",
    kind: str = "TEXT",
) -> dict[str, Any]:
    """One field of a design. It alerts on Apple only if `change_message` holds `%@`."""
    return {
        "uniqueName": unique_name,
        "fieldType": FIELD_TYPES.get(unique_name.partition(".")[0], "PROTOCOL_FIELDS"),
        "label": label,
        "dataType": kind,
        "defaultValue": default,
        "appleWalletFieldRenderOptions": {
            "textAlignment": "NATURAL",
            "positionSettings": {"section": section, "priority": 0},
            "changeMessage": change_message,
        },
        "usage": ["USAGE_APPLE_WALLET", "USAGE_GOOGLE_PAY"],
    }


def message_field(change_message: str) -> dict[str, Any]:
    """The field that carries messages, on the back of the pass."""
    return data_field(
        MESSAGE_FIELD, "Latest offer", "BACK_FIELDS", change_message=change_message, kind="TEXT_LONG"
    )


def design(identifier: str, name: str, protocol: str, created: str) -> dict[str, Any]:
    """A whole template with its message field in good order."""
    fields = [
        data_field("person.displayName", "Name", "SECONDARY_FIELDS"),
        data_field(
            "universal.info", "Info", "BACK_FIELDS", default="Open daily 7-19 h.", change_message="%@"
        ),
        message_field("%@"),
    ]
    if protocol == "MEMBERSHIP":
        fields.append(data_field("members.member.points", "Points", "HEADER_FIELDS", kind="INT"))
    for field in fields:
        field["templateId"] = identifier
    return {
        "template": {
            "id": identifier,
            "name": name,
            "protocol": protocol,
            "revision": 1,
            "organizationName": "Kaffeehaus Linden",
            "description": name,
            "data": {"dataFields": fields},
            "timezone": "Europe/Berlin",
        },
        "Name": name,
        "ownerUsername": "linden",
        "protocol": protocol,
        "revision": 1,
        "createdAt": created,
        "updatedAt": created,
    }
