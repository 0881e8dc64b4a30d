"""The preview: what it counts is what the plan then freezes, and it writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs import plans
from jobs.engine.gate import Message
from jobs.phones import Wording, wording
from jobs.preview import Asked, Seen, extremes, of_verdict, preview, see
from store import enrolments, ledger, programs, views
from store.audiences import Selection
from store.database import Database
from store.errors import UsageError
from store.ledger import VERDICTS
from store.migrations import migrate
from store.programs import Program, Tier
from store.schema import members
from store.settings import Settings, load
from tests.store.test_members import holder

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALL = Selection("all")
CROWD: list[dict[str, Any]] = [
    {},
    {"wallets": ["google"]},
    {"wallets": []},
    {"opted_out": True},
    {"pass_status": "PASS_ISSUED", "wallets": []},
    {"status": "EXPIRED"},
    {"tier_id": "plain"},
    {"meta": {"latestOffer": "hello"}},
    {"meta": {"city": "Wien"}, "name": "Änne Lee"},
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    migrate(database)
    with database.write() as connection:
        programs.upsert_program(connection, Program("p1", "rehearsal", "membership", "Café"))
        designs = [Tier("gold", "Gold", "t1", "ok"), Tier("plain", "Plain", "t2", "no_placeholder")]
        programs.replace_tiers(connection, "p1", designs)
        holders = [holder(number, **{"meta": {}} | more) for number, more in enumerate(CROWD)]
        fit = [enrolments.storable(one) for one in holders]
        enrolments.upsert_page(connection, "p1", fit, message_key="latestOffer", seen_at=NOW)
        programs.mark_synced(connection, "p1", message_field="meta.latestOffer", at=NOW)
    yield database
    database.close()


@pytest.mark.parametrize("chosen", [ALL, Selection("where", "points < 5")])
def test_it_counts_what_the_plan_freezes(database: Database, settings: Settings, chosen: Selection) -> None:
    with database.read() as connection:
        told = preview(connection, Asked(settings, "p1", chosen, " hello "))
    plan = plans.plan(database, settings, program="p1", chosen=chosen, text=" hello ", actor="me")
    assert told.exact
    assert told.to_send == plan.tally.counts["pending"]
    assert told.skipped_by_reason == plan.tally.skipped_by_reason
    assert told.skipped == plan.tally.counts["skipped"]
    assert told.eta_seconds == plan.eta_seconds


def test_it_tells_verdicts_of_those_messaged_the_surest_first(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        told = preview(connection, Asked(settings, "p1", ALL, "hello"))
        empty = preview(connection, Asked(settings, "p1", ALL, "  "))
    assert list(told.messaged.items()) == [("alert", 2), ("silent", 1), ("unproven", 1)]
    assert told.skipped_by_reason == {
        "opted_out": 1,
        "not_installed": 1,
        "no_message_field": 1,
        "same_text": 1,
    }
    assert empty.to_send == told.to_send + 1
    assert set(told.messaged) <= set(VERDICTS)


def test_a_text_with_fields_is_counted_at_most(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        told = preview(connection, Asked(settings, "p1", ALL, "Hi {first_name}, see you in {city}"))
    assert (told.exact, told.to_send) == (False, 5)


def test_a_wrong_text_or_predicate_is_told_as_the_plan_tells_it(
    database: Database, settings: Settings
) -> None:
    with database.read() as connection:
        for chosen, text, told in (
            (ALL, "x" * 501, "501 characters"),
            (ALL, "Hi {first_nam}", r"did you mean \{first_name\}"),
            (Selection("where", "point > 5"), "hello", "point"),
        ):
            with pytest.raises(UsageError, match=told):
                preview(connection, Asked(settings, "p1", chosen, text))


def test_it_steps_through_those_who_can_be_messaged(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        seen = [
            see(connection, Asked(settings, "p1", ALL, "Hi {first_name|you}"), number=number)
            for number in range(6)
        ]
    assert [one and one.external_id for one in seen] == [
        "M-0000",
        "M-0001",
        "M-0002",
        "M-0007",
        "M-0008",
        None,
    ]
    assert seen[4] == Seen("Änne Lee", "M-0008", "Hi Änne", "alert", None, wallets=("apple",))
    assert [one.verdict for one in seen[:3] if one] == ["alert", "silent", "unproven"]


@pytest.mark.parametrize(
    ("text", "number", "verdict", "reason"),
    [
        ("hello", 3, "silent", "same_text"),
        ("off to {city}", 0, "nothing", "no_value"),
        ("off to {city}", 4, "alert", None),
        ("{name}" * 80, 0, "nothing", "too_long"),
        ("", 0, "alert", None),
    ],
)
def test_it_tells_why_one_member_gets_nothing(
    database: Database, settings: Settings, text: str, number: int, verdict: str, reason: str | None
) -> None:
    with database.read() as connection:
        found = see(connection, Asked(settings, "p1", ALL, text), number=number)
    assert found is not None
    assert (found.verdict, found.reason) == (verdict, reason)


def test_it_tells_until_when_those_wait_that_the_plan_puts_off(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("preview", "plans"):
        monkeypatch.setattr(f"jobs.{module}.now", lambda: NOW)
    quiet = load(settings.home, {"gate.quiet_hours": "11:00-13:00", "gate.time_zone": "UTC"})
    with database.write() as connection:
        zone = members.update().where(members.c.external_id == "M-0000")
        connection.execute(zone.values(time_zone="America/New_York"))  # there it is seven in the morning
        zone = members.update().where(members.c.external_id == "M-0001")
        connection.execute(zone.values(time_zone="Atlantic/Azores"))  # and there eleven
        told = preview(connection, Asked(quiet, "p1", ALL, "hello"))
    end = NOW.replace(hour=13)
    assert told.deferred_by_reason == {"quiet_hours": told.to_send - 1}
    assert told.deferred_until == {"quiet_hours": (end, end.replace(hour=14))}
    plan = plans.plan(database, quiet, program="p1", chosen=ALL, text="hello", actor="me")
    assert plan.tally.deferred_by_reason == told.deferred_by_reason
    assert plan.tally.deferred_until == told.deferred_until


def test_a_service_message_is_seen_by_those_who_did_not_consent(
    database: Database, settings: Settings
) -> None:
    asking = load(settings.home, {"gate.consent": "given"})
    with database.read() as connection:
        assert see(connection, Asked(asking, "p1", ALL, "hello")) is None
        seen = see(connection, Asked(asking, "p1", ALL, "hello", Message("service")))
    assert seen is not None
    assert seen.reason is None


@pytest.mark.parametrize("text", ["hello", "off to {city|Graz}", "  "])
def test_the_members_of_each_verdict_are_those_that_are_counted(
    database: Database, settings: Settings, text: str
) -> None:
    with database.read() as connection:
        told = preview(connection, Asked(settings, "p1", ALL, text))
        found = {
            wanted: of_verdict(connection, Asked(settings, "p1", ALL, text), wanted=wanted)
            for wanted in VERDICTS
        }
    assert {wanted: len(those) for wanted, those in found.items()} == told.verdicts
    assert sum(told.verdicts.values()) == told.to_send + told.skipped
    for wanted, those in found.items():
        assert {one.verdict for one in those} <= {wanted}
        assert [one.external_id for one in those] == sorted(one.external_id for one in those)
    assert {one.reason for one in found["nothing"]} == told.skipped_by_reason.keys() - {"same_text"}


def test_a_page_far_down_a_verdict_is_that_of_the_whole_list(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, held = Asked(settings, "p1", ALL, "hello"), views.Held()
    with database.read() as connection:
        whole = of_verdict(connection, asked, wanted="nothing")
        monkeypatch.setattr(views, "FAR", 1)
        again = [
            of_verdict(connection, asked, wanted="nothing", offset=place, limit=1, held=held)
            for place in range(len(whole))
        ]
    assert len(whole) > 2
    assert [one for page in again for one in page] == whole


def test_a_plan_in_slices_is_told_and_is_the_same(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int]] = []
    planned = plans.plan(database, settings, program="p1", chosen=ALL, text="hello", actor="me")
    monkeypatch.setattr(plans, "SLICE", 2)
    again = plans.plan_again(
        database, settings, planned.blast.id, actor="me", progress=lambda *step: told.append(step)
    )
    assert (again.tally, again.blast.plan_hash) == (planned.tally, planned.blast.plan_hash)
    asking = [(done, total) for doing, done, total in told if doing == "asking the gate"]
    assert asking == [(done, asking[0][1]) for done in range(0, asking[0][1], 2)]

    def stop(doing: str, done: int, total: int) -> None:
        if done >= 2:
            raise InterruptedError(doing)

    with pytest.raises(InterruptedError):
        plans.plan_again(database, settings, planned.blast.id, actor="me", progress=stop)
    with database.read() as connection:
        assert [one.id for one in ledger.list_blasts(connection, settings.account)] == [
            again.blast.id,
            planned.blast.id,
        ]


def test_the_verdicts_are_those_that_the_plan_freezes(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        told = preview(connection, Asked(settings, "p1", ALL, "hello"))
    plan = plans.plan(database, settings, program="p1", chosen=ALL, text="hello", actor="me")
    assert {verdict: plan.tally.verdicts.get(verdict, 0) for verdict in VERDICTS} == told.verdicts


@pytest.mark.parametrize(
    "text",
    [
        "Hi {name}!",
        "Hi {first_name|you}, {points|0} points",
        "{tier|}{external_id}",
        "off to {city}",
        "off to {city|Attnang-Puchheim}",
        "{city|}: {size|small} {rate|}{first_name}",
    ],
)
def test_the_longest_and_the_shortest_are_those_of_all(
    database: Database, settings: Settings, text: str
) -> None:
    odd: list[dict[str, Any]] = [
        {"name": "Zoë 🎉", "points": 1234.0, "attributes": {"city": "Bad Ischl", "rate": 2.5, "size": "XL"}},
        {"name": "", "points": 0.0, "attributes": {"city": "Au", "rate": True}},
        {"name": "  Al  Borland", "points": 2.25, "attributes": {"city": None, "rate": 12, "size": ""}},
    ]
    with database.write() as connection:
        for number, values in enumerate(odd):
            whose = members.c.external_id == f"M-000{number}"
            connection.execute(members.update().where(whose).values(**values))
        every = [see(connection, Asked(settings, "p1", ALL, text), number=number) for number in range(20)]
        found = extremes(connection, Asked(settings, "p1", ALL, text))
    lengths = sorted(len(one.text) for one in every if one is not None and one.reason is None)
    assert lengths
    assert found.shortest is not None
    assert found.longest is not None
    assert (len(found.shortest.text), len(found.longest.text)) == (lengths[0], lengths[-1])


def test_a_text_over_the_limit_is_the_longest_and_the_same_text_for_all_is_both(
    database: Database, settings: Settings
) -> None:
    with database.read() as connection:
        over = extremes(connection, Asked(settings, "p1", ALL, "{name}" * 65))
        same = extremes(connection, Asked(settings, "p1", ALL, "hi"))
        nobody = extremes(connection, Asked(settings, "p1", Selection("where", "points > 99"), "Hi {name}"))
    assert over.longest is not None
    assert over.longest.reason == "too_long"
    assert same.longest is not None
    assert same.longest == same.shortest
    assert (nobody.longest, nobody.shortest) == (None, None)


def test_nobody_knows_how_a_design_at_passkit_words_its_alert(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        program = programs.get(connection, "p1", settings.account)
        assert wording(connection, program, "de") == Wording("Café")
        own = replace(program, issuer="passbell")
        assert wording(connection, own, "de") == Wording("Café")  # its design is still to come
