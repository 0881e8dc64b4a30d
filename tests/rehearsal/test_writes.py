from __future__ import annotations

from typing import Any

import pytest

from jobs.rehearsal.passes import BOARDING_PASS, EVENT_TICKET, SINGLE_COUPON
from tests.rehearsal.conftest import Client


def member(passkit: Client, identifier: str) -> dict[str, Any]:
    answer: dict[str, Any] = passkit.call("GET", f"/members/member/id/{identifier}").json()
    return answer


def test_patch_replaces_meta_data_whole(passkit: Client) -> None:
    entry = passkit.pick()
    passkit.put("/members/member", {"id": entry.id, "metaData": {"latestOffer": "Hallo"}})
    assert member(passkit, entry.id)["metaData"] == {"latestOffer": "Hallo"}


def test_patch_ignores_falsy_and_unknown(passkit: Client) -> None:
    entry = passkit.pick(where=lambda entry: entry.opted_out and entry.message.get("points", 0) > 0)
    before = member(passkit, entry.id)
    nothing = {"points": 0, "optOut": False, "metaData": {}, "status": "ENROLLED", "person": {}, "tierId": ""}
    passkit.put("/members/member", {"id": entry.id, "changeMessage": "Hallo", **nothing, "notes": []})
    after = member(passkit, entry.id)
    assert after["updated"] > before["updated"]
    same = ("points", "optOut", "metaData", "status", "person", "tierId")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert "changeMessage" not in after


def test_put_operation_empties_what_is_not_sent(passkit: Client) -> None:
    entry = passkit.pick(where=lambda entry: entry.message.get("points", 0) > 0)
    change = {"id": entry.id, "operation": "OPERATION_PUT", "metaData": {"a": "b"}, "optOut": False}
    passkit.put("/members/member", change)
    after = member(passkit, entry.id)
    assert (after["points"], after["person"], after["metaData"]) == (0, None, {"a": "b"})
    assert after["externalId"] == entry.message["externalId"]
    assert after["tierId"]


def test_by_external_id(passkit: Client) -> None:
    entry = passkit.pick()
    keys = {"externalId": entry.message["externalId"], "programId": passkit.program}
    answer = passkit.call("PUT", "/members/member", keys | {"points": 12.5})
    assert answer.json() == {"id": entry.id}
    assert member(passkit, entry.id)["points"] == 12.5


def test_points_are_32_bit_floats(passkit: Client) -> None:
    entry = passkit.pick()
    passkit.put("/members/member", {"id": entry.id, "points": 16_777_217})
    assert member(passkit, entry.id)["points"] == 16_777_216


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"id": "nobody"}, 404, 5),
        ({}, 400, 3),
        ({"externalId": "KL-000001"}, 400, 3),
        ({"externalId": "nobody", "programId": "PROGRAM"}, 404, 5),
        ({"id": "MEMBER", "externalId": "KL-999999"}, 400, 9),
        ({"id": "MEMBER", "programId": "elsewhere"}, 404, 5),
        ({"id": "MEMBER", "tierId": "lead"}, 404, 5),
        ({"id": "MEMBER", "updated": "2026-01-01T00:00:00Z"}, 400, 3),
        ({"id": "MEMBER", "created": "2026-01-01T00:00:00Z"}, 400, 3),
    ],
)
def test_refused_updates(passkit: Client, change: dict[str, str], status: int, code: int) -> None:
    names = {"MEMBER": passkit.pick().id, "PROGRAM": passkit.program}
    body = {key: names.get(value, value) for key, value in change.items()}
    answer = passkit.call("PUT", "/members/member", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 5}',
        b'{"metaData": {"zip": 1067}}',
        b'{"metaData": ["zip"]}',
        b'{"person": "Ann"}',
        b'{"person": {"otherNames": "Ann"}}',
        b'{"points": "many"}',
        b'{"points": 1e999}',
        b'{"points": true}',
        b'{"tierPoints": -1}',
        b'{"tierPoints": 1.5}',
        b'{"status": "SLEEPING"}',
        b'{"expiryDate": "tomorrow"}',
        b'{"expiryDate": "2026-13-01T00:00:00Z"}',
        b'{"optOut": "yes"}',
        b'{"metaData": {"latestOffer": "\\ud800"}}',
        b'{"points": NaN}',
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_wrong_shapes_are_syntax_errors(passkit: Client, body: bytes) -> None:
    answer = passkit.call("PUT", "/members/member", body)
    assert answer.status_code == 400
    assert answer.json().keys() == {"code", "message", "details"}
    assert answer.json()["message"].startswith("proto: syntax error (line 1:")


def test_coupon(passkit: Client) -> None:
    entry = passkit.pick(SINGLE_COUPON)
    external = entry.message["externalId"]
    keys = {"externalId": external, "campaignId": passkit.campaign}
    passkit.put("/coupon/singleUse/coupon", keys | {"metaData": {"latestOffer": "Hallo"}})
    assert passkit.call("GET", f"/coupon/singleUse/coupon/{entry.id}").json()["metaData"] == {
        "latestOffer": "Hallo"
    }
    assert passkit.call("PUT", "/coupon/singleUse/coupon", {"externalId": external}).status_code == 400


def test_ticket(passkit: Client) -> None:
    entry = passkit.pick(EVENT_TICKET, where=lambda entry: not entry.opted_out)
    number = {"ticketNumber": entry.message["ticketNumber"]}
    keys = number | {"event": {"production": {"id": passkit.production}}}
    passkit.put("/eventTickets/ticket", keys | {"optOut": "ON", "metaData": {"latestOffer": "Hallo"}})
    ticket = passkit.call("GET", f"/eventTickets/ticket/id/{entry.id}").json()
    assert (ticket["optOut"], ticket["metaData"]) == ("ON", {"latestOffer": "Hallo"})
    passkit.put("/eventTickets/ticket", {"id": entry.id, "optOut": "OFF"})
    assert passkit.call("GET", f"/eventTickets/ticket/id/{entry.id}").json()["optOut"] == "OFF"
    assert passkit.call("PUT", "/eventTickets/ticket", number).status_code == 400
    assert passkit.call("PUT", "/eventTickets/ticket", {"id": entry.id, "optOut": True}).status_code == 400


def test_boarding_record(passkit: Client) -> None:
    entry = passkit.pick(BOARDING_PASS)
    keys = {name: entry.message[name] for name in ("ticketNumber", "ticketLeg", "boardingPoint")}
    change = keys | {"seatNumber": "", "additionalDataItems": {"items": {"latestOffer": "Gate B7"}}}
    answer = passkit.call("PUT", "/flights/boardingRecord", change).json()
    assert answer["id"] == entry.id
    assert answer["additionalDataItems"] == {"items": {"latestOffer": "Gate B7"}}
    assert answer["seatNumber"]
    assert passkit.call("PUT", "/flights/boardingRecord", {"ticketNumber": "1"}).status_code == 404
    touched = keys | {"metadata": {"status": "PASS_INSTALLED"}}
    assert passkit.call("PUT", "/flights/boardingRecord", touched).status_code == 400
