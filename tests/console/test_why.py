"""The why on screen: one that was sent, one that was refused, one that waits; and the ways to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from console.app import Console
from console.desk import Desk
from console.screens.delivery import DeliveryScreen
from console.screens.member import MemberScreen
from console.screens.why import WhyScreen
from jobs import consents, preferences
from store.consents import Said
from tests.console.hands import settled, text_of
from tests.console.seed import ACTOR, CAFE, NOW, Clock
from tests.console.steps import open_blast, press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]
SIZES = [(80, 24), (200, 50)]
FINISHED, PAUSED, PLANNED = 1, 4, 6


def opened(
    external_id: str, blast_id: int | None = None, *keys: str
) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For a snapshot: open a member's why, then press keys."""

    async def steps(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.app.push_screen(WhyScreen(CAFE, external_id, blast_id))
        await press(pilot, *keys)

    return steps


@pytest.mark.parametrize("size", SIZES)
def test_one_that_was_sent_looks_so(
    snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]
) -> None:
    assert snap_compare(console(desk), terminal_size=size, run_before=opened("M-0012", FINISHED))


@pytest.mark.parametrize("size", SIZES)
def test_one_that_was_refused_looks_so(
    snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]
) -> None:
    said = Said("marketing", False, "form", NOW)
    consents.withdraw(desk.database, CAFE, "M-0063", said, actor=ACTOR)
    assert snap_compare(console(desk), terminal_size=size, run_before=opened("M-0063", PAUSED))


@pytest.mark.parametrize("size", SIZES)
def test_one_that_waits_looks_so(
    snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]
) -> None:
    preferences.change(desk.database, CAFE, "M-0063", {"quiet_hours": "12:00-15:00"}, actor=ACTOR)
    assert snap_compare(console(desk), terminal_size=size, run_before=opened("M-0063", PAUSED, "end"))


async def test_w_opens_it_from_the_members_and_from_a_member(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await press(pilot, "w")  # no member is under the cursor yet
        assert not isinstance(app.screen, WhyScreen)
        await press(pilot, "enter", "w")
        assert isinstance(app.screen, WhyScreen)
        assert "M-0000" in said(pilot, "#steps")
        await press(pilot, "escape", "enter")
        assert isinstance(app.screen, MemberScreen)
        await press(pilot, "w")
        assert isinstance(app.screen, WhyScreen)
        assert "marketing" in said(pilot, "#steps")
        await press(pilot, "s")
        assert "service" in said(pilot, "#steps")
        await press(pilot, "escape")
        assert isinstance(app.screen, MemberScreen)
        await press(pilot, "escape", "2", "w", "enter", "w")  # and from those of an audience
        assert app.current_mode == "audiences"
        assert isinstance(app.screen, WhyScreen)


async def test_w_opens_it_from_a_delivery(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, FINISHED)
        await press(pilot, "d", "enter")
        assert isinstance(app.screen, DeliveryScreen)
        member = app.screen.delivery["member"]
        await press(pilot, "w")
        assert isinstance(app.screen, WhyScreen)
        assert f"{member}" in said(pilot, "#steps")
        assert "blast 1 (Free refill today)" in said(pilot, "#steps")
        assert not app.screen.check_action("purpose", ())
        await press(pilot, "escape")
        assert isinstance(app.screen, DeliveryScreen)


async def test_it_is_asked_anew_when_it_comes_back_into_view(desk: Desk, console: Make, clock: Clock) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await opened("M-0063")(pilot)
        assert said(pilot, "#steps").startswith("✓ Would be messaged now")
        consents.withdraw(
            desk.database, CAFE, "M-0063", Said("marketing", False, "form", clock.at), actor=ACTOR
        )
        await press(pilot, "question_mark", "escape")
        assert said(pilot, "#steps").startswith("✗ Would not be messaged now: withdrew consent to marketing")


async def test_hostile_names_and_unknown_members_are_shown_inert(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        for number in (2, 3, 4):  # escape sequences, a very long one, one that turns letters round
            await opened(f"M-{number:04}", FINISHED)(pilot)
            assert "\x1b" not in text_of(pilot)
            assert "\u202e" not in text_of(pilot)
        await opened("M-[/x]\x1b[2J")(pilot)
        assert "there is no member" in said(pilot, "#steps")
        assert "\x1b" not in said(pilot, "#steps")
