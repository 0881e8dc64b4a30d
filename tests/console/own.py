"""A program whose passes we issue ourselves: 40 members, Apple passes and some for Google, three blasts."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from jobs import blasts, plans
from jobs.intake import own
from jobs.intake.own import Stranger
from store import (
    arrivals,
    claims,
    deliveries,
    devices,
    issued,
    ledger,
    pass_events,
    programs,
    settlements,
    templates,
)
from store.arrivals import Message
from store.audiences import Selection
from store.claims import Claimed
from store.database import Database
from store.devices import Place
from store.issued import NewPass
from store.pass_events import Event
from store.programs import Program, Tier
from store.schema import passes
from store.settings import Settings
from store.settlements import Settlement
from tests.console.seed import ACTOR, FIRST, HOSTILE, NOW, Clock

LINDEN = "own-11nden00"
PASS_TYPE = "pass.rehearsal.passbell"
FINISHED, RUNNING, PLANNED = 7, 8, 9
"""Its blasts, after the six of the café."""
MEMBERS, GOOGLE = 40, 10
"""Every member has an Apple pass, the first ten one for Google besides."""
NOT_INSTALLED = 3
"""Of Apple's, the last so many."""


def fill_own(database: Database, settings: Settings, clock: Clock) -> None:
    """All of it, into a store that has the café."""
    with database.write() as connection:
        program = Program(
            LINDEN,
            settings.account,
            "membership",
            "Linden [b]own[/] \x1b[2J",
            (),
            "Europe/Vienna",
            issuer="passbell",
        )
        programs.upsert_program(connection, program)
        programs.replace_tiers(connection, LINDEN, [Tier("standard", "Standard", None, "ok")])
        for colour in ("red", "green"):
            templates.add(connection, LINDEN, {"colour": colour}, {}, at=clock.at, actor=ACTOR)
        _issue(connection, clock)
    for text, batches in (("Your tenth cup is on us", 9), ("Soup of the day: lentils [/x]", 2)):
        blast_id = _launched(database, settings, clock, text)
        sent = [one for _ in range(batches) for one in _send(database, blast_id, clock)]
        _fetched(database, sent, clock)
        with database.write() as connection:
            ledger.finish_if_done(connection, blast_id, at=clock.at)
    clock.move(minutes=20)
    plans.plan(database, settings, program=LINDEN, chosen=Selection("all"), text="Cake!", actor=ACTOR)


def _issue(connection: sa.Connection, clock: Clock) -> None:
    strangers = [
        Stranger(f"L-{number:03}", {"name": HOSTILE[number] if number < 10 else FIRST[number % 10]})
        for number in range(MEMBERS)
    ]
    ids = own.enrol(connection, LINDEN, strangers)
    places = [("apple", n) for n in range(MEMBERS)] + [("google", n) for n in range(GOOGLE)]
    new = [_new(ids[n], channel, f"{channel[0].upper()}{n:03}") for channel, n in places]
    pass_ids = issued.add(connection, new, at=NOW - timedelta(days=2))
    held = [(Place(PASS_TYPE, f"phone{n:03}", f"A{n:03}"), "ab" * 32) for n in range(MEMBERS - NOT_INSTALLED)]
    devices.register_all(connection, held, at=NOW - timedelta(days=1))
    connection.execute(
        passes.update()
        .where(passes.c.id.in_(pass_ids[MEMBERS:]))
        .values(status="installed", wallets=["google"], installed_at=NOW)
    )
    told = {"order": "[@click=app.quit]7[/]", "sum": 12.5, "what": "tea \x1b[31m"}
    pass_events.add(
        connection,
        [
            Event(pass_ids[1], "redeemed", NOW - timedelta(hours=3), "events", told),
            Event(pass_ids[1], "[bold]danced[/]", NOW - timedelta(hours=5), "events"),
            Event(pass_ids[MEMBERS + 1], "removed", NOW - timedelta(hours=4), "google"),
        ],
    )
    clock.move(minutes=30)


def _new(member_id: int, channel: str, serial: str) -> NewPass:
    apple = channel == "apple"
    provider_id = serial if apple else f"338.{serial}"
    return NewPass(member_id, LINDEN, channel, serial, provider_id, PASS_TYPE if apple else None, "t" * 32)


def _launched(database: Database, settings: Settings, clock: Clock, text: str) -> int:
    clock.move(minutes=30)
    plan = plans.plan(database, settings, program=LINDEN, chosen=Selection("all"), text=text, actor=ACTOR)
    expect = plan.tally.counts["pending"]
    blasts.launch(database, settings, plan.blast.id, expect=expect, actor=ACTOR, ring=lambda _: None)
    return plan.blast.id


def _send(database: Database, blast_id: int, clock: Clock) -> list[Claimed]:
    """A batch of ten for Apple, or where there are none left for Google; the third of Apple's is refused."""
    clock.move(seconds=2)
    for channel in ("apple", "google"):
        with database.write() as connection:
            batch_id, claimed = claims.claim(
                connection,
                blast_id,
                worker="desk:1:abc",
                limit=10,
                lease_until=clock.at + timedelta(minutes=1),
                at=clock.at,
                look=lambda *_: {},
                channel=channel,
            )
            if not claimed:
                continue
            if channel == "apple":
                texts = [Message(one.id, one.pass_id, one.text) for one in claimed]
                arrivals.put_texts(connection, texts, at=clock.at)
            for place, one in enumerate(claimed if channel == "google" else ()):
                arrivals.note_has_users(connection, one.id, one.pass_id, place % 4 != 3)
            settled = [_settlement(place, one, channel) for place, one in enumerate(claimed)]
            settlements.settle(connection, blast_id, batch_id, settled, at=clock.at)
            return claimed if channel == "apple" else []
    return []


def _settlement(place: int, one: Claimed, channel: str) -> Settlement:
    if place == 2 and channel == "apple":
        told = "Apple said: [bold]no[/] \x1b[31m"
        return Settlement(one.id, one.pass_id, "failed", "refused", reason="refused", detail=told, code="403")
    return Settlement(one.id, one.pass_id, "accepted", "accepted")


def _fetched(database: Database, sent: list[Claimed], clock: Clock) -> None:
    """Of ten phones nine ask what has changed, and seven of these fetch it, the last an hour later."""
    with database.write() as connection:
        clock.move(seconds=1)
        asked = [one.pass_id for place, one in enumerate(sent) if place % 10 != 9]
        arrivals.note_listed(connection, asked, at=clock.at)
        for place, one in enumerate(sent):
            if place % 10 < 7:
                clock.move(seconds=1)
                late = timedelta(hours=1) if place == 6 else timedelta()
                found = issued.by_id(connection, one.pass_id)
                assert found is not None
                arrivals.note_fetched(connection, one.pass_id, tag=found.tag, at=clock.at + late)


def fetch(database: Database, blast_id: int, clock: Clock) -> None:
    """One more phone fetches the pass with the blast's text."""
    with database.write() as connection:
        *_, last = deliveries.page(connection, blast_id, deliveries.Which(fetched=False))
        found = issued.by_serial(connection, last["pass"])
        assert found is not None
        arrivals.note_fetched(connection, found.pass_id, tag=found.tag, at=clock.at)
