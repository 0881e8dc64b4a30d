"""The hands on a blast: failed batches, holds, schedules, the undo window, limits and urgency."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList

from console.app import Console
from console.desk import Desk
from console.screens.ask import Ask
from console.screens.blast import BlastScreen
from console.screens.blast_questions import MissedScreen, RateScreen, RetryScreen
from console.screens.blasts import row
from console.screens.launch import LaunchScreen
from console.widgets.tick import Tick
from store import deliveries
from store.schema import blasts as blasts_table
from store.schema import deliveries as deliveries_table
from store.schema import programs as programs_table
from store.schema import workers as workers_table
from tests.console.hands import settled, shown, text_of, typed
from tests.console.seed import HOSTILE, Clock
from tests.console.steps import blast, counts, last_act, open_blast, press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]
FINISHED, HELD, CANCELLED, PAUSED, RUNNING, PLANNED = range(1, 7)

WHYS = (
    ("server_error", "PassKit said: internal error while the pass was rendered", "HTTP 500 / 13"),
    ("timeout", "PassKit gave no answer within 10 s", None),
)


def put(desk: Desk, blast_id: int, **values: Any) -> None:
    """A blast as time or a provider has made it."""
    with desk.database.write() as connection:
        connection.execute(blasts_table.update().where(blasts_table.c.id == blast_id).values(**values))


def fail(desk: Desk, why: tuple[str, str | None, str | None], count: int, batch: int) -> None:
    """Let accepted deliveries of a running batch be failed ones."""
    reason, detail, code = why
    chosen = (deliveries_table.c.batch_id == batch, deliveries_table.c.state == "accepted")
    with desk.database.write() as connection:
        ids = [
            found.id for found in connection.execute(deliveries_table.select().where(*chosen).limit(count))
        ]
        failed = deliveries_table.update().where(deliveries_table.c.id.in_(ids))
        connection.execute(failed.values(state="failed", reason=reason, detail=detail, code=code))


def fail_some(desk: Desk) -> None:
    """Batches 3 and 2 of the running blast have failed in part, for two reasons."""
    fail(desk, WHYS[0], 7, batch=3)
    fail(desk, WHYS[1], 2, batch=3)
    fail(desk, WHYS[0], 4, batch=2)


async def look(pilot: Pilot[Any]) -> str:
    """Let the screen look, and give its head."""
    pilot.app.screen.look_again()  # type: ignore[attr-defined]
    await settled(pilot)
    return " ".join(said(pilot, "Progress").split())


def schedule(desk: Desk, clock: Clock) -> None:
    """A scheduled and a missed blast, an urgent one, and a held one that goes on by itself."""
    put(desk, PLANNED, state="scheduled", send_at=clock.at + timedelta(days=9, hours=20))
    put(desk, RUNNING, urgent=True)
    put(desk, PAUSED, state="missed", send_at=clock.at - timedelta(hours=2))
    put(desk, HELD, probe_at=clock.at + timedelta(seconds=4))


# How it looks


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_failed_batches_look_so(
    snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]
) -> None:
    fail_some(desk)

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, RUNNING)
        await press(pilot, *(["t", "down"] if size == (80, 24) else []))

    assert snap_compare(console(desk), terminal_size=size, run_before=steps)


def test_what_waits_looks_so_in_the_list(
    snap_compare: Compare, desk: Desk, console: Make, clock: Clock
) -> None:
    schedule(desk, clock)

    async def steps(pilot: Pilot[Any]) -> None:
        await press(pilot, "4")

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=steps)


def test_a_schedule_is_asked_for_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l")
        pilot.app.screen.query_one("#at", Input).value = "2026-12-01 09:00"
        await settled(pilot)

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=steps)


# Failed batches and their retry


async def test_failed_batches_stand_first_with_count_reason_and_code(desk: Desk, console: Make) -> None:
    fail_some(desk)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, RUNNING)
        first, second, third = [line for line in shown(pilot) if " ! " in line]
        assert first.split()[:5] == ["3", "20", "19", "!", "10"]
        assert "7 PassKit said: internal" in first
        assert "HTTP 500 / 13 +1" in first
        assert second.split()[:5] == ["2", "20", "19", "!", "5"]
        assert third.split()[:5] == ["4", "20", "19", "!", "1"]
        assert "PassKit said: internal error while the pass was r…  HTTP 500 / 13" in said(pilot, "Progress")

        await press(pilot, "t", "down")
        assert isinstance(app.screen, RetryScreen)
        assert "REHEARSAL" in said(pilot, "#mode")
        assert "failed in batch 3" in text_of(pilot)
        assert (
            "7 PassKit said: internal error while the pass was rendered (HTTP 500 / 13); 2 PassKit gave no"
            in (said(pilot, "#why"))
        )
        assert str(app.screen.query_one("#yes", Button).label) == "Retry 10"
        await press(pilot, "tab", "enter")
        assert isinstance(app.screen, BlastScreen)
        assert counts(desk, RUNNING)["failed"] == 6
        assert [line.split()[0] for line in shown(pilot) if " ! " in line] == ["2", "4"]
    assert last_act(desk) == ("blast.retry", "5")


async def test_a_pane_of_one_cell_is_survived(desk: Desk, console: Make) -> None:
    fail_some(desk)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, RUNNING)
        for keys in (("w",), ("t",)):
            await press(pilot, *keys)
            await pilot.resize_terminal(1, 1)
            await press(pilot, "down")
            await pilot.resize_terminal(80, 24)
        assert isinstance(app.screen, RetryScreen)


async def test_what_failed_while_the_question_stood_is_not_retried_along(desk: Desk, console: Make) -> None:
    fail_some(desk)
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "t")
        assert str(app.screen.query_one("#yes", Button).label) == "Retry 16"
        with desk.database.write() as connection:
            more = sa.text("UPDATE deliveries SET state = 'failed' WHERE blast_id = 5 AND state = 'pending'")
            assert connection.execute(more).rowcount
        failed = counts(desk, RUNNING)["failed"]
        await press(pilot, "tab", "enter")
        (told,) = [one.message for one in app._notifications]
        assert told.startswith(f"blast 5: {failed} have failed by now, and 16 were confirmed")
    assert counts(desk, RUNNING)["failed"] == failed


async def test_a_retry_by_mouse_of_one_reason_goes_live_in_words(console: Make, live_desk: Desk) -> None:
    fail_some(live_desk)
    app = console(live_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "slash")
        place = next(i for i, one in enumerate(app.screen.slices) if one.reason == "server_error")  # type: ignore[attr-defined]
        app.screen.query_one(OptionList).highlighted = place
        await press(pilot, "enter", "t")
        assert isinstance(app.screen, RetryScreen)
        assert "LIVE" in said(pilot, "#mode")
        button = app.screen.query_one("#yes", Button)
        assert str(button.label) == "Retry 11"  # what was in view is chosen
        await pilot.click(OptionList, offset=(12, 0))
        await settled(pilot)
        assert (str(button.label), counts(live_desk, RUNNING)["failed"]) == ("Retry 16", 16)
        await pilot.click("#yes")
        await settled(pilot)
    assert counts(live_desk, RUNNING)["failed"] == 0


# Holds


async def test_a_held_blast_says_whether_it_goes_on_by_itself(
    desk: Desk, console: Make, clock: Clock
) -> None:
    app = console(desk)
    put(desk, HELD, probe_at=clock.at + timedelta(seconds=4))
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, HELD)
        told = await look(pilot)
        assert "Held: PassKit refused the key [/held]. It goes on by itself" in told
        assert "(next look in 4 s); press r" in told
        clock.move(seconds=9)
        assert "(a worker looks now)" in await look(pilot)
        put(desk, HELD, probe_at=clock.at + timedelta(seconds=39))  # as while a look is under way
        assert "(a worker looks now)" in await look(pilot)
        with desk.database.write() as connection:
            connection.execute(workers_table.delete())
        assert "Nobody looks whether that has passed: start a worker" in await look(pilot)
        put(desk, HELD, probe_at=None, hold_reason=" ".join(HOSTILE) + "x" * 500)
        told = await look(pilot)
        assert r"\x1b[31mred" in told
        assert "It waits for you: once that is put right press r to go on, or x to end it" in told


# Time


async def test_a_launch_is_scheduled_in_the_programs_zone_and_urgent(
    desk: Desk, console: Make, clock: Clock
) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, PLANNED)
        await press(pilot, "l", "shift+tab", "space", "shift+tab")
        assert "[x] Urgent" in text_of(pilot)
        for wrong, why in (
            ("2027-03-28 02:30", "does not exist in Europe/Vienna"),
            ("2026-11-21 12:00", "has passed already"),
            ("[@click=app.quit]x[/] \x1b[31m", "is no date and time"),
        ):
            app.screen.query_one("#at", Input).value = wrong
            await press(pilot, "enter", "enter")
            assert why in said(pilot, "#moment")
            assert "\x1b" not in said(pilot, "#moment")
            assert app.screen.query_one("#launch", Button).disabled
        app.screen.query_one("#at", Input).value = ""
        await typed(pilot, "2026-12-01 09:00")
        await settled(pilot)
        assert said(pilot, "#moment").startswith(
            "2026-12-01 09:00 Europe/Vienna (2026-12-01 08:00 UTC), in 10"
        )
        assert str(app.screen.query_one("#launch", Button).label) == "Schedule for 79"
        await press(pilot, "enter")
        assert blast(desk, PLANNED).state == "planned"
        await press(pilot, "enter")
        assert isinstance(app.screen, BlastScreen)
        found = blast(desk, PLANNED)
        assert (found.state, found.urgent, str(found.send_at)) == (
            "scheduled",
            True,
            "2026-12-01 08:00:00+00:00",
        )
        told = await look(pilot)
        assert "URGENT" in told
        assert "Starts in 10 days, 2026-12-01 09:00 Europe/Vienna" in told

        await press(pilot, "l")  # another time: now, and not urgent
        assert app.screen.query_one("#at", Input).value == "2026-12-01 09:00"
        app.screen.query_one("#at", Input).value = ""
        app.screen.query_one(Tick).value = False
        await press(pilot, "tab", "enter")
        found = blast(desk, PLANNED)
        assert (found.state, found.urgent) == ("running", False)
        assert found.sends_from == clock.at + timedelta(seconds=10)


async def test_a_missed_blast_asks(desk: Desk, console: Make, clock: Clock) -> None:
    due = clock.at.replace(hour=10, minute=45, second=0)
    put(
        desk, PLANNED, state="missed", send_at=due, rules=None
    )  # no rules, so that another zone is none of them
    with desk.database.write() as connection:
        connection.execute(programs_table.update().values(time_zone="[/x] \x1b[31m"))
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, PLANNED)
        assert isinstance(app.screen, MissedScreen)
        assert "was to start at 2026-11-21 10:45 UTC" in said(pilot, "#sentence")
        await press(pilot, "enter")  # the focus is on Later
        assert "Missed: it was to start" in await look(pilot)
        await press(pilot, "l")
        await pilot.click("#at")
        await settled(pilot)
        assert isinstance(app.screen, LaunchScreen)
        assert app.focused is app.screen.query_one("#at")
        assert said(pilot, "#moment").startswith("Its time, 2026-11-21 10:45 UTC, has passed.")
        app.screen.query_one("#at", Input).value = "2026-11-22 10:00"
        await settled(pilot)
        assert r"'[/x] \x1b[31m': local times are taken as UTC" in " ".join(said(pilot, "#moment").split())
        await press(pilot, "escape", "l")
        await pilot.click("#cancel")
        await settled(pilot)
        assert isinstance(app.screen, Ask)  # to cancel it is asked for once more
        await press(pilot, "escape", "l")
        await pilot.click("#now")
        await settled(pilot)
        await press(pilot, "tab", "enter")
    assert (blast(desk, PLANNED).state, last_act(desk)) == ("running", ("blast.launch", "6"))


async def test_the_undo_window_counts_down_and_one_key_stops_it(
    desk: Desk, console: Make, clock: Clock
) -> None:
    for blast_id in (PLANNED, PAUSED):
        put(desk, blast_id, state="running", sends_from=clock.at + timedelta(seconds=10))
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_blast(pilot, PAUSED)
        assert "First message leaves in 10 s: press x to stop it." in await look(pilot)
        clock.move(seconds=3)
        assert "First message leaves in 7 s" in await look(pilot)
        await press(pilot, "x")
        assert blast(desk, PAUSED).state == "cancelled"
        assert [toast.message for toast in app._notifications] == ["Stopped. Nobody was messaged."]
        assert "Cancelled at 2026-11-21 12:" in await look(pilot)
        assert "Nobody was messaged." in await look(pilot)
        await open_blast(pilot, PLANNED)
        clock.move(seconds=7)  # the screen has not looked since, and the window is over
        await press(pilot, "x")
        assert isinstance(app.screen, Ask)
        await press(pilot, "escape")
        assert "First message" not in await look(pilot)
    assert blast(desk, PLANNED).state == "running"


# Limits and urgency


async def test_how_many_at_once_and_urgency_are_changed_while_it_runs(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_blast(pilot, RUNNING)
        await press(pilot, "e", "tab", "0", "enter")
        assert isinstance(app.screen, RateScreen)
        assert "between 1 and 512" in said(pilot, "#trouble")
        await press(pilot, "backspace", "4", "enter")
        assert (blast(desk, RUNNING).concurrency, blast(desk, RUNNING).rate_per_second) == (4, None)
        assert last_act(desk) == ("blast.concurrency", "5")
        assert "at most 4 deliveries at once" in await look(pilot)
        await press(pilot, "e", "tab", "backspace", "enter", "u")
        assert (blast(desk, RUNNING).concurrency, blast(desk, RUNNING).urgent) == (None, True)
        await press(pilot, "ctrl+p")
        await typed(pilot, "urgent")
        await settled(pilot)
        await app.workers.wait_for_complete()
        await press(pilot, "enter")
        assert blast(desk, RUNNING).urgent is False


# The list


def test_a_row_of_the_list_shows_what_waits_for_somebody(desk: Desk, clock: Clock) -> None:
    put(desk, RUNNING, state="cancelled")
    schedule(desk, clock)
    with desk.database.write() as connection:
        waiting = deliveries_table.c.blast_id == RUNNING, deliveries_table.c.state == "pending"
        never = deliveries_table.update().where(*waiting)
        connection.execute(never.values(state="skipped", reason="cancelled"))
        found = deliveries.blast_page(connection, "rehearsal")
    told = {one.id: [str(cell) for cell in row(one)[1]] for one in found}
    assert [told[blast_id][3] for blast_id in (HELD, PAUSED, PLANNED)] == ["! held", "! missed", "scheduled"]
    assert told[PLANNED][4] == "12-01 09:30 CET"
    assert told[RUNNING][1].startswith("urgent Happy hour")
    assert told[RUNNING][4] == "━━━━━─────  57%"  # cancelled at 60 of 104, and no further
    assert told[RUNNING][6] == "! 3"
