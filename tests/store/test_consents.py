"""Consents: append-only, and what PassKit's opt-out flag does to them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from store import consents, enrolments, members, opt_outs, preferences, programs, settlements
from store.consents import Consent, Said
from store.database import Database
from store.errors import UsageError
from store.programs import Program
from store.schema import members as members_table
from store.schema import opt_outs_due
from store.settlements import Settlement
from store.times import now
from tests.store.test_members import LATER, NOW, holder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    with database.write() as connection:
        programs.upsert_program(connection, Program("p1", "rehearsal", "membership", "P1"))
        programs.upsert_program(connection, Program("flights", "rehearsal", "flight", "Flights"))
    yield database
    database.close()


def put(database: Database, *, opted_out: bool, at: Any = NOW) -> int:
    """One page with one member; returns the member's id."""
    with database.write() as connection:
        page = [enrolments.storable(holder(1, opted_out=opted_out))]
        enrolments.upsert_page(connection, "p1", page, message_key="news", seen_at=at)
        return members.get(connection, "p1", "M-0001").id


def say(database: Database, member_id: int, given: bool, *, at: Any = NOW, **more: Any) -> Consent:
    with database.write() as connection:
        said = consents.checked(Said("marketing", given, more.pop("source", "till"), at, **more))
        return consents.record(connection, member_id, said, actor="ann")


def past(database: Database, member_id: int) -> list[tuple[bool, str]]:
    with database.read() as connection:
        return [(one.given, one.source) for one in reversed(consents.history(connection, member_id))]


def test_the_newest_of_each_purpose_holds(database: Database) -> None:
    member = put(database, opted_out=False)
    say(database, member, True, wording=" 2026-03 ", ip="::ffff:0:1")
    last = say(database, member, False, at=NOW - timedelta(days=9))
    with database.write() as connection:
        consents.record(connection, member, Said("service", True, "till", NOW), actor="ann")
    with database.read() as connection:
        holds = consents.latest(connection, member)
        assert consents.history(connection, member)[-1].wording == "2026-03"
    assert {purpose: one.given for purpose, one in holds.items()} == {"marketing": False, "service": True}
    assert holds["marketing"] == last


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "spam"}, {"source": ""}, {"source": "a\x1b[2J"}, {"source": "x" * 61}, {"ip": "1.2.3"},
        {"ip": "::1; DROP TABLE consents"}, {"wording": "\u202e"}, {"at": now() + timedelta(hours=1)},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        consents.checked(replace(Said("service", True, "till", NOW), **wrong))


def test_opting_out_at_passkit_withdraws_and_taking_it_back_gives(database: Database) -> None:
    member = put(database, opted_out=False)
    put(database, opted_out=True, at=LATER)
    put(database, opted_out=True, at=LATER)
    assert past(database, member) == [(False, "passkit")]
    put(database, opted_out=False, at=LATER + timedelta(seconds=1))
    assert past(database, member) == [(False, "passkit"), (True, "passkit")]
    put(database, opted_out=False, at=LATER + timedelta(seconds=2))
    assert len(past(database, member)) == 2


def test_who_comes_opted_out_has_said_nothing_yet(database: Database) -> None:
    assert past(database, put(database, opted_out=True)) == []


def test_passkit_never_lifts_what_was_withdrawn_elsewhere(database: Database) -> None:
    member = put(database, opted_out=False)
    say(database, member, False)
    put(database, opted_out=True, at=LATER)
    put(database, opted_out=False, at=LATER + timedelta(hours=1))
    assert past(database, member) == [(False, "till")]


def test_a_page_older_than_the_withdrawal_does_not_lift_it(database: Database) -> None:
    member = put(database, opted_out=False)
    put(database, opted_out=True, at=LATER)
    put(database, opted_out=False, at=NOW)
    assert past(database, member) == [(False, "passkit")]


def test_the_engine_s_fresh_look_is_recorded_once(database: Database) -> None:
    member = put(database, opted_out=False)
    with database.read() as connection:
        (held,) = members.get(connection, "p1", "M-0001").passes
    found = Settlement(1, held.id, "skipped", "skipped", "opted_out", opted_out=True)
    for _ in range(2):
        with database.write() as connection:
            settlements._write_passes(connection, [found], LATER)
    assert past(database, member) == [(False, "passkit")]
    with database.read() as connection:
        assert members.get(connection, "p1", "M-0001").opted_out


def test_what_passkit_is_to_be_told(database: Database) -> None:
    member = put(database, opted_out=False)
    with database.write() as connection:
        opt_outs.note(connection, [member], at=NOW)
        assert opt_outs.any_due(connection, "rehearsal", at=NOW)
        assert not opt_outs.any_due(connection, "live", at=NOW)
        lease = timedelta(minutes=2)
        (due,) = opt_outs.take(connection, "rehearsal", at=NOW, lease=lease, limit=9)
        assert (due.provider_ids, due.kind, due.attempts) == (("pass-1",), "membership", 1)
        assert opt_outs.take(connection, "rehearsal", at=NOW, lease=lease, limit=9) == []
        assert opt_outs.any_due(connection, "rehearsal", at=NOW + lease)
        opt_outs.failed(connection, due, detail="no answer", due_at=LATER)
        assert opt_outs.state(connection, member) == {
            "state": "waiting",
            "attempts": 1,
            "detail": "no answer",
        }
        opt_outs.note(connection, [member], at=LATER)  # withdrawn once more meanwhile
        opt_outs.told(connection, due)
        assert opt_outs.any_due(connection, "rehearsal", at=LATER)
        opt_outs.drop(connection, [member])
        assert opt_outs.state(connection, member) is None
        opt_outs.note(connection, [member], at=LATER)
        assert opt_outs.state(connection, member) is None, "PassKit knows it by now"


def test_boarding_passes_have_no_flag(database: Database) -> None:
    with database.write() as connection:
        row = {"program_id": "flights", "external_id": "BA/1", "status": "ACTIVE", "opted_out": False}
        member = connection.scalar(
            members_table.insert().values(**row, imported={}, attributes={}).returning(members_table.c.id)
        )
        assert member is not None
        opt_outs.note(connection, [member], at=NOW)
        told = {"state": "cannot", "attempts": 0, "detail": opt_outs.NOT_FOR_FLIGHTS}
        assert opt_outs.state(connection, member) == told
        assert not opt_outs.any_due(connection, "rehearsal", at=LATER)
        assert connection.scalar(sa.select(opt_outs_due.c.due_at)) is None


def test_no_code_changes_or_deletes_a_consent() -> None:
    """Neither through the table's own statements, nor in SQL text."""
    for file in [
        *(ROOT / "store").rglob("*.py"),
        *(ROOT / "jobs").rglob("*.py"),
        *(ROOT / "console").rglob("*.py"),
    ]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("update", "delete"):
                assert not ast.unparse(node.value).endswith("consents"), f"{file}:{node.lineno}"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = " ".join(node.value.lower().split())
                assert "update consents" not in text, f"{file}:{node.lineno}"
                assert "delete from consents" not in text, f"{file}:{node.lineno}"


def change(database: Database, member: int, **wanted: Any) -> preferences.Change | None:
    with database.write() as connection:
        fit = preferences.checked(wanted)
        return preferences.change(connection, member, fit, at=NOW, actor="ann", source="till")


def test_preferences_change_only_what_is_given(database: Database) -> None:
    member = put(database, opted_out=False)
    assert change(database, member, most_a_week=None) is None
    first = change(database, member, declined=["Offers ", "news"], quiet_hours=" 21:00-08:00 ")
    assert first is not None
    assert first.before == {"declined": [], "quiet_hours": None}
    assert first.after == {"declined": ["news", "offers"], "quiet_hours": "21:00-08:00"}
    assert change(database, member, declined=["news", "OFFERS"]) is None
    second = change(
        database, member, language="de_AT", time_zone="Europe/Vienna", most_a_day=2, quiet_hours=None
    )
    assert second is not None
    with database.read() as connection:
        assert preferences.history(connection, member) == [second, first]
        assert members.get(connection, "p1", "M-0001").time_zone == "Europe/Vienna"
        asked = preferences.get(connection, member)
    assert asked == preferences.Preferences(("news", "offers"), None, 2, None, "de-AT", "Europe/Vienna")
    put(database, opted_out=False, at=LATER)
    with database.read() as connection:
        assert preferences.get(connection, member) == asked, "a sync leaves them alone"


@pytest.mark.parametrize(
    "wrong",
    [
        {"declined": [""]}, {"declined": ["x" * 41]}, {"declined": ["a\x1b"]}, {"quiet_hours": "9-17"},
        {"declined": [str(number) for number in range(51)]}, {"quiet_hours": ""}, {"most_a_day": 0},
        {"most_a_week": -1}, {"language": "German; --"}, {"time_zone": "Europe/Wien"},
        {"time_zone": "../etc"},
        {"quiet_hours": "25:00-08:00"}, {"most_a_day": 1_001}, {"time_zone": ""}, {"language": ""},
    ],
)  # fmt: skip
def test_wishes_that_nobody_could_keep_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        preferences.checked(wrong)


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "two\nlines", "hello {first_name}"])
def test_a_category_is_a_plain_name(name: str) -> None:
    with pytest.raises(UsageError, match="category"):
        preferences.category(name)
    assert preferences.category(" Offers ") == "offers"
