"""Themes: how far words stand off their grounds, which one is taken, and what is kept of a choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.color import ColorSystem
from textual import constants
from textual.color import Color
from textual.drivers.headless_driver import HeadlessDriver
from textual.theme import Theme

from console import themes
from console.app import Console
from console.desk import Desk
from tests.console.conftest import seat
from tests.console.hands import settled, text_of, typed
from tests.console.steps import press

Make = Callable[[Desk], Console]
PAIRS = [
    *((word, ground) for word in ("foreground", "quiet", *themes.WORDS) for ground in themes.GROUNDS),
    ("block-cursor-foreground", "block-cursor-background"),
    ("quiet", "block-cursor-background"),
    ("foreground", "block-cursor-blurred-background"),
    ("foreground", "primary-muted"),
    ("on-success", "success"),
    ("on-error", "error"),
    ("button-color-foreground", "primary"),
]


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_words_of_our_themes_have_the_contrast_that_wcag_asks_for(theme: Theme) -> None:
    colours = themes.completed(theme.to_color_system().generate() | theme.variables)
    found = {
        (word, ground): round(themes.contrast(Color.parse(colours[word]), Color.parse(colours[ground])), 2)
        for word, ground in PAIRS
    }
    assert {pair: ratio for pair, ratio in found.items() if ratio < themes.TEXT} == {}
    ground = Color.parse(colours["background"])
    for line in themes.LINES:
        assert themes.contrast(Color.parse(colours[line]), ground) >= themes.SEEN


def test_words_of_every_theme_are_seen_on_its_ground(console: Make, desk: Desk) -> None:
    for theme in console(desk).available_themes.values():
        colours = themes.completed(theme.to_color_system().generate() | theme.variables)
        ground = Color.parse(colours["background"])
        for word in () if theme.ansi else ("quiet", *themes.WORDS):
            assert themes.contrast(Color.parse(colours[word]), ground) >= themes.TEXT, (theme.name, word)


@pytest.mark.anyio
async def test_a_theme_that_is_nearly_right_is_named(desk: Desk, console: Make, tmp_path: Path) -> None:
    app = console(seat(tmp_path, **{"console.theme": "passbell-lihgt"}))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        told = " ".join(text_of(pilot).split())
        assert "Did you mean passbell-light?" in told
        assert [one.message for one in app._notifications].count(next(iter(app._notifications)).message) == 1


@pytest.mark.anyio
async def test_the_palettes_choice_is_kept_until_the_setting_changes(
    desk: Desk, console: Make, tmp_path: Path
) -> None:
    app = console(seat(tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "ctrl+p")
        await typed(pilot, "theme passbell-light")
        await settled(pilot)
        await press(pilot, "enter", "q")
    for flags, theme in (
        ({}, "passbell-light"),
        ({"console.theme": "nord"}, "nord"),
        ({}, "passbell-light"),
    ):
        app = console(seat(tmp_path, **flags))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            assert app.theme == theme


@pytest.mark.anyio
async def test_what_cannot_be_done_is_seen_among_sixteen_colours(
    desk: Desk, console: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal dims it by itself: the shade that we would mix comes out as the ground's colour there."""
    monkeypatch.setattr(constants, "COLOR_SYSTEM", "standard")
    monkeypatch.setattr(HeadlessDriver, "is_headless", False)
    app = console(desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, "4", "end", "enter")
        line = app.screen._compositor.render_strips(app.size)[-1]
        dim = [one.style for one in line if one.style is not None and one.style.dim]
        assert dim, line.text
        for style in dim:
            assert style.color
            assert style.bgcolor
            seen, ground = (one.downgrade(ColorSystem.STANDARD) for one in (style.color, style.bgcolor))
            assert seen != ground
