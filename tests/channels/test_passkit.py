"""The PassKit channel: what it writes, what it leaves alone, how each ending is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jobs.channels.base import Channel, Outcome, Parcel, Result, Withdrawn
from jobs.channels.passkit import PassKitChannel
from jobs.channels.passkit_api import Account, PassKit
from tests.channels.conftest import SECRET, Request, Script, Server, answer, serving

pytestmark = pytest.mark.anyio

MEMBER: dict[str, Any] = {
    "id": "m1",
    "externalId": "E1",
    "programId": "p-now",
    "tierId": "gold-now",
    "person": {"surname": "Lee", "emailAddress": "", "dateOfBirth": None},
    "metaData": {"zip": "08001", "news": "old"},
    "optOut": False,
    "status": "ACTIVE",
    "passMetaData": {"status": "PASS_INSTALLED"},
}
COUPON: dict[str, Any] = {
    "id": "c1",
    "campaignId": "camp",
    "offerId": "offer",
    "metaData": None,
    "passMetaData": {"status": "PASS_INSTALLED"},
}
TICKET: dict[str, Any] = {
    "id": "t1",
    "ticketNumber": "N",
    "optOut": "OFF",
    "metaData": {"row": "7"},
    "passMetaData": {"status": "PASS_INSTALLED"},
}
FLIGHT: dict[str, Any] = {
    "id": "f1",
    "carrierCode": "YY",
    "flightNumber": "8",
    "boardingPoint": "ZRH",
    "departureDate": {"year": 2026, "month": 5, "day": 1},
    "sequenceNumber": 12,
    "ticketNumber": "",
    "ticketLeg": 0,
    "additionalDataItems": {"items": {"gate": "B32"}},
    "metadata": {"status": "PASS_INSTALLED"},
}


def parcel(
    kind: str = "membership", provider_id: str = "m1", text: str = "Fresh Zopf 🥨", **more: Any
) -> Parcel:
    return Parcel(kind, provider_id, "E1", "p-then", "silver-then", "news", text, **more)


@asynccontextmanager
async def channel(script: Script, seconds: float = 2.0) -> AsyncIterator[tuple[PassKitChannel, Server]]:
    async with serving(script) as server:
        made: Channel = PassKitChannel(PassKit(Account(server.url, "the-key", SECRET, seconds)))
        assert isinstance(made, PassKitChannel)
        try:
            yield made, server
        finally:
            await made.close()


def holding(record: Any, put: bytes | None = None) -> Script:
    """A PassKit that has this one record, and answers a PUT with its id or with what is given."""

    def script(request: Request) -> bytes | None:
        if request.method != "PUT":
            return answer(record)
        return answer({"id": record["id"]}) if put is None else put

    return script


async def sent(script: Script, what: Parcel, seconds: float = 2.0) -> tuple[Result, list[Request]]:
    async with channel(script, seconds) as (passkit, server):
        return await passkit.send(what), server.requests


async def test_a_member_keeps_everything_but_the_message() -> None:
    result, (_, put) = await sent(holding(MEMBER), parcel())
    assert result == Result(Outcome.ACCEPTED)
    assert (put.method, put.path) == ("PUT", "/members/member")
    assert put.json == {
        "id": "m1",
        "programId": "p-now",
        "tierId": "gold-now",
        "operation": "OPERATION_PATCH",
        "metaData": {"zip": "08001", "news": "Fresh Zopf 🥨"},
        "person": MEMBER["person"],
    }


async def test_an_empty_person_is_not_sent_back() -> None:
    _, (_, put) = await sent(holding({**MEMBER, "person": {"surname": "", "dateOfBirth": None}}), parcel())
    assert "person" not in put.json


async def test_a_coupon() -> None:
    result, (get, put) = await sent(holding(COUPON), parcel("coupon", "c1"))
    assert result.outcome is Outcome.ACCEPTED
    assert (get.path, put.path) == ("/coupon/singleUse/coupon/c1", "/coupon/singleUse/coupon")
    assert put.json == {
        "id": "c1",
        "campaignId": "camp",
        "offerId": "offer",
        "metaData": {"news": "Fresh Zopf 🥨"},
    }


async def test_a_ticket() -> None:
    result, (get, put) = await sent(holding(TICKET), parcel("ticket", "t1"))
    assert result.outcome is Outcome.ACCEPTED
    assert (get.path, put.path) == ("/eventTickets/ticket/id/t1", "/eventTickets/ticket")
    assert put.json == {"id": "t1", "metaData": {"row": "7", "news": "Fresh Zopf 🥨"}}


async def test_a_boarding_record_by_its_keys_alone() -> None:
    names = ("carrierCode", "flightNumber", "departureDate", "boardingPoint", "sequenceNumber")
    keys = {name: FLIGHT[name] for name in names}
    result, (get, put) = await sent(holding(FLIGHT), parcel("flight", "", keys=keys))
    assert result.outcome is Outcome.ACCEPTED
    assert (get.method, get.path, get.json) == ("POST", "/flights/boardingRecord", {"index": keys})
    assert (put.method, put.path) == ("PUT", "/flights/boardingRecord")
    assert put.json == {
        **keys,
        "additionalDataItems": {"items": {"gate": "B32", "news": "Fresh Zopf 🥨"}},
    }


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        ({"optOut": True}, Outcome.SKIPPED, "opted_out"),
        ({"status": "EXPIRED"}, Outcome.SKIPPED, "expired"),
        ({"status": "DELETED"}, Outcome.GONE, "deleted"),
        ({"passMetaData": {"status": "PASS_ISSUED"}}, Outcome.SKIPPED, "not_installed"),
        ({"passMetaData": {"status": "PASS_UNINSTALLED"}}, Outcome.SKIPPED, "not_installed"),
        ({"passMetaData": {"status": "PASS_INVALIDATED"}, "optOut": True}, Outcome.GONE, "invalidated"),
        ({"passMetaData": {}}, Outcome.SKIPPED, "not_installed"),
        ({"passMetaData": None}, Outcome.SKIPPED, "not_installed"),
        ({"metaData": {"news": "Fresh Zopf 🥨"}}, Outcome.ACCEPTED, "already_there"),
        ({"metaData": {"news": "Fresh Zopf 🥨"}, "optOut": True}, Outcome.SKIPPED, "opted_out"),
        ({"optOut": "perhaps"}, Outcome.SKIPPED, "unreadable"),
        ({"metaData": {"zip": 8001}}, Outcome.SKIPPED, "unreadable"),
        ({"id": "somebody-else"}, Outcome.LATER, "odd_reply"),
        ({"id": ""}, Outcome.LATER, "odd_reply"),
    ],
)
async def test_a_fresh_look_decides_and_nothing_is_written(
    change: dict[str, Any], outcome: Outcome, reason: str
) -> None:
    result, requests = await sent(holding({**MEMBER, **change}), parcel())
    assert (result.outcome, result.reason) == (outcome, reason)
    assert [request.method for request in requests] == ["GET"]


@pytest.mark.parametrize("kind", ["ticket", "coupon"])
async def test_opt_out_counts_for_tickets_and_coupons_too(kind: str) -> None:
    record = {**TICKET, "optOut": "ON"} if kind == "ticket" else {**COUPON, "optOut": True}
    result, requests = await sent(holding(record), parcel(kind, record["id"]))
    assert (result.reason, len(requests)) == ("opted_out", 1)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (parcel(text=""), "empty_text"),
        (parcel(text=" \n"), "empty_text"),
        (parcel("gift card"), "unknown_kind"),
        (parcel(provider_id=""), "no_id"),
        (parcel("flight", ""), "no_id"),
        (Parcel("membership", "m1", "", "p", "t", "", "hello"), "no_message_key"),
    ],
)
async def test_what_cannot_be_sent_never_leaves(what: Parcel, reason: str) -> None:
    result, requests = await sent(holding(MEMBER), what)
    assert (result.outcome, result.reason, result.account, requests) == (Outcome.REFUSED, reason, False, [])


SAID = {"code": 13, "message": "so it is", "details": []}


@pytest.mark.parametrize("writing", [False, True])
@pytest.mark.parametrize(
    ("status", "reading", "reason", "written"),
    [
        (400, Outcome.REFUSED, "bad_request", Outcome.REFUSED),
        (401, Outcome.REFUSED, "key_refused", Outcome.REFUSED),
        (403, Outcome.REFUSED, "key_refused", Outcome.REFUSED),
        (404, Outcome.GONE, "not_found", Outcome.GONE),
        (409, Outcome.LATER, "conflict", Outcome.LATER),
        (429, Outcome.THROTTLED, "throttled", Outcome.THROTTLED),
        (500, Outcome.LATER, "server_error", Outcome.UNKNOWN),
        (501, Outcome.REFUSED, "not_supported", Outcome.REFUSED),
        (502, Outcome.LATER, "unavailable", Outcome.UNKNOWN),
        (503, Outcome.LATER, "unavailable", Outcome.LATER),
        (504, Outcome.LATER, "timeout", Outcome.UNKNOWN),
        (307, Outcome.LATER, "odd_reply", Outcome.UNKNOWN),
    ],
)
async def test_each_refusal_has_its_ending(
    status: int, reading: Outcome, reason: str, written: Outcome, writing: bool
) -> None:
    fault = answer(SAID, status, Retry_After="4")
    script = holding(MEMBER, fault) if writing else lambda _: fault
    result, requests = await sent(script, parcel())
    assert result == Result(
        written if writing else reading,
        reason,
        "PassKit refused the key: so it is" if status == 401 else "so it is",
        f"HTTP {status} / 13",
        wait=4.0,
        account=status in (401, 403),
    )
    assert len(requests) == 1 + writing


@pytest.mark.parametrize("reply", [answer(b""), answer(b"OK"), answer({}), answer({"id": ""}), answer([])])
async def test_an_update_that_is_not_confirmed_is_unknown(reply: bytes) -> None:
    result, _ = await sent(holding(MEMBER, reply), parcel())
    assert (result.outcome, result.reason, result.code) == (Outcome.UNKNOWN, "odd_reply", "HTTP 200")


async def test_a_dropped_connection_leaves_an_update_unknown_and_a_look_for_later() -> None:
    result, _ = await sent(holding(MEMBER, b""), parcel())
    assert (result.outcome, result.reason, result.code) == (Outcome.UNKNOWN, "network", "")
    result, requests = await sent(lambda _: b"", parcel())
    assert (result.outcome, result.reason, len(requests)) == (Outcome.LATER, "network", 1)


async def test_a_hanging_update_is_unknown_and_a_hanging_look_is_for_later() -> None:
    def hang(request: Request) -> bytes | None:
        return answer(MEMBER) if request.method == "GET" else None

    result, _ = await sent(hang, parcel(), 0.05)
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")
    result, _ = await sent(lambda _: None, parcel(), 0.05)
    assert (result.outcome, result.reason) == (Outcome.LATER, "timeout")


async def test_an_update_lost_on_the_way_back_is_found_and_not_repeated() -> None:
    record = {**MEMBER}

    def applied_then_dropped(request: Request) -> bytes:
        if request.method == "GET":
            return answer(record)
        record["metaData"] = request.json["metaData"]
        return b""

    async with channel(applied_then_dropped) as (passkit, server):
        first, second = await passkit.send(parcel()), await passkit.send(parcel())
    assert (first.outcome, second.outcome, second.reason) == (
        Outcome.UNKNOWN,
        Outcome.ACCEPTED,
        "already_there",
    )
    assert [request.method for request in server.requests] == ["GET", "PUT", "GET"]


async def test_hostile_text_travels_whole() -> None:
    text = "[@click=app.quit] \x00\x1b[2J \u202e \ud83d " + "x" * 10_000
    result, (_, put) = await sent(holding(MEMBER), parcel(text=text))
    assert result.outcome is Outcome.ACCEPTED
    assert put.json["metaData"]["news"] == text


async def test_results_carry_no_secret() -> None:
    result, _ = await sent(lambda _: answer({"error": f"bad {SECRET} for the-key"}, 400), parcel())
    assert result.detail == "bad [hidden] for [hidden]"


async def test_a_send_withdrawn_at_its_slot_has_written_nothing() -> None:
    slots = iter([True, False, True, True])

    @asynccontextmanager
    async def pace() -> AsyncIterator[None]:
        if not next(slots):
            raise Withdrawn
        yield

    async with serving(holding(MEMBER)) as server:
        passkit = PassKitChannel(PassKit(Account(server.url, "the-key", SECRET, concurrency=1), pace=pace))
        with pytest.raises(Withdrawn):
            await passkit.send(parcel())
        assert [request.method for request in server.requests] == ["GET"]
        assert (await passkit.send(parcel())).outcome is Outcome.ACCEPTED
        await passkit.close()
