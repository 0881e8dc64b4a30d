"""Client, records and channel together against the stand-in PassKit, over real HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from jobs.channels import passkit_records as records
from jobs.channels.base import Outcome, Parcel, Result
from jobs.channels.passkit import PassKitChannel
from jobs.channels.passkit_api import Account, PassKit, PassKitError
from jobs.channels.passkit_records import Holder
from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET
from jobs.rehearsal.server import serve
from jobs.rehearsal.world import World

pytestmark = pytest.mark.anyio

TEXT = "Fresh Zopf 🥨 [/bold] for you"


class Stage:
    """The stand-in, a client for it, and its doors behind the scenes."""

    def __init__(self, url: str, world: World) -> None:
        self.world = world
        self.passkit = PassKit(Account(url, REHEARSAL_KEY, REHEARSAL_SECRET, timeout=2.0, concurrency=8))
        self.channel = PassKitChannel(self.passkit)
        self.control = httpx.AsyncClient(base_url=url + "/_rehearsal", trust_env=False, verify=False)

    async def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.control.get("/stats")).json()
        return found

    async def faults(self, **settings: Any) -> None:
        (await self.control.put("/faults", json=settings)).raise_for_status()

    async def send(self, holders: list[tuple[str, Holder]], text: str = TEXT) -> list[Result]:
        return await asyncio.gather(
            *(self.channel.send(parcel(kind, holder, text)) for kind, holder in holders)
        )


def parcel(kind: str, holder: Holder, text: str) -> Parcel:
    return Parcel(
        kind=kind,
        provider_id=holder["provider_id"],
        external_id=holder["external_id"],
        program_id="",
        tier_id=holder["tier_id"],
        message_key="latestOffer",
        text=text,
        keys=holder["keys"],
    )


@asynccontextmanager
async def stage(members: int = 200) -> AsyncIterator[Stage]:
    world, stop = World(7, members), asyncio.Event()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        serve(
            world,
            port=0,
            api_key=REHEARSAL_KEY,
            api_secret=REHEARSAL_SECRET,
            ready=url.set_result,
            stop=stop,
        )
    )
    made = Stage(await url, world)
    try:
        yield made
    finally:
        await made.channel.close()
        await made.control.aclose()
        stop.set()
        await server


async def everybody(passkit: PassKit) -> list[tuple[str, Holder]]:
    """Every holder of every listed kind, each counted against PassKit's own count."""
    found: list[tuple[str, Holder]] = []
    kinds = (
        ("membership", passkit.programs, passkit.members, passkit.count_members),
        ("coupon", passkit.campaigns, passkit.coupons, passkit.count_coupons),
        ("ticket", passkit.productions, passkit.tickets, passkit.count_tickets),
    )
    for kind, programs, holders, count in kinds:
        for one in [records.program(kind, record) for record in await programs()]:
            rows = [row async for _, page in holders(one["id"], limit=30) for row in page]
            assert len(rows) == await count(one["id"]) > 0
            found += [(kind, records.holder(kind, row)) for row in rows]
    assert len({holder["provider_id"] for _, holder in found}) == len(found)
    return found


def messageable(holder: Holder) -> bool:
    return (
        holder["pass_status"] == "PASS_INSTALLED"
        and not holder["opted_out"]
        and holder["status"] not in ("EXPIRED", "DELETED")
    )


async def test_every_design_lets_the_message_field_alert() -> None:
    async with stage() as house:
        passkit = house.passkit
        tiers = [
            *[
                ("membership", row)
                for one in await passkit.programs()
                for row in await passkit.tiers(one["id"])
            ],
            *[
                ("coupon", row)
                for one in await passkit.campaigns()
                for row in await passkit.offers(one["id"])
            ],
            *[
                ("ticket", row)
                for one in await passkit.productions()
                for row in await passkit.ticket_types(one["id"])
            ],
        ]
        designs = [records.tier(kind, row)["template_id"] for kind, row in tiers]
        assert len(designs) >= 5
        for design in designs:
            template = await passkit.template(design)
            assert records.message_field_state(template, "meta.latestOffer") == "ok"
        await house.control.put(f"/templates/{designs[0]}", json={"change_message": "News"})
        state = records.message_field_state(await passkit.template(designs[0]), "meta.latestOffer")
        assert state == "no_placeholder"


async def test_a_message_to_everybody_reaches_those_who_may_have_it() -> None:
    async with stage() as house:
        holders = await everybody(house.passkit)
        results = await house.send(holders)
        wanted = sum(messageable(holder) for _, holder in holders)
        assert 0 < wanted < len(holders)
        for (_, holder), result in zip(holders, results, strict=True):
            assert (result.outcome is Outcome.ACCEPTED) == messageable(holder), (holder, result)
        assert Counter(result.outcome for result in results)[Outcome.ACCEPTED] == wanted
        stats = await house.stats()
        assert stats["changed_passes"] == wanted
        assert stats["sins"] == {"opted_out": 0, "not_installed": 0}
        again = await house.send(holders)
        assert {one.reason for one in again if one.outcome is Outcome.ACCEPTED} == {"already_there"}
        assert (await house.stats())["duplicate_writes"] == 0


async def test_nothing_else_on_a_pass_changes() -> None:
    async with stage() as house:
        [program] = await house.passkit.programs()
        [holder] = [
            holder
            async for _, page in house.passkit.members(program["id"])
            for holder in (records.holder("membership", row) for row in page)
            if messageable(holder) and len(holder["meta"]) > 1
        ][:1]
        before = await house.passkit.member(holder["provider_id"])
        await house.send([("membership", holder)])
        after = await house.passkit.member(holder["provider_id"])
        assert after["metaData"] == {**before["metaData"], "latestOffer": TEXT}
        moving = ("metaData", "updated", "passMetaData")
        assert [name for name in before if name not in moving and before[name] != after[name]] == []


async def test_boarding_records_by_id_and_by_keys() -> None:
    async with stage() as house:
        by_id = [
            records.holder("flight", await house.passkit.boarding_record({}, entry.id))
            for entry in house.world.boarding
        ]
        by_keys: list[Holder] = [{**holder, "provider_id": ""} for holder in by_id]
        results = await house.send([("flight", holder) for holder in by_keys])
        assert [result.outcome is Outcome.ACCEPTED for result in results] == [messageable(h) for h in by_id]
        assert (await house.stats())["changed_passes"] == sum(map(messageable, by_id)) > 0
        again = await house.send([("flight", holder) for holder in by_id])
        assert {one.reason for one in again if one.outcome is Outcome.ACCEPTED} == {"already_there"}


async def test_repeats_through_faults_end_with_each_phone_alerted_once() -> None:
    async with stage() as house:
        holders = [one for one in await everybody(house.passkit) if messageable(one[1])]
        await house.faults(unavailable=0.1, throttled=0.1, server_error=0.05, drop=0.2)
        left, seen, rounds = holders, set[Outcome](), 0
        while left:
            results = await house.send(left)
            seen |= {result.outcome for result in results}
            left = [
                one
                for one, result in zip(left, results, strict=True)
                if result.outcome is not Outcome.ACCEPTED
            ]
            rounds += 1
            assert rounds < 30
        assert seen == {Outcome.ACCEPTED, Outcome.LATER, Outcome.THROTTLED, Outcome.UNKNOWN}
        stats = await house.stats()
        assert stats["changed_passes"] == len(holders)
        assert (stats["alerted_twice"], stats["duplicate_writes"]) == (0, 0)


async def test_lists_come_whole_through_faults() -> None:
    async with stage() as house:
        passkit = house.passkit
        [program] = await passkit.programs()
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        patient = PassKit(passkit.account, sleep=sleep)
        await house.faults(stream_error=0.1, drop=0.05, unavailable=0.05)
        rows = [row["id"] async for _, page in patient.members(program["id"], limit=10) for row in page]
        await patient.close()
        assert len(rows) == len(set(rows)) == 200
        assert waits


async def test_a_dead_key_a_wrong_region_and_a_wrong_clock_are_told_apart() -> None:
    async with stage() as house:
        [program] = await house.passkit.programs()
        row = (await anext(house.passkit.members(program["id"])))[1][0]
        holder = records.holder("membership", row)
        await house.faults(revoked=True)
        [result] = await house.send([("membership", holder)])
        assert (result.outcome, result.reason, result.account) == (Outcome.REFUSED, "key_refused", True)
        await house.faults()
        late = PassKit(house.passkit.account, now=lambda: 1_700_000_000.0)
        with pytest.raises(PassKitError, match=r"clock is \d+ s behind PassKit's"):
            await late.profile()
        await late.close()
        assert await house.passkit.region_hint() is None
        await house.faults(wrong_region=True)
        [result] = await house.send([("membership", holder)])
        assert (result.outcome, result.reason) == (Outcome.GONE, "not_found")
        assert "region" in (await house.passkit.region_hint() or "")
