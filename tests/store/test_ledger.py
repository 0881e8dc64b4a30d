"""The ledger: each step of a blast and its deliveries, and the steps that there are not."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from store import claims, ledger, plans, settlements
from store.claims import Claimed
from store.database import Database
from store.errors import Refused, UsageError
from store.schema import attempts, batches, deliveries, members, passes
from store.settlements import Settlement
from store.times import Moment
from tests.store.crowd import NOW, member, open_store

LEASE = timedelta(seconds=60)


def installed(member_id: int) -> dict[str, object]:
    """An installed pass of a member."""
    return {
        "member_id": member_id,
        "program_id": "P1",
        "channel": "passkit",
        "provider_id": f"pass{member_id}",
        "keys": {},
        "status": "installed",
        "wallets": ["apple"],
    }


def planned(database: Database, holders: int = 10, skipped: int = 2) -> int:
    """A planned blast to every pass; the last few are skipped."""
    with database.write() as connection:
        have = connection.execute(sa.select(sa.func.count()).select_from(passes)).scalar_one()
        if not have:
            rows = [member(str(number), id=number + 1) for number in range(holders)]
            connection.execute(members.insert(), rows)
            connection.execute(passes.insert(), [installed(number + 1) for number in range(holders)])
        blast_id = plans.create(
            connection,
            account="rehearsal",
            program_id="P1",
            name="Friday",
            text="Two for one",
            message_key="latestOffer",
            audience="all active members",
            at=NOW,
        )
        late = passes.c.id > sa.select(sa.func.max(passes.c.id) - skipped).scalar_subquery()
        asked = sa.select(
            passes.c.id.label("pass_id"),
            passes.c.channel,
            sa.case((late, "opted_out"), else_=sa.null()).label("reason"),
            sa.literal("alert").label("verdict"),
            sa.cast(sa.null(), Moment).label("until"),
        ).order_by(passes.c.id)
        plans.freeze(connection, blast_id, asked, at=NOW)
        plans.seal(connection, blast_id)
    return blast_id


def running(database: Database, holders: int = 10, skipped: int = 2) -> int:
    blast_id = planned(database, holders, skipped)
    step(database, blast_id, "running")
    return blast_id


def step(database: Database, blast_id: int, to: str, at: datetime = NOW) -> None:
    with database.write() as connection:
        ledger.step(connection, blast_id, to, at=at, hold_reason="a reason" if to == "held" else None)


def claim(database: Database, blast_id: int, limit: int = 3, at: datetime = NOW) -> tuple[int, list[Claimed]]:
    with database.write() as connection:
        return claims.claim(
            connection, blast_id, worker="w", limit=limit, lease_until=at + LEASE, at=at, look=lambda *_: {}
        )


def settle(
    database: Database, blast_id: int, batch_id: int, ended: list[Settlement], at: datetime = NOW
) -> int:
    with database.write() as connection:
        return settlements.settle(connection, blast_id, batch_id, ended, at=at)


def accepted(claimed: Claimed) -> Settlement:
    return Settlement(claimed.id, claimed.pass_id, "accepted", "accepted", shown_text=claimed.text)


def failed(claimed: Claimed, reason: str = "not_found") -> Settlement:
    return Settlement(claimed.id, claimed.pass_id, "failed", "gone", reason=reason, pass_status="gone")


def again(claimed: Claimed, at: datetime = NOW, outcome: str = "later") -> Settlement:
    due = at + timedelta(seconds=5)
    return Settlement(claimed.id, claimed.pass_id, "pending", outcome, reason="timeout", due_at=due)


def counts(database: Database, blast_id: int) -> dict[str, int]:
    with database.read() as connection:
        return ledger.tally(connection, blast_id).counts


def test_a_plan_counts_what_is_sent_and_what_is_not(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = planned(database)
    with database.read() as connection:
        tally = ledger.tally(connection, blast_id)
        assert ledger.get(connection, blast_id).plan_hash
    assert tally.counts["planned"] == 10
    assert tally.counts["pending"] == 8
    assert tally.skipped_by_reason == {"opted_out": 2}
    database.close()


def test_the_database_refuses_a_second_delivery_for_a_pass(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = planned(database)
    asked = sa.select(
        passes.c.id.label("pass_id"),
        passes.c.channel,
        sa.null().label("reason"),
        sa.literal("alert").label("verdict"),
        sa.cast(sa.null(), Moment).label("until"),
    )
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        plans.freeze(connection, blast_id, asked, at=NOW)
    assert counts(database, blast_id)["planned"] == 10
    database.close()


def test_nothing_is_claimed_before_the_launch_nor_while_paused(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = planned(database)
    assert claim(database, blast_id) == (0, [])
    step(database, blast_id, "running")
    step(database, blast_id, "paused")
    assert claim(database, blast_id) == (0, [])
    step(database, blast_id, "running")
    assert len(claim(database, blast_id)[1]) == 3
    database.close()


def test_two_claims_never_overlap(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database)
    claims = [claim(database, blast_id)[1] for _ in range(5)]
    ids = [one.id for batch in claims for one in batch]
    assert len(ids) == len(set(ids)) == 8
    assert counts(database, blast_id)["sending"] == 8
    database.close()


def test_a_settlement_writes_delivery_batch_pass_and_try(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database)
    batch_id, (one, two, three) = claim(database, blast_id)
    assert settle(database, blast_id, batch_id, [accepted(one), failed(two), again(three)]) == 0
    with database.read() as connection:
        rows = {row.id: row for row in connection.execute(sa.select(deliveries))}
        batch = connection.execute(sa.select(batches)).one()
        tries = connection.execute(sa.select(attempts.c.delivery_id, attempts.c.outcome)).all()
        shown = connection.execute(sa.select(passes.c.shown_text).where(passes.c.id == one.pass_id)).scalar()
        status = connection.execute(sa.select(passes.c.status).where(passes.c.id == two.pass_id)).scalar()
    assert (rows[one.id].state, rows[one.id].accepted_at) == ("accepted", NOW)
    assert (rows[two.id].state, rows[two.id].reason) == ("failed", "not_found")
    assert (rows[three.id].state, rows[three.id].due_at) == ("pending", NOW + timedelta(seconds=5))
    assert (batch.size, batch.accepted, batch.failed, batch.returned, batch.settled_at) == (3, 1, 1, 1, NOW)
    assert sorted(tries) == [(two.id, "gone"), (three.id, "later")]
    assert (shown, status) == ("Two for one", "gone")
    database.close()


def test_what_was_learnt_of_a_member_is_kept(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database)
    batch_id, (one, two, _) = claim(database, blast_id)
    expired = Settlement(one.id, one.pass_id, "skipped", "skipped", reason="expired", member_status="EXPIRED")
    left = Settlement(two.id, two.pass_id, "skipped", "skipped", reason="opted_out", opted_out=True)
    settle(database, blast_id, batch_id, [expired, left])
    with database.read() as connection:
        learnt = connection.execute(
            sa.select(members.c.status, members.c.opted_out)
            .join(passes, passes.c.member_id == members.c.id)
            .where(passes.c.id.in_([one.pass_id, two.pass_id]))
            .order_by(passes.c.id)
        ).all()
    assert [tuple(row) for row in learnt] == [("EXPIRED", False), ("ENROLLED", True)]
    database.close()


def test_a_lost_lease_is_not_overwritten(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database)
    first, (one, *_) = claim(database, blast_id, limit=1)
    late = NOW + LEASE
    with database.write() as connection:
        assert claims.release_expired(connection, "rehearsal", at=late) == 1
    second, (same, *_) = claim(database, blast_id, limit=1, at=late)
    # Due before the others were planned, a returned delivery does not jump the queue: claim until it comes.
    while same.id != one.id:
        second, (same, *_) = claim(database, blast_id, limit=1, at=late)
    assert settle(database, blast_id, first, [failed(one)], at=late) == 1
    assert settle(database, blast_id, second, [accepted(same)], at=late) == 0
    assert counts(database, blast_id)["failed"] == 0
    assert same.attempts == 2
    database.close()


def test_a_pass_carries_one_message_at_a_time_in_the_order_of_blasts(current_url: str) -> None:
    database = open_store(current_url)
    older = running(database, holders=1, skipped=0)
    newer = running(database, holders=1, skipped=0)
    batch_id, (one,) = claim(database, older)
    assert claim(database, newer) == (0, [])
    settle(database, older, batch_id, [again(one, outcome="unknown")])
    assert claim(database, newer) == (0, [])  # the older text may have arrived: look first
    later = NOW + timedelta(seconds=6)
    batch_id, (one,) = claim(database, older, at=later)
    settle(database, older, batch_id, [accepted(one)], at=later)
    assert len(claim(database, newer, at=later)[1]) == 1
    database.close()


def test_a_blast_is_finished_only_when_nothing_is_open(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database, holders=2, skipped=0)
    batch_id, (one, two) = claim(database, blast_id)
    settle(database, blast_id, batch_id, [accepted(one)])
    with database.write() as connection:
        assert not ledger.finish_if_done(connection, blast_id, at=NOW)
    settle(database, blast_id, batch_id, [failed(two)])
    with database.write() as connection:
        assert ledger.finish_if_done(connection, blast_id, at=NOW)
        assert not ledger.finish_if_done(connection, blast_id, at=NOW)
        assert ledger.get(connection, blast_id).state == "finished"
    database.close()


def test_a_retry_takes_up_only_what_failed_and_counts_its_tries_anew(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database, holders=3, skipped=0)
    batch_id, (one, two, three) = claim(database, blast_id)
    settle(database, blast_id, batch_id, [accepted(one), failed(two), failed(three, reason="timeout")])
    with database.write() as connection:
        ledger.finish_if_done(connection, blast_id, at=NOW)
        assert ledger.retry(connection, blast_id, reason="timeout", at=NOW) == 1
        assert ledger.retry(connection, blast_id, batch_id=batch_id + 1, at=NOW) == 0
        assert ledger.get(connection, blast_id).state == "running"
    _, (same,) = claim(database, blast_id)
    assert (same.id, same.attempts) == (three.id, 1)
    database.close()


def test_cancel_ends_what_waits_and_what_comes_back_unsent(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database, holders=5, skipped=0)
    batch_id, (one, two, three) = claim(database, blast_id)
    step(database, blast_id, "cancelled")
    settle(database, blast_id, batch_id, [accepted(one), again(two), again(three, outcome="unknown")])
    with database.read() as connection:
        tally = ledger.tally(connection, blast_id)
    assert tally.skipped_by_reason == {"cancelled": 3}
    assert tally.failed_by_reason == {"unknown": 1}
    assert tally.counts["accepted"] == 1
    with pytest.raises(Refused, match="was cancelled"), database.write() as connection:
        ledger.retry(connection, blast_id, at=NOW)
    database.close()


def test_what_comes_back_unsent_into_a_cancelled_blast_counts_as_no_try(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = running(database, holders=1, skipped=0)
    batch_id, (one,) = claim(database, blast_id)
    step(database, blast_id, "cancelled")
    settle(database, blast_id, batch_id, [Settlement(one.id, one.pass_id, "pending", "unsent", counts=False)])
    with database.read() as connection:
        row = connection.execute(sa.select(deliveries)).one()
        assert connection.execute(sa.select(attempts)).all() == []
    assert (row.state, row.reason, row.attempts) == ("skipped", "cancelled", 0)
    database.close()


def test_an_illegal_step_is_refused_in_words(current_url: str) -> None:
    database = open_store(current_url)
    blast_id = planned(database)
    with pytest.raises(Refused, match=f"blast {blast_id} is planned: it cannot become paused"):
        step(database, blast_id, "paused")
    with pytest.raises(UsageError, match="there is no blast 4711"):
        step(database, 4711, "paused")
    database.close()
