"""Sync: what PassKit has comes into the store whole, resumably, and nothing is thought gone that is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.channels.passkit_errors import PassKitError
from jobs.intake.discovery import NO_FLIGHTS
from jobs.intake.sync import Progress, SyncBroken, SyncReport, sync
from jobs.rehearsal.passes import EVENT_TICKET, MEMBERSHIP, SINGLE_COUPON
from jobs.rehearsal.world import World
from store import audit, members, programs
from store.database import Database
from store.errors import PassbellError, UsageError
from store.programs import Program
from store.schema import syncs
from tests.channels.conftest import Request, answer
from tests.intake.passkits import (
    Tiny,
    broken_off,
    control,
    member,
    not_found,
    rehearsing,
    settings,
    speaking_to,
    template,
    tiny,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(current_sqlite_url: str) -> Iterator[Database]:
    database = Database(current_sqlite_url)
    yield database
    database.close()


async def run(database: Database, script: Tiny, home: Path, **more: Any) -> SyncReport:
    async with tiny(script) as client:
        return await sync(database, client, settings(home, passkit__page_size="2"), actor="ann", **more)


def statuses(database: Database, program: str = "P1") -> dict[str, str]:
    with database.read() as connection:
        found = members.page(connection, program, order="external_id")
    return {one.external_id: f"{one.status} {one.passes[0].status}" for one in found}


def the_program(database: Database) -> programs.ProgramRow:
    with database.read() as connection:
        (row,) = programs.list_programs(connection, "rehearsal")
    return row


async def test_the_stand_ins_three_programs_come_in_whole(database: Database, tmp_path: Path) -> None:
    world = World(seed=3, members=1_200)
    told: list[Progress] = []
    async with rehearsing(world) as url, speaking_to(url) as client:
        report = await sync(database, client, settings(tmp_path), progress=told.append, actor="ann")
        again = await sync(database, client, settings(tmp_path), actor="ann")
    kinds = {"membership": MEMBERSHIP, "coupon": SINGLE_COUPON, "ticket": EVENT_TICKET}
    assert {one.kind for one in report.programs} == set(kinds)
    for one in [*report.programs, *again.programs]:
        passes = world.classes[one.program_id].passes
        assert world.classes[one.program_id].kind is kinds[one.kind]
        assert (one.read, one.gone, one.unreadable, one.named) == (len(passes), 0, 0, [])
    assert report.notes == [NO_FLIGHTS]
    assert [(step.done, step.total) for step in told if step.name == "Kaffeehaus Linden"] == [
        (0, 1_200),
        (500, 1_200),
        (1_000, 1_200),
        (1_200, 1_200),
    ]
    with database.read() as connection:
        listed = {row.program.id: row for row in programs.list_programs(connection, "rehearsal")}
        for id_, row in listed.items():
            there = world.classes[id_].passes
            assert row.members == len(there)
            assert row.message_field_state == "ok"
            assert row.program.synced_at is not None
            for entry in there[:20]:
                external = entry.message[entry.kind.external]
                found = members.get(connection, id_, external)
                assert found.opted_out == entry.opted_out
                assert [one.provider_id for one in found.passes] == [entry.id]
                assert (found.passes[0].status == "installed") == entry.installed
                assert found.passes[0].shown_text == entry.values.get("latestOffer")
                assert found.attributes == {
                    key: value for key, value in entry.values.items() if key != "latestOffer"
                }
        assert connection.execute(syncs.select()).all() == []
        entries = audit.page(connection)
        assert len(entries) == 6
        assert {(one.actor, one.act) for one in entries} == {("ann", "sync")}
        assert audit.verify(connection) == (6, None)


async def test_one_program_is_synced_by_its_name(database: Database, tmp_path: Path) -> None:
    world = World(seed=3, members=40)
    async with rehearsing(world) as url, speaking_to(url) as client:
        report = await sync(database, client, settings(tmp_path), program="linden live", actor="ann")
        with pytest.raises(UsageError, match="could be any of"):
            await sync(database, client, settings(tmp_path), program="Linden", actor="ann")
        with pytest.raises(UsageError, match="there is no program 'Tea'"):
            await sync(database, client, settings(tmp_path), program="Tea", actor="ann")
    assert [one.name for one in report.programs] == ["Linden Live"]
    with database.read() as connection:
        synced = {row.program.name: row.members for row in programs.list_programs(connection, "rehearsal")}
    assert synced == {"Kaffeehaus Linden": 0, "Linden Coffee Coupons": 0, "Linden Live": 1}


async def test_passing_faults_are_lived_through(database: Database, tmp_path: Path) -> None:
    async with rehearsing(World(seed=5, members=300)) as url, speaking_to(url) as client:
        await control(url, "faults", stream_error=0.2)
        report = await sync(database, client, settings(tmp_path, passkit__page_size="50"), actor="ann")
    assert [one.read for one in report.programs if one.kind == "membership"] == [300]


async def test_the_wrong_region_is_hinted_at(database: Database, tmp_path: Path) -> None:
    async with rehearsing(World(seed=3, members=10)) as url, speaking_to(url) as client:
        await sync(database, client, settings(tmp_path), actor="ann")
        await control(url, "faults", wrong_region=True)
        with pytest.raises(PassbellError, match=r"region: check passkit\.base_url"):
            await sync(database, client, settings(tmp_path), actor="ann")
    with database.read() as connection:
        assert {row.members for row in programs.list_programs(connection, "rehearsal")} >= {10}


async def test_a_dead_key_is_told(database: Database, tmp_path: Path) -> None:
    async with rehearsing(World(seed=3, members=10)) as url, speaking_to(url) as client:
        await control(url, "faults", revoked=True)
        with pytest.raises(PassKitError, match="PassKit refused the key"):
            await sync(database, client, settings(tmp_path), actor="ann")


async def test_a_sync_that_broke_off_goes_on_from_its_place(database: Database, tmp_path: Path) -> None:
    script = Tiny([member(n) for n in range(1, 8)])
    script.before = lambda request: broken_off() if b'"offset":4' in request.body else None
    with pytest.raises(
        SyncBroken, match=r"'Linden' broke off after 4 of 7: index out of sorts; run it again"
    ):
        await run(database, script, tmp_path)
    assert list(statuses(database)) == ["M1", "M2", "M3", "M4"]
    assert the_program(database).program.synced_at is None
    script = Tiny(script.listed)
    seen: list[Progress] = []
    report = await run(database, script, tmp_path, progress=seen.append)
    assert (report.programs[0].began_at, report.programs[0].read) == (4, 3)
    assert [(one.stage, one.done) for one in seen] == [("members", 4), ("members", 6), ("members", 7)]
    assert len(statuses(database)) == 7
    assert "/members/member/id/pass1" not in script.asked
    assert the_program(database).program.synced_at is not None


async def test_a_sync_that_broke_off_long_ago_begins_anew(database: Database, tmp_path: Path) -> None:
    script = Tiny([member(n) for n in range(1, 4)])
    script.before = lambda request: broken_off() if b'"offset":2' in request.body else None
    with pytest.raises(SyncBroken):
        await run(database, script, tmp_path)
    with database.write() as connection:
        (row,) = connection.execute(syncs.select())
        connection.execute(syncs.update().values(started_at=row.started_at - timedelta(hours=25)))
    report = await run(database, Tiny(script.listed), tmp_path)
    assert (report.programs[0].began_at, report.programs[0].read) == (0, 3)


async def test_absent_members_count_as_gone_only_where_passkit_says_so(
    database: Database, tmp_path: Path
) -> None:
    everybody = [member(n) for n in range(1, 7)]
    await run(database, Tiny(everybody), tmp_path)
    # M2 was deleted while the list was read, so that M3 moved into a page already read.
    known = {one["id"]: one for one in everybody if one["id"] not in ("pass2", "pass6")}
    known["pass3"] = member(3, passMetaData={"status": "PASS_UNINSTALLED"})
    report = await run(database, Tiny([everybody[0], *everybody[3:5]], known), tmp_path)
    assert report.programs[0].gone == 2
    assert statuses(database) == {
        "M1": "ACTIVE installed",
        "M2": "DELETED gone",
        "M3": "ACTIVE uninstalled",
        "M4": "ACTIVE installed",
        "M5": "ACTIVE installed",
        "M6": "DELETED gone",
    }
    script = Tiny(everybody[:1], known)
    await run(database, script, tmp_path)
    assert "/members/member/id/pass2" not in script.asked


async def test_an_answer_that_fails_is_no_proof_that_a_member_is_gone(
    database: Database, tmp_path: Path
) -> None:
    await run(database, Tiny([member(1), member(2)]), tmp_path)
    for wrong in (answer({"error": "boom"}, 400), answer(b"<html>404</html>", 404)):
        script = Tiny([member(1)])
        script.before = lambda request, wrong=wrong: wrong if request.path.endswith("/pass2") else None  # type: ignore[misc]
        with pytest.raises(SyncBroken):
            await run(database, script, tmp_path)
    assert statuses(database) == {"M1": "ACTIVE installed", "M2": "ACTIVE installed"}


async def test_an_unreadable_record_is_named_and_skipped(database: Database, tmp_path: Path) -> None:
    await run(database, Tiny([member(n) for n in range(1, 5)]), tmp_path)
    listed = [member(1), member(2, metaData=7), member(3, externalId="x" * 500), member(4, name="new")]
    report = await run(database, Tiny([*listed, {"externalId": "no id"}]), tmp_path)
    (one,) = report.programs
    assert one.read == 5
    assert one.unreadable == 5  # two of them once more when they are asked for by their id
    assert any("pass2" in name and "metaData" in name for name in one.named)
    assert statuses(database) == {f"M{n}": "ACTIVE installed" for n in range(1, 5)}
    with database.read() as connection:
        assert audit.page(connection)[0].details["unreadable"] == 5


@pytest.mark.parametrize(
    ("templates", "state"),
    [
        ({"T1": template()}, "ok"),
        ({"T1": template(change_message="no placeholder")}, "no_placeholder"),
        ({"T1": template(change_message=None)}, "no_change_message"),
        ({"T1": template(unique_name="meta.other")}, "no_field"),
        ({}, "unknown"),
    ],
)
async def test_each_template_is_read_once_for_what_it_does(
    database: Database, tmp_path: Path, templates: dict[str, Any], state: str
) -> None:
    tiers = [{"id": id_, "name": id_, "passTemplateId": "T1", "timezone": "Europe/Vienna"} for id_ in "ab"]
    script = Tiny([], templates=templates, tiers=[*tiers, {"id": 7}])
    report = await run(database, script, tmp_path)
    assert script.asked.count("/template/data/T1") == 1
    assert the_program(database).message_field_state == state
    assert the_program(database).program.time_zone == "Europe/Vienna"
    assert report.notes[0].startswith("a tier of 'Linden' was skipped")


async def test_a_program_no_longer_listed_keeps_its_members(database: Database, tmp_path: Path) -> None:
    await run(database, Tiny([member(1)]), tmp_path)
    other = Tiny([], programs=[{"id": "P2", "name": "Other"}, {"name": "no id"}])
    report = await run(database, other, tmp_path)
    assert report.notes[0].startswith("a membership program was skipped")
    assert statuses(database) == {"M1": "ACTIVE installed"}
    with pytest.raises(UsageError, match=r"PassKit no longer lists the program 'Linden' \(P1\)"):
        await run(database, other, tmp_path, program="P1")


async def test_a_kind_that_the_key_may_not_list_is_noted(database: Database, tmp_path: Path) -> None:
    script = Tiny([member(1)])
    script.before = lambda request: not_found() if request.path.startswith("/coupon") else None
    report = await run(database, script, tmp_path)
    assert report.notes == ["PassKit lists no coupon programs: not found", NO_FLIGHTS]
    assert len(statuses(database)) == 1


async def test_flights_are_said_to_have_no_list(database: Database, tmp_path: Path) -> None:
    with database.write() as connection:
        programs.upsert_program(connection, Program("flights", "rehearsal", "flight", "Flights"))
    with pytest.raises(UsageError, match="Flights cannot be listed"):
        await run(database, Tiny([]), tmp_path, program="flights")


async def test_a_passing_fault_on_one_record_is_lived_through(database: Database, tmp_path: Path) -> None:
    await run(database, Tiny([member(1), member(2)]), tmp_path)
    struck: list[Request] = []

    def once(request: Request) -> bytes | None:
        if request.path.endswith("/pass2") and not struck:
            struck.append(request)
            return answer({"code": 14, "message": "unavailable"}, 503)
        return None

    script = Tiny([member(1)], {})
    script.before = once
    assert (await run(database, script, tmp_path)).programs[0].gone == 1


async def test_a_list_that_ends_too_early_is_asked_to_go_on(database: Database, tmp_path: Path) -> None:
    empty = iter([answer(b"")])
    script = Tiny([member(n) for n in range(1, 6)])
    script.before = lambda request: next(empty, None) if "/member/list/" in request.path else None
    report = await run(database, script, tmp_path)
    assert report.programs[0].read == 5
    assert report.notes == [NO_FLIGHTS]


async def test_a_list_that_stays_short_of_the_count_is_told(database: Database, tmp_path: Path) -> None:
    script = Tiny([member(n) for n in range(1, 4)])
    script.before = lambda request: answer({"total": 9}) if "/count/" in request.path else None
    report = await run(database, script, tmp_path)
    assert "PassKit counts 9 and listed 3" in report.notes[0]
