"""The verbs of a blast: what they freeze, what they refuse, and what they leave in the audit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import blasts, plans
from store import audit, claims, enrolments, ledger, programs
from store.audiences import Selection
from store.database import Database
from store.errors import Refused, UsageError
from store.ledger import Blast
from store.migrations import migrate
from store.programs import Program, Tier
from store.schema import blasts as blast_table
from store.schema import deliveries
from store.settings import Settings, load
from store.times import now, rfc3339

ALL = Selection("all")


def holder(number: int, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "provider_id": f"pass{number}",
        "external_id": f"M{number}",
        "tier_id": "gold",
        "name": f"Ann {number}",
        "email": "",
        "phone": "",
        "points": 10.0 * number,
        "secondary_points": None,
        "tier_points": None,
        "birthday": None,
        "status": "ACTIVE",
        "opted_out": False,
        "expires_at": None,
        "created_at": None,
        "updated_at": None,
        "pass_status": "PASS_INSTALLED",
        "wallets": ["apple"],
        "installed_at": None,
        "meta": {"city": "Wien"},
        "keys": {},
    }
    return made | more


HOLDERS = [
    holder(1),
    holder(2, wallets=["google"]),
    holder(3, opted_out=True),
    holder(4, pass_status="PASS_ISSUED"),
    holder(5, status="EXPIRED"),
    holder(6, tier_id="bare"),
    holder(7, meta={"latestOffer": "Two for one"}),
    holder(8, wallets=[]),
    holder(9, tier_id="unread"),
    holder(10, opted_out=True, pass_status="PASS_UNINSTALLED"),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path)


@pytest.fixture
def database(current_url: str, settings: Settings) -> Iterator[Database]:
    database = Database(current_url)
    migrate(database)
    with database.write() as connection:
        programs.upsert_program(connection, Program("P1", "rehearsal", "membership", "Café [x]"))
        tiers = [
            Tier("gold", "Gold", "T1", "ok"),
            Tier("bare", "Bare", "T2", "no_field"),
            Tier("unread", "Unread", "T3", "unknown"),
        ]
        programs.replace_tiers(connection, "P1", tiers)
        programs.mark_synced(connection, "P1", message_field="meta.latestOffer", at=now())
        page = [enrolments.storable(one) for one in HOLDERS]
        enrolments.upsert_page(connection, "P1", page, message_key="latestOffer", seen_at=now())
    yield database
    database.close()


def plan(database: Database, settings: Settings, text: str = "Two for one", **more: Any) -> plans.Plan:
    wanted: dict[str, Any] = {"program": "P1", "chosen": Selection("where", "points > 0"), "actor": "ann@box"}
    return plans.plan(database, settings, text=text, **(wanted | more))


def launch(database: Database, settings: Settings, blast_id: int, expect: int) -> list[int]:
    rung: list[int] = []
    blasts.launch(database, settings, blast_id, expect=expect, actor="ann@box", ring=rung.append)
    return rung


def say(verb: Any, database: Database, settings: Settings, blast_id: int, **more: Any) -> Blast:
    said: Blast = verb(database, settings, blast_id, actor="ann@box", **more)
    return said


def schedule(
    database: Database, settings: Settings, blast_id: int, rung: list[int] | None = None, **more: Any
) -> Blast:
    """A launch with its options, of the blast that `plan` makes: 4 of 10 are to be messaged."""
    heard = rung if rung is not None else []
    return say(blasts.launch, database, settings, blast_id, **({"expect": 4, "ring": heard.append} | more))


def claimed(database: Database, blast_id: int, at: datetime) -> int:
    with database.write() as connection:
        lease = at + timedelta(seconds=60)
        return len(
            claims.claim(
                connection, blast_id, worker="w", limit=9, lease_until=lease, at=at, look=lambda *_: {}
            )[1]
        )


def acts(database: Database) -> list[str]:
    with database.read() as connection:
        return [entry.act.removeprefix("blast.") for entry in reversed(audit.page(connection))]


def test_each_pass_goes_through_the_gate_in_its_order(database: Database, settings: Settings) -> None:
    tally = plan(database, settings).tally
    assert tally.counts["planned"] == 10
    assert tally.counts["pending"] == 4
    assert tally.skipped_by_reason == {
        "inactive": 1,
        "not_installed": 2,
        "no_message_field": 1,
        "opted_out": 1,
        "same_text": 1,
    }
    assert tally.verdicts == {"alert": 1, "silent": 2, "nothing": 5, "unproven": 2}


def test_all_means_all_active_members(database: Database, settings: Settings) -> None:
    assert plan(database, settings, chosen=ALL).tally.counts["planned"] == 9


def test_the_same_plan_has_the_same_hash_and_another_text_another(
    database: Database, settings: Settings
) -> None:
    hashes = [plan(database, settings, text).blast.plan_hash for text in ("a", "a", "b")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_launch_needs_the_frozen_count(database: Database, settings: Settings) -> None:
    blast_id = plan(database, settings).blast.id
    for wrong in (0, 3, 5, 9, 11):
        with pytest.raises(Refused, match=f"would message 4 of 10 passes, and {wrong} were confirmed"):
            launch(database, settings, blast_id, wrong)
    assert launch(database, settings, blast_id, 4) == [blast_id]


def test_launching_twice_is_one_launch(database: Database, settings: Settings) -> None:
    blast_id = plan(database, settings).blast.id
    assert launch(database, settings, blast_id, 4) == [blast_id]
    assert launch(database, settings, blast_id, 4) == []
    with database.read() as connection:
        acts = [entry.act for entry in audit.page(connection)]
        assert audit.verify(connection) == (2, None)
    assert acts == ["blast.launch", "blast.plan"]


def test_the_confirmed_set_does_not_follow_later_changes(database: Database, settings: Settings) -> None:
    blast_id = plan(database, settings).blast.id
    with database.write() as connection:
        late = [enrolments.storable(holder(77))]
        enrolments.upsert_page(connection, "P1", late, message_key="latestOffer", seen_at=now())
    assert launch(database, settings, blast_id, 4) == [blast_id]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"text": "  "}, "the text is empty"),
        ({"text": "\u200b\ufeff"}, "nothing that can be seen"),
        ({"text": "x" * 501}, "the text has 501 characters"),
        ({"text": "bell\x07"}, "control character, U\\+0007, at position 5"),
        ({"text": "Hi {nmae}"}, "names {nmae}, which is no field of this program; did you mean {name}"),
        ({"text": "Hi {"}, "lone { at position 4"),
        ({"program": "nope"}, "there is no program"),
        ({"chosen": Selection("where", "")}, "selects nobody"),
        ({"chosen": Selection("where", "pionts > 5")}, "did you mean points"),
    ],
)
def test_wrong_input_plans_nothing(database: Database, settings: Settings, more: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan(database, settings, **more)
    with database.read() as connection:
        assert audit.page(connection) == []


def test_nobody_is_refused_rather_than_planned(database: Database, settings: Settings) -> None:
    with pytest.raises(Refused, match="nobody in"):
        plan(database, settings, chosen=Selection("where", "points > 9999"))
    blast = plan(database, settings, chosen=Selection("where", "opted_out = TRUE")).blast
    with pytest.raises(Refused, match="would message nobody"):
        launch(database, settings, blast.id, 0)


def test_a_message_field_that_was_not_read_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="run `passbell sync` first"):
        plan(database, load(tmp_path, {"passkit.message_field": "meta.news"}))


def test_live_does_not_touch_what_was_planned_in_rehearsal(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    blast_id = plan(database, settings).blast.id
    live = load(tmp_path, {"passkit.api_key": "k", "passkit.api_secret": "s"})
    with pytest.raises(Refused, match="planned in REHEARSAL, and this is LIVE"):
        launch(database, live, blast_id, 4)
    with pytest.raises(UsageError, match="there is no program"):
        plan(database, live)


def test_a_members_own_words_are_frozen_and_gaps_are_skipped(database: Database, settings: Settings) -> None:
    planned = plan(database, settings, "{first_name}, {points} points in {city}", chosen=ALL)
    assert planned.tally.skipped_by_reason["no_value"] == 1  # the one whose free data names no city
    kinder = plan(database, settings, "Hi {name}, from {city|here}", chosen=ALL)
    assert "no_value" not in kinder.tally.skipped_by_reason


def test_pause_resume_cancel_leave_their_marks(database: Database, settings: Settings) -> None:
    blast_id = plan(database, settings).blast.id
    with pytest.raises(Refused, match="is planned"):
        blasts.pause(database, settings, blast_id, actor="a")
    with pytest.raises(Refused, match="only a paused or held blast"):
        blasts.resume(database, settings, blast_id, actor="a", ring=lambda _: None)
    launch(database, settings, blast_id, 4)
    assert blasts.pause(database, settings, blast_id, actor="a").state == "paused"
    assert blasts.resume(database, settings, blast_id, actor="a", ring=lambda _: None).state == "running"
    with pytest.raises(Refused, match="no failed deliveries"):
        blasts.retry(database, settings, blast_id, actor="a", ring=lambda _: None)
    assert blasts.set_rate(database, settings, blast_id, per_second=3, actor="a").rate_per_second == 3
    with pytest.raises(UsageError, match="a rate lies above 0"):
        blasts.set_rate(database, settings, blast_id, per_second=0, actor="a")
    assert blasts.cancel(database, settings, blast_id, actor="a").state == "cancelled"
    with pytest.raises(Refused, match="was cancelled"):
        launch(database, settings, blast_id, 4)
    with database.read() as connection:
        acts = [entry.act for entry in reversed(audit.page(connection))]
    assert acts == [
        *("blast.plan", "blast.launch", "blast.paused", "blast.running", "blast.rate", "blast.cancelled"),
    ]


def test_a_retry_takes_no_more_than_was_confirmed(database: Database, settings: Settings) -> None:
    blast_id = plan(database, settings).blast.id
    launch(database, settings, blast_id, 4)
    fail = sa.text("UPDATE deliveries SET state = 'failed', reason = 'timeout' WHERE state = 'pending'")
    with database.write() as connection:
        connection.execute(fail)
    who: dict[str, Any] = {"actor": "a", "ring": lambda _: None}
    with pytest.raises(Refused, match="4 have failed by now, and 3 were confirmed"):
        blasts.retry(database, settings, blast_id, expect=3, **who)
    with database.read() as connection:
        assert ledger.tally(connection, blast_id).states["failed"] == 4
        assert audit.page(connection)[0].act == "blast.launch"
    assert blasts.retry(database, settings, blast_id, expect=5, **who) == 4


def test_a_changed_audit_entry_is_found(database: Database, settings: Settings) -> None:
    from store.schema import audit as table

    for _ in range(3):
        plan(database, settings)
    with database.write() as connection:
        connection.execute(table.update().where(table.c.id == 2).values(actor="nobody"))
    with database.read() as connection:
        assert audit.verify(connection) == (1, "entry 2 was changed after it was written")
    with database.write() as connection:
        connection.execute(table.delete().where(table.c.id == 2))
    with database.read() as connection:
        assert audit.verify(connection) == (1, "entry 3 does not follow the one before it")


def test_a_launch_can_be_undone_until_its_first_message(database: Database, settings: Settings) -> None:
    blast_id = plan(database, settings).blast.id
    blast = schedule(database, settings, blast_id)
    assert blast.started_at is not None
    ends = blast.started_at + timedelta(seconds=10)
    assert (blast.state, blast.sends_from, blast.send_at) == ("running", ends, None)
    assert blast.undo_left(blast.started_at) == 10
    just_before = ends - timedelta(microseconds=1)
    assert claimed(database, blast_id, just_before) == 0
    with database.read() as connection:
        assert ledger.due_blasts(connection, "rehearsal", at=just_before) == []
        assert ledger.due_blasts(connection, "rehearsal", at=ends) == [(blast_id, "passkit")]
        assert ledger.next_due(connection, blast_id) == ends
    say(blasts.pause, database, settings, blast_id)
    resumed = say(blasts.resume, database, settings, blast_id, ring=lambda _: None)
    assert resumed.sends_from == ends  # a pause buys no time
    say(blasts.cancel, database, settings, blast_id)
    assert claimed(database, blast_id, ends) == 0
    with database.read() as connection:
        tally = ledger.tally(connection, blast_id)
    assert (tally.states["skipped"], tally.skipped_by_reason["cancelled"]) == (10, 4)

    later = schedule(database, settings, plan(database, settings).blast.id)
    assert later.sends_from is not None
    assert claimed(database, later.id, later.sends_from) == 4


def test_a_blast_is_scheduled_moved_and_started_at_once(database: Database, settings: Settings) -> None:
    rung: list[int] = []
    blast_id = plan(database, settings).blast.id
    first, second = now() + timedelta(hours=2), now() + timedelta(days=2)
    scheduled = schedule(database, settings, blast_id, rung, send_at=first)
    assert (scheduled.state, scheduled.send_at, scheduled.started_at) == ("scheduled", first, None)
    assert claimed(database, blast_id, first) == 0
    assert schedule(database, settings, blast_id, rung) == scheduled  # launching twice is one launch
    assert schedule(database, settings, blast_id, rung, send_at=first) == scheduled
    with pytest.raises(Refused, match="5 were confirmed"):
        schedule(database, settings, blast_id, send_at=second, expect=5)
    assert schedule(database, settings, blast_id, rung, send_at=second).send_at == second
    with pytest.raises(Refused, match="is scheduled: it cannot become paused"):
        say(blasts.pause, database, settings, blast_id)
    assert rung == []
    started = schedule(database, settings, blast_id, rung, at_once=True)
    assert (started.state, started.send_at, rung) == ("running", None, [blast_id])
    assert started.undo_left(now()) > 0
    with pytest.raises(Refused, match="it was started, and another time does nothing"):
        schedule(database, settings, blast_id, send_at=first)
    assert acts(database) == ["plan", "schedule", "schedule", "launch"]
    with database.read() as connection:
        moved = audit.page(connection)[1].details
    assert (moved["from"], moved["before"], moved["send_at"]) == (
        *("scheduled", rfc3339(first), rfc3339(second)),
    )


def test_a_plan_keeps_its_time_for_the_launch(database: Database, settings: Settings) -> None:
    tomorrow = now() + timedelta(days=1)
    planned = plan(database, settings, send_at=tomorrow, urgent=True)
    assert (planned.blast.state, planned.blast.send_at, planned.blast.urgent) == ("planned", tomorrow, True)
    assert planned.as_json()["send_at"] == rfc3339(tomorrow)
    assert schedule(database, settings, planned.blast.id).state == "scheduled"
    at_once = plan(database, settings, send_at=tomorrow).blast.id
    assert schedule(database, settings, at_once, at_once=True).state == "running"
    stale = plan(database, settings, send_at=tomorrow).blast.id
    with database.write() as connection:
        past = blast_table.update().where(blast_table.c.id == stale)
        connection.execute(past.values(send_at=now() - timedelta(minutes=1)))
    with pytest.raises(Refused, match="which has passed: launch it with --now, give it another time"):
        schedule(database, settings, stale)
    with pytest.raises(UsageError, match="has passed already"):
        plan(database, settings, send_at=now() - timedelta(minutes=1))
    with pytest.raises(UsageError, match="more than 366 days ahead"):
        schedule(database, settings, stale, send_at=now() + timedelta(days=367))


def test_a_missed_blast_asks(database: Database, settings: Settings) -> None:
    again, then = (plan(database, settings).blast.id for _ in range(2))
    for blast_id in (again, then):
        schedule(database, settings, blast_id, send_at=now() + timedelta(hours=1))
        with database.write() as connection:
            ledger.step(connection, blast_id, "missed", at=now())
        with pytest.raises(Refused, match=r"missed its time, .*: launch it with --now, give it another time"):
            schedule(database, settings, blast_id)
    assert schedule(database, settings, then, send_at=now() + timedelta(hours=3)).state == "scheduled"
    assert schedule(database, settings, again, at_once=True).state == "running"
    assert say(blasts.cancel, database, settings, then).state == "cancelled"


def test_urgency_and_limits_are_changed_while_it_runs(database: Database, settings: Settings) -> None:
    first, second = (plan(database, settings).blast.id for _ in range(2))
    schedule(database, settings, first)
    blast = schedule(database, settings, second, urgent=True)
    assert blast.urgent
    assert blast.sends_from is not None
    with database.read() as connection:
        due = ledger.due_blasts(connection, "rehearsal", at=blast.sends_from)
    assert due == [(second, "passkit"), (first, "passkit")]
    assert not say(blasts.set_urgent, database, settings, second, urgent=False).urgent
    assert schedule(database, settings, second, urgent=True).urgent  # it runs already: that alone is new
    assert say(blasts.set_concurrency, database, settings, second, deliveries=3).concurrency == 3
    for wrong in (0, -1, 513):
        with pytest.raises(UsageError, match="a concurrency lies between 1 and 512"):
            say(blasts.set_concurrency, database, settings, second, deliveries=wrong)
    assert say(blasts.set_concurrency, database, settings, second, deliveries=None).concurrency is None
    say(blasts.cancel, database, settings, second)
    with pytest.raises(Refused, match="is cancelled: nothing of it is left to be sent"):
        say(blasts.set_urgent, database, settings, second, urgent=True)
    assert acts(database)[3:] == [
        *("urgent", "launch", "urgent", "urgent", "concurrency", "concurrency", "cancelled")
    ]


VERBS: dict[str, tuple[Any, dict[str, Any]]] = {
    "pause": (blasts.pause, {}),
    "resume": (blasts.resume, {"ring": lambda _: None}),
    "cancel": (blasts.cancel, {}),
    "adjust": (blasts.set_urgent, {"urgent": True}),
    "retry": (blasts.retry, {"ring": lambda _: None}),
    "launch": (blasts.launch, {"ring": lambda _: None, "expect": 10, "send_at": now() + timedelta(hours=1)}),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_refuses_in_the_states_that_the_table_leaves_out(
    database: Database, settings: Settings, verb: str
) -> None:
    """Screens dim keys by `ledger.MAY`. To become what it is already is refused to none."""
    blast_id = plan(database, settings).blast.id
    already = {"pause": "paused", "resume": "running", "cancel": "cancelled"}
    done, more = VERBS[verb]
    for state in ledger.STEPS:
        with database.write() as connection:
            connection.execute(blast_table.update().values(state=state))
            waits = deliveries.c.state.in_(("pending", "skipped", "failed"))
            connection.execute(deliveries.update().where(waits).values(state="pending", reason=None))
            one = sa.select(sa.func.min(deliveries.c.id)).scalar_subquery()
            failed = deliveries.update().where(deliveries.c.id == one)
            connection.execute(failed.values(state="failed", reason="timeout"))
        try:
            say(done, database, settings, blast_id, **more)
            refused = False
        except Refused:
            refused = True
        assert refused == (state not in ledger.MAY[verb] and state != already.get(verb)), state
