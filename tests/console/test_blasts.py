"""The blasts and one blast: what is shown of the ledger, and what a key does to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList

from console.app import Console
from console.desk import Desk
from console.screens.ask import Ask
from console.screens.blast import BlastScreen
from console.screens.blast_questions import FilterScreen, RateScreen, RetryScreen
from console.screens.blasts import BlastsScreen, bar
from console.screens.delivery import DeliveryScreen
from console.screens.launch import LaunchScreen
from console.widgets.progress import Pace
from console.widgets.table import VirtualTable
from jobs import blasts
from store import ledger
from store.schema import blasts as blasts_table
from store.schema import deliveries as deliveries_table
from tests.console.hands import settled, shown
from tests.console.seed import HOSTILE, Clock, send
from tests.console.steps import blast, counts, last_act, open_blast, press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]
FINISHED, HELD, CANCELLED, PAUSED, RUNNING, PLANNED = range(1, 7)


def opened(blast_id: int, *keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For a snapshot: open a blast, then press keys."""

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, blast_id)
        await press(pilot, *keys)

    return steps


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_list_looks_so(snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await press(pilot, "4")

    assert snap_compare(console(desk), terminal_size=size, run_before=steps)


def test_the_first_day_looks_so(snap_compare: Compare, bare_desk: Desk, console: Make) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await press(pilot, "4")

    assert snap_compare(console(bare_desk), run_before=steps)


@pytest.mark.parametrize("blast_id", [FINISHED, HELD, CANCELLED, PAUSED, PLANNED])
def test_a_blast_looks_so(snap_compare: Compare, desk: Desk, console: Make, blast_id: int) -> None:
    assert snap_compare(console(desk), run_before=opened(blast_id))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_running_blast_looks_so(
    snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]
) -> None:
    assert snap_compare(console(desk), terminal_size=size, run_before=opened(RUNNING))


@pytest.mark.parametrize(
    "keys", [("d",), ("slash",), ("t",), ("e",), ("x",), ("enter", "down", "down", "down", "enter")]
)
def test_what_a_key_opens_looks_so(
    snap_compare: Compare, desk: Desk, console: Make, keys: tuple[str, ...]
) -> None:
    assert snap_compare(console(desk), run_before=opened(RUNNING, *keys))


async def test_the_list_opens_a_blast_and_escape_comes_back(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await press(pilot, "4", "down", "enter")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.blast_id == RUNNING
        await press(pilot, "escape")
        assert isinstance(app.screen, BlastsScreen)


async def test_a_running_blast_is_followed(desk: Desk, console: Make, clock: Clock) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_blast(pilot, RUNNING)
        before = said(pilot, "Progress")
        send(desk.database, RUNNING, clock)
        app.screen.look_again()  # type: ignore[attr-defined]
        await settled(pilot)
        after = said(pilot, "Progress")
    assert "60 of 104" in before
    assert "80 of 104" in after
    assert "199 planned = 24 pending + 76 accepted + 4 failed + 95 skipped" in after


async def test_counts_on_the_screen_add_up(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        for blast_id in range(FINISHED, PLANNED + 1):
            await open_blast(pilot, blast_id)
            line = next(line for line in said(pilot, "Progress").split("\n") if " planned = " in line)
            planned, *parts = (int(word) for word in line.split() if word.isdigit())
            assert planned == sum(parts) == counts(desk, blast_id)["planned"]


async def test_without_a_worker_it_says_what_to_do(desk: Desk, console: Make, clock: Clock) -> None:
    clock.move(days=3)
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        assert "start one with `passbell worker`" in said(pilot, "Progress")


async def test_pause_and_resume(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "r")
        assert blast(desk, RUNNING).state == "running"
        await press(pilot, "p")
        assert blast(desk, RUNNING).state == "paused"
        assert last_act(desk) == ("blast.paused", "5")
        await press(pilot, "r")
        assert blast(desk, RUNNING).state == "running"


async def test_a_held_blast_says_why_and_can_go_on(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, HELD)
        assert "Held: PassKit refused the key [/held]." in said(pilot, "Progress")
        assert "It waits for you: once that is put right press r" in said(pilot, "Progress")
        await press(pilot, "r")
        assert blast(desk, HELD).state == "running"


async def test_cancel_asks_and_a_hasty_enter_keeps_it(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "x")
        assert isinstance(app.screen, Ask)
        await press(pilot, "enter", "enter")
        assert blast(desk, RUNNING).state == "running"


async def test_cancel_ends_it_for_good(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "x", "tab", "enter")
        assert blast(desk, RUNNING).state == "cancelled"
        assert counts(desk, RUNNING)["pending"] == 0
        await press(pilot, "x", "p", "e", "t")
        assert isinstance(app.screen, BlastScreen)
        assert "Cancelled at" in said(pilot, "Progress")


async def test_retry_shows_the_count_and_a_hasty_enter_does_nothing(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "t")
        assert isinstance(app.screen, RetryScreen)
        assert str(app.screen.query_one("#yes", Button).label) == "Retry 3"
        await press(pilot, "enter", "enter")
        assert counts(desk, RUNNING)["failed"] == 3


async def test_retry_of_all_that_failed(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, FINISHED)
        await press(pilot, "t", "tab", "enter")
    assert blast(desk, FINISHED).state == "running"
    assert (counts(desk, FINISHED)["failed"], counts(desk, FINISHED)["pending"]) == (0, 1)
    assert last_act(desk) == ("blast.retry", "1")


@pytest.mark.parametrize(("line", "left"), [(1, 2), (2, 0)])
async def test_retry_of_one_batch_or_one_reason(desk: Desk, console: Make, line: int, left: int) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "t", "shift+tab", *["down"] * line, "enter")
        assert counts(desk, RUNNING)["failed"] == 3
        await press(pilot, "enter")
        assert isinstance(app.screen, BlastScreen)
    assert counts(desk, RUNNING)["failed"] == left


async def test_the_rate_is_changed_while_it_runs(desk: Desk, console: Make) -> None:
    blasts.set_rate(desk.database, desk.settings, RUNNING, per_second=7, actor="me")
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        for before, typed, rate in (("7", "20", 20.0), ("20", "0.5", 0.5), ("0.5", "", None)):
            await press(pilot, "e")
            assert isinstance(app.screen, RateScreen)
            assert app.screen.query_one("#rate", Input).value == before
            app.screen.query_one("#rate", Input).value = typed
            await press(pilot, "enter")
            assert isinstance(app.screen, BlastScreen)
            assert blast(desk, RUNNING).rate_per_second == rate


async def test_a_wrong_rate_is_told_in_its_place(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "e")
        for typed in ("0", "-1", "1e9", "nan"):
            app.screen.query_one("#rate", Input).value = typed
            await press(pilot, "enter")
            assert isinstance(app.screen, RateScreen)
            assert "above 0" in said(pilot, "#trouble")
        await press(pilot, "escape")
    assert blast(desk, RUNNING).rate_per_second is None


async def test_a_planned_blast_is_launched_after_asking(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l", "enter")
        assert blast(desk, PLANNED).state == "planned"
        await press(pilot, "l")
        assert isinstance(app.screen, LaunchScreen)
        await press(pilot, "tab", "enter")
    assert blast(desk, PLANNED).state == "running"


async def test_from_a_batch_to_its_deliveries_to_one_with_its_tries(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "enter")
        assert said(pilot, "#section").startswith("Deliveries: batch 4")
        table = app.screen.query_one("#deliveries", VirtualTable)
        assert table.row_count == 20
        await press(pilot, "down", "down", "down", "enter")
        assert isinstance(app.screen, DeliveryScreen)
        assert app.screen.delivery["state"] == "failed"
        assert app.screen.tried[0].code == "3"
        await press(pilot, "escape", "escape")
        assert said(pilot, "#section").startswith("Batches")


async def test_deliveries_of_one_state_or_reason(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "d")
        table = app.screen.query_one("#deliveries", VirtualTable)
        assert table.row_count == 199
        await press(pilot, "slash")
        assert isinstance(app.screen, FilterScreen)
        slices = app.screen.slices
        place = next(i for i, one in enumerate(slices) if one.state == "failed" and one.reason is None)
        app.screen.query_one(OptionList).highlighted = place
        await press(pilot, "enter")
        assert table.row_count == slices[place].count == 3


async def test_a_blast_that_is_gone_is_told(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(notifications=True) as pilot:
        await open_blast(pilot, 99)
        assert isinstance(app.screen, BlastsScreen)
        assert any("there is no blast 99" in toast.message for toast in app._notifications)


@pytest.mark.parametrize(
    "text",
    ["[@click=app.quit]leave[/] " + " ".join(HOSTILE), "x" * 10_000, ""],
    ids=["all at once", "long", "empty"],
)
async def test_hostile_texts_names_and_reasons_do_nothing_but_show(
    desk: Desk, console: Make, text: str
) -> None:
    texts = {"name": text, "audience": text, "text": text, "hold_reason": text}
    why = {"reason": text, "detail": text, "code": text}
    with desk.database.write() as connection:
        connection.execute(blasts_table.update().values(**texts))
        failed = deliveries_table.c.state == "failed"
        connection.execute(deliveries_table.update().where(failed).values(**why))
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, HELD)
        await open_blast(pilot, RUNNING)
        await press(pilot, "t", "escape", "slash")
        slices = app.screen.slices  # type: ignore[attr-defined]
        place = next(i for i, one in enumerate(slices) if one.reason == text)
        app.screen.query_one(OptionList).highlighted = place
        await press(pilot, "enter", "enter")
        assert isinstance(app.screen, DeliveryScreen)
        await press(pilot, "escape", "escape", "escape")
        assert isinstance(app.screen, BlastsScreen)
        assert app.is_running


async def test_a_cancelled_blast_counts_those_that_never_got_it(desk: Desk, console: Make) -> None:
    with desk.database.read() as connection:
        tally = ledger.tally(connection, CANCELLED)
    done, never = tally.states["accepted"] + tally.states["failed"], tally.skipped_by_reason["cancelled"]
    assert never
    app = console(desk)
    async with app.run_test() as pilot:
        await open_blast(pilot, CANCELLED)
        assert f"{done:,} of {done + never:,}" in said(pilot, "Progress")
        assert "100%" not in said(pilot, "Progress")
        await press(pilot, "d", "end", "enter")
        assert "skipped: the blast was cancelled" in said(pilot, "#facts")
        assert "the pass is not touched" in said(pilot, "#facts")


@pytest.mark.parametrize("blast_id", range(1, 7))
async def test_the_footer_always_names_help_and_quit(desk: Desk, console: Make, blast_id: int) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, blast_id)
        footer = shown(pilot)[-1]
        assert all(words in footer for words in ("esc Back", "? Help", "q Quit"))


def test_a_bar_is_full_only_when_all_is_done() -> None:
    assert bar(0, 0) == "──────────   0%"
    assert bar(999, 1_000) == "━━━━━━━━━─  99%"
    assert bar(1_000, 1_000) == "━━━━━━━━━━ 100%"


def test_the_pace_is_taken_over_the_last_readings() -> None:
    pace = Pace()
    pace.take(0, 0.0)
    assert pace.per_second == 0.0
    for second in range(1, 20):
        pace.take(50 * second, float(second))
    assert pace.per_second == pytest.approx(50.0)
    pace.take(40, 20.0)
    assert pace.per_second == 0.0
