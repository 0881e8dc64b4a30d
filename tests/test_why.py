"""Why a holder is messaged or not: each reason of the gate brought about, planned, and explained."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import blasts, consents, plans, preferences, rules, suppressions
from jobs.engine.gate import REASONS, Gate, Message
from jobs.why.holder import Why, why
from store import audiences, claims, enrolments, ledger, programs, settlements
from store import consents as consents_store
from store.audiences import Selection
from store.consents import Said
from store.database import Database
from store.errors import UsageError
from store.ledger import WAITS
from store.migrations import migrate
from store.programs import Program, Tier
from store.schema import Json, deliveries, members, passes
from store.schema import blasts as blasts_table
from store.schema import consents as consents_table
from store.schema import programs as programs_table
from store.schema import suppressions as suppressions_table
from store.settings import Settings, load
from store.settlements import Settlement
from tests.console.seed import NOW, Clock, holder, stopped

CAFE, CLOSED = "P1", "P2"
TEXT, PERSONAL = "Cake for two", "Hello {city}"
SECRET = {"engine.undo_seconds": "0", "consent.secret": "s" * 40}
EMPTY = sa.literal({}, Json)
TIERS = [Tier("gold", "Gold", "t", "ok"), Tier("bare", "Bare", "t", "no_field")]


one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""For what is decided in Python alone."""


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Noon in UTC, until it is moved."""
    clock = Clock()
    with stopped(clock):
        yield clock


class Shop:
    """A store with two programs, and the verbs by which a situation comes about."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self.database, self.settings, self.clock = database, settings, clock

    def enrol(self, external_id: str, program: str = CAFE, **more: Any) -> None:
        self.enrol_all({external_id: more}, program)

    def enrol_all(self, enrolled: dict[str, dict[str, Any]], program: str = CAFE) -> None:
        told = {"tier_id": "gold", "status": "ACTIVE", "points": 5.0, "opted_out": False, "name": "Ann Lee"}
        told |= {"pass_status": "PASS_INSTALLED", "wallets": ["apple"], "meta": {"city": "Wien"}}
        page = [
            enrolments.storable(holder(0, external_id=name, provider_id=f"{program}-{name}", **(told | more)))
            for name, more in enrolled.items()
        ]
        seen_at = self.clock.at - timedelta(days=1)
        with self.database.write() as connection:
            enrolments.upsert_page(connection, program, page, message_key="latestOffer", seen_at=seen_at)

    def say(self, external_id: str, given: bool, purpose: str = "marketing", program: str = CAFE) -> None:
        verb = consents.give if given else consents.withdraw
        said = Said(purpose, given, "form", self.clock.at)
        verb(self.database, program, external_id, said, actor="ann")

    def prefer(self, external_id: str, **wanted: Any) -> None:
        declined = wanted.pop("decline", ())
        preferences.change(self.database, CAFE, external_id, wanted, decline=declined, actor="ann")

    def rule(self, **changes: Any) -> None:
        rules.change(self.database, self.settings, CAFE, changes, actor="ann")

    def plan(self, where: str, text: str = TEXT, program: str = CAFE, **more: Any) -> int:
        made = plans.plan(
            self.database,
            self.settings,
            program=program,
            chosen=more.pop("chosen", None) or Selection("where", where),
            text=text,
            actor="ann",
            **more,
        )
        return made.blast.id

    def launch(self, blast_id: int) -> None:
        with self.database.read() as connection:
            expect = ledger.tally(connection, blast_id).states["pending"]
        blasts.launch(self.database, self.settings, blast_id, expect=expect, actor="ann", ring=lambda _: None)

    def send(self, blast_id: int, **told: Any) -> int:
        """Claim what is due, asking the gate as a worker does, and settle all of it so."""
        end: dict[str, Any] = {"state": "accepted", "outcome": "accepted"} | told
        with self.database.write() as connection:
            blast = ledger.get(connection, blast_id)
            message = Message(blast.purpose, blast.category, blast.id)

            def look(connection: sa.Connection, ids: Any) -> Any:
                gate = Gate(connection, self.settings.gate, blast.program_id, message, at=self.clock.at)
                return gate.look(ids)

            lease = self.clock.at + timedelta(minutes=1)
            batch_id, claimed = claims.claim(
                connection,
                blast_id,
                worker="desk:1:abc",
                limit=99,
                lease_until=lease,
                at=self.clock.at,
                look=look,
            )
            ended = [Settlement(one.id, one.pass_id, **(end | self._shown(end, one.text))) for one in claimed]
            settlements.settle(connection, blast_id, batch_id, ended, at=self.clock.at)
        return len(claimed)

    @staticmethod
    def _shown(end: dict[str, Any], text: str) -> dict[str, Any]:
        return {"shown_text": text} if end["state"] == "accepted" else {}

    def message(self, where: str, text: str) -> None:
        """One message, planned, launched and accepted."""
        blast_id = self.plan(where, text)
        self.launch(blast_id)
        assert self.send(blast_id) == 1

    def why(self, external_id: str, blast_id: int | None = None, program: str = CAFE, **more: Any) -> Why:
        with self.database.read() as connection:
            return why(connection, self.settings, program, external_id, blast_id, **more)

    def look(self, blast_id: int) -> list[str]:
        """What the gate says when it is asked again at a claim, of all deliveries of a blast."""
        with self.database.read() as connection:
            blast = ledger.get(connection, blast_id)
            message = Message(blast.purpose, blast.category, blast.id)
            ids = connection.scalars(
                sa.select(deliveries.c.id).where(deliveries.c.blast_id == blast_id)
            ).all()
            gate = Gate(connection, self.settings.gate, blast.program_id, message, at=self.clock.at)
            return [answer.reason for answer in gate.look(ids).values()]

    def reasons(self, blast_id: int) -> dict[str, str | None]:
        """Each member's reason in a plan."""
        query = (
            sa.select(members.c.external_id, deliveries.c.reason)
            .join(passes, passes.c.id == deliveries.c.pass_id)
            .join(members, members.c.id == passes.c.member_id)
            .where(deliveries.c.blast_id == blast_id)
        )
        with self.database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def delivery(self, external_id: str, blast_id: int) -> Any:
        query = (
            sa.select(deliveries)
            .join(passes, passes.c.id == deliveries.c.pass_id)
            .join(members, members.c.id == passes.c.member_id)
            .where(deliveries.c.blast_id == blast_id, members.c.external_id == external_id)
        )
        with self.database.read() as connection:
            return connection.execute(query).one()


@pytest.fixture
def shop(current_url: str, tmp_path: Path, clock: Clock) -> Iterator[Shop]:
    settings = load(tmp_path, SECRET)
    database = Database(current_url)
    migrate(database)
    with database.write() as connection:
        for id_, name in ((CAFE, "Café"), (CLOSED, "Closed")):
            programs.upsert_program(
                connection, Program(id_, "rehearsal", "membership", name, ("PROJECT_PUBLISHED",))
            )
            programs.replace_tiers(connection, id_, TIERS)
            programs.mark_synced(connection, id_, message_field="meta.latestOffer", at=NOW)
    yield Shop(database, settings, clock)
    database.close()


def every_reason(shop: Shop, purpose: str = "marketing") -> dict[str, int]:
    """For each reason a member of that name, and the blast that was planned with it."""
    enrolled: dict[str, dict[str, Any]] = {word: {} for word in REASONS if word != "program_inactive"}
    enrolled |= {
        "inactive": {"status": "EXPIRED"},
        "not_installed": {"pass_status": "PASS_UNINSTALLED", "wallets": []},
        "no_message_field": {"tier_id": "bare"},
        "opted_out": {"opted_out": True},
        "no_value": {"meta": {}},
        "too_long": {"meta": {"city": "x" * 496}},
        "same_text": {"meta": {"latestOffer": TEXT}},
    }
    shop.enrol_all(enrolled)
    shop.enrol("program_inactive", CLOSED)
    with shop.database.write() as connection:
        known = connection.execute(sa.select(members.c.external_id, members.c.id)).all()
        said = [(row.id, Said(purpose, True, "form", NOW)) for row in known if row[0] != "no_consent"]
        consents_store.record_all(connection, said, actor="ann")
    with shop.database.write() as connection:
        shown = passes.update().where(passes.c.provider_id == f"{CAFE}-gone")
        connection.execute(shown.values(status="gone"))
        closed = Program(CLOSED, "rehearsal", "membership", "Closed", ("PROJECT_DELETED",))
        programs.upsert_program(connection, closed)
    for hours, word in ((5, "attention_budget"), (4, "attention_budget"), (3, "frequency_cap")):
        shop.clock.at = NOW - timedelta(hours=hours)
        shop.message(f"external_id = '{word}'", f"{hours} hours ago")
    shop.clock.at = NOW - timedelta(minutes=5)
    shop.message("external_id = 'too_soon'", "A moment ago")
    shop.clock.at = NOW
    shop.rule(consent="given", pass_most_a_day=2)
    suppressions.add(
        shop.database, shop.settings, "external_id", "suppressed", reason="court order", actor="ann"
    )
    shop.say("withdrawn", False, purpose)
    shop.prefer("declined", decline=["cake"])
    shop.prefer("unknown_time_zone", quiet_hours="11:00-13:00")
    shop.prefer("quiet_hours", quiet_hours="11:00-13:00", time_zone="UTC")
    shop.prefer("frequency_cap", most_a_day=1)
    plain, personal = (
        shop.plan("points = 5", one, category="cake", purpose=purpose) for one in (TEXT, PERSONAL)
    )
    closed_blast = shop.plan("points = 5", program=CLOSED)
    own = {"no_value": personal, "too_long": personal, "program_inactive": closed_blast}
    return {word: own.get(word, plain) for word in REASONS}


SAID = {
    "program_inactive": "the program has been deleted at the provider (PROJECT_DELETED)",
    "inactive": "the membership has expired or was deleted (EXPIRED)",
    "gone": "the provider no longer knows the pass (gone)",
    "not_installed": "the pass is in no wallet: never added, removed, or its updates are switched off "
    "(uninstalled)",
    "no_message_field": "the design of tier bare has no message field that makes a phone alert",
    "opted_out": "opted out of messages",
    "suppressed": "on the suppression list by external id, for good: court order",
    "withdrawn": "withdrew consent to marketing on 2026-11-21 (source form)",
    "no_consent": "never consented to marketing, and the rules ask for it",
    "declined": "does not want messages of the category cake",
    "unknown_time_zone": "has quiet hours, and neither member, program nor settings name a time zone "
    "(11:00-13:00, the member's)",
    "quiet_hours": "it is 12:00 in UTC, within the member's quiet hours 11:00-13:00",
    "frequency_cap": "has had 1 message in 24 hours, and 1 is the most (the member's limit)",
    "too_soon": "the pass was messaged at 2026-11-21 11:55 UTC: 15 minutes have to pass",
    "attention_budget": "the pass has had 2 messages in 24 hours, and 2 is the most (the program's limit)",
    "no_value": "the text names {city}, which this member does not have",
    "too_long": "the text with this member's values is over the limit (502 characters of 500)",
    "same_text": "the pass shows this very text already: a phone stays silent",
}
UNTIL = {"quiet_hours": timedelta(hours=1), "too_soon": timedelta(minutes=10)}
SAW: dict[str, dict[str, Any]] = {
    "program_inactive": {"status": ["PROJECT_DELETED"]},
    "inactive": {"status": "EXPIRED"},
    "gone": {"status": "gone"},
    "not_installed": {"status": "uninstalled", "wallets": []},
    "no_message_field": {"tier": "bare", "design": "no_field"},
    "opted_out": {"opted_out": True},
    "withdrawn": {"purpose": "marketing", "rule": "given"},
    "no_consent": {"record": None, "rule": "given"},
    "declined": {"category": "cake", "declined": ["cake"]},
    "unknown_time_zone": {"quiet_hours_set_by": "member", "time_zone": None, "time_zone_named_by": None},
    "quiet_hours": {"time_zone": "UTC", "time_zone_named_by": "member", "local_time": "2026-11-21 12:00"},
    "frequency_cap": {"in_24_hours": 1, "most_a_day": 1, "most_a_week": 0, "most_a_week_set_by": "settings"},
    "too_soon": {"last_message": "2026-11-21T11:55:00.000000Z", "pass_interval_minutes": 15.0},
    "attention_budget": {"in_24_hours": 2, "pass_most_a_day": 2, "pass_most_a_day_set_by": "program"},
    "no_value": {"missing": "city"},
    "too_long": {"length": 502, "limit": 500},
    "same_text": {"text": TEXT, "shown_text": TEXT},
}


def test_each_reason_is_what_the_plan_finds_and_what_why_names(shop: Shop) -> None:
    assert set(SAID) == set(REASONS)
    planned_in = every_reason(shop)
    for word, blast_id in planned_in.items():
        program = CLOSED if word == "program_inactive" else CAFE
        found = shop.why(word, blast_id, program)
        (step,) = found.passes
        delivery = shop.delivery(word, blast_id)
        waits = word in WAITS
        assert (delivery.reason, delivery.state) == (word, "pending" if waits else "skipped"), word
        until = NOW + UNTIL[word] if waits else None
        assert (found.decision.word, found.decision.sends, found.decision.until) == (word, waits, until)
        assert SAID[word] in found.decision.sentence
        assert found.decision.sentence.startswith(
            f"Waits until {until:%Y-%m-%d %H:%M} UTC: " if until else "Not messaged: "
        )
        # The order is the gate's: all before it are passed, and none after it is asked.
        place = list(REASONS).index(word)
        results = [check.result for check in step.asked.checks.values()]
        assert list(step.asked.checks) == list(REASONS)
        assert results[:place] == ["passes"] * place
        assert results[place] == ("waits" if waits else "fails")
        assert set(results[place + 1 :]) <= {"not_reached"}
        assert step.asked.checks[word].fails
        assert step.asked.checks[word].data.items() >= SAW.get(word, {}).items()
        assert delivery.due_at == until
        # Without a blast, the same gate says what would be now; only a text needs one.
        now = shop.why(word, program=program, category="cake").decision
        if word in ("no_value", "too_long", "same_text"):
            assert now.word == "sends"
        else:
            assert (now.word, now.until) == (word, until)
            assert SAID[word] in now.sentence
    entries = shop.why("suppressed").passes[0].asked.checks["suppressed"].data["entries"]
    assert [(one["kind"], one["reason"], one["expires_at"]) for one in entries] == [
        ("external_id", "court order", None)
    ]
    assert "hash" not in entries[0]


def peel(shop: Shop) -> Iterator[str]:
    """A member against whom everything speaks at once; each step takes the first of the reasons away."""

    def change(table: sa.Table, **values: Any) -> None:
        with shop.database.write() as connection:
            connection.execute(table.update().values(**values))

    shop.enrol("bob", points=1.0)  # somebody has to have the field that the text names
    shop.enrol("ann")
    shop.message("points = 5", "A moment ago")
    shop.rule(consent="given", pass_most_a_day=1)
    suppressions.add(shop.database, shop.settings, "external_id", "ann", reason="court order", actor="ann")
    shop.say("ann", False)
    shop.prefer("ann", decline=["cake"], quiet_hours="11:00-13:00", most_a_day=1)
    change(programs_table, status=["PROJECT_DELETED"])
    change(members, status="DELETED", opted_out=True, tier_id="bare")
    change(passes, status="gone")
    yield "program_inactive"
    change(programs_table, status=[])
    yield "inactive"
    change(members, status="ACTIVE")
    yield "gone"
    change(passes, status="invalidated")
    yield "not_installed"
    change(passes, status="installed")
    yield "no_message_field"
    change(members, tier_id="gold")
    yield "opted_out"
    change(members, opted_out=False)
    yield "suppressed"
    suppressions.remove(shop.database, 1, actor="ann")
    yield "withdrawn"
    with shop.database.write() as connection:
        connection.execute(consents_table.delete())
    yield "no_consent"
    shop.say("ann", True)
    yield "declined"
    preferences.change(shop.database, CAFE, "ann", {}, accept=["cake"], actor="ann")
    yield "unknown_time_zone"
    shop.prefer("ann", time_zone="Africa/Abidjan")
    yield "quiet_hours"
    shop.prefer("ann", quiet_hours="00:00-00:00")
    yield "frequency_cap"
    shop.prefer("ann", most_a_day=2)
    yield "too_soon"
    shop.rule(pass_interval_minutes=0)
    yield "attention_budget"
    shop.rule(pass_most_a_day=0)
    change(members, attributes=sa.case((members.c.external_id == "ann", EMPTY), else_=members.c.attributes))
    yield "no_value"
    change(members, attributes={"city": "x" * 496})
    yield "too_long"
    change(members, attributes={"city": "Wien"})
    change(passes, shown_text="Hello Wien")
    yield "same_text"
    change(passes, shown_text=None)


def test_the_first_of_many_reasons_decides_in_one_order(shop: Shop) -> None:
    """The plan, the look at a claim and the why agree at each step."""
    found: list[str] = []
    for word in peel(shop):
        blast_id = shop.plan("points = 5", PERSONAL, category="cake")
        (step,) = shop.why("ann", blast_id).passes
        (decides,) = (
            check.word for check in step.asked.checks.values() if check.result in ("fails", "waits")
        )
        assert shop.delivery("ann", blast_id).reason == decides == word
        # What was not reached fails by itself: no reason hides behind another.
        after = list(REASONS)[list(REASONS).index(word) + 1 :]
        never = {"gone", "not_installed", "no_consent", "quiet_hours", *("no_value", "too_long", "same_text")}
        assert all(step.asked.checks[one].fails for one in after if one not in never)
        with shop.database.write() as connection:  # as if it had come to its turn before all of that
            mine = deliveries.c.blast_id == blast_id
            connection.execute(deliveries.update().where(mine).values(text=step.text and step.text.own))
        if word not in ("no_value", "too_long"):
            assert shop.look(blast_id) == [word]
        found.append(word)
    assert found == list(REASONS)
    blast_id = shop.plan("points = 5", PERSONAL, category="cake")
    assert shop.why("ann", blast_id).decision.word == "pending"
    assert shop.look(blast_id) == []


def test_what_cannot_be_rendered_is_not_waited_for(shop: Shop) -> None:
    """A plan renders what is put off as well: its text has to be there when the quiet hours end."""
    shop.enrol("bob", points=1.0)
    shop.enrol("ann", meta={})
    shop.prefer("ann", quiet_hours="11:00-13:00", time_zone="UTC")
    blast_id = shop.plan("points = 5", PERSONAL)
    assert shop.delivery("ann", blast_id).reason == "no_value"
    found = shop.why("ann", blast_id)
    results = {word: check.result for word, check in found.passes[0].asked.checks.items()}
    assert (results["quiet_hours"], results["no_value"], results["same_text"]) == (
        "waits",
        "fails",
        "not_reached",
    )
    assert (found.decision.word, found.decision.until) == ("no_value", None)


def test_what_is_not_known_is_no_reason(shop: Shop) -> None:
    """NULLs on either side of each comparison: no tier, wallet, text, zone, record or wish of this member."""
    unknown: dict[str, Any] = {
        "tier_id": None,
        "pass_status": "PASS_?",
        "wallets": [],
        "meta": {},
        "name": None,
    }
    shop.enrol("ann", **unknown)
    shop.enrol("bob", **unknown)
    shop.enrol("eve")
    # Others have all of it, so that every check is there; bob's preferences are a row that says nothing.
    shop.say("eve", False)
    shop.prefer("eve", decline=["cake"], quiet_hours="11:00-13:00", most_a_day=1)
    shop.prefer("bob", decline=["cake"])
    preferences.change(shop.database, CAFE, "bob", {}, accept=["cake"], actor="ann")
    suppressions.add(shop.database, shop.settings, "external_id", "eve", reason="-", actor="ann")
    with shop.database.write() as connection:
        expired = shop.clock.at - timedelta(days=1)
        connection.execute(suppressions_table.update().values(expires_at=expired))
    blast_id = shop.plan("points = 5", category="cake")
    for name in ("ann", "bob"):
        (step,) = shop.why(name, blast_id).passes
        assert {check.result for check in step.asked.checks.values()} == {"passes"}
        assert step.phone[0] == "unproven"
        assert (shop.delivery(name, blast_id).state, step.decision.word) == ("pending", "pending")
    eve = shop.why("eve", blast_id).passes[0].asked
    assert (eve.answer, eve.checks["suppressed"].fails) == ("withdrawn", False)


SKIPPABLE = (
    "opted_out",
    "no_consent",
    "declined",
    "quiet_hours",
    "frequency_cap",
    "too_soon",
    "attention_budget",
)


@one_store
def test_a_service_message_passes_over_what_the_settings_name_and_nothing_else(shop: Shop) -> None:
    every_reason(shop, purpose="service")
    messaged = {}
    for named in ("", *SKIPPABLE, ", ".join(SKIPPABLE)):
        shop.settings = load(shop.settings.home, SECRET | {"gate.service_may_skip": named})
        blast_id = shop.plan("points = 5", TEXT, category="cake", purpose="service")
        free = {name for name, reason in shop.reasons(blast_id).items() if reason is None}
        messaged[named] = free - {
            "no_value",
            "too_long",
        }  # nothing speaks against them but a text of their own
        (step,) = shop.why("suppressed", blast_id).passes
        skipped = {word for word, check in step.asked.checks.items() if check.result == "passed_over"}
        expected = {one.strip() for one in named.split(",")} - {""}
        assert skipped == expected | ({"unknown_time_zone"} if "quiet_hours" in expected else set())
    without_hours = {"unknown_time_zone", "quiet_hours"}
    assert messaged == {
        "": set(),
        **{word: without_hours if word == "quiet_hours" else {word} for word in SKIPPABLE},
        ", ".join(SKIPPABLE): {*SKIPPABLE, "unknown_time_zone"},
    }


def test_sent_and_accepted_says_who_took_it_and_what_is_not_known(shop: Shop) -> None:
    shop.enrol("ann")
    blast_id = shop.plan("points = 5", PERSONAL)
    before = shop.why("ann", blast_id)
    assert before.decision.as_json() == {
        "word": "pending",
        "sentence": f"Not sent yet: blast {blast_id} is planned and was not launched",
        "sends": True,
        "until": None,
    }
    shop.launch(blast_id)
    assert shop.why("ann", blast_id).decision.sentence.endswith("waits for a worker to take it")
    assert shop.send(blast_id) == 1
    shop.clock.move(hours=1)
    found = shop.why("ann", blast_id)
    assert found.decision.word == "accepted"
    assert found.decision.sentence == (
        "Messaged: accepted at 2026-11-21 12:00 UTC; the phone will have shown the text on its lock screen; "
        "the provider took it; nobody tells whether the phone was reached"
    )
    (step,) = found.as_json()["passes"]
    assert step["text"]["text"] == "Hello Wien"
    assert step["text"]["variant"] == "rendered for this member"
    assert step["delivery"]["worker"] == "desk:1:abc"
    assert [one["outcome"] for one in step["delivery"]["tries"]] == ["accepted"]
    # Its own text is there now, and that is no reason against it.
    assert {one["check"]: one["result"] for one in step["checks"]}["same_text"] == "not_asked"
    # Nor is its own message one of the past.
    data = {one["check"]: one["data"] for one in step["checks"]}
    assert (data["frequency_cap"]["in_24_hours"], data["attention_budget"]["in_24_hours"]) == (0, 0)
    assert data["too_soon"]["last_message"] is None
    assert found.audience is not None
    assert found.audience.now is True
    assert found.rules_changed == []


def test_retried_and_failed_has_the_providers_words(shop: Shop) -> None:
    shop.enrol("ann")
    blast_id = shop.plan("points = 5")
    shop.launch(blast_id)
    later = shop.clock.at + timedelta(seconds=30)
    shop.send(
        blast_id,
        state="pending",
        outcome="later",
        reason="unavailable",
        detail="PassKit is down",
        due_at=later,
    )
    waits = shop.why("ann", blast_id)
    assert waits.decision.word == "pending"
    assert waits.decision.until == later
    assert "its next try is due at 2026-11-21 12:00:30 UTC" in waits.decision.sentence
    shop.clock.at = later
    shop.send(
        blast_id, state="failed", outcome="refused", reason="refused", detail="PassKit said: no", code="3"
    )
    found = shop.why("ann", blast_id)
    assert (found.decision.word, found.decision.sends) == ("failed", False)
    assert found.decision.sentence == "Not messaged: failed after 2 tries: PassKit said: no"
    delivery = found.as_json()["passes"][0]["delivery"]
    assert [(one["outcome"], one["detail"], one["code"]) for one in delivery["tries"]] == [
        ("later", "PassKit is down", None),
        ("refused", "PassKit said: no", "3"),
    ]
    assert delivery["verdict"] == "nothing"


def test_what_changed_between_plan_and_claim_is_told_apart(shop: Shop) -> None:
    for name in ("ann", "bob", "eve"):
        shop.enrol(name)
    blast_id = shop.plan("points = 5")
    shop.say("ann", False)
    assert shop.why("ann", blast_id).decision.sentence.startswith(
        "Will not be messaged, unless this changes: "
    )
    shop.launch(blast_id)
    assert shop.send(blast_id) == 2
    found = shop.why("ann", blast_id)
    assert found.passes[0].sent is not None
    assert found.passes[0].sent.decided == "claim"
    assert (
        found.decision.sentence == "Not messaged: withdrew consent to marketing on 2026-11-21 (source form)"
    )
    shop.clock.move(minutes=1)
    shop.say("ann", True)
    again = shop.why("ann", blast_id).decision
    assert again.word == "withdrawn"
    assert again.sentence.endswith("; asked now: the gate lets it through: plan anew")
    shop.rule(most_a_day=3)
    assert shop.why("ann", blast_id).rules_changed == ["most_a_day: 0 -> 3"]


def test_what_the_provider_says_just_before_it_is_written(shop: Shop) -> None:
    shop.enrol("ann")
    blast_id = shop.plan("points = 5")
    shop.launch(blast_id)
    told = {
        "reason": "not_installed",
        "detail": "PassKit says the pass was removed",
        "pass_status": "uninstalled",
    }
    shop.send(blast_id, state="skipped", outcome="skipped", **told)
    found = shop.why("ann", blast_id)
    assert (found.decision.word, found.decision.sends) == ("not_installed", False)
    assert found.decision.sentence.endswith(
        "(uninstalled) (so the provider said, just before it was written)"
    )


def test_not_in_the_audience_names_the_clause(shop: Shop) -> None:
    shop.enrol("ann")
    shop.enrol("bob", points=1.0)
    with shop.database.write() as connection:
        choice = Selection("where", "points > 4 AND tier = 'gold' AND city = 'Wien'")
        saved = audiences.save(connection, CAFE, "rich", choice)
    blast_id = shop.plan("", chosen=saved)
    found = shop.why("bob", blast_id)
    assert (found.decision.word, found.decision.sends) == ("not_in_audience", False)
    assert found.decision.sentence == (
        f"Not messaged: not in the audience of blast {blast_id} when it was planned; nor is it now, since "
        "this is not so: points > 4 (points is more than 4 (members without points are left out))"
    )
    assert found.audience is not None
    assert [(text, holds) for text, _, holds in found.audience.clauses] == [
        ("points > 4", False),
        ("tier = 'gold'", True),
        ("city = 'Wien'", True),
    ]
    assert found.passes[0].decision.word == "not_planned"
    with shop.database.write() as connection:
        connection.execute(members.update().values(points=9))
    assert shop.why("bob", blast_id).decision.sentence.endswith("; it is now: plan anew")
    with shop.database.write() as connection:
        audiences.delete(connection, CAFE, "rich")
    gone = shop.why("ann", blast_id)
    assert gone.decision.word == "pending"
    assert gone.audience is not None
    assert (gone.audience.planned, gone.audience.now) == (True, None)
    assert "it was deleted" in gone.audience.note


@one_store
def test_a_blast_waits_for_what_its_operator_has_to_do(shop: Shop) -> None:
    shop.enrol("ann")
    blast_id = shop.plan("points = 5")

    def said(**values: Any) -> str:
        with shop.database.write() as connection:
            connection.execute(blasts_table.update().where(blasts_table.c.id == blast_id).values(**values))
        return shop.why("ann", blast_id).decision.sentence

    later = NOW + timedelta(hours=2)
    assert said(state="scheduled", send_at=later).endswith("starts at 2026-11-21 14:00 UTC")
    assert shop.why("ann", blast_id).at == later
    assert said(state="missed").endswith("missed its time and waits for an operator")
    assert said(state="paused").endswith("is paused")
    assert said(state="held", hold_reason="the key was refused").endswith("is held: the key was refused")
    undo = said(state="running", sends_from=NOW + timedelta(seconds=9))
    assert undo.endswith("the undo window is open until 2026-11-21 12:00:09 UTC")
    with shop.database.write() as connection:
        ledger.step(connection, blast_id, "cancelled", at=NOW)
    assert shop.why("ann", blast_id).decision.sentence == (
        "Not messaged: the blast was cancelled before its turn"
    )


@one_store
def test_of_several_passes_the_one_that_gets_most_decides(shop: Shop) -> None:
    shop.enrol("ann")
    with shop.database.write() as connection:
        one = connection.execute(sa.select(passes)).mappings().one()
        twin = dict(one) | {"provider_id": "twin", "status": "uninstalled"}
        del twin["id"]
        connection.execute(passes.insert().values(**twin))
    found = shop.why("ann")
    assert [step.decision.word for step in found.passes] == ["sends", "not_installed"]
    assert found.decision.word == "sends"
    assert found.decision.sentence.endswith("(1 of 2 passes gets it)")


@one_store
def test_wrong_names_are_told_with_near_ones(shop: Shop) -> None:
    shop.enrol("M-0042")
    blast_id = shop.plan("points = 5")
    with pytest.raises(UsageError, match="no member 'M-0043' in this program; near: M-0042"):
        shop.why("M-0043")
    with pytest.raises(UsageError, match="no blast 99"):
        shop.why("M-0042", 99)
    with pytest.raises(UsageError, match="no program"):
        shop.why("M-0042", program="Tea")
    shop.enrol("M-0042", CLOSED)
    with pytest.raises(UsageError, match=f"blast {blast_id} is of the program P1, not of P2"):
        shop.why("M-0042", blast_id, CLOSED)
    with pytest.raises(UsageError, match="purpose is one of service, marketing"):
        shop.why("M-0042", purpose="fun")
