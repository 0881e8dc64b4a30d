"""Audiences: the list, building one of each kind, replacing and deleting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static, TextArea

from console.app import Console
from console.desk import Desk
from console.screens import build as build_screen
from console.screens.ask import Ask
from console.screens.audiences import AudiencesScreen
from console.screens.build import BuildScreen
from jobs.intake import files
from store import audiences, sizes
from store.audiences import Audience, Selection
from tests.console.hands import rows, settled, shown, text_of, typed
from tests.console.seed import CAFE, COUPONS, NOW, Clock

pytestmark = pytest.mark.anyio
MakeConsole = Callable[[Desk], Console]


def saved(desk: Desk, program_id: str = CAFE) -> dict[str, Audience]:
    """What the store holds."""
    with desk.database.read() as connection:
        return {one.name: one for one in audiences.list_all(connection, program_id)}


async def build(pilot: Pilot[Any]) -> None:
    """Open the builder from the first screen."""
    await settled(pilot)
    await pilot.press("2")
    await settled(pilot)
    await pilot.press("n")
    await settled(pilot)
    assert isinstance(pilot.app.screen, BuildScreen)


async def choose(pilot: Pilot[Any], way: str, words: str) -> None:
    """Say who is meant; a file is read at Enter."""
    pilot.app.screen.query_one("#way", Select).value = way
    await settled(pilot)
    field = {"where": "#words", "file": "#path"}[way]
    pilot.app.screen.query_one(field).focus()
    await typed(pilot, words + ("\n" if way == "file" else ""))
    await settled(pilot)


async def name(pilot: Pilot[Any], text: str) -> None:
    """Give it a name and save it."""
    pilot.app.screen.query_one("#name").focus()
    await typed(pilot, text)
    await pilot.press("ctrl+s")
    await settled(pilot)


async def test_the_list_shows_who_is_in_each_audience_now(
    desk: Desk, console: MakeConsole, clock: Clock
) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        with desk.database.write() as connection:
            gold = audiences.by_name(connection, CAFE, "gold")
            for days, size in ((3, 80), (2, 95), (1, 70)):
                sizes.note(connection, gold.id, size, clock.at - timedelta(days=days))
            others = Selection("where", "NOT in_audience('gold')")
            audiences.save(connection, CAFE, "others", others, description="not yet [/gold]", now=clock.at)
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        assert "everybody  294 members now" in text_of(pilot)
        await pilot.press("down")
        await settled(pilot)
        text = text_of(pilot)
        assert "where tier = 'gold' AND points > 100" in text
        assert "gold  93 members now" in text
        assert "▃█▁▇" in text
        assert "80 on 2026-11-18" in text
        assert "93 on 2026-11-21" in text
        assert "the audience others" in text
        assert len(rows(pilot, "#members")) == 93
        await pilot.press("down")
        await settled(pilot)
        assert "not yet [/gold]" in text_of(pilot)
        await pilot.press("up", "d")
        await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
        assert ["is named by others" in one.message for one in app._notifications] == [True]
    assert set(saved(desk)) == {"everybody", "gold", "others"}


async def test_a_condition_is_counted_shown_and_saved(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        await choose(pilot, "where", "points > 1400 AND city = 'Wien'")
        assert "6 members" in text_of(pilot)
        assert len(rows(pilot, "#members")) == 6
        await name(pilot, "rich in Wien")
        assert isinstance(app.screen, AudiencesScreen)
        assert "rich in Wien" in text_of(pilot)
    kept = saved(desk)["rich in Wien"]
    assert (kept.kind, kept.expression) == ("where", "points > 1400 AND city = 'Wien'")


async def test_all_of_another_program(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        app.screen.query_one("#program", Select).value = COUPONS
        await settled(pilot)
        assert "12 members" in text_of(pilot)
        await name(pilot, "all coupons")
    assert saved(desk, COUPONS)["all coupons"].kind == "all"


async def test_a_file_is_reported_and_its_members_kept(
    desk: Desk, console: MakeConsole, tmp_path: Path
) -> None:
    file = tmp_path / "invited.csv"
    file.write_text("Member ID,note\nM-0001,x\nM-0002,y\nM-0001,again\n[/foo]nobody\x1b,z\n,none\n")
    app = console(desk)
    async with app.run_test(size=(110, 36)) as pilot:
        await build(pilot)
        await choose(pilot, "file", str(file))
        text = text_of(pilot)
        assert "5 rows, ids in column Member ID: 2 members, 1 unknown, 1 twice, 1 unreadable" in text
        assert "[/foo]nobody\\x1b" in text
        await name(pilot, "invited")
        assert isinstance(app.screen, AudiencesScreen)
    kept = saved(desk)["invited"]
    with desk.database.read() as connection:
        assert audiences.count(connection, CAFE, kept) == 2
    assert (kept.kind, kept.expression) == ("file", "invited.csv")


@pytest.mark.parametrize(
    ("way", "words", "sentence"),
    [
        ("where", "pionts > 5", "did you mean points?"),
        ("where", "points >", "^"),
        ("where", "DROP TABLE members", "^"),
        ("file", "/nowhere/[/foo].csv", "/nowhere/[/foo].csv"),
    ],
)
async def test_what_is_wrong_is_said_and_cannot_be_saved(
    desk: Desk, console: MakeConsole, way: str, words: str, sentence: str
) -> None:
    app = console(desk)
    before = saved(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        await choose(pilot, way, words)
        text = text_of(pilot)
        assert sentence in text
        assert "Nobody: what is wrong is said above." in text
        assert rows(pilot, "#members") == []
        await name(pilot, "wrong")
        assert "there is nobody to save yet" in text_of(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, AudiencesScreen)
    assert saved(desk) == before


async def test_an_empty_condition_selects_nobody(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        assert rows(pilot, "#members")
        await choose(pilot, "where", "   ")
        assert rows(pilot, "#members") == []
        assert "Nobody yet: write a condition." in text_of(pilot)
        await name(pilot, "nobody")
        assert "there is nobody to save yet" in text_of(pilot)
    assert "nobody" not in saved(desk)


async def test_a_condition_that_changed_after_it_was_counted_is_not_saved_as_it_was(
    desk: Desk, console: MakeConsole
) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        await choose(pilot, "where", "points > 5")
        app.screen.query_one("#words", TextArea).text = "points > 5 AND"
        await name(pilot, "half")
        assert isinstance(app.screen, BuildScreen)
    assert "half" not in saved(desk)


async def test_a_condition_still_being_counted_is_not_saved_as_the_one_before(
    desk: Desk, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        await choose(pilot, "where", "points > 5")
        app.screen.query_one("#name").focus()
        await typed(pilot, "rich")
        monkeypatch.setattr(build_screen, "DEBOUNCE", 600)
        await pilot.press("shift+tab", "ctrl+end", "0", "0", "0", "ctrl+s")
        await settled(pilot)
        assert isinstance(app.screen, BuildScreen)
        assert "still being counted" in text_of(pilot)
        assert "rich" not in saved(desk)
        monkeypatch.setattr(build_screen, "DEBOUNCE", 0.001)
        await pilot.press("backspace")
        await settled(pilot)
        await pilot.press("ctrl+s")
        await settled(pilot)
    assert saved(desk)["rich"].expression == "points > 500"


@pytest.mark.parametrize(("field", "value"), [("#program", COUPONS), ("#way", "all"), ("#path", "other.csv")])
async def test_a_file_that_was_being_read_is_dropped_once_the_form_has_changed(
    desk: Desk,
    console: MakeConsole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    value: str,
) -> None:
    file, go_on = tmp_path / "invited.csv", Event()
    file.write_text("id\nM-0001\n")
    match_ids = files.match_ids

    def slowly(*arguments: Any, **more: Any) -> files.IdReport:
        assert go_on.wait(20)
        return match_ids(*arguments, **more)

    monkeypatch.setattr(files, "match_ids", slowly)
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        app.screen.query_one("#way", Select).value = "file"
        await settled(pilot)
        app.screen.query_one("#path").focus()
        await typed(pilot, f"{file}\n")
        assert "Reading the file" in text_of(pilot)
        if field == "#path":
            app.screen.query_one(field, Input).value = value
        else:
            app.screen.query_one(field, Select).value = value
        await pilot.pause()
        go_on.set()
        await settled(pilot)
        assert "ids in column" not in text_of(pilot)
        await name(pilot, "late")
        assert isinstance(app.screen, AudiencesScreen) == (value == "all")
    kept = {**saved(desk), **saved(desk, COUPONS)}
    assert [one.kind for one in kept.values()].count("file") == 0


async def test_a_name_in_use_is_replaced_only_after_asking(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        await choose(pilot, "where", "points > 5")
        await name(pilot, "gold")
        assert isinstance(app.screen, Ask)
        await pilot.press("enter")
        await settled(pilot)
        assert saved(desk)["gold"].expression == "tier = 'gold' AND points > 100"
        await pilot.press("ctrl+s")
        await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
        assert isinstance(app.screen, AudiencesScreen)
    assert saved(desk)["gold"].expression == "points > 5"


async def test_a_wrong_name_is_said(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await build(pilot)
        await name(pilot, "   ")
        assert "1 to 80 printable characters" in text_of(pilot)
    assert len(saved(desk)) == 2


async def test_deleting_asks_first(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("d")
        await settled(pilot)
        await pilot.press("enter")  # the focus is on Cancel
        await settled(pilot)
        assert set(saved(desk)) == {"everybody", "gold"}
        await pilot.press("d")
        await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
        assert set(saved(desk)) == {"gold"}
        assert "gold  93 members" in text_of(pilot)


async def test_without_programs_the_builder_says_what_to_do(bare_desk: Desk, console: MakeConsole) -> None:
    app = console(bare_desk)
    async with app.run_test(size=(110, 30)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        assert "No audiences yet. Press n to build one" in text_of(pilot)
        await pilot.press("m", "d", "n")
        await settled(pilot)
        assert "There are no programs yet" in text_of(pilot)
        await pilot.press("ctrl+s", "escape")
        await settled(pilot)
        assert isinstance(app.screen, AudiencesScreen)


async def test_hostile_audiences_are_shown_inert(desk: Desk, console: MakeConsole, tmp_path: Path) -> None:
    with desk.database.write() as connection:
        for number, expression in enumerate(
            ("name = '[/foo]'", "name = '[@click=app.quit]x'", "name = '\u202e'", f"name = '{'x' * 3_000}'")
        ):
            name = f"[/foo] [@click=app.quit] {number}"
            audiences.save(connection, CAFE, name, Selection("where", expression), now=NOW)
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        for _ in range(6):
            await settled(pilot)
            assert not any(sign in "".join(shown(pilot)) for sign in "\x1b\u202e")
            await pilot.press("down")
        await pilot.press("up", "up", "d")
        await settled(pilot)
        assert isinstance(app.screen, Ask)
        await pilot.press("escape", "n")
        await settled(pilot)
        await choose(pilot, "where", "name = '[/foo]' AND [@click=app.quit]")
        assert app.screen.query_one("#hint", Static).has_class("-trouble")
    assert app.failure is None


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_audiences_look_as_they_did(
    desk: Desk, console: MakeConsole, snap_compare: Any, clock: Clock, size: tuple[int, int]
) -> None:
    with desk.database.write() as connection:
        gold = audiences.by_name(connection, CAFE, "gold")
        for days, members in ((4, 80), (3, 95), (2, 70), (1, 90)):
            sizes.note(connection, gold.id, members, clock.at - timedelta(days=days))

    async def open_(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("down")
        await settled(pilot)

    assert snap_compare(console(desk), terminal_size=size, run_before=open_)


def test_a_wrong_condition_looks_as_it_did(desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def open_(pilot: Pilot[Any]) -> None:
        await build(pilot)
        await choose(pilot, "where", "pionts > 1400")

    assert snap_compare(console(desk), terminal_size=(80, 24), run_before=open_)


def test_no_audiences_look_as_they_did(bare_desk: Desk, console: MakeConsole, snap_compare: Any) -> None:
    async def open_(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)

    assert snap_compare(console(bare_desk), terminal_size=(80, 24), run_before=open_)
