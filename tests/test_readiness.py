"""What stands in the way of a launch: asked of a plan on a real store, and told by the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import plans, readiness, rules
from jobs.readiness import Blocker
from store.audiences import Selection
from store.database import Database
from store.schema import programs, tiers, workers
from store.settings import Settings, load
from tests.console.seed import ACTOR, CAFE, Clock, add_members, add_programs, stopped


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The stopped clock: half past one in Vienna."""
    clock = Clock()
    with stopped(clock):
        yield clock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path)


@pytest.fixture
def database(settings: Settings, clock: Clock, current_sqlite_url: str) -> Iterator[Database]:
    """The café with 60 members, and one worker alive."""
    assert settings.store_url == current_sqlite_url
    database = Database(settings.store_url)
    with database.write() as connection:
        add_programs(connection, settings.account)
        row = {"id": "w", "account": settings.account, "host": "h", "pid": 1, "version": "0"}
        connection.execute(workers.insert().values(**row, started_at=clock.at, seen_at=clock.at))
    add_members(database, CAFE, 60)
    yield database
    database.close()


def plan(database: Database, settings: Settings, where: str = "points >= 0") -> plans.Plan:
    chosen = Selection("where", where)
    return plans.plan(database, settings, program=CAFE, chosen=chosen, text="Hello", actor=ACTOR)


def kinds(found: list[Blocker]) -> dict[str, bool]:
    """Each blocker, and whether it stops the launch."""
    return {one.kind: one.stops for one in found}


def test_nothing_stands_in_the_way_of_a_plan_that_is_as_it_was_meant(
    database: Database, settings: Settings
) -> None:
    found = plan(database, settings, "tier = 'gold' AND wallet = 'apple'")
    assert readiness.blockers(database, settings, found) == []


def test_a_store_without_a_worker_and_with_quiet_hours_says_both(
    database: Database, settings: Settings, clock: Clock
) -> None:
    quiet = {"quiet_from": "13:00", "quiet_to": "15:00"}
    rules.change(database, settings, CAFE, quiet, actor=ACTOR)
    made = plan(database, settings)
    clock.move(seconds=60)
    found = readiness.blockers(database, settings, made)
    told = {one.kind: one.sentence for one in found}
    assert "`passbell worker`" in told["no_worker"]
    assert f"wait for quiet hours: until {clock.at:%Y-%m-%d} 15:00 Europe/Vienna" in told["put_off"]
    assert not any(one.stops for one in found)


def test_a_plan_that_no_longer_holds_comes_first_and_stops(
    database: Database, settings: Settings, clock: Clock
) -> None:
    made = plan(database, settings)
    clock.move(hours=25)
    first, *_ = readiness.blockers(database, settings, made)
    assert (first.kind, first.stops) == ("outdated", True)
    assert "more than 24 hours ago" in first.sentence


def test_designs_that_cannot_alert_leave_nobody(database: Database, settings: Settings) -> None:
    with database.write() as connection:
        connection.execute(tiers.update().values(message_field_state="no_field"))
    found = readiness.blockers(database, settings, plan(database, settings))
    assert kinds(found) == {"nobody": True}
    assert "all 60 passes are left out" in found[0].sentence
    assert found[0].as_json()["kind"] == "nobody"


def test_designs_of_which_nothing_is_known_are_to_be_minded(database: Database, settings: Settings) -> None:
    with database.write() as connection:
        connection.execute(tiers.update().values(message_field_state="unknown"))
    found = readiness.blockers(database, settings, plan(database, settings))
    assert kinds(found)["no_alert"] is False


def test_a_gate_that_leaves_out_most_says_why(database: Database, settings: Settings) -> None:
    made = plan(database, settings, "tier IN ('silver', 'base')")
    found = readiness.blockers(database, settings, made)
    assert kinds(found) == {"left_out": False}
    assert found[0].count == made.tally.states["skipped"]
    assert "40 passes are left out; most (" in found[0].sentence


def test_own_passes_need_their_credentials(tmp_path: Path, database: Database, clock: Clock) -> None:
    made = plan(database, load(tmp_path), "tier = 'gold' AND wallet = 'apple'")
    made.tally.open_on.clear()
    made.tally.open_on.update({"apple": 20, "google": 3})
    live = load(
        tmp_path,
        {
            "passkit.api_key": "key",
            "passkit.api_secret": "s" * 32,
            "apple.pass_type": "pass.com.example.club",
        },
    )
    with database.write() as connection:
        connection.execute(programs.update().values(issuer="passbell"))
        connection.execute(workers.update().values(account="live"))
    found = readiness.blockers(database, live, made)
    told = [one.sentence for one in found if one.kind == "no_credentials"]
    assert all(one.stops for one in found if one.kind == "no_credentials")
    assert told == [
        "Google is not set up: see `passbell credentials --help`.",
        "No message can leave to Apple: there is none: `passbell credentials add apple` keeps one.",
    ]
