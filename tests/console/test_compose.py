"""Compose and launch: the keys of a person, and what the store holds afterwards."""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList, Select, TextArea

from console import editor
from console.app import Console
from console.desk import Desk
from console.screens import compose
from console.screens.blast import BlastScreen
from console.screens.compose import ComposeScreen
from console.screens.draft import Draft, kept
from console.screens.launch import LaunchScreen
from console.screens.verdict import VerdictScreen
from console.screens.why import WhyScreen
from console.widgets.lock_screen import LockScreen
from console.widgets.table import VirtualTable
from console.widgets.verdict_bar import VerdictBar
from jobs.passes.example import SAMPLE
from store import audiences, audit, ledger, templates
from store.audiences import Selection
from store.ledger import VERDICTS
from tests.console.hands import settled, text_of
from tests.console.own import LINDEN
from tests.console.seed import ACTOR, CAFE, HOSTILE, NOW
from tests.console.steps import press, said

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked without a pause for thought."""
    monkeypatch.setattr(compose, "PAUSE_SECONDS", 0.001)


async def write(pilot: Pilot[Any], text: str, *, audience: str | None = None) -> None:
    """Open Compose with a text for the café's members."""
    await pilot.app.open_compose(CAFE, audience)  # type: ignore[attr-defined]
    await settled(pilot)
    pilot.app.screen.query_one(TextArea).text = text
    await settled(pilot)


def drafted(text: str, *keys: str, audience: str | None = None) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For a snapshot: write, then press keys."""

    async def steps(pilot: Pilot[Any]) -> None:
        await write(pilot, text, audience=audience)
        await press(pilot, *keys)

    return steps


def counts(desk: Desk, blast_id: int) -> dict[str, int]:
    with desk.database.read() as connection:
        return ledger.tally(connection, blast_id).counts


def state(desk: Desk, blast_id: int) -> str:
    with desk.database.read() as connection:
        return ledger.get(connection, blast_id).state


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_compose_looks_so(snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]) -> None:
    steps = drafted("Hi {first_name|friend}, two cakes for one today 🎉", "escape", "n")
    assert snap_compare(console(desk), terminal_size=size, run_before=steps)


def test_a_wrong_text_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    assert snap_compare(console(desk), run_before=drafted("Hi {frist_name}, [bold]come[/] by"))


def test_the_first_day_looks_so(snap_compare: Compare, bare_desk: Desk, console: Make) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await press(pilot, "3")

    assert snap_compare(console(bare_desk), run_before=steps)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_launch_looks_so(snap_compare: Compare, desk: Desk, console: Make, size: tuple[int, int]) -> None:
    steps = drafted("Two cakes for one", "ctrl+r")
    assert snap_compare(console(desk), terminal_size=size, run_before=steps)


def test_a_live_launch_looks_so(snap_compare: Compare, console: Make, live_desk: Desk) -> None:
    assert snap_compare(console(live_desk), run_before=drafted("Two cakes for one", "ctrl+r"))


async def test_typing_shows_the_lock_screen_and_the_counts(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Two cakes for one\nfor {first_name|you}")
        assert said(pilot, "#whose") == "For Ann [/foo] Lee  M-0000  25 characters"
        iphone = [line[: len(line) // 2] for line in said(pilot, "#phones").split("\n")]
        assert any("Two cakes for one" in line for line in iphone)
        assert any("for Ann" in line for line in iphone)
        assert "≤124 alert" in said(pilot, "#alert")
        assert "158  at most get it, taking about 6 s" in said(pilot, "#figures")
        assert "9  opted out of messages" in said(pilot, "#figures")
        pilot.app.screen.query_one(TextArea).text = "Two cakes for one"
        await settled(pilot)
        assert "158  will get it, taking" in said(pilot, "#figures")
        assert said(pilot, "#length").startswith("17 of 500 characters")


async def test_stepping_through_members_stays_among_them(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Hi {name}", audience="gold")
        await press(pilot, "escape")
        first = said(pilot, "#whose")
        await press(pilot, "n")
        assert said(pilot, "#whose") != first
        await press(pilot, "p", "p")
        assert said(pilot, "#whose") == first
        await pilot.press(*["n"] * 20)
        await settled(pilot)
        assert said(pilot, "#whose").startswith("For ")


async def test_keys_are_letters_while_one_writes(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "")
        await press(pilot, "n", "o", "4")
        assert pilot.app.screen.query_one(TextArea).text == "no4"
        await press(pilot, "escape", "4")
        assert not isinstance(pilot.app.screen, ComposeScreen)


async def test_a_predicate_is_counted_as_it_is_written(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Hello")
        pilot.app.screen.query_one("#audience", Select).value = "where"
        await settled(pilot)
        assert said(pilot, "#trouble").startswith("write who is meant")
        pilot.app.screen.query_one("#predicate", Input).value = "tier = 'gold' AND points >"
        await settled(pilot)
        assert said(pilot, "#trouble")
        assert pilot.app.screen.query_one("#plan", Button).disabled
        pilot.app.screen.query_one("#predicate", Input).value = "tier = 'gold'"
        await settled(pilot)
        assert said(pilot, "#trouble") == ""
        assert "will get it" in said(pilot, "#figures")


async def test_an_audience_that_is_gone_is_never_widened_to_all(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Hello", audience="gold")
        with desk.database.write() as connection:
            audiences.delete(connection, CAFE, "gold")
        await press(pilot, "escape", "4", "3")
        assert said(pilot, "#told") == "Choose an audience."
        assert pilot.app.screen.query_one("#plan", Button).disabled
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, ComposeScreen)


async def test_nothing_is_written_before_the_plan(desk: Desk, console: Make) -> None:
    with desk.database.read() as connection:
        before = len(ledger.list_blasts(connection, "rehearsal"))
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Hello")
        await press(pilot, "escape", "n", "n")
    with desk.database.read() as connection:
        assert len(ledger.list_blasts(connection, "rehearsal")) == before


async def test_enter_and_enter_again_sends_nothing(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one", audience="gold")
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, LaunchScreen)
        await press(pilot, "enter", "enter")
        assert not isinstance(app.screen, BlastScreen)
    assert state(desk, 7) == "planned"


async def test_a_large_count_has_to_be_typed(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one")
        await press(pilot, "ctrl+r")
        launch = app.screen.query_one("#launch", Button)
        assert launch.disabled
        assert "Type 158 to make sure, or click it:  ___ " in text_of(pilot)
        await press(pilot, "shift+tab", "1", "5", "7")
        assert launch.disabled
        await press(pilot, "enter", "enter")
        assert state(desk, 7) == "planned"
        await press(pilot, "backspace", "8")
        assert not launch.disabled
        await press(pilot, "enter")
        assert state(desk, 7) == "planned"
        await press(pilot, "enter")
        assert isinstance(app.screen, BlastScreen)
        assert app.screen.blast_id == 7
    assert state(desk, 7) == "running"
    assert counts(desk, 7) | {"pending": 158} == counts(desk, 7)
    with desk.database.read() as connection:
        (newest, *_) = audit.page(connection, limit=1)
    assert (newest.act, newest.subject, newest.details["expect"]) == ("blast.launch", "7", 158)


async def test_no_toast_covers_the_question(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await write(pilot, "Two cakes for one")
        app.notify("The sync is done.", timeout=600)
        await settled(pilot)
        assert "The sync is done." in text_of(pilot)
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, LaunchScreen)
        assert "The sync is done." not in text_of(pilot)


async def test_a_small_one_needs_the_button_and_the_text_is_gone_after_it(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one", audience="gold")
        await press(pilot, "ctrl+r", "tab", "enter")
        assert state(desk, 7) == "running"
        await press(pilot, "3")
        assert pilot.app.screen.query_one(TextArea).text == ""


async def test_what_changed_since_the_question_is_not_launched(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes for one", audience="gold")
        await press(pilot, "ctrl+r")
        with desk.database.write() as connection:
            ledger.step(connection, 7, "cancelled", at=ledger.get(connection, 7).planned_at)
        await press(pilot, "tab", "enter")
        assert isinstance(app.screen, ComposeScreen)
    assert state(desk, 7) == "cancelled"


async def test_a_plan_that_is_refused_says_why_and_keeps_the_text(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(notifications=True) as pilot:
        await write(pilot, "   ")
        await press(pilot, "ctrl+r")
        assert isinstance(app.screen, ComposeScreen)
        assert any("the text is empty" in toast.message for toast in app._notifications)


async def test_hostile_names_and_texts_do_nothing_but_show(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        for text in (" ".join(HOSTILE), "[@click=app.quit]leave[/] [/foo]", "x" * 10_000, "\u202eabc"):
            await write(pilot, text)
            assert app.is_running
            assert isinstance(pilot.app.screen, ComposeScreen)
        await write(pilot, "[/foo] {name|[/]} [@click=app.quit]x[/]")
        await press(pilot, "escape", *["n"] * len(HOSTILE))
        await press(pilot, "ctrl+r")
        assert isinstance(pilot.app.screen, LaunchScreen)
        await press(pilot, "escape")
        pilot.app.screen.query_one("#program", Select).value = "5coupon00000000000000"
        await settled(pilot)
        assert "Winter [bold]coupons[/]" in said(pilot, "#phones")


async def test_the_longest_and_the_shortest_of_all_are_a_key_away(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        await write(pilot, "Hello")
        await press(pilot, "escape", "greater_than_sign")
        assert any("same for everybody" in toast.message for toast in app._notifications)
        await write(pilot, "Hi {name|}!")
        await press(pilot, "escape", "greater_than_sign")
        longest = said(pilot, "#whose")
        assert longest.startswith("The longest text of all, 28 characters: bell")
        await press(pilot, "less_than_sign")
        assert said(pilot, "#whose") == "The shortest text of all, 4 characters: no name  M-0009"
        await press(pilot, "n")
        assert said(pilot, "#whose").startswith("For ")


async def test_phones_are_dark_or_light_and_one_by_one_where_it_is_narrow(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await write(pilot, "Two cakes for one")
        await press(pilot, "escape")
        assert ("iPhone" in said(pilot, "#phones"), "Android" in said(pilot, "#phones")) == (True, False)
        await press(pilot, "v")
        assert ("iPhone" in said(pilot, "#phones"), "Android" in said(pilot, "#phones")) == (False, True)
        assert said(pilot, "#told").startswith("The pass changes, and the lock screen")
        before = app.screen.query_one(LockScreen).dark
        await press(pilot, "b", "i")
        assert app.screen.query_one(LockScreen).dark is not before
        assert any("only the designs of our own" in toast.message for toast in app._notifications)
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert "iPhone" in said(pilot, "#phones")
        assert "Android" in said(pilot, "#phones")


async def test_a_phone_speaks_the_languages_of_our_own_design(own_desk: Desk, console: Make) -> None:
    translate(own_desk)
    app = console(own_desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await app.open_compose(LINDEN)
        await settled(pilot)
        app.screen.query_one(TextArea).text = "Soup"
        await press(pilot, "escape")
        assert "News: Soup" in said(pilot, "#phones")
        assert "Kaffeehaus Linden" in said(pilot, "#phones")
        await press(pilot, "i")
        assert "Neu: Soup" in said(pilot, "#phones")
        assert "speaks de" in said(pilot, "#notes")
        await press(pilot, "i")
        assert "News: Soup" in said(pilot, "#phones")


async def test_each_verdict_is_a_key_and_a_click_away_from_exactly_its_members(
    desk: Desk, console: Make
) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40)) as pilot:
        await write(pilot, "Two cakes for one")
        await press(pilot, "escape")
        counts = app.screen.query_one(VerdictBar)._counts
        assert sum(counts.values()) == 294
        for key, verdict in zip("6789", VERDICTS, strict=True):
            await press(pilot, key)
            assert isinstance(app.screen, VerdictScreen)
            assert app.screen.query_one(VirtualTable).row_count == counts[verdict]
            await press(pilot, "escape")
        await pilot.click("#nothing")
        await settled(pilot)
        assert "136 passes in Café Central who get nothing" in text_of(pilot)
        assert "the pass is in no wallet" in text_of(pilot)
        await press(pilot, "7")
        assert "34 passes in Café Central whose phone stays silent" in text_of(pilot)
        await press(pilot, "enter")
        assert isinstance(app.screen, WhyScreen)
        await press(pilot, "escape", "escape")
        assert isinstance(app.screen, ComposeScreen)


async def test_an_editor_of_ones_own_is_opened_from_within_the_text(
    desk: Desk, console: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def edited(app: Any, text: str) -> str:
        return text + " today"

    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    app = console(desk)
    async with app.run_test(notifications=True) as pilot:
        await write(pilot, "Two cakes for one")
        await press(pilot, "f4")
        assert any("No editor is named" in toast.message for toast in app._notifications)
        monkeypatch.setenv("EDITOR", "any")
        monkeypatch.setattr(editor, "edit", edited)  # a test's terminal cannot be lent
        await press(pilot, "f4")
        assert app.screen.query_one(TextArea).text == "Two cakes for one today"


async def test_an_earlier_text_is_taken_up_and_can_be_undone(desk: Desk, console: Make) -> None:
    """Hostile ones are only text; each is offered once, the newest first; Escape takes none."""
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3")
        app.screen.query_one("#text", TextArea).text = "mine"
        await press(pilot, "ctrl+t")
        offered = app.screen.query_one(OptionList)
        assert offered.option_count == 6
        assert str(offered.options[3].prompt).startswith("A mistake [/oops]\n  blast 3, cancelled")
        await press(pilot, "escape")
        area = app.screen.query_one("#text", TextArea)
        assert area.text == "mine"
        await press(pilot, "ctrl+t", "down", "down", "down", "enter")
        assert area.text == "A mistake [/oops]"
        assert app.focused is area
        await press(pilot, "ctrl+z")
        assert area.text == "mine"


async def test_one_key_leads_to_the_text_and_enter_from_the_fields_above(desk: Desk, console: Make) -> None:
    """It writes on at the end; Escape leaves it. A click on its word leads there, too."""
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "e", *"We", "escape", "n", "e", *"e")
        area = app.screen.query_one("#text", TextArea)
        assert area.text == "Wee"
        app.screen.query_one("#category").focus()
        await press(pilot, "t", "enter", "s")
        assert area.text == "Wees"
        await press(pilot, "escape")
        await pilot.click("#text-line Parts", offset=(2, 0))
        await settled(pilot)
        assert app.focused is area


async def test_before_the_first_plan_there_is_no_earlier_text(bare_desk: Desk, console: Make) -> None:
    app = console(bare_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "ctrl+t")
        assert "No text was planned yet." in text_of(pilot)


async def test_a_draft_outlives_the_console(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await write(pilot, "Two cakes [/for] one", audience="gold")
        await press(pilot, "escape", "q")
    again = console(desk)
    async with again.run_test() as pilot:
        await press(pilot, "3")
        assert again.screen.query_one(TextArea).text == "Two cakes [/for] one"
        assert again.screen.query_one("#audience", Select).value == "saved:gold"


@pytest.mark.parametrize(
    "found", [None, "x", {"program_id": CAFE}, dict.fromkeys(Draft.__dataclass_fields__, 7)]
)
def test_a_strange_draft_is_none(found: Any) -> None:
    assert kept(found) is None


async def test_a_draft_of_a_program_that_is_gone_is_no_harm(desk: Desk, console: Make) -> None:
    app = console(desk)
    async with app.run_test() as pilot:
        await settled(pilot)
        app.memory.put("compose.draft", dict.fromkeys(Draft.__dataclass_fields__, "\x1b[2J"))
        await press(pilot, "3")
        assert isinstance(app.screen, ComposeScreen)
        assert app.screen.query_one(TextArea).text == ""


def of_program(program: str, text: str, *keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For a snapshot: write to a program, then press keys."""

    async def steps(pilot: Pilot[Any]) -> None:
        await pilot.app.open_compose(program)  # type: ignore[attr-defined]
        await settled(pilot)
        pilot.app.screen.query_one(TextArea).text = text
        await press(pilot, "escape", *keys)

    return steps


LONG = "Hi {name|friend}, two cakes for one today, from 3 to 5 in the afternoon. " * 3
RTL = "שלום! Two cakes, שתי עוגות\nمرحبا Ann"
EMOJI = "🎉 👨‍👩‍👧 🇦🇹 ❤️ 👍🏽 two cakes for one"


LOOKS: dict[str, tuple[str, tuple[str, ...], tuple[int, int]]] = {
    "dark": ("Two cakes for one\nfor {first_name|you}", ("n", "n"), (200, 50)),
    "light": ("Two cakes for one\nfor {first_name|you}", ("b", "n", "n"), (100, 30)),
    "right to left": (RTL, (), (120, 40)),
    "emoji": (EMOJI, (), (120, 40)),
    "longest": (LONG, ("greater_than_sign",), (120, 40)),
    "android": ("Two cakes for one", ("v",), (80, 24)),
    "silent": ("Two cakes for one", ("7",), (100, 30)),
}


@pytest.mark.parametrize("name", LOOKS)
def test_phones_look_so(snap_compare: Compare, desk: Desk, console: Make, name: str) -> None:
    text, keys, size = LOOKS[name]
    assert snap_compare(console(desk), terminal_size=size, run_before=of_program(CAFE, text, *keys))


def test_nobody_looks_so(snap_compare: Compare, desk: Desk, console: Make) -> None:
    with desk.database.write() as connection:
        audiences.save(connection, CAFE, "none", Selection("where", "points < 0"))
    steps = drafted("Two cakes for one", audience="none")
    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=steps)


def test_phones_of_our_own_passes_look_so(snap_compare: Compare, own_desk: Desk, console: Make) -> None:
    translate(own_desk)
    steps = of_program(LINDEN, "Soup of the day: lentils", "i")
    assert snap_compare(console(own_desk), terminal_size=(120, 40), run_before=steps)


def translate(desk: Desk) -> None:
    """Give our own program a design that words its change message in two languages."""
    design = tomllib.loads(SAMPLE)
    design["message"]["change_message"] = "News: %@"
    design["strings"]["de"]["News: %@"] = "Neu: %@"
    with desk.database.write() as connection:
        templates.add(connection, LINDEN, design, {}, at=NOW, actor=ACTOR)
