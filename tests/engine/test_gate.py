"""The gate at the claim: asked again, by a clock of the test's own, and by real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import blasts, consents, plans, rules
from jobs.engine.gate import Gate, Message
from store import claims, ledger, preferences, settlements
from store.audiences import Selection
from store.claims import Claimed
from store.consents import Said
from store.database import Database, among
from store.errors import Refused
from store.schema import blasts as blast_table
from store.schema import deliveries, members, passes
from store.schema import preferences as preference_table
from store.settings import Settings, load
from store.settlements import Settlement
from store.times import now
from tests.engine.conftest import House
from tests.store.crowd import add_members, member, open_store

LEASE = timedelta(minutes=1)
PROGRAM = "P1"
EVERYBODY = Selection("all")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    """Members m0, m1 ... of a program in Vienna, each with an installed pass."""
    database = open_store(current_url, PROGRAM)
    add_members(database, [member(f"m{number}", status="ACTIVE") for number in range(4)])
    with database.write() as connection:
        program = sa.table("programs", sa.column("time_zone"), sa.column("message_field"))
        told = {"time_zone": "Europe/Vienna", "message_field": "meta.latestOffer"}
        connection.execute(sa.update(program).values(**told))
        ids = connection.scalars(sa.select(members.c.id).order_by(members.c.id)).all()
        rows = [
            {
                "member_id": id_,
                "program_id": PROGRAM,
                "channel": "passkit",
                "provider_id": f"pass{id_}",
                "keys": {},
                "status": "installed",
                "wallets": ["apple"],
            }
            for id_ in ids
        ]
        connection.execute(passes.insert(), rows)
    yield database
    database.close()


def planned(database: Database, settings: Settings, text: str = "Hello", **more: Any) -> plans.Plan:
    wanted: dict[str, Any] = {"program": PROGRAM, "chosen": EVERYBODY, "actor": "test"}
    return plans.plan(database, settings, text=text, **(wanted | more))


def running(database: Database, settings: Settings, at: datetime, text: str = "Hello", **more: Any) -> int:
    """A blast that is due at that moment, whatever the wall clock says."""
    blast_id = planned(database, settings, text, **more).blast.id
    with database.write() as connection:
        started = blast_table.update().where(blast_table.c.id == blast_id)
        connection.execute(started.values(state="running", started_at=at))
        connection.execute(deliveries.update().where(deliveries.c.blast_id == blast_id).values(due_at=at))
    return blast_id


def claim(
    database: Database, settings: Settings, blast_id: int, at: datetime, channel: str = "passkit"
) -> tuple[int, list[Claimed]]:
    """A claim as the pump makes it, at the test's own time."""
    with database.write() as connection:
        blast = ledger.get(connection, blast_id)
        message = Message(blast.purpose, blast.category, blast.id)

        def look(connection: sa.Connection, ids: Any) -> Any:
            scope = among(connection, deliveries.c.id, ids)
            return Gate(connection, settings.gate, PROGRAM, message, at=at, scope=scope).look(ids)

        until = at + LEASE
        return claims.claim(
            connection,
            blast_id,
            worker="w",
            limit=50,
            lease_until=until,
            at=at,
            look=look,
            channel=channel,
        )


def settle(database: Database, blast_id: int, batch_id: int, ended: list[Settlement], at: datetime) -> None:
    with database.write() as connection:
        settlements.settle(connection, blast_id, batch_id, ended, at=at)


def accept(database: Database, settings: Settings, blast_id: int, at: datetime) -> list[str]:
    """Send all that may leave at that moment; the ids of those who got it."""
    got = []
    for channel in ledger.CHANNELS:
        batch_id, claimed = claim(database, settings, blast_id, at, channel)
        if claimed:
            ended = [
                Settlement(one.id, one.pass_id, "accepted", "accepted", shown_text=one.text)
                for one in claimed
            ]
            settle(database, blast_id, batch_id, ended, at)
            got += [one.external_id for one in claimed]
    return sorted(got)


def tally(database: Database, blast_id: int) -> ledger.Tally:
    with database.read() as connection:
        return ledger.tally(connection, blast_id)


def due_at(database: Database, blast_id: int) -> dict[str, datetime | None]:
    query = (
        sa.select(members.c.external_id, deliveries.c.due_at)
        .join(passes, passes.c.id == deliveries.c.pass_id)
        .join(members, members.c.id == passes.c.member_id)
        .where(deliveries.c.blast_id == blast_id)
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def prefer(database: Database, external_id: str, **wanted: Any) -> None:
    with database.write() as connection:
        id_ = connection.execute(
            sa.select(members.c.id).where(members.c.external_id == external_id)
        ).scalar_one()
        fit = preferences.checked(wanted)
        preferences.change(connection, id_, fit, at=now(), actor="test", source="test")


def test_quiet_hours_put_off_by_each_members_wall_clock(database: Database, settings: Settings) -> None:
    rules.change(database, settings, PROGRAM, {"quiet_from": "21:00", "quiet_to": "08:00"}, actor="test")
    prefer(database, "m1", time_zone="America/New_York")
    prefer(database, "m2", quiet_hours="00:00-00:00")
    prefer(database, "m3", quiet_hours="20:00-23:30")
    at = utc("2026-10-24 21:00")  # 23:00 in Vienna, in the night in which clocks go back; 17:00 in New York
    blast_id = running(database, settings, at)
    assert accept(database, settings, blast_id, at) == ["m1", "m2"]
    assert tally(database, blast_id).deferred_by_reason == {"quiet_hours": 2}
    put_off = due_at(database, blast_id)
    assert put_off["m0"] == utc("2026-10-25 07:00")
    assert put_off["m3"] == utc("2026-10-24 21:30")
    assert accept(database, settings, blast_id, utc("2026-10-24 21:29")) == []
    assert accept(database, settings, blast_id, utc("2026-10-24 21:30")) == ["m3"]
    assert accept(database, settings, blast_id, utc("2026-10-25 06:59")) == []
    assert accept(database, settings, blast_id, utc("2026-10-25 07:00")) == ["m0"]
    assert tally(database, blast_id).states["accepted"] == 4


def test_members_may_each_have_hours_of_their_own(database: Database, settings: Settings) -> None:
    """More of them than an expression may have parts: SQLite ends at a depth of 1,000."""
    starts = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(700)]
    hours = [(start, out) for start in starts for out in ("18:00", "19:00")]
    add_members(database, [member(f"n{number}", status="ACTIVE") for number in range(len(hours))])
    with database.write() as connection:
        new = sa.select(members.c.id).where(members.c.external_id.like("n%")).order_by(members.c.id)
        ids = connection.scalars(new).all()
        one = dict(connection.execute(sa.select(passes).limit(1)).mappings().one())
        del one["id"]
        held = [one | {"member_id": id_, "provider_id": f"own{id_}"} for id_ in ids]
        connection.execute(passes.insert(), held)
        told = {"declined": [], "updated_at": now()}
        rows = [
            {"member_id": id_, "quiet_from": start, "quiet_to": out, **told}
            for id_, (start, out) in zip(ids, hours, strict=True)
        ]
        connection.execute(preference_table.insert(), rows)
    noon = (now() + timedelta(days=2)).replace(hour=12)
    made = planned(database, settings, send_at=noon)
    assert made.tally.deferred_by_reason == {"quiet_hours": len(hours)}
    assert made.tally.states["pending"] == len(hours) + 4


def test_without_a_known_time_zone_quiet_hours_send_nothing(database: Database, settings: Settings) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE programs SET time_zone = 'Mars/Olympus'"))
        zone = members.update().where(members.c.external_id == "m0").values(time_zone="Europe/Vienna")
        connection.execute(zone)
        unknown = members.update().where(members.c.external_id == "m1").values(time_zone="Nowhere/At_all")
        connection.execute(unknown)
    assert planned(database, settings).tally.skipped_by_reason == {}
    quiet = load(settings.home, {"gate.quiet_hours": "21:00-21:01"})
    assert planned(database, quiet).tally.skipped_by_reason == {"unknown_time_zone": 3}
    known = load(settings.home, {"gate.quiet_hours": "21:00-21:01", "gate.time_zone": "Europe/Vienna"})
    assert planned(database, known).tally.skipped_by_reason == {}


def test_a_plan_is_asked_for_its_moment_and_asked_anew_when_it_starts_at_another(
    database: Database, settings: Settings
) -> None:
    free = f"12:{(now().minute + 30) % 60:02}"  # the one minute a day that is not quiet: half an hour off
    after = f"12:{(now().minute + 31) % 60:02}"
    if after < free:
        after = "13:00"
    rules.change(database, settings, PROGRAM, {"quiet_from": after, "quiet_to": free}, actor="test")
    made = planned(database, settings, send_at=now() + timedelta(days=2))
    assert made.tally.deferred_by_reason == {"quiet_hours": 4}
    moments = [moment for moment in due_at(database, made.blast.id).values() if moment is not None]
    assert min(moments) > now() + timedelta(days=1)
    say: dict[str, Any] = {"expect": 4, "actor": "test", "ring": lambda _: None}
    moved = now() + timedelta(hours=1)
    blasts.launch(database, settings, made.blast.id, send_at=moved, **say)
    moments = [moment for moment in due_at(database, made.blast.id).values() if moment is not None]
    assert max(moments) < moved
    with database.write() as connection:
        connection.execute(deliveries.update().values(due_at=now() + timedelta(days=3)))
    blasts.launch(database, settings, made.blast.id, at_once=True, **say)
    moments = [moment for moment in due_at(database, made.blast.id).values() if moment is not None]
    assert max(moments) <= now()
    assert claim(database, settings, made.blast.id, now() + timedelta(hours=1)) == (0, [])


def test_who_withdraws_between_plan_and_claim_is_skipped_and_the_ledger_says_why(
    database: Database, settings: Settings
) -> None:
    at = utc("2026-11-21 12:00")
    blast_id = running(database, settings, at)
    consents.withdraw(database, PROGRAM, "m1", Said("marketing", False, "form", at), actor="test")
    with database.write() as connection:
        connection.execute(members.update().where(members.c.external_id == "m2").values(opted_out=True))
    assert accept(database, settings, blast_id, at) == ["m0", "m3"]
    found = tally(database, blast_id)
    assert found.skipped_by_reason == {"withdrawn": 1, "opted_out": 1}
    assert found.planned == 4 == found.states["accepted"] + found.states["skipped"]
    with database.write() as connection:
        assert ledger.finish_if_done(connection, blast_id, at=at)


def test_what_may_have_arrived_is_looked_up_and_not_written(database: Database, settings: Settings) -> None:
    at = utc("2026-11-21 12:00")
    blast_id = running(database, settings, at)
    batch_id, claimed = claim(database, settings, blast_id, at)
    again = [Settlement(one.id, one.pass_id, "pending", "unknown", due_at=at) for one in claimed]
    settle(database, blast_id, batch_id, again, at)
    for one in ("m0", "m1"):
        consents.withdraw(database, PROGRAM, one, Said("marketing", False, "form", at), actor="test")
    with database.write() as connection:  # a sync has seen the text there: no reason not to look
        connection.execute(passes.update().values(shown_text="Hello"))
    _, second = claim(database, settings, blast_id, at)
    assert {one.external_id: one.why_not for one in second} == {
        "m0": "withdrawn",
        "m1": "withdrawn",
        "m2": None,
        "m3": None,
    }


def test_a_member_gets_no_more_messages_than_the_cap(database: Database, settings: Settings) -> None:
    rules.change(database, settings, PROGRAM, {"most_a_week": 2, "pass_interval_minutes": 0}, actor="test")
    prefer(database, "m0", most_a_day=1)
    start = utc("2026-11-10 12:00")
    got = [
        accept(database, settings, running(database, settings, at, f"Hello {number}"), at)
        for number, at in enumerate(start + timedelta(hours=hours) for hours in (0, 23, 25, 7 * 24 + 1))
    ]
    assert got == [
        ["m0", "m1", "m2", "m3"],
        ["m1", "m2", "m3"],  # m0 wants one a day
        ["m0"],  # the others had their two of the week
        [
            "m1",
            "m2",
            "m3",
        ],  # the first is a week old: one more for them; m0 had one 23 hours before the fourth
    ] or got[3] == ["m0", "m1", "m2", "m3"]


def test_two_blasts_at_once_keep_to_one_cap(database: Database, settings: Settings) -> None:
    """A message on its way counts: the second blast finds the cap reached before the first has ended."""
    at = utc("2026-11-10 12:00")
    rules.change(database, settings, PROGRAM, {"most_a_day": 1, "pass_interval_minutes": 0}, actor="test")
    with (
        database.write() as connection
    ):  # a second pass, so that the order of a pass's blasts has no part in it
        one = connection.execute(sa.select(passes).limit(1)).mappings().one()
        connection.execute(passes.insert().values({**one, "id": None, "provider_id": "twin"} | {"id": 99}))
    first = running(database, settings, at, "one", chosen=Selection("where", "external_id = 'm0'"))
    second = running(database, settings, at, "two", chosen=Selection("where", "external_id = 'm0'"))
    with database.write() as connection:
        twin = deliveries.c.pass_id == 99
        connection.execute(deliveries.delete().where(deliveries.c.blast_id == first, twin))
        connection.execute(deliveries.delete().where(deliveries.c.blast_id == second, ~twin))
    assert len(claim(database, settings, first, at)[1]) == 1
    assert claim(database, settings, second, at) == (0, [])
    assert tally(database, second).skipped_by_reason == {"frequency_cap": 1}


def test_a_pass_is_given_its_time_between_two_messages(database: Database, settings: Settings) -> None:
    at = utc("2026-11-10 12:00")
    assert len(accept(database, settings, running(database, settings, at, "one"), at)) == 4
    soon = at + timedelta(minutes=14)
    second = running(database, settings, soon, "two")
    assert accept(database, settings, second, soon) == []
    assert tally(database, second).deferred_by_reason == {"too_soon": 4}
    assert set(due_at(database, second).values()) == {at + timedelta(minutes=15)}
    assert len(accept(database, settings, second, at + timedelta(minutes=15))) == 4


def test_google_passes_have_three_messages_a_day(database: Database, settings: Settings) -> None:
    rules.change(database, settings, PROGRAM, {"pass_interval_minutes": 0}, actor="test")
    with database.write() as connection:
        connection.execute(passes.update().where(passes.c.provider_id == "pass1").values(channel="google"))
    start = utc("2026-11-10 12:00")
    for number in range(4):
        at = start + timedelta(hours=number)
        blast_id = running(database, settings, at, f"Hello {number}")
        accept(database, settings, blast_id, at)
    assert tally(database, blast_id).skipped_by_reason == {"attention_budget": 1}
    late = start + timedelta(hours=25)
    assert len(accept(database, settings, running(database, settings, late, "late"), late)) == 4


def test_a_program_limits_what_one_pass_gets(database: Database, settings: Settings) -> None:
    limits = {"pass_interval_minutes": 0, "pass_most_a_day": 1, "pass_most_a_month": 2}
    rules.change(database, settings, PROGRAM, limits, actor="test")
    start = utc("2026-09-10 12:00")
    got = []
    for number, days in enumerate((0, 0.5, 2, 20, 31)):
        at = start + timedelta(days=days)
        got.append(len(accept(database, settings, running(database, settings, at, f"Hello {number}"), at)))
    assert got == [4, 0, 4, 0, 4]


def test_a_launch_refuses_a_plan_that_is_too_old_or_was_made_by_other_rules(
    database: Database, settings: Settings
) -> None:
    def launch(blast_id: int) -> None:
        blasts.launch(database, settings, blast_id, expect=4, actor="test", ring=lambda _: None)

    blast_id = planned(database, settings).blast.id
    rules.change(database, settings, PROGRAM, {"most_a_day": 3}, actor="test")
    with pytest.raises(Refused, match=r"rules have changed .*most_a_day: 0 -> 3.*blasts replan"):
        launch(blast_id)
    anew = plans.plan_again(database, settings, blast_id, actor="test")
    assert anew.blast.id != blast_id
    assert (anew.blast.text, anew.blast.audience_key) == ("Hello", "all")
    with database.write() as connection:
        old = blast_table.update().where(blast_table.c.id == anew.blast.id)
        connection.execute(old.values(planned_at=now() - timedelta(hours=25)))
    with pytest.raises(Refused, match=r"more than 24 hours ago.*blasts replan"):
        launch(anew.blast.id)
    again = plans.plan_again(database, settings, anew.blast.id, actor="test")
    launch(again.blast.id)
    launch(again.blast.id)  # launching twice is one launch
    with database.read() as connection:
        assert ledger.get(connection, again.blast.id).state == "running"


def test_a_plan_tells_who_entered_and_who_left_since_the_last_one(
    database: Database, settings: Settings
) -> None:
    where = Selection("where", "points > 10")
    with database.write() as connection:
        connection.execute(members.update().where(members.c.external_id != "m3").values(points=20))
    first = planned(database, settings, chosen=where)
    assert first.difference is None
    other = planned(database, settings, chosen=Selection("all"))
    assert other.difference is None
    with database.write() as connection:
        connection.execute(members.update().where(members.c.external_id == "m0").values(points=1))
        connection.execute(members.update().where(members.c.external_id == "m1").values(opted_out=True))
        late = now() + timedelta(seconds=1)
        connection.execute(
            members.update().where(members.c.external_id == "m3").values(points=11, created_at=late)
        )
    second = planned(database, settings, chosen=Selection("where", "points  >  10"))
    assert second.difference is not None
    told = second.difference.as_json()
    assert told["previous"] == first.blast.id
    assert told["entered"] == {"count": 1, "why": {"enrolled": 1}, "sample": ["m3"]}
    assert told["left"] == {"count": 1, "why": {"fits_not": 1}, "sample": ["m0"]}
    assert (told["now_skipped"], told["no_longer_skipped"]) == ({"opted_out": 1}, {})


def test_service_messages_pass_over_what_the_settings_name(database: Database, settings: Settings) -> None:
    prefer(database, "m0", declined=["news"])
    consents.withdraw(database, PROGRAM, "m1", Said("service", False, "form", now()), actor="test")
    consents.withdraw(database, PROGRAM, "m2", Said("marketing", False, "form", now()), actor="test")
    with database.write() as connection:
        connection.execute(members.update().where(members.c.external_id == "m3").values(opted_out=True))

    def skipped(purpose: str, flags: dict[str, str]) -> dict[str, int]:
        chosen = load(settings.home, flags)
        return planned(database, chosen, purpose=purpose, category="news").tally.skipped_by_reason

    assert skipped("marketing", {}) == {"declined": 1, "withdrawn": 1, "opted_out": 1}
    assert skipped("service", {}) == {"withdrawn": 1, "opted_out": 1}
    assert skipped("service", {"gate.service_may_skip": "opted_out"}) == {"declined": 1, "withdrawn": 1}
    given = {"gate.consent": "given"}
    assert skipped("marketing", given) == {"no_consent": 2, "withdrawn": 1, "opted_out": 1}
    assert skipped("service", given) == {"withdrawn": 1, "opted_out": 1}


def test_a_withdrawal_after_the_launch_stops_the_message(build: Callable[..., House]) -> None:
    """With a real worker: whoever withdraws in the undo window, or while others are sent, hears nothing."""
    house = build()
    blast_id = house.launch()
    before = house.tally(blast_id).skipped_by_reason
    with house.database.read() as connection:
        query = (
            sa.select(members.c.external_id)
            .join(passes, passes.c.member_id == members.c.id)
            .join(deliveries, deliveries.c.pass_id == passes.c.id)
            .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
            .limit(7)
        )
        left = list(connection.scalars(query))
    for external_id in left:
        said = Said("marketing", False, "form", now())
        consents.withdraw(house.database, house.program, external_id, said, actor="test")
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    found = house.nothing_lost(blast_id).skipped_by_reason
    # The worker tells PassKit of withdrawals, too: of whom it did already, PassKit says so before we do.
    told_by_passkit = found["opted_out"] - before["opted_out"]
    assert found.get("withdrawn", 0) + told_by_passkit == len(left) == 7
