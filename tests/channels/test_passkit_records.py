"""PassKit's records in plain words, whatever state they are in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.channels import passkit_records as records

MEMBER: dict[str, Any] = {
    "id": "4pPHHhYwAbCdEfGhIjKlMn",
    "externalId": "K-00017",
    "tierId": "gold",
    "programId": "p",
    "person": {
        "forename": "Zoë",
        "surname": "Łęcka",
        "displayName": "",
        "emailAddress": "zoe@example.org",
        "mobileNumber": "+41790000000",
        "dateOfBirth": {"year": 1990, "month": 2, "day": 3},
    },
    "metaData": {"zip": "08001", "latestOffer": "Latte"},
    "optOut": False,
    "points": 512.5,
    "secondaryPoints": 0,
    "tierPoints": 7,
    "expiryDate": None,
    "status": "ACTIVE",
    "passMetaData": {
        "status": "PASS_INSTALLED",
        "lifecycleEvents": ["RENDERED", "INSTALLED_APPLE", "INSTALLED_GOOGLE", "UNINSTALLED_GOOGLE"],
        "issueIpAddress": "192.0.2.7",
        "installUserAgent": "Phone/1",
        "renderLocation": {"lat": 47.1},
        "firstInstalledAt": "2025-01-01T08:00:00Z",
        "lastInstalledAt": "2025-03-01T09:00:00.123456789+01:00",
    },
    "created": "2024-12-31T23:59:59Z",
    "updated": "0001-01-01T00:00:00Z",
}

FLIGHT: dict[str, Any] = {
    "id": "f1",
    "ticketNumber": "7241234567890",
    "ticketLeg": 1,
    "boardingPoint": "ZRH",
    "carrierCode": "YY",
    "flightNumber": "8",
    "departureDate": {"year": 2026, "month": 5, "day": 1},
    "sequenceNumber": 0,
    "passenger": {"passengerDetails": {"displayName": "Bo [/x] Lee", "dateOfBirth": {"year": 1970}}},
    "passengerStatus": "ISSUED_CHECKED_IN",
    "additionalDataItems": {"items": {"gate": "B32"}},
    "metadata": {"status": "PASS_ISSUED", "issueAt": "2026-01-01T00:00:00Z"},
}


def test_a_member() -> None:
    assert records.holder("membership", MEMBER) == {
        "provider_id": "4pPHHhYwAbCdEfGhIjKlMn",
        "external_id": "K-00017",
        "tier_id": "gold",
        "name": "Zoë Łęcka",
        "email": "zoe@example.org",
        "phone": "+41790000000",
        "points": 512.5,
        "secondary_points": 0.0,
        "tier_points": 7,
        "birthday": "1990-02-03",
        "status": "ACTIVE",
        "opted_out": False,
        "expires_at": None,
        "created_at": datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC),
        "updated_at": None,
        "pass_status": "PASS_INSTALLED",
        "wallets": ["apple"],
        "installed_at": datetime(2025, 3, 1, 8, 0, 0, 123456, tzinfo=UTC),
        "meta": {"zip": "08001", "latestOffer": "Latte"},
        "keys": {},
    }


def test_places_and_addresses_stay_behind() -> None:
    kept = str(records.holder("membership", MEMBER))
    assert not [one for one in ("192.0.2.7", "Phone/1", "47.1") if one in kept]


def test_a_record_with_an_id_alone_is_enough() -> None:
    for kind in ("membership", "coupon", "ticket", "flight"):
        bare = records.holder(kind, {"id": "x"})
        assert (bare["external_id"], bare["name"], bare["pass_status"]) == ("x", "", "PASS_ISSUED")
        assert (bare["points"], bare["meta"], bare["wallets"], bare["keys"]) == (None, {}, [], {})


def test_a_coupon_and_a_ticket() -> None:
    coupon = records.holder("coupon", {"id": "c", "externalId": "E", "offerId": "o", "status": "REDEEMED"})
    assert (coupon["external_id"], coupon["tier_id"], coupon["status"]) == ("E", "o", "REDEEMED")
    row = {"id": "t", "ticketNumber": "N7", "ticketType": {"id": "vip", "name": "VIP"}, "optOut": True}
    ticket = records.holder("ticket", row)
    assert (ticket["external_id"], ticket["tier_id"], ticket["opted_out"]) == ("N7", "vip", True)


def test_a_boarding_record() -> None:
    flight = records.holder("flight", FLIGHT)
    assert (flight["external_id"], flight["name"], flight["birthday"]) == (
        "7241234567890",
        "Bo [/x] Lee",
        None,
    )
    assert (flight["meta"], flight["status"]) == ({"gate": "B32"}, "ISSUED_CHECKED_IN")
    assert flight["created_at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert flight["keys"] == {
        "ticketNumber": "7241234567890",
        "ticketLeg": 1,
        "boardingPoint": "ZRH",
        "carrierCode": "YY",
        "flightNumber": "8",
        "departureDate": {"year": 2026, "month": 5, "day": 1},
    }


@pytest.mark.parametrize(
    ("value", "out"),
    [(None, False), (False, False), (True, True), ("ON", True), ("OFF", False), ("DO_NOT_USE", False)],
)
def test_opted_out_in_both_spellings(value: Any, out: bool) -> None:
    assert records.holder("ticket", {"id": "t", "optOut": value})["opted_out"] is out


@pytest.mark.parametrize(
    ("events", "wallets"),
    [
        (None, []),
        ([], []),
        (["INSTALLED_APPLE"], ["apple"]),
        (["INSTALLED_GOOGLE", "INSTALLED_APPLE"], ["google", "apple"]),
        (["INSTALLED_APPLE", "UNINSTALLED_APPLE"], []),
        (["INSTALLED_APPLE", "UNINSTALLED_APPLE", "INSTALLED_APPLE"], ["apple"]),
        (["UNINSTALLED_APPLE", "INSTALLED_ANDROID_OTHER"], ["other"]),
        (["INSTALLED_APPLE", "UNINSTALLED_GOOGLE", 99, "SOMETHING_NEW"], ["apple"]),
    ],
)
def test_wallets_follow_from_the_events(events: Any, wallets: list[str]) -> None:
    life = {"status": "PASS_INSTALLED", "lifecycleEvents": events}
    assert records.holder("membership", {"id": "m", "passMetaData": life})["wallets"] == wallets
    gone = {**life, "status": "PASS_UNINSTALLED"}
    assert records.holder("membership", {"id": "m", "passMetaData": gone})["wallets"] == []


@pytest.mark.parametrize(
    ("born", "birthday"),
    [
        ({"year": 2000, "month": 2, "day": 29}, "2000-02-29"),
        ({"year": 2001, "month": 2, "day": 29}, None),
        ({"year": 0, "month": 2, "day": 3}, None),
        ({"month": 2, "day": 3}, None),
        ({"year": 10**30, "month": 1, "day": 1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_birthday_is_whole_or_none(born: Any, birthday: str | None) -> None:
    assert records.holder("coupon", {"id": "c", "person": {"dateOfBirth": born}})["birthday"] == birthday


@pytest.mark.parametrize(
    ("points", "read"),
    [
        (None, None),
        (3, 3.0),
        (0, 0.0),
        ("1.5", 1.5),
        ("NaN", None),
        ("-Infinity", None),
        (float("inf"), None),
    ],
)
def test_points_in_every_spelling_of_json(points: Any, read: float | None) -> None:
    assert records.holder("membership", {"id": "m", "points": points})["points"] == read


@pytest.mark.parametrize("moment", ["", None, "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_moments_that_are_not_set(moment: Any) -> None:
    assert records.holder("membership", {"id": "m", "expiryDate": moment})["expires_at"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("externalId", 7),
        ("person", "Ann"),
        ("person", {"surname": ["Lee"]}),
        ("person", {"dateOfBirth": "1990-01-01"}),
        ("person", {"dateOfBirth": {"year": "1990"}}),
        ("metaData", {"zip": 8001}),
        ("metaData", ["zip"]),
        ("optOut", "perhaps"),
        ("points", True),
        ("points", "many"),
        ("points", 10**400),
        ("tierPoints", 1.5),
        ("created", "yesterday"),
        ("created", 1_700_000_000),
        ("expiryDate", "9999-12-31T23:59:59-12:00"),
        ("status", ["ACTIVE"]),
        ("passMetaData", []),
        ("passMetaData", {"lifecycleEvents": "INSTALLED_APPLE", "status": "PASS_INSTALLED"}),
    ],
)
def test_a_malformed_record_is_named_with_its_field(field: str, value: Any) -> None:
    inner = next(iter(value)) if isinstance(value, dict) and field != "metaData" else field
    with pytest.raises(ValueError, match=rf"'m-17': {inner}"):
        records.holder("membership", {"id": "m-17", field: value})


@pytest.mark.parametrize("record", [None, [], "x", {}, {"id": None}, {"id": ""}, {"id": 5}])
def test_a_record_without_an_id(record: Any) -> None:
    for read in (records.program, records.tier, records.holder):
        with pytest.raises(ValueError, match="PassKit"):
            read("membership", record)


def test_programs_of_each_kind() -> None:
    flags = ["PROJECT_PUBLISHED", "PROJECT_ACTIVE_FOR_OBJECT_CREATION"]
    made = records.program(
        "coupon", {"id": "c", "name": "C", "status": flags, "ianaTimezone": "Europe/Zurich"}
    )
    assert made == {"id": "c", "kind": "coupon", "name": "C", "status": flags, "time_zone": "Europe/Zurich"}
    assert records.program("ticket", {"id": "e"})["time_zone"] is None


def test_tiers_of_each_kind() -> None:
    assert records.tier(
        "membership",
        {"id": "gold", "programId": "p", "name": "Gold", "passTemplateId": "t", "timezone": "Etc/UTC"},
    ) == {
        "id": "gold",
        "program_id": "p",
        "name": "Gold",
        "template_id": "t",
        "after_template_id": None,
        "time_zone": "Etc/UTC",
    }
    designs = {"beforeRedeemPassTemplateId": "b", "afterRedeemPassTemplateId": "a"}
    offer = records.tier(
        "coupon", {"id": "o", "campaignId": "c", "offerTitle": "", "offerShortTitle": "S", **designs}
    )
    assert (offer["program_id"], offer["name"], offer["template_id"]) == ("c", "S", "b")
    kind = records.tier("ticket", {"id": "v", "productionId": "e", "name": "VIP", **designs})
    assert (kind["program_id"], kind["name"], kind["after_template_id"]) == ("e", "VIP", "a")


def template(message: Any) -> dict[str, Any]:
    other = {"uniqueName": "person.displayName", "appleWalletFieldRenderOptions": None}
    field = {"uniqueName": "meta.news", "appleWalletFieldRenderOptions": {"changeMessage": message}}
    return {"id": "t", "data": {"dataFields": [other, None, field]}}


@pytest.mark.parametrize(
    ("design", "state"),
    [
        (template("%@"), "ok"),
        (template("News: %@!"), "ok"),
        (template("News"), "no_placeholder"),
        (template(" "), "no_change_message"),
        (template(None), "no_change_message"),
        (template(["%@"]), "no_change_message"),
        ({"data": {"dataFields": [{"uniqueName": "meta.news"}]}}, "no_change_message"),
        ({"data": {"dataFields": [{"uniqueName": "news"}]}}, "no_field"),
        ({"data": {"dataFields": None}}, "no_field"),
        ({"data": []}, "no_field"),
        ({}, "no_field"),
    ],
)
def test_whether_a_design_lets_the_field_alert(design: dict[str, Any], state: str) -> None:
    assert records.message_field_state(design, "meta.news") == state


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ODD = JSON | st.sampled_from(["PASS_INSTALLED", "ON", "2025-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"])


def bent(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The record with any of its fields, at any depth, replaced by anything."""
    return st.fixed_dictionaries(
        {},
        optional={
            name: ODD | (bent(value) if isinstance(value, dict) else st.just(value))
            for name, value in whole.items()
        },
    )


@given(st.sampled_from(["membership", "coupon", "ticket"]), bent(MEMBER))
def test_any_record_is_read_or_refused_by_name(kind: str, record: dict[str, Any]) -> None:
    read_or_refused(kind, record)


@given(bent(FLIGHT))
def test_any_boarding_record_is_read_or_refused_by_name(record: dict[str, Any]) -> None:
    read_or_refused("flight", record)


def refusal(read: Callable[[str, dict[str, Any]], Any], kind: str, record: dict[str, Any]) -> str:
    try:
        read(kind, record)
    except ValueError as error:
        return str(error)
    return "nothing that cannot be read"


def read_or_refused(kind: str, record: dict[str, Any]) -> None:
    for read in (records.holder, records.tier, records.program):
        assert refusal(read, kind, record).endswith("cannot be read")
    records.message_field_state(record, "meta.news")
