"""The gate on screen: purposes, what waits, what differs from the plan before, plans that hold no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from textual.pilot import Pilot
from textual.widgets import Button, Input, Select, TextArea

from console import words
from console.app import Console
from console.desk import Desk
from console.screens import compose
from console.screens.blast import BlastScreen
from console.screens.compose import ComposeScreen
from console.screens.draft_form import DraftForm
from console.screens.launch import LaunchScreen
from jobs import blasts, plans, preferences, rules
from jobs.engine.gate import Gate, Message
from store import claims, ledger
from store.audiences import Selection
from store.claims import Answer
from store.preferences import LONGEST_CATEGORY
from store.schema import blasts as blasts_table
from store.schema import deliveries as deliveries_table
from store.schema import members as members_table
from tests.console.hands import settled, text_of
from tests.console.seed import ACTOR, CAFE, HOSTILE, Clock
from tests.console.steps import blast, counts, last_act, open_blast, press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]
PLANNED, NEXT = 6, 7
GOLD = "tier = 'gold'"
QUIET = {"quiet_from": "13:00", "quiet_to": "15:00"}
"""In Vienna it is half past one."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked without a pause for thought."""
    monkeypatch.setattr(compose, "PAUSE_SECONDS", 0.001)


def be_quiet(desk: Desk) -> None:
    """Give the café quiet hours of its own."""
    rules.change(desk.database, desk.settings, CAFE, QUIET, actor=ACTOR)


def plan(desk: Desk, category: str | None = None) -> plans.Plan:
    """Plan a message to the café's gold members."""
    return plans.plan(
        desk.database,
        desk.settings,
        program=CAFE,
        chosen=Selection("where", GOLD),
        text="Gold evening",
        category=category,
        actor=ACTOR,
    )


def change_members(desk: Desk) -> None:
    """Two of the gold members leave their tier, one opts out, and one of the base tier rises."""
    change = members_table.update().where(members_table.c.program_id == CAFE)
    with desk.database.write() as connection:
        for ids, values in (
            (("M-0012", "M-0021"), {"tier_id": "base"}),
            (("M-0030",), {"opted_out": True}),
            (("M-0002",), {"tier_id": "gold"}),
        ):
            connection.execute(change.where(members_table.c.external_id.in_(ids)).values(**values))


def ask_again(desk: Desk, blast_id: int, clock: Clock) -> None:
    """Let the gate be asked as a claim asks it: who has to wait is put off."""

    def look(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Answer]:
        scope = deliveries_table.c.id.in_(ids)
        gate = Gate(
            connection, desk.settings.gate, CAFE, Message(blast_id=blast_id), at=clock.at, scope=scope
        )
        return gate.look(ids)

    with desk.database.write() as connection:
        lease = clock.at + timedelta(minutes=1)
        claims.claim(
            connection, blast_id, worker="desk:1:abc", limit=200, lease_until=lease, at=clock.at, look=look
        )


async def write(pilot: Pilot[Any], text: str, purpose: str = "marketing", category: str = "") -> None:
    """Open Compose with a message to the café's gold members."""
    await pilot.app.open_compose(CAFE)  # type: ignore[attr-defined]
    await settled(pilot)
    screen = pilot.app.screen
    screen.query_one("#audience", Select).value = "where"
    screen.query_one("#predicate", Input).value = GOLD
    screen.query_one("#purpose", Select).value = purpose
    screen.query_one("#category", Input).value = category
    screen.query_one(TextArea).text = text
    await settled(pilot)


def steps(*keys: str, **message: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For a snapshot: write a message, then press keys."""

    async def run(pilot: Pilot[Any]) -> None:
        await write(pilot, "Gold evening, from six on", **message)
        await press(pilot, *keys)

    return run


# How it looks


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_a_service_message_that_waits_looks_so(
    snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]
) -> None:
    be_quiet(desk)
    run = steps("escape", purpose="service", category="table [/reserved]")
    assert snap_compare(console(desk), terminal_size=size, run_before=run)


def test_a_launch_against_the_plan_before_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    change_members(desk)
    be_quiet(desk)
    run = steps("ctrl+r", "pagedown", purpose="service", category="evenings")
    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=run)


def test_a_plan_that_no_longer_holds_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    be_quiet(desk)

    async def run(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l")

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=run)


def test_a_blast_that_waits_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    be_quiet(desk)
    found = plan(desk, category="evenings")

    async def run(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, found.blast.id)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=run)


# Purpose and category


async def test_purpose_and_category_are_planned_and_not_kept_for_the_next(desk: Desk, console: Make) -> None:
    declined = {"declined": ["news"]}
    preferences.change(desk.database, CAFE, "M-0012", declined, actor=ACTOR)
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Gold evening", category="  NEWS ")
        assert "1  does not want messages of this" in said(pilot, "#figures")
        app.screen.query_one("#purpose", Select).value = "service"
        await settled(pilot)
        assert "does not want" not in said(pilot, "#figures")
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, LaunchScreen)
        assert "service, category news: passes over declined," in text_of(pilot)
        await press(pilot, "tab", "enter")
        assert (blast(desk, NEXT).purpose, blast(desk, NEXT).category) == ("service", "news")
        assert ", service, category news" in said(pilot, "Progress")
        await press(pilot, "3")
        assert app.screen.query_one("#purpose", Select).value == "marketing"
        assert app.screen.query_one("#category", Input).value == ""


async def test_both_are_chosen_by_keys_and_stay_in_the_draft(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot, "Gold evening")
        await press(pilot, "tab", "enter", "up", "enter", "tab", *"news")
        await press(pilot, "escape", "4", "3")
        draft = app.screen.query_one(DraftForm).draft()
        assert draft is not None
        assert (draft.purpose, draft.category) == ("service", "news")


async def test_a_hostile_category_does_nothing_but_show(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot, "Gold evening", category="\x1b[31m")
        assert said(pilot, "#trouble").startswith("a category has 1 to 40 printable characters")
        assert app.screen.query_one("#plan", Button).disabled
        for category in ("[@click=app.quit]x[/]", "🎉" * LONGEST_CATEGORY):
            await write(pilot, "[/foo] [@click=app.quit]x[/] " + HOSTILE[5], category=category)
            await press(pilot, "ctrl+r")
            assert isinstance(app.screen, LaunchScreen)
            assert blast(desk, NEXT).category
            await press(pilot, "escape")
        await open_blast(pilot, NEXT)
        assert "[@click=app.quit]x[/]" in said(pilot, "Progress")


# What waits


async def test_what_waits_is_counted_before_the_launch_and_while_it_runs(
    desk: Desk, console: Make, clock: Clock
) -> None:
    be_quiet(desk)
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Gold evening")
        told = "79  wait: quiet hours until 15:00 CET"
        assert told in said(pilot, "#figures")
        await press(pilot, "ctrl+r")
        assert told in said(pilot, "#figures")
        clock.move(seconds=1)  # what is due since the plan was not put off
        await press(pilot, "tab", "enter")
        assert isinstance(app.screen, BlastScreen)
        clock.move(seconds=11)
        app.screen.look_again()
        await settled(pilot)
        assert "79  wait: quiet hours when last asked: asked again when" in said(pilot, "Progress")
        assert "Done in about 3 s." in said(pilot, "Progress")
        ask_again(desk, NEXT, clock)
        app.screen.look_again()
        await settled(pilot)
        assert told in said(pilot, "Progress")
        assert "The next message is due in 1 h" in said(pilot, "Progress")
        await press(pilot, "slash")
        assert "79  pending: it is the member's quiet hours" in text_of(pilot)


async def test_only_some_wait(desk: Desk, console: Make, clock: Clock) -> None:
    clock.move(minutes=20)
    found = plan(desk)
    until = found.blast.planned_at.replace(hour=22, minute=30)
    pending = (deliveries_table.c.blast_id == found.blast.id, deliveries_table.c.state == "pending")
    with desk.database.write() as connection:
        some = deliveries_table.select().where(*pending).limit(5)
        for number, row in enumerate(connection.execute(some).all()):
            later = {"reason": "too_soon", "due_at": until.replace(minute=number)}
            connection.execute(
                deliveries_table.update().where(deliveries_table.c.id == row.id).values(**later)
            )
        put = blasts_table.update().where(blasts_table.c.id == found.blast.id)
        connection.execute(put.values(state="running"))
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_blast(pilot, found.blast.id)
        told = said(pilot, "Progress")
    assert "5  wait: messaged a moment ago, until 23:00 CET or later" in told
    assert "but for those that wait" in told


def test_moments_are_told_by_the_programs_clock(clock: Clock) -> None:
    soon, later = (clock.at.replace(day=day, hour=7, minute=0) for day in (22, 23))
    waiting = words.waiting
    assert waiting("quiet_hours", (soon, soon), "Europe/Vienna") == "quiet hours until 08:00 CET"
    assert waiting("quiet_hours", (later, later), None) == "quiet hours until 11-23 07:00 UTC"
    clock.move(days=3)
    over = "messaged a moment ago when last asked: asked again when their turn comes"
    assert waiting("too_soon", (soon, later), None) == over


# Plans that no longer hold


async def test_an_old_plan_is_planned_anew_by_a_key_and_its_count_is_asked_for(
    desk: Desk, console: Make, clock: Clock
) -> None:
    clock.move(hours=25)
    change_members(desk)
    before = counts(desk, PLANNED)["pending"]
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l")
        assert isinstance(app.screen, LaunchScreen)
        told = " ".join(said(pilot, "#moment").split())
        assert "more than 24 hours ago: ctrl+r plans it anew." in told
        assert not app.screen.query_one("#launch", Button).display
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, LaunchScreen)
        assert app.focused is app.screen.query_one("#cancel")
        now = counts(desk, NEXT)["pending"]
        assert now != before
        assert str(app.screen.query_one("#launch", Button).label) == f"Launch to {now}"
        assert "7, planned anew from 6" in text_of(pilot)
        assert "Against blast 6, planned 25 h" in said(pilot, "#figures")
        assert "2  left: 2 no longer meeting the condition; such as M-0012," in said(pilot, "#figures")
        await press(pilot, "ctrl+r")  # it holds now: the key does nothing
        await press(pilot, "tab", "enter")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.blast_id == NEXT
    assert (blast(desk, PLANNED).state, blast(desk, NEXT).state) == ("planned", "running")
    assert last_act(desk) == ("blast.launch", "7")


async def test_rules_that_change_under_the_question_are_told_and_planned_anew_by_mouse(
    desk: Desk, console: Make
) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot, "Gold evening")
        await press(pilot, "ctrl+r")
        assert app.screen.query_one("#launch", Button).display
        be_quiet(desk)
        await press(pilot, "tab", "enter")
        assert isinstance(app.screen, LaunchScreen)
        told = " ".join(said(pilot, "#moment").split())
        assert told.startswith("the rules have changed since blast 7 was planned (quiet")
        assert blast(desk, NEXT).state == "planned"
        await pilot.click("#replan")
        await settled(pilot)
        assert "79  wait: quiet hours until 15:00 CET" in said(pilot, "#figures")
        await press(pilot, "escape")
        assert isinstance(app.screen, ComposeScreen)
        assert app.screen.query_one(TextArea).text == "Gold evening"
    assert [blast(desk, one).state for one in (NEXT, NEXT + 1)] == ["planned", "planned"]


async def test_a_launch_that_is_under_way_is_not_left_as_if_it_was_none(
    desk: Desk, console: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, launch = Event(), Event(), blasts.launch
    asked = []

    def slowly(*given: Any, **named: Any) -> Any:
        asked.append(given)
        begun.set()
        assert go_on.wait(30)
        return launch(*given, **named)

    monkeypatch.setattr(blasts, "launch", slowly)
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l", "tab")
        await pilot.press("enter", "enter")
        assert await asyncio.to_thread(begun.wait, 30)
        await pilot.press("escape")
        await pilot.click("#cancel")
        assert isinstance(app.screen, LaunchScreen)
        assert said(pilot, "#moment") == "Launching …"
        assert next(one.message for one in app._notifications).startswith("It is being launched")
        go_on.set()
        await settled(pilot)
        assert isinstance(app.screen, BlastScreen)
        assert blast(desk, PLANNED).state == "running"
    assert len(asked) == 1


async def test_enter_held_down_in_the_field_for_the_time_sends_nothing(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l")
        app.screen.query_one("#at", Input).focus()
        await press(pilot, "enter")
        assert app.focused is app.screen.query_one("#cancel")
        await press(pilot, *["enter"] * 3)
        assert isinstance(app.screen, BlastScreen)
    assert blast(desk, PLANNED).state == "planned"


async def test_what_is_scheduled_is_not_planned_a_second_time(
    desk: Desk, console: Make, clock: Clock
) -> None:
    at = clock.at.replace(hour=18, minute=0, second=0, microsecond=0)
    blasts.launch(
        desk.database,
        desk.settings,
        PLANNED,
        expect=counts(desk, PLANNED)["pending"],
        send_at=at,
        actor=ACTOR,
        ring=lambda _: None,
    )
    be_quiet(desk)
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l", "enter")  # the focus is on Plan anew, which sends nothing
        assert any("cancel it first" in toast.message for toast in app._notifications)
    with desk.database.read() as connection:
        assert len(ledger.list_blasts(connection, "rehearsal")) == PLANNED


async def test_a_plan_that_cannot_be_made_anew_says_why(desk: Desk, console: Make, clock: Clock) -> None:
    clock.move(hours=25)
    with desk.database.write() as connection:
        put = blasts_table.update().where(blasts_table.c.id == PLANNED)
        connection.execute(put.values(audience_key="saved:99"))
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l", "ctrl+r")
        assert isinstance(app.screen, BlastScreen)
        assert any("99" in toast.message for toast in app._notifications)
    with desk.database.read() as connection:
        assert len(ledger.list_blasts(connection, "rehearsal")) == PLANNED
