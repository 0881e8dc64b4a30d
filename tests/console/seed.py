"""A store as a café chain would have it: three programs, 300 members, hostile ones among them, six blasts.

The same on every run: names, ids and moments are fixed, and everything is written by the store's and the
jobs' own functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

import store.times
from jobs import blasts, plans
from store import audiences, audit, claims, enrolments, ledger, programs, settlements, workers
from store.audiences import Selection
from store.database import Database
from store.migrations import migrate
from store.programs import Program, Tier
from store.schema import members, passes
from store.settings import Settings
from store.settlements import Settlement
from store.workers import WorkerRow

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ACTOR = "ann@desk"
CAFE, COUPONS, TICKETS = "3cafe0000000000000000", "5coupon00000000000000", "7ticket00000000000000"
HOSTILE = (
    "Ann [/foo] Lee",
    "[@click=app.quit]click me[/]",
    "bell\x07 and \x1b[31mred\x1b]0;title\x07",
    "x" * 10_000,
    "abc\u202edef",
    "שרה כהן",
    "Zoë 🎉 Ñandú",
    "陈小龙",
    "two\nlines",
    "",
)
"""Names that real data has, and some that an enemy would choose."""

FIRST = ("Ada", "Bruno", "Chloë", "Dilek", "Emil", "Fatma", "Giulia", "Hugo", "Inés", "Jonas")
LAST = ("Abel", "Brandt", "Çelik", "Dupont", "Eriksson", "Fischer", "García", "Huber")


class Clock:
    """The wall clock of a test: it stands still until it is moved."""

    def __init__(self) -> None:
        self.at = NOW

    def move(self, **span: float) -> datetime:
        """Go on by so much."""
        self.at += timedelta(**span)
        return self.at


@contextmanager
def stopped(clock: Clock) -> Iterator[None]:
    """Make this the clock that everything reads."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.at

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.times, "datetime", Stopped)
        yield


def holder(number: int, **more: Any) -> dict[str, Any]:
    """A record as the provider's reader gives it."""
    installed = number % 7 != 3
    name = f"{FIRST[number % len(FIRST)]} {LAST[number // 3 % len(LAST)]}"
    return {
        "provider_id": f"pass{number:05}",
        "external_id": f"M-{number:04}",
        "tier_id": ("gold", "silver", "base")[number % 3],
        "name": HOSTILE[number] if number < len(HOSTILE) else name,
        "email": f"m{number}@example.com",
        "phone": None,
        "points": float(number * 5),
        "secondary_points": None,
        "tier_points": number,
        "birthday": "1990-02-03",
        "status": "EXPIRED" if number % 50 == 49 else "ACTIVE",
        "opted_out": number % 20 == 11,
        "expires_at": None,
        "created_at": NOW - timedelta(days=300),
        "updated_at": NOW - timedelta(days=number % 40),
        "pass_status": "PASS_INSTALLED" if installed else "PASS_ISSUED",
        "wallets": (["google"] if number % 5 == 0 else ["apple"]) if installed else [],
        "installed_at": NOW - timedelta(days=30) if installed else None,
        "meta": {"city": ("Wien", "Köln", "[bold]Roma[/]")[number % 3]},
        "keys": {},
    } | more


def add_members(database: Database, program_id: str, count: int, first: int = 0) -> None:
    """Members `first` to `first + count` of the seed, into a program."""
    with database.write() as connection:
        for start in range(first, first + count, 500):
            page = [
                enrolments.storable(holder(number, provider_id=f"{program_id[:4]}{number:06}"))
                for number in range(start, min(start + 500, first + count))
            ]
            enrolments.upsert_page(connection, program_id, page, message_key="latestOffer", seen_at=NOW)


def double_members(database: Database, program_id: str) -> None:
    """Write each member of a program a second time, and its pass: quicker by far than pages of them."""
    with database.write() as connection:
        more = connection.execute(sa.select(sa.func.max(members.c.id))).scalar_one()
        for table, changed in (
            (members, {"id": members.c.id + more, "external_id": members.c.external_id + f"+{more}"}),
            (
                passes,
                {
                    "id": passes.c.id + more,
                    "member_id": passes.c.member_id + more,
                    "provider_id": passes.c.provider_id + f"+{more}",
                },
            ),
        ):
            again = sa.select(*(changed.get(column.name, column) for column in table.c))
            connection.execute(
                table.insert().from_select(
                    [column.name for column in table.c], again.where(table.c.program_id == program_id)
                )
            )


def add_programs(connection: sa.Connection, account: str) -> None:
    """Three programs with their tiers; the second has a hostile name."""
    for id_, kind, name in (
        (CAFE, "membership", "Café Central"),
        (COUPONS, "coupon", "Winter [bold]coupons[/] [/x]"),
        (TICKETS, "ticket", "Jazz nights"),
    ):
        programs.upsert_program(
            connection, Program(id_, account, kind, name, ("PROJECT_PUBLISHED",), "Europe/Vienna")
        )
    programs.replace_tiers(
        connection,
        CAFE,
        [
            Tier("base", "Base", "t1", "ok"),
            Tier("gold", "Gold", "t1", "ok"),
            Tier("silver", "Silver [/s]", "t2", "no_placeholder"),
        ],
    )
    programs.replace_tiers(connection, COUPONS, [Tier("offer", "Two for one", "t3", "no_field")])
    programs.mark_synced(connection, CAFE, message_field="meta.latestOffer", at=NOW - timedelta(hours=2))
    programs.mark_synced(connection, COUPONS, message_field="meta.latestOffer", at=NOW - timedelta(days=3))


def fill(database: Database, settings: Settings, clock: Clock) -> None:
    """All of it."""
    migrate(database)
    with database.write() as connection:
        add_programs(connection, settings.account)
    add_members(database, CAFE, 300)
    add_members(database, COUPONS, 12)
    with database.write() as connection:
        _sign_on(connection, settings.account)
        for name, chosen in (
            ("gold", Selection("where", "tier = 'gold' AND points > 100")),
            ("everybody", Selection("all")),
        ):
            audiences.save(connection, CAFE, name, chosen, now=clock.at)
            audit.append(
                connection,
                actor=ACTOR,
                act="audience.save",
                subject=name,
                details={"kind": chosen.kind},
                at=clock.at,
            )
    add_blasts(database, settings, clock)


def add_blasts(database: Database, settings: Settings, clock: Clock) -> None:
    """Six blasts: finished 1, held 2, cancelled 3, paused 4, running 5 (half done), planned 6."""

    def launched(text: str, where: str) -> int:
        clock.move(minutes=5)
        plan = plans.plan(
            database, settings, program=CAFE, chosen=Selection("where", where), text=text, actor=ACTOR
        )
        expect = plan.tally.counts["pending"]
        blasts.launch(database, settings, plan.blast.id, expect=expect, actor=ACTOR, ring=lambda _: None)
        return plan.blast.id

    finished = launched("Free refill today", "points < 100")
    while send(database, finished, clock):
        clock.move(seconds=1)
    with database.write() as connection:
        ledger.finish_if_done(connection, finished, at=clock.at)
    held = launched("Two cakes for one", "points BETWEEN 100 AND 200")
    with database.write() as connection:
        ledger.step(connection, held, "held", at=clock.at, hold_reason="PassKit refused the key [/held]")
    cancelled = launched("A mistake [/oops]", "points BETWEEN 201 AND 300")
    blasts.cancel(database, settings, cancelled, actor=ACTOR)
    paused = launched("Hello {first_name|friend}", "points BETWEEN 301 AND 500")
    blasts.pause(database, settings, paused, actor=ACTOR)
    running = launched("Happy hour from 5 to 6 🎉", "points > 500")
    for _ in range(3):
        clock.move(seconds=1)
        send(database, running, clock)
    clock.move(minutes=5)
    plans.plan(
        database,
        settings,
        program=CAFE,
        chosen=Selection("where", "tier = 'gold'"),
        text="Gold evening on Friday",
        actor=ACTOR,
    )


def send(database: Database, blast_id: int, clock: Clock, size: int = 20) -> int:
    """Claim and settle one batch, with a failure and a try to be repeated in it. Returns its size."""
    with database.write() as connection:
        batch_id, claimed = claims.claim(
            connection,
            blast_id,
            worker="desk:1:abc",
            limit=size,
            lease_until=clock.at + timedelta(minutes=1),
            at=clock.at,
            look=lambda *_: {},
        )
        settled = [_settlement(place, one.id, one.pass_id, clock) for place, one in enumerate(claimed)]
        if settled:
            settlements.settle(connection, blast_id, batch_id, settled, at=clock.at)
    return len(claimed)


def _settlement(place: int, delivery_id: int, pass_id: int, clock: Clock) -> Settlement:
    if place == 3:
        return Settlement(
            delivery_id,
            pass_id,
            "failed",
            "refused",
            reason="refused",
            detail="PassKit said: [bold]no[/] \x1b[31m",
            code="3",
        )
    return Settlement(delivery_id, pass_id, "accepted", "accepted")


def _sign_on(connection: sa.Connection, account: str) -> None:
    seen = NOW + timedelta(days=1)  # alive however far a test moves its clock
    workers.sign_on(connection, WorkerRow("desk:1:abc", account, "desk", 1, "0", NOW, seen))
