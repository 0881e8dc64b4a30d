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


@pytest.mark.parametrize(
    ("kind", "record", "body"),
    [
        (
            "membership",
            MEMBER,
            {
                "id": "m1",
                "programId": "p-now",
                "tierId": "gold-now",
                "operation": "OPERATION_PATCH",
                "person": MEMBER["person"],
                "optOut": True,
            },
        ),
        ("coupon", COUPON, {"id": "c1", "campaignId": "camp", "offerId": "offer", "optOut": True}),
        ("ticket", TICKET, {"id": "t1", "optOut": "ON"}),
    ],
)
async def test_an_opt_out_is_written_once_and_touches_nothing_else(
    kind: str, record: dict[str, Any], body: dict[str, Any]
) -> None:
    async with channel(holding(record)) as (passkit, server):
        result = await passkit.opt_out(parcel(kind, record["id"], text=""))
        assert (result, server.requests[-1].json) == (Result(Outcome.ACCEPTED), body)
    async with channel(holding({**record, "optOut": body["optOut"]})) as (passkit, server):
        result = await passkit.opt_out(parcel(kind, record["id"], text=""))
        assert (result.outcome, [one.method for one in server.requests]) == (Outcome.ACCEPTED, ["GET"])


async def test_an_opt_out_that_cannot_be_written() -> None:
    async with channel(holding(FLIGHT)) as (passkit, server):
        result = await passkit.opt_out(parcel("flight", "f1"))
        assert (result.outcome, result.reason, server.requests) == (Outcome.REFUSED, "not_supported", [])
    for put, outcome in (
        (answer({"error": "x"}, 503), Outcome.LATER),
        (answer({"code": 3, "message": "no"}, 400), Outcome.REFUSED),
        (answer({"error": "slow"}, 429), Outcome.THROTTLED),
    ):
        async with channel(holding(MEMBER, put)) as (passkit, _):
            assert (await passkit.opt_out(parcel())).outcome is outcome
    async with channel(holding({**MEMBER, "optOut": "perhaps"})) as (passkit, server):
        assert (await passkit.opt_out(parcel())).outcome is Outcome.SKIPPED
        assert len(server.requests) == 1


async def test_what_the_gate_forbids_is_looked_up_and_never_written() -> None:
    there = MEMBER | {"metaData": {"news": "Fresh Zopf 🥨"}}
    for record, outcome, reason in (
        (there, Outcome.ACCEPTED, "already_there"),
        (MEMBER, Outcome.SKIPPED, "withdrawn"),
        (MEMBER | {"optOut": True}, Outcome.SKIPPED, "withdrawn"),
    ):
        result, requests = await sent(holding(record), parcel(again=True, why_not="withdrawn"))
        assert (result.outcome, result.reason) == (outcome, reason)
        assert [request.method for request in requests] == ["GET"]


async def test_a_service_message_may_go_to_those_who_opted_out() -> None:
    result, requests = await sent(holding(MEMBER | {"optOut": True}), parcel(to_opted_out=True))
    assert result == Result(Outcome.ACCEPTED)
    assert len(requests) == 2


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
        (402, Outcome.REFUSED, "quota_spent", Outcome.REFUSED),
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
        account=status in (401, 402, 403),
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


@pytest.mark.parametrize(
    ("status", "said", "headers", "reason"),
    [
        (429, "quota exceeded", {}, "quota_spent"),
        (429, "the quota was reached, as your plan has it", {}, "quota_spent"),
        (429, "over quota: monthly limit reached", {}, "quota_spent"),
        (429, "account limit exceeded", {}, "quota_spent"),
        (402, "", {}, "quota_spent"),
        (403, "the billing of this account is suspended", {}, "quota_spent"),
        (403, "permission denied", {}, "key_refused"),
        (429, "too many requests", {}, "throttled"),
        (429, "rate limit exceeded", {}, "throttled"),
        (429, "quota of 100 requests per second exceeded", {}, "throttled"),
        (429, "quota: 5/s", {}, "throttled"),
        (429, "quota exceeded", {"Retry_After": "3"}, "throttled"),
        (429, "", {}, "throttled"),
    ],
)
async def test_a_spent_quota_is_told_from_a_throttle_by_its_words(
    status: int, said: str, headers: dict[str, str], reason: str
) -> None:
    result, _ = await sent(
        lambda _: answer({"error": {"code": 8, "message": said}}, status, **headers), parcel()
    )
    assert result.reason == reason
    assert result.account == (reason != "throttled")
    assert result.outcome is (Outcome.THROTTLED if reason == "throttled" else Outcome.REFUSED)


def designed(change_message: str | None) -> bytes:
    """A template whose message field has this changeMessage; None: that has no such field."""
    shown = {"uniqueName": "meta.news", "appleWalletFieldRenderOptions": {"changeMessage": change_message}}
    other = {"uniqueName": "person.displayName"}
    fields = [other] if change_message is None else [other, shown]
    return answer({"template": {"id": "T", "data": {"dataFields": fields}}})


async def checked(*answers: bytes, kind: str = "membership") -> tuple[Result, list[Request]]:
    """The check of as many designs as there are answers."""
    replies = iter(answers)
    names = {f"t{number}": f"Tier {number}" for number in range(1, len(answers) + 1)}
    async with channel(lambda _: next(replies)) as (passkit, server):
        return await passkit.check(kind, names, "news"), server.requests


async def test_designs_that_show_the_message_pass() -> None:
    result, requests = await checked(designed("%@"), designed("New: %@"))
    assert result == Result(Outcome.ACCEPTED)
    assert [request.path for request in requests] == ["/template/data/t1", "/template/data/t2"]
    assert (await checked())[0] == Result(Outcome.ACCEPTED)


@pytest.mark.parametrize(
    ("change_message", "words"),
    [
        (None, "has no field meta.news: a message would change nothing that a phone shows"),
        ("", "has the field meta.news without a lock-screen message"),
        ("News!", "has a lock-screen message without %@ for meta.news"),
    ],
)
async def test_a_mute_design_is_named_with_its_tier_its_field_and_what_to_do(
    change_message: str | None, words: str
) -> None:
    result, _ = await checked(designed("%@"), designed(change_message))
    assert (result.outcome, result.reason, result.account) == (Outcome.REFUSED, "no_message_field", True)
    assert result.detail.startswith(f"tier Tier 2: the design t2 {words}")
    assert result.detail.endswith("give the field meta.news the Apple lock-screen message %@")
    coupon, _ = await checked(designed(change_message), kind="coupon")
    assert coupon.detail.startswith("offer Tier 1: the design t1")


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (404, Outcome.ACCEPTED, ""),
        (403, Outcome.ACCEPTED, ""),
        (503, Outcome.LATER, "unavailable"),
        (401, Outcome.REFUSED, "key_refused"),
        (402, Outcome.REFUSED, "quota_spent"),
    ],
)
async def test_a_design_that_cannot_be_read_is_not_held_against_it(
    status: int, outcome: Outcome, reason: str
) -> None:
    result, requests = await checked(answer(SAID, status), designed("%@"))
    assert (result.outcome, result.reason) == (outcome, reason)
    if outcome is not Outcome.REFUSED:
        assert len(requests) == 2
        mute, _ = await checked(answer(SAID, status), designed(None))
        assert mute.reason == "no_message_field"


async def probed(profile: bytes, program: bytes, kind: str = "membership") -> tuple[Result, list[str]]:
    """The probe of an account and one of its programs."""

    def script(request: Request) -> bytes:
        return profile if request.path == "/user/profile" else program

    async with channel(script) as (passkit, server):
        return await passkit.probe(kind, "p/1"), [request.path for request in server.requests]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("membership", "/members/program/p%2F1"),
        ("coupon", "/coupon/singleUse/campaign/p%2F1"),
        ("ticket", "/eventTickets/production/p%2F1"),
    ],
)
async def test_a_probe_looks_at_the_account_and_at_the_programs_flags(kind: str, path: str) -> None:
    flagged = answer({"id": "p", "name": "P", "status": ["PROJECT_PUBLISHED", "PROJECT_OVER_QUOTA"]})
    result, paths = await probed(answer({}), flagged, kind)
    assert (result.outcome, result.reason, result.account) == (Outcome.REFUSED, "quota_spent", True)
    assert paths == ["/user/profile", path]
    fine = answer({"id": "p", "name": "P", "status": ["PROJECT_PUBLISHED"]})
    assert (await probed(answer({}), fine, kind))[0] == Result(Outcome.ACCEPTED)


async def test_a_program_that_cannot_be_read_says_nothing_and_a_refused_account_does() -> None:
    for odd in (answer(SAID, 404), answer(SAID, 503), answer({"id": 7}), answer({"id": "p", "status": 7})):
        assert (await probed(answer({}), odd))[0] == Result(Outcome.ACCEPTED)
    assert (await probed(answer({}), answer(SAID, 402)))[0].reason == "quota_spent"
    result, paths = await probed(answer(SAID, 401), answer({}))
    assert (result.reason, paths) == ("key_refused", ["/user/profile"])
    flight, paths = await probed(answer({}), answer(SAID, 500), "flight")
    assert (flight.outcome, paths) == (Outcome.ACCEPTED, ["/user/profile"])
