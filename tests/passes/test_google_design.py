"""What Google is given, held against the published schema, for every type and any holder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.passes import google_design, template
from jobs.passes.holder import Holder
from jobs.passes.template import Template
from store.errors import UsageError
from tests.passes import schema

LOGO = "https://example.com/logo.png"
TYPES: dict[str, dict[str, Any]] = {
    "generic": {"header": "{name}", "subheader": "Hello {first_name|friend}", "hero": LOGO},
    "loyalty": {"logo": LOGO, "points_label": "Points"},
    "offer": {"title": "A cup", "redemption": "instore"},
    "giftCard": {"currency": "EUR", "logo": LOGO},
    "eventTicket": {
        "event_name": "Concert",
        "venue_name": "Hall",
        "venue_address": "Street 1\nVienna",
        "starts_at": "2027-03-01T19:30",
    },
    "transit": {
        "logo": LOGO,
        "origin": "{from|Wien}",
        "destination": "{to}",
        "departure": "2027-03-01T08:00",
    },
    "flight": {
        "carrier": "OS",
        "flight_number": "561",
        "origin": "VIE",
        "destination": "ZRH",
        "departure": "2027-03-01T08:00",
        "logo": LOGO,
    },
}


def a_template(type_: str, **more: Any) -> Template:
    boarding = {"kind": "flight", "transit_type": "train" if type_ == "transit" else "air"}
    table = {
        "kind": "membership",
        "organisation": "Linden",
        "description": "A card",
        "colours": {"background": "#2f4a36"},
        "fields": [
            {"place": "header", "key": "points", "label": "Points", "value": "{points}"},
            {"place": "back", "key": "terms", "label": "Terms", "value": "Be kind."},
        ],
        "barcode": {"format": "code128", "value": "{external_id}", "alt_text": "{name}"},
        "strings": {"de": {"Points": "Punkte", "Be kind.": "Nett sein.", "A card": "Eine Karte"}},
        "google": {"type": type_, **TYPES[type_]},
    }
    return template.read(table | (boarding if type_ in ("transit", "flight") else {}) | more, {})


word = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
holders = st.builds(
    Holder,
    serial=st.from_regex(r"[A-Za-z0-9_-]{1,30}", fullmatch=True),
    program_id=st.just("own-1"),
    external_id=word.filter(bool),
    name=word,
    points=st.none() | st.floats(-1e9, 1e12, allow_nan=False) | st.integers(0, 100).map(float),
    attributes=st.dictionaries(st.sampled_from(["from", "to", "seat"]), word | st.integers() | st.none()),
    message=st.none() | word,
    locale=st.none() | st.sampled_from(["de", "de-AT", "xx", ""]),
    expires_at=st.none() | st.just(datetime(2027, 1, 1, tzinfo=UTC)),
)


@pytest.mark.parametrize("type_", TYPES)
@settings(max_examples=25)
@given(holder=holders, state=st.sampled_from(google_design.STATES))
def test_google_knows_every_field_and_enum(type_: str, holder: Holder, state: str) -> None:
    found = a_template(type_)
    for path, (kind, body) in (
        ("Class", google_design.class_body(found, "own-1", "3388", callback_url="https://example.com/g")),
        ("Object", google_design.object_body(found, holder, "3388", state)),
    ):
        assert kind == type_
        schema.check_request("POST", f"/walletobjects/v1/{kind}{path}", body)
        assert body["id"].startswith("3388.")


def test_the_message_is_in_a_text_module_with_its_translations() -> None:
    found = a_template("generic")
    holder = Holder("s1", "own-1", "C1", message="Hello")
    _, body = google_design.object_body(found, holder, "3388")
    assert body["textModulesData"][-1] == {"id": "message", "header": "Latest message", "body": "Hello"}
    _, shared = google_design.class_body(found, "own-1", "3388")
    assert shared["textModulesData"][0]["localizedBody"]["translatedValues"] == [
        {"language": "de", "value": "Nett sein."}
    ]
    assert [module["id"] for module in shared["textModulesData"]] == ["terms"]


def test_points_are_a_balance() -> None:
    for points, balance in ((12.0, {"int": 12}), (1.5, {"double": 1.5}), (1e12, {"double": 1e12})):
        holder = Holder("s1", "own-1", "C1", points=points)
        _, body = google_design.object_body(a_template("loyalty"), holder, "3388")
        assert body["loyaltyPoints"]["balance"] == balance
    card = google_design.object_body(a_template("giftCard"), Holder("s", "p", "C", points=12.34), "3388")[1]
    assert card["balance"] == {"micros": "12340000", "currencyCode": "EUR"}


def test_an_id_that_google_refuses_is_refused_here() -> None:
    for suffix in ("a b", "a/b", "ä", "", "x" * 300):
        with pytest.raises(UsageError, match="cannot be part of a Google id"):
            google_design.object_id("3388", suffix)
    with pytest.raises(UsageError, match="a Google pass is ACTIVE"):
        google_design.object_body(a_template("generic"), Holder("s", "p", "C"), "3388", "active")


def test_the_checker_refuses_what_the_schema_does_not_know() -> None:
    for body, told in (
        ({"id": "1.a", "clasId": "1.b"}, "has no field 'clasId'"),
        ({"state": "active"}, "is none of STATE_UNSPECIFIED, ACTIVE"),
        ({"hasUsers": True}, "only Google sets it"),
        ({"textModulesData": [{"id": "x"}] * 11}, "11 entries"),
        ({"loyaltyPoints": {"balance": {"int": 1, "string": "1"}}}, "exactly one of"),
        ({"loyaltyPoints": {"balance": {"int": 2**40}}}, "is no int32"),
        ({"barcode": {"type": "qrCode"}}, "is none of"),
        ({"allowMultipleUsersPerObject": 1}, "has no field"),
        ({"messages": {}}, "is no array"),
    ):
        assert told in "; ".join(schema.problems("LoyaltyObject", body)), body
    assert schema.problems("LoyaltyObject", {"id": "1.a"}, whole=True) == [
        "LoyaltyObject: LoyaltyObject needs 'classId'",
        "LoyaltyObject: LoyaltyObject needs 'state'",
    ]
    with pytest.raises(AssertionError, match="has no DELETE"):
        schema.check_request("DELETE", "/walletobjects/v1/loyaltyObject/1.a")
    with pytest.raises(AssertionError, match="has no parameter 'clasId'"):
        schema.check_request("GET", "/walletobjects/v1/loyaltyObject?clasId=1.a")
