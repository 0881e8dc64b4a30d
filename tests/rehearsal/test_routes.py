from __future__ import annotations

from typing import Any

import pytest

from jobs.rehearsal.passes import EVENT_TICKET, SINGLE_COUPON
from tests.rehearsal.conftest import Client


def field_filter(field: str, operator: str, value: str, **more: Any) -> dict[str, Any]:
    entry = {"filterField": field, "filterOperator": operator, "filterValue": value}
    return {"filterGroups": [{"condition": "AND", "fieldFilters": [entry]}]} | more


def test_unknown_path_and_wrong_method(passkit: Client) -> None:
    missing = passkit.call("GET", "/members/member/elsewhere")
    assert (missing.status_code, missing.json()) == (404, {"code": 5, "message": "Not Found", "details": []})
    wrong = passkit.call("PATCH", "/members/member")
    assert (wrong.status_code, wrong.json()) == (
        501,
        {"code": 12, "message": "Method Not Allowed", "details": []},
    )
    assert passkit.call("GET", "/members/member/id/").status_code == 404


def test_three_programs(passkit: Client) -> None:
    names = [
        row["name"]
        for path in (
            "/members/programs/list",
            "/coupon/singleUse/campaigns/list",
            "/eventTickets/productions",
        )
        for row in passkit.rows(path, {})
    ]
    assert names == ["Kaffeehaus Linden", "Linden Coffee Coupons", "Linden Live"]


def test_program_and_its_tiers(passkit: Client) -> None:
    program = passkit.call("GET", f"/members/program/{passkit.program}").json()
    assert program["status"] == ["PROJECT_ACTIVE_FOR_OBJECT_CREATION", "PROJECT_PUBLISHED"]
    assert program["metrics"]["created"] == "400"
    tiers = passkit.rows("/members/tiers/list", {"programId": passkit.program})
    assert [tier["id"] for tier in tiers] == ["bronze", "silver", "gold"]
    assert passkit.call("GET", f"/members/tier/{passkit.program}/gold").json() == tiers[2]
    assert passkit.call("GET", f"/members/tier/{passkit.program}/lead").status_code == 404
    assert passkit.call("POST", "/members/tiers/list", {}).status_code == 400
    for tier in tiers:
        template = passkit.call("GET", f"/template/data/{tier['passTemplateId']}").json()
        fields = {field["uniqueName"]: field for field in template["template"]["data"]["dataFields"]}
        assert fields["meta.latestOffer"]["appleWalletFieldRenderOptions"]["changeMessage"] == "%@"


def test_list_pages(passkit: Client) -> None:
    path = f"/members/member/list/{passkit.program}"
    everyone = passkit.rows(path, {"filters": {"limit": -1}})
    assert len(everyone) == 400
    assert passkit.rows(path, {}) == everyone[:25]
    assert passkit.rows(path, b"") == everyone[:25]
    assert passkit.rows(path, {"filters": {"limit": 300, "offset": 350}}) == everyone[350:]
    by_created = {"orderBy": "created", "orderAsc": True, "limit": 10, "offset": 10}
    assert passkit.rows(path, {"filters": by_created}) == everyone[10:20]
    by_points = passkit.rows(path, {"filters": {"orderBy": "points", "limit": -1}})
    assert [row["points"] for row in by_points] == sorted((row["points"] for row in everyone), reverse=True)
    for wrong in ({"limit": -2}, {"offset": -1}, {"orderBy": "shoeSize"}):
        assert passkit.call("POST", path, {"filters": wrong}).status_code == 400


def test_empty_result_is_an_empty_body(passkit: Client) -> None:
    path = f"/members/member/list/{passkit.program}"
    assert passkit.call("POST", path, {"filters": {"offset": 400}}).content == b""
    assert passkit.call("POST", path, {"emailAsCsv": True}).content == b""


def test_whole_rows_with_empty_fields(passkit: Client) -> None:
    rows = passkit.rows(f"/members/member/list/{passkit.program}", {"filters": {"limit": -1}})
    assert all(row.keys() == rows[0].keys() for row in rows)
    assert any(row["person"] is None for row in rows)
    first = rows[0]
    assert passkit.call("GET", f"/members/member/id/{first['id']}").json() == first
    by_external = f"/members/member/externalId/{passkit.program}/{first['externalId']}"
    assert passkit.call("GET", by_external).json() == first
    assert passkit.call("GET", f"/members/member/id/{passkit.program}").json()["error"]["code"] == 5


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("tierId", "eq", "gold"),
        ("points", "gt", "500"),
        ("points", "lte", "500"),
        ("optOut", "eq", "true"),
        ("status", "eq", "EXPIRED"),
        ("person.displayName", "like", "müller"),
        ("emailAddress", "like", "%holder1%"),
        ("meta.city", "eq", "Dresden"),
        ("updated", "gte", "2025-01-01T00:00:00Z"),
    ],
)
def test_filters_agree_with_count(passkit: Client, field: str, operator: str, value: str) -> None:
    wanted = {"filters": field_filter(field, operator, value, limit=-1)}
    found = passkit.rows(f"/members/member/list/{passkit.program}", wanted)
    assert 0 < len(found) < 400
    answer = passkit.call("POST", f"/members/count/{passkit.program}", wanted)
    assert answer.json() == {"total": len(found)}


def test_groups_are_joined_by_and_fields_by_their_condition(passkit: Client) -> None:
    def tier(name: str) -> dict[str, str]:
        return {"filterField": "tierId", "filterOperator": "eq", "filterValue": name}

    either = {"condition": "OR", "fieldFilters": [tier("gold"), tier("silver")]}
    path = f"/members/member/list/{passkit.program}"
    rows = passkit.rows(path, {"filters": {"limit": -1, "filterGroups": [either]}})
    assert {row["tierId"] for row in rows} == {"gold", "silver"}
    both = {"condition": "AND", "fieldFilters": [tier("gold")]}
    rows = passkit.rows(path, {"filters": {"limit": -1, "filterGroups": [either, both]}})
    assert {row["tierId"] for row in rows} == {"gold"}


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("shoeSize", "eq", "42"),
        ("points", "between", "1"),
        ("points", "gt", "many"),
        ("updated", "gt", "yesterday"),
        ("optOut", "eq", "maybe"),
        ("tierId", "eq", ""),
    ],
)
def test_wrong_filters(passkit: Client, field: str, operator: str, value: str) -> None:
    wanted = {"filters": field_filter(field, operator, value)}
    answer = passkit.call("POST", f"/members/member/list/{passkit.program}", wanted)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 3)


def test_coupons(passkit: Client) -> None:
    offers = passkit.rows("/coupon/singleUse/offers/list", {"campaignId": passkit.campaign})
    coupons = passkit.rows(f"/coupon/singleUse/coupons/list/{passkit.campaign}", {"filters": {"limit": -1}})
    assert {coupon["offerId"] for coupon in coupons} == {offer["id"] for offer in offers}
    count = passkit.call("POST", f"/coupon/singleUse/coupons/count/{passkit.campaign}", {}).json()
    assert count == {"total": len(coupons)} == {"total": 20}
    first = coupons[0]
    assert passkit.call("GET", f"/coupon/singleUse/coupon/{first['id']}").json() == first
    by_external = f"/coupon/singleUse/coupon/externalId/{passkit.campaign}/{first['externalId']}"
    assert passkit.call("GET", by_external).json() == first


def test_tickets(passkit: Client) -> None:
    types = passkit.rows(f"/eventTickets/ticketTypes/{passkit.production}", {})
    wanted = {"productionId": passkit.production, "filters": {"limit": -1}}
    tickets = passkit.rows("/eventTickets/tickets/list", wanted)
    assert {ticket["ticketType"]["id"] for ticket in tickets} == {kind["id"] for kind in types}
    assert passkit.call("POST", "/eventTickets/tickets/count", wanted).json() == {"total": len(tickets)}
    by_uid = {"productionUid": "linden-live", "ticketTypeId": types[0]["id"], "filters": {"limit": -1}}
    assert 0 < len(passkit.rows("/eventTickets/tickets/list", by_uid)) < len(tickets)
    assert passkit.call("POST", "/eventTickets/tickets/list", {}).status_code == 400
    ticket = passkit.call("GET", f"/eventTickets/ticket/id/{tickets[0]['id']}").json()
    assert (tickets[0]["optOut"], ticket["optOut"]) == (False, "OFF")
    assert ticket["event"]["production"]["id"] == passkit.production


def test_kinds_are_kept_apart(passkit: Client) -> None:
    coupon = passkit.pick(SINGLE_COUPON)
    assert passkit.call("GET", f"/members/member/id/{coupon.id}").status_code == 404
    assert passkit.call("POST", f"/members/member/list/{passkit.campaign}", {}).status_code == 404
    ticket = passkit.pick(EVENT_TICKET)
    assert passkit.call("GET", f"/coupon/singleUse/coupon/{ticket.id}").status_code == 404


def test_boarding_record_by_each_key(passkit: Client) -> None:
    record = passkit.world.boarding[0].message
    by_ticket = {name: record[name] for name in ("ticketNumber", "ticketLeg", "boardingPoint")}
    by_flight = {
        name: record[name]
        for name in ("carrierCode", "flightNumber", "departureDate", "boardingPoint", "sequenceNumber")
    }
    keys = {"passId": {"id": record["id"]}, "ticketNumber": by_ticket, "index": by_flight}
    for way, key in keys.items():
        answer = passkit.call("POST", "/flights/boardingRecord", {way: key})
        assert answer.json()["id"] == record["id"]
    assert passkit.call("POST", "/flights/boardingRecord", keys).status_code == 400
    by_flight["sequenceNumber"] = 999
    assert passkit.call("POST", "/flights/boardingRecord", {"index": by_flight}).status_code == 404


def test_templates(passkit: Client) -> None:
    templates = passkit.rows("/templates/list", {"limit": -1})
    assert {template["protocol"] for template in templates} == {
        "MEMBERSHIP",
        "SINGLE_USE_COUPON",
        "EVENT_TICKETING",
        "FLIGHT_PROTOCOL",
    }
    members = passkit.rows("/templates/list", field_filter("protocol", "eq", "MEMBERSHIP"))
    assert len(members) == 3
    assert passkit.call("GET", "/template/data/nothing").status_code == 404
