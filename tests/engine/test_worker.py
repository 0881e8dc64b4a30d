"""Blasts through real workers, against a stand-in that fails, forgets and lies as the real one may."""

from __future__ import annotations

import csv
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import blasts, worker_child
from jobs.intake import imports
from jobs.rehearsal.world import World
from store.schema import batches
from tests.engine.conftest import PATIENCE, TEXT, House

pytestmark = pytest.mark.slow
Build = Callable[..., House]
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""For what no database has a part in; whatever a crash or a second worker touches runs on both."""


def quiet(_: int) -> None:
    """A bell that nobody hears: workers find the blast by their tick."""


def test_a_blast_under_faults_ends_with_phones_and_ledger_in_agreement(build: Build) -> None:
    house = build()
    house.faults(unavailable=0.05, server_error=0.03, drop=0.08, throttled=0.01, retry_after=1, latency_ms=2)
    blast_id = house.launch()
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    tally = house.nothing_lost(blast_id)
    assert tally.states["accepted"] > 80
    assert tally.states["failed"] == 0


def test_kill_9_in_mid_blast_loses_nobody_and_alerts_nobody_twice(build: Build) -> None:
    house = build(passkit__concurrency="4")
    house.faults(latency_ms=200)
    blast_id = house.launch()
    first = house.start_worker()
    house.wait_for_accepted(blast_id, 10)
    first.kill()
    first.wait()
    assert house.tally(blast_id).states["sending"] > 0
    house.faults()
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0


def test_two_workers_keep_to_one_limit_in_every_window(build: Build) -> None:
    house = build(passkit__rate_per_second="100", rehearsal__members="200")
    blast_id = house.launch()
    house.start_worker()
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    stats = house.stats
    assert stats["requests"] > 250
    assert stats["busiest_second"] <= 100
    house.nothing_lost(blast_id)


def test_sigterm_settles_what_is_in_flight_and_gives_back_the_rest(build: Build) -> None:
    house = build(passkit__concurrency="8")
    house.faults(latency_ms=300)
    blast_id = house.launch()
    worker = house.start_worker()
    house.wait_for_accepted(blast_id, 5)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    tally = house.tally(blast_id)
    assert tally.states["sending"] == 0
    assert tally.states["pending"] > 0
    assert house.stats["changed_passes"] == tally.states["accepted"]


@one_store
def test_a_worker_whose_console_is_gone_ends_in_order(build: Build) -> None:
    """The console's own child, from the start of its interpreter on."""
    house = build()
    house.faults(latency_ms=30)
    blast_id = house.launch()
    with worker_child.start(house.settings) as worker:
        try:
            house.wait_for_accepted(blast_id, 5)
            assert worker.stdin is not None
            worker.stdin.close()
            assert worker.wait(PATIENCE) == 0
        finally:
            worker.kill()  # one that does not end would be waited for without end
    assert house.tally(blast_id).states["sending"] == 0


def test_pause_stops_requests_within_a_second_and_resume_skips_and_repeats_nothing(build: Build) -> None:
    house = build(passkit__concurrency="8")
    blast_id = house.launch()
    house.say(blasts.set_rate, blast_id, per_second=20)
    house.start_worker()
    house.wait_for_accepted(blast_id, 10)
    paused_at = time.time()
    house.say(blasts.pause, blast_id)
    house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
    last = datetime.fromisoformat(house.stats["last_at"]).timestamp()
    assert last - paused_at < 1
    assert house.tally(blast_id).states["pending"] > 0
    house.say(blasts.set_rate, blast_id, per_second=None)
    house.say(blasts.resume, blast_id, ring=quiet)
    house.wait_for_state(blast_id, "finished")
    house.nothing_lost(blast_id)
    assert house.stats["duplicate_writes"] == 0


@one_store
def test_cancel_in_mid_blast_keeps_the_sum(build: Build) -> None:
    house = build(passkit__rate_per_second="10")
    blast_id = house.launch()
    house.start_worker()
    house.wait_for_accepted(blast_id, 5)
    house.say(blasts.cancel, blast_id)
    house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
    tally = house.nothing_lost(blast_id)
    assert tally.skipped_by_reason["cancelled"] > 0


@one_store
def test_a_blasts_own_rate_takes_effect_while_it_runs(build: Build) -> None:
    house = build(passkit__rate_per_second="40", rehearsal__members="200")
    blast_id = house.launch()
    house.start_worker()
    house.wait_for_accepted(blast_id, 5)
    house.say(blasts.set_rate, blast_id, per_second=20)
    seen = house.tally(blast_id).states["accepted"]
    house.wait_for_accepted(blast_id, seen + 20)  # those that were on their way are through by then
    house.control("POST", "reset-stats")
    house.wait_for_accepted(blast_id, seen + 40)
    assert house.stats["busiest_second"] <= 20
    house.say(blasts.set_rate, blast_id, per_second=None)
    house.wait_for_state(blast_id, "finished")


@one_store
def test_a_blasts_own_concurrency_takes_effect_while_it_runs(build: Build) -> None:
    house = build()
    house.faults(latency_ms=40)
    blast_id = house.launch()
    house.say(blasts.set_concurrency, blast_id, deliveries=1)
    house.start_worker()
    house.wait_for_accepted(blast_id, 5)
    assert house.stats["most_at_once"] == 1  # its own control requests do not count
    house.say(blasts.set_concurrency, blast_id, deliveries=6)
    house.wait("six are on their way", lambda: house.stats["most_at_once"] >= 6)
    house.say(blasts.set_concurrency, blast_id, deliveries=None)
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [({"revoked": True}, "the account is refused"), ({"unavailable": 1}, "the provider is down")],
)
def test_an_account_that_fails_as_a_whole_holds_the_blast_until_it_works_again(
    build: Build, fault: dict[str, Any], words: str
) -> None:
    house = build()
    blast_id = house.launch()
    house.faults(**fault)
    house.start_worker()
    house.wait_for_state(blast_id, "held")
    assert words in (house.blast(blast_id).hold_reason or "")
    house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
    assert house.tally(blast_id).states["pending"] > 50
    house.faults()
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0


@one_store
def test_under_the_wrong_region_the_blast_stops_and_asks(build: Build) -> None:
    house = build()
    blast_id = house.launch()
    house.faults(wrong_region=True)
    house.start_worker()
    house.wait_for_state(blast_id, "held")
    assert "unknown to the provider" in (house.blast(blast_id).hold_reason or "")
    assert house.blast(blast_id).probe_at is None
    house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
    assert house.tally(blast_id).states["pending"] > 50
    house.faults()
    house.sync()  # those that were thought to be gone are there
    house.say(blasts.resume, blast_id, ring=quiet)
    house.wait_for_state(blast_id, "finished")
    house.say(blasts.retry, blast_id, ring=quiet)
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0


@one_store
def test_tries_are_bounded_and_a_retry_takes_up_the_failed_ones(build: Build) -> None:
    house = build(engine__max_attempts="2")
    blast_id = house.launch()
    house.faults(unavailable=0.5)
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    failed = house.tally(blast_id).failed_by_reason
    assert set(failed) == {"unavailable"}
    house.faults()
    house.say(blasts.retry, blast_id, reason="unavailable", ring=quiet)
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["failed"] == 0


@one_store
def test_a_member_who_opted_out_after_the_plan_is_not_messaged(build: Build) -> None:
    house = build()
    blast_id = house.launch()
    with house.database.read() as connection:
        from store.schema import deliveries, passes

        row = connection.execute(
            deliveries.select()
            .join(passes, passes.c.id == deliveries.c.pass_id)
            .with_only_columns(passes.c.provider_id)
            .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
            .limit(1)
        ).one()
    house.control("PUT", f"passes/{row.provider_id}", {"opt_out": True})
    before = house.tally(blast_id).skipped_by_reason.get("opted_out", 0)
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).skipped_by_reason["opted_out"] == before + 1


@one_store
def test_the_same_text_again_is_known_to_be_silent_and_another_one_alerts(build: Build) -> None:
    house = build()
    first = house.launch()
    house.start_worker()
    house.wait_for_state(first, "finished")
    accepted = house.tally(first).states["accepted"]
    again = house.plan(TEXT)
    assert again.tally.skipped_by_reason["same_text"] == accepted
    assert again.tally.counts["pending"] == 0
    assert house.plan("Something else").tally.counts["pending"] == accepted


def test_each_member_gets_a_text_of_their_own(build: Build) -> None:
    house = build()
    blast_id = house.launch(
        "Hello {first_name|friend}, {points} points", kind="where", expression="points > 0"
    )
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    tally = house.nothing_lost(blast_id)
    assert tally.states["accepted"] > 10
    with house.database.read() as connection:
        from store.schema import deliveries

        rows = connection.execute(
            deliveries.select().where(deliveries.c.blast_id == blast_id, deliveries.c.state == "accepted")
        ).all()
    assert len({row.text for row in rows}) > 5
    assert not any("{" in row.text for row in rows)


@one_store
def test_coupons_tickets_and_boarding_records_are_messaged_by_their_own_routes(
    build: Build, tmp_path: Path
) -> None:
    house = build()
    world = World(house.settings.rehearsal.seed, house.settings.rehearsal.members)
    records = tmp_path / "records.csv"
    with open(records, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Ticket Number", "ticket_leg", "boarding_point"])
        for record in world.boarding:
            keys = record.message
            rows.writerow([keys["ticketNumber"], keys["ticketLeg"], keys["boardingPoint"]])
    imports.import_members(
        house.database,
        "flights",
        records,
        account=house.settings.account,
        home=house.settings.home,
        dry_run=False,
        actor="test",
    )
    sent = []
    for program in (house.programs["coupon"], house.programs["ticket"], "flights"):
        house.program = program
        sent.append(house.launch())
    house.start_worker()
    for blast_id in sent:
        house.wait_for_state(blast_id, "finished")
    tallies = [house.tally(blast_id) for blast_id in sent]
    assert all(tally.states["accepted"] for tally in tallies)
    assert house.stats["changed_passes"] == sum(tally.states["accepted"] for tally in tallies)
    assert house.stats["sins"] == {"opted_out": 0, "not_installed": 0}
    assert tallies[2].verdicts["unproven"] == len(world.boarding)  # nothing was known of them before


@one_store
def test_a_long_retry_after_neither_hides_a_pause_nor_a_sigterm(build: Build) -> None:
    house = build()
    blast_id = house.launch()
    house.faults(throttled=1, retry_after=300)
    worker = house.start_worker()
    house.wait("the provider asks to wait", lambda: house.stats["by_status"].get("429", 0) > 0)
    house.say(blasts.pause, blast_id)
    house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    assert house.tally(blast_id).states["failed"] == 0


def test_a_second_worker_joins_a_running_blast(build: Build) -> None:
    house = build(passkit__rate_per_second="10")
    blast_id = house.launch()
    house.start_worker()
    house.wait_for_accepted(blast_id, 3)
    house.start_worker()

    def hands() -> int:
        with house.database.read() as connection:
            return len(set(connection.scalars(sa.select(batches.c.worker))))

    house.wait("both have claimed a batch", lambda: hands() == 2)
    assert house.blast(blast_id).state == "running"
    house.say(blasts.cancel, blast_id)
    house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
    house.nothing_lost(blast_id)
