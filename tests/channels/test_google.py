"""The Google channel: what leaves, in which order, and how each ending is told. On both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from jobs.channels.base import Channel, Outcome, Result, Withdrawn
from jobs.channels.google import GoogleChannel, message_id
from jobs.rehearsal.authority import Authority
from store.database import Database, StoreUnavailable
from store.schema import alert_bookings, arrivals
from tests.channels.googles import PASS, Bed, open_own_store, parcel, run, standing

pytestmark = pytest.mark.anyio
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

GET, PATCH, ADD = "GET genericObject", "PATCH genericObject", "POST genericObject/addMessage"


@asynccontextmanager
async def channel(
    bed: Bed,
    url: str,
    *,
    over_budget: Literal["skip", "text"] = "skip",
    deliveries: int = 1,
    run: Callable[[Callable[[], Any]], Any] = run,
    **more: Any,
) -> AsyncIterator[tuple[GoogleChannel, Database]]:
    database = open_own_store(url, deliveries_=deliveries)
    made: Channel = GoogleChannel(bed.client(**more), database, run, over_budget=over_budget)
    assert isinstance(made, GoogleChannel)
    try:
        yield made, database
    finally:
        await made.close()
        database.close()


def rows(database: Database, table: sa.Table) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(sa.select(table)).mappings())


def ids(bed: Bed) -> list[str]:
    return [one["id"] for one in bed.kept.get("messages", [])]


def a_day_passes(bed: Bed, database: Database) -> None:
    """For Google's budget, and for ours."""
    bed.google.world._notified.clear()
    with database.write() as connection:
        connection.execute(alert_bookings.delete())


async def test_the_text_is_put_on_the_pass_and_the_phone_alerts_once(
    current_url: str, authority: Authority
) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, database):
        bed.kept["textModulesData"] = [{"id": "points", "header": "Points", "body": "5"}]
        assert await google.send(parcel()) == Result(Outcome.ACCEPTED)
        assert bed.calls == [GET, PATCH, ADD]
        assert bed.kept["textModulesData"] == [
            {"id": "points", "header": "Points", "body": "5"},
            {"id": "message", "header": "Latest message", "body": "Fresh Zopf"},
        ]
        (message,) = bed.kept["messages"]
        assert (message["header"], message["body"]) == ("Café", "Fresh Zopf")
        assert message["messageType"] == "TEXT_AND_NOTIFY"
        assert message["displayInterval"]["end"]["date"].endswith("Z")
        assert [alert.body for alert in bed.google.world.alerts] == ["Fresh Zopf"]
        (noted,) = rows(database, arrivals)
        assert (noted["delivery_id"], noted["has_users"]) == (1, True)
        assert not +bed.google.world.sins


@one_store
async def test_a_pass_that_nobody_has_is_accepted_and_told(current_url: str, authority: Authority) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, database):
        bed.google.world.users.clear()
        assert await google.send(parcel()) == Result(Outcome.ACCEPTED)
        assert [row["has_users"] for row in rows(database, arrivals)] == [False]
        assert not bed.google.world.alerts


@one_store
@pytest.mark.parametrize("strike", ["drop_after", "error_after", "hang_after"])
async def test_a_message_whose_answer_was_lost_is_not_sent_again(
    strike: str, current_url: str, authority: Authority
) -> None:
    async with standing(authority, seconds=0.5) as bed, channel(bed, current_url) as (google, database):
        bed.faults(**{strike: 1.0}, on="addMessage", times=1)
        assert (await google.send(parcel())).outcome is Outcome.UNKNOWN
        found = await google.send(parcel(again=True))
        assert (found.outcome, found.reason) == (Outcome.ACCEPTED, "already_there")
        assert ids(bed) == [message_id(parcel())]
        assert len(bed.google.world.alerts) == 1
        assert [row["has_users"] for row in rows(database, arrivals)] == [True]


@one_store
@pytest.mark.parametrize("strike", ["drop_before", "error_before"])
async def test_a_message_that_did_not_arrive_is_sent_again_on_the_same_booking(
    strike: str, current_url: str, authority: Authority
) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, database):
        bed.faults(**{strike: 1.0}, on="addMessage", times=1)
        assert (await google.send(parcel())).outcome is Outcome.UNKNOWN
        assert await google.send(parcel(again=True)) == Result(Outcome.ACCEPTED)
        assert len(bed.google.world.alerts) == 1
        assert len(rows(database, alert_bookings)) == 1


@one_store
@pytest.mark.parametrize("part", ["GET", "PATCH"])
async def test_a_fault_before_the_message_is_only_a_delay(
    part: str, current_url: str, authority: Authority
) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, _):
        bed.faults(drop_after=1.0, on=part, times=1)
        found = await google.send(parcel())
        assert (found.outcome, found.reason) == (Outcome.LATER, "network")
        assert await google.send(parcel(again=True)) == Result(Outcome.ACCEPTED)
        assert len(bed.google.world.alerts) == 1


@one_store
async def test_what_the_gate_forbids_is_looked_up_and_not_written(
    current_url: str, authority: Authority
) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, _):
        found = await google.send(parcel(again=True, why_not="withdrawn"))
        assert (found.outcome, found.reason) == (Outcome.SKIPPED, "withdrawn")
        assert bed.calls == [GET]
        await google.send(parcel())
        bed.calls.clear()
        found = await google.send(parcel(again=True, why_not="withdrawn"))
        assert (found.outcome, found.reason) == (Outcome.ACCEPTED, "already_there")


async def test_the_fourth_message_in_a_day_is_not_sent(current_url: str, authority: Authority) -> None:
    async with standing(authority) as bed, channel(bed, current_url, deliveries=4) as (google, database):
        for number in (1, 2, 3):
            assert (await google.send(parcel(number, f"No {number}"))).outcome is Outcome.ACCEPTED
        _ = bed.calls
        found = await google.send(parcel(4, "No 4"))
        assert (found.outcome, found.reason) == (Outcome.SKIPPED, "attention_budget")
        assert bed.calls == [GET]
        assert bed.kept["textModulesData"][-1]["body"] == "No 3"
        assert len(rows(database, alert_bookings)) == 3
        assert not +bed.google.world.sins


@one_store
async def test_over_the_budget_it_is_put_there_without_an_alert_where_so_set(
    current_url: str, authority: Authority
) -> None:
    async with (
        standing(authority) as bed,
        channel(bed, current_url, deliveries=4, over_budget="text") as (google, _),
    ):
        for number in (1, 2, 3):
            await google.send(parcel(number, f"No {number}"))
        found = await google.send(parcel(4, "No 4"))
        assert (found.outcome, found.reason) == (Outcome.ACCEPTED, "no_alert")
        assert bed.kept["messages"][-1]["messageType"] == "TEXT"
        assert bed.kept["textModulesData"][-1]["body"] == "No 4"
        assert len(bed.google.world.alerts) == 3
        assert not +bed.google.world.sins


@one_store
@pytest.mark.parametrize("over_budget", ["skip", "text"])
async def test_google_may_give_fewer_alerts_than_we_booked(
    over_budget: Literal["skip", "text"], current_url: str, authority: Authority
) -> None:
    """Google may lower the limit. It answers 403, as for a missing right, with another reason."""
    async with (
        standing(authority) as bed,
        channel(bed, current_url, deliveries=2, over_budget=over_budget) as (google, _),
    ):
        bed.faults(alerts_a_day=1)
        await google.send(parcel(1, "No 1"))
        found = await google.send(parcel(2, "No 2"))
        assert len(bed.google.world.alerts) == 1
        if over_budget == "skip":
            assert (found.outcome, found.reason) == (Outcome.SKIPPED, "attention_budget")
            assert (found.code, found.account) == ("HTTP 403 / quotaExceeded", False)
            assert "the text is on the pass" in found.detail
        else:
            assert (found.outcome, found.reason) == (Outcome.ACCEPTED, "no_alert")
            assert ids(bed)[-1] == message_id(parcel(2, "No 2"))


@one_store
@pytest.mark.parametrize("eleventh", ["evict", "reject"])
async def test_there_never_are_more_than_ten_messages_and_trimming_alerts_nobody(
    eleventh: str, current_url: str, authority: Authority
) -> None:
    async with standing(authority) as bed, channel(bed, current_url, deliveries=14) as (google, database):
        bed.faults(eleventh=eleventh)
        bed.kept["messages"] = [{"id": "another's", "header": "x", "body": "y", "messageType": "TEXT"}]
        for number in range(1, 14):
            assert (await google.send(parcel(number, f"No {number}"))).outcome is Outcome.ACCEPTED
            a_day_passes(bed, database)
        assert ids(bed) == ["another's"] + [
            message_id(parcel(number, f"No {number}")) for number in range(5, 14)
        ]
        assert [alert.body for alert in bed.google.world.alerts] == [f"No {n}" for n in range(1, 14)]
        assert not +bed.google.world.sins


@one_store
@pytest.mark.parametrize("state", ["EXPIRED", "COMPLETED", "INACTIVE"])
@pytest.mark.parametrize("lower", [False, True])
async def test_a_pass_among_the_expired_ones_is_left_alone(
    state: str, lower: bool, current_url: str, authority: Authority
) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, database):
        bed.faults(lower_case=lower)
        bed.kept["state"] = state
        found = await google.send(parcel())
        assert (found.outcome, found.reason) == (Outcome.SKIPPED, "not_active")
        assert bed.calls == [GET]
        assert not rows(database, alert_bookings)


@one_store
async def test_an_active_pass_in_the_old_spelling_is_one(current_url: str, authority: Authority) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, _):
        bed.faults(lower_case=True)
        assert await google.send(parcel()) == Result(Outcome.ACCEPTED)


@one_store
async def test_each_refusal_by_its_reason(current_url: str, authority: Authority) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, _):
        bed.faults(invited=False)
        found = await google.send(parcel())
        assert (found.outcome, found.reason, found.account) == (Outcome.REFUSED, "key_refused", True)
        assert "invited" in found.detail
        assert await google.probe() == found
        bed.faults(rate=0)
        found = await google.send(parcel())
        assert (found.outcome, found.code) == (Outcome.THROTTLED, "HTTP 403 / rateLimitExceeded")
        bed.faults(rate=0, rate_status=429)
        assert (await google.send(parcel())).outcome is Outcome.THROTTLED
        bed.faults()
        assert await google.probe() == Result(Outcome.ACCEPTED)
        del bed.google.world.kept["genericObject"][PASS]
        found = await google.send(parcel())
        assert (found.outcome, found.reason) == (Outcome.GONE, "not_found")


@one_store
async def test_what_is_wrong_with_a_parcel_never_leaves(current_url: str, authority: Authority) -> None:
    async with standing(authority) as bed, channel(bed, current_url) as (google, _):
        assert (await google.send(parcel(words="  "))).reason == "empty_text"
        assert bed.calls == []
        assert await google.check("membership", {}, "message") == Result(Outcome.ACCEPTED)
        assert (await google.opt_out(parcel())).outcome is Outcome.ACCEPTED


@one_store
async def test_a_store_in_trouble_sends_nothing_and_calls_nothing_back(
    current_url: str, authority: Authority
) -> None:
    broken = False

    async def failing(call: Callable[[], Any]) -> Any:
        if broken:
            raise StoreUnavailable("the store is locked")
        return call()

    async with standing(authority) as bed, channel(bed, current_url, run=failing) as (google, _):
        broken = True
        found = await google.send(parcel())
        assert (found.outcome, found.reason) == (Outcome.LATER, "store_unavailable")
        assert bed.calls == []


@one_store
async def test_a_note_that_cannot_be_kept_leaves_the_message_accepted(
    current_url: str, authority: Authority
) -> None:
    calls = 0

    async def failing(call: Callable[[], Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:  # the template, the booking, and then the note
            raise StoreUnavailable("the store is locked")
        return call()

    async with standing(authority) as bed, channel(bed, current_url, run=failing) as (google, _):
        assert await google.send(parcel()) == Result(Outcome.ACCEPTED)
        assert len(bed.google.world.alerts) == 1


@one_store
async def test_a_message_that_is_no_longer_wanted_does_not_leave(
    current_url: str, authority: Authority
) -> None:
    @asynccontextmanager
    async def pace() -> AsyncIterator[None]:
        raise Withdrawn
        yield

    async with standing(authority) as bed, channel(bed, current_url, pace=pace) as (google, _):
        with pytest.raises(Withdrawn):
            await google.send(parcel())
        assert bed.calls == []
