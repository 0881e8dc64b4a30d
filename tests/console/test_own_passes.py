"""Programs whose passes we issue: the funnel, who has not fetched a text, a nudge, and what expires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Select, TextArea

from console.app import Console
from console.desk import Desk
from console.expiry import weak
from console.screens import blast as blast_screen
from console.screens.blast_questions import FilterScreen
from console.screens.compose import ComposeScreen
from console.screens.member import MemberScreen
from console.widgets.footer import Footer
from jobs.passes.certificates import read_apple
from jobs.rehearsal.authority import Authority
from store import arrivals, deliveries, presets
from store.schema import blasts, workers
from store.schema import programs as programs_table
from tests.console.conftest import seat
from tests.console.hands import rows, settled, shown, text_of
from tests.console.own import FINISHED, GOOGLE, LINDEN, MEMBERS, PASS_TYPE, PLANNED, RUNNING, fetch
from tests.console.seed import Clock
from tests.console.steps import open_blast, press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]
Steps = Callable[[Pilot[Any]], Awaitable[None]]
SMALL, LARGE = (80, 24), (200, 50)
CAFES = 1
"""A blast whose passes are PassKit's."""


def opened(blast_id: int, *keys: str) -> Steps:
    """Open a blast, then press keys."""

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, blast_id)
        await press(pilot, *keys)

    return steps


async def program(pilot: Pilot[Any]) -> None:
    """Show our program."""
    await settled(pilot)
    await pilot.app.open_program(LINDEN)  # type: ignore[attr-defined]
    await settled(pilot)


async def member(pilot: Pilot[Any]) -> None:
    """Open the member whose name is a click that leaves the console."""
    await settled(pilot)
    await pilot.app.push_screen(MemberScreen(LINDEN, "L-001"))
    await settled(pilot)


async def written(pilot: Pilot[Any]) -> None:
    """Write to the whole program, and look at the second pass that would get it: Google's."""
    await settled(pilot)
    await pilot.app.open_compose(LINDEN)  # type: ignore[attr-defined]
    await settled(pilot)
    pilot.app.screen.query_one(TextArea).text = "Hello {name|friend}, cake!"
    await press(pilot, "escape", "n")


@pytest.fixture
def live_own(own_desk: Desk, authority: Authority) -> Callable[..., Desk]:
    """Makes the same desk LIVE, with Apple's certificate in files."""

    def make(**flags: str) -> Desk:
        with own_desk.database.write() as connection:
            for table in (programs_table, blasts, workers):
                connection.execute(table.update().values(account="live"))
        apple = {
            "apple.pass_type": PASS_TYPE,
            "apple.certificate": str(authority.folder / "client.pem"),
            "apple.wwdr": str(authority.folder / "wwdr.pem"),
        }
        live = seat(own_desk.settings.home, **apple | flags)
        live.__dict__["database"] = own_desk.database
        return live

    return make


@pytest.mark.parametrize(
    ("blast_id", "keys", "size"),
    [
        (FINISHED, (), SMALL),
        (FINISHED, ("f",), LARGE),
        (RUNNING, ("d",), SMALL),
        (FINISHED, ("f", "enter"), SMALL),
    ],
)
def test_a_blast_looks_so(
    snap_compare: Compare,
    own_desk: Desk,
    console: Make,
    blast_id: int,
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(console(own_desk), terminal_size=size, run_before=opened(blast_id, *keys))


@pytest.mark.parametrize(("steps", "size"), [(program, SMALL), (member, LARGE), (written, SMALL)])
def test_a_screen_looks_so(
    snap_compare: Compare, own_desk: Desk, console: Make, steps: Steps, size: tuple[int, int]
) -> None:
    assert snap_compare(console(own_desk), terminal_size=size, run_before=steps)


async def test_late_fetchers_are_counted_after_the_end(
    own_desk: Desk, console: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blast_screen, "LATE_SECONDS", 3600.0)
    app = console(own_desk)
    async with app.run_test(size=SMALL) as pilot:
        await open_blast(pilot, FINISHED)
        assert "40 planned > 33 accepted > 30 asked > 24 fetched" in said(pilot, "FunnelView")
        assert "10 planned > 10 accepted > 8 held by somebody" in said(pilot, "FunnelView")
        fetch(own_desk.database, FINISHED, clock)
        app.screen.look_again()  # type: ignore[attr-defined]
        await settled(pilot)
        assert "24 fetched" in said(pilot, "FunnelView")  # it is not yet time to count again
        monkeypatch.setattr(app.screen, "_count_from", 0.0)
        app.screen.look_again()  # type: ignore[attr-defined]
        await settled(pilot)
        assert "33 accepted > 31 asked > 25 fetched" in said(pilot, "FunnelView")
        with own_desk.database.read() as connection:
            funnel = arrivals.funnel(connection, FINISHED)
        assert funnel.steps["apple"]["fetched"].count == 25


async def test_who_has_not_fetched_it_is_listed(own_desk: Desk, console: Make) -> None:
    app = console(own_desk)
    async with app.run_test(size=SMALL) as pilot:
        await open_blast(pilot, FINISHED)
        listed = []
        for _ in range(3):
            await press(pilot, "f")
            listed.append(rows(pilot, "#deliveries"))
        await press(pilot, "slash")
        assert isinstance(app.screen, FilterScreen)
        offered = [str(option.prompt) for option in app.screen.query_one(OptionList).options]
    with own_desk.database.read() as connection:
        wanted = [
            [row["id"] for row in deliveries.page(connection, FINISHED, deliveries.Which(fetched=fetched))]
            for fetched in (False, True, None)
        ]
    assert listed == wanted
    assert [len(part) for part in listed] == [9, 24, MEMBERS + GOOGLE]
    assert any("9  accepted, but not fetched by a phone yet" in line for line in offered)
    assert any("24  fetched by a phone" in line for line in offered)


async def test_a_click_on_nudge_writes_to_those_who_have_not_fetched_it(
    own_desk: Desk, console: Make
) -> None:
    app = console(own_desk)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await open_blast(pilot, FINISHED)
        await pilot.click(Footer, offset=(shown(pilot)[-1].index("Nudge"), 0))
        await settled(pilot)
        assert isinstance(app.screen, ComposeScreen)
        assert app.screen.query_one("#program", Select).value == LINDEN
        assert app.screen.query_one("#predicate", Input).value == presets.of_blast(7, fetched=False)
        (hint,) = [one.message for one in app._notifications]
        assert "a pass waits 15 min after its last message" in hint
        assert "only those with Apple Wallet are meant" in hint
        assert "14  will get it" in text_of(pilot)


async def test_others_blasts_have_no_funnel_and_nothing_to_nudge(own_desk: Desk, console: Make) -> None:
    app = console(own_desk)
    async with app.run_test(size=SMALL) as pilot:
        for blast_id in (CAFES, PLANNED):
            await open_blast(pilot, blast_id)
            assert app.screen.query_one("FunnelView").display is False
            assert app.screen.check_action("nudge", ()) is False
            assert app.screen.check_action("fetched", ()) is False


async def test_a_live_launch_names_apple_and_google(live_own: Callable[..., Desk], console: Make) -> None:
    app = console(live_own(**{"google.issuer": "3388000000022222222"}))
    async with app.run_test(size=SMALL) as pilot:
        await opened(PLANNED, "l")(pilot)
        text = " ".join(text_of(pilot).replace("┃", " ").split())
    assert f"live, Apple {PASS_TYPE} and Google issuer 3388000000022222222" in text
    assert "PassKit" not in text


async def test_a_certificate_is_warned_of_thirty_days_ahead(
    live_own: Callable[..., Desk], console: Make, clock: Clock, authority: Authority
) -> None:
    expires = read_apple(authority.client_pem, wwdr=authority.wwdr_pem, where="client.pem").expires_at
    desk = live_own()
    for days, short in ((31, []), (-1, ["Apple: expired"]), (12, ["Apple: 12 days left"])):
        clock.at = expires - timedelta(days=days, minutes=1)
        found = [one for one in weak(desk.settings, desk.database) if "intermediate" not in one.sentence]
        assert [one.short for one in found] == short
    app = console(desk)
    async with app.run_test(size=SMALL) as pilot:
        await program(pilot)
        assert "Apple: 12 days left" in text_of(pilot).split("\n")[1]
        assert f"Apple pass certificate: {PASS_TYPE}, team" in said(pilot, "#facts")


def test_nobody_is_warned_who_issues_no_passes(own_desk: Desk) -> None:
    assert weak(own_desk.settings, own_desk.database) == ()
    passkit = seat(own_desk.settings.home, **{"passkit.api_key": "key", "passkit.api_secret": "s" * 32})
    assert weak(passkit.settings, own_desk.database) == ()


def test_a_credential_that_is_missing_is_told_first(live_own: Callable[..., Desk]) -> None:
    desk = live_own(**{"google.issuer": "3388000000022222222"})
    first, *_ = weak(desk.settings, desk.database)
    assert (first.short, first.fails) == ("Google: unusable", True)
    assert "`passbell credentials add google` keeps one" in first.sentence
