"""Every state of the console in many looks: as pictures, in ASCII, without colours, narrow and wide.

`STATES` is the one table: where each tour comes by, and on which screen it stands then.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from threading import Event
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension
from rich.color import ColorType
from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.screen import Screen
from textual.widgets import Input, OptionList

from console import screens, themes
from console.app import Console
from console.desk import Desk
from console.palette import Palette
from console.screens.ask import Ask
from console.screens.asking import Asking
from console.screens.audiences import AudiencesScreen
from console.screens.audit import AuditScreen, EntryScreen
from console.screens.base import ConsoleScreen
from console.screens.blast import BlastScreen
from console.screens.blast_hands import BlastHands
from console.screens.blast_questions import FilterScreen as DeliveriesFilterScreen
from console.screens.blast_questions import MissedScreen, RateScreen, RetryScreen
from console.screens.blasts import BlastsScreen
from console.screens.build import BuildScreen
from console.screens.clause import ClauseScreen
from console.screens.compose import ComposeScreen
from console.screens.delivery import DeliveryScreen
from console.screens.drawn import Drawn, Window
from console.screens.earlier import EarlierScreen
from console.screens.fields import FieldsScreen
from console.screens.form import Form
from console.screens.help import HelpScreen
from console.screens.home import HomeScreen
from console.screens.import_file import ImportFileScreen
from console.screens.imports import ImportsScreen
from console.screens.incident import IncidentScreen
from console.screens.jump import JumpScreen
from console.screens.keys import CaptureScreen, KeysScreen
from console.screens.launch import LaunchScreen
from console.screens.list_columns import ColumnsScreen
from console.screens.list_export import ExportScreen
from console.screens.list_filter import FilterScreen
from console.screens.member import MemberScreen
from console.screens.opening import OpeningScreen
from console.screens.preset import PresetScreen
from console.screens.programs import ProgramsScreen
from console.screens.target import TargetScreen
from console.screens.verdict import VerdictScreen
from console.screens.why import WhyScreen
from console.widgets.lock_screen import LockScreen
from console.widgets.table import VirtualTable
from store.errors import UsageError
from store.settings import Settings
from tests.console import seed
from tests.console.conftest import seat
from tests.console.hands import shown, text_of
from tests.console.seed import Clock
from tests.console.tours import TOURS, Stage, deafen

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PLACES: dict[str, type[Screen[Any]]] = {
    "home": HomeScreen,
    "programs": ProgramsScreen,
    "audiences": AudiencesScreen,
    "compose": ComposeScreen,
    "blasts": BlastsScreen,
    "audit": AuditScreen,
}
STATES: dict[str, dict[str, type[Screen[Any]]]] = {
    "people": {
        "programs": ProgramsScreen,
        "programs: nobody found": ProgramsScreen,
        "list: filter": FilterScreen,
        "list: wrong filter": FilterScreen,
        "list: columns": ColumnsScreen,
        "list: export": ExportScreen,
        "member": MemberScreen,
        "form": Form,
        "form: dangerous": Form,
        "why": WhyScreen,
        "fields": FieldsScreen,
        "rules": Form,
    },
    "files": {
        "imports": ImportsScreen,
        "imports: no such file": ImportsScreen,
        "import: file": ImportFileScreen,
        "import: column": TargetScreen,
        "import: sure": Ask,
    },
    "writing": {
        "audiences": AudiencesScreen,
        "audiences: delete": Ask,
        "build": BuildScreen,
        "build: rows": BuildScreen,
        "build: row": ClauseScreen,
        "build: preset": PresetScreen,
        "build: wrong": BuildScreen,
        "compose": ComposeScreen,
        "compose: wrong": ComposeScreen,
        "compose: written": ComposeScreen,
        "compose: earlier": EarlierScreen,
        "verdict": VerdictScreen,
        "launch": LaunchScreen,
    },
    "sending": {
        "home": HomeScreen,
        "blasts": BlastsScreen,
        "blast": BlastScreen,
        "blast: speed": BlastScreen,
        "blast: reasons": BlastScreen,
        "blast: filter": DeliveriesFilterScreen,
        "delivery": DeliveryScreen,
        "blast: retry": RetryScreen,
        "blast: rate": RateScreen,
        "report": IncidentScreen,
        "blast: cancel": Ask,
        "blast: missed": MissedScreen,
    },
    "around": {
        "audit": AuditScreen,
        "audit: verified": AuditScreen,
        "audit: entry": EntryScreen,
        "help": HelpScreen,
        "help: searched": HelpScreen,
        "keys": KeysScreen,
        "keys: one pressed": CaptureScreen,
        "jump": JumpScreen,
        "palette": Palette,
        "palette: searched": Palette,
        "question": Ask,
        "refused": AuditScreen,
    },
    "first day": {f"{place}: empty": kind for place, kind in PLACES.items()} | {"build: empty": BuildScreen},
    "loading": {f"{place}: loading": kind for place, kind in PLACES.items()}
    | {"audit: store away": AuditScreen},
    "start": {"opening": OpeningScreen},
}
"""Each tour's states in their order, with the screen in front."""
HINT = re.compile("coffees|price of one|until noon")
"""What an empty text area says, in a shade of Textual's own."""
PICTURES = Path(__file__).parent / "__snapshots__" / "test_matrix"
BASES = {Drawn, Window, ConsoleScreen, BlastHands, Asking}
"""What screens are made from."""

ELSEWHERE = {
    "contrast": ("programs", "list: wrong filter", "form: dangerous", "compose: written", "launch", "blast"),
    "no-colour": ("programs", "list: columns", "compose: written", "blast", "blast: cancel", "jump", "help"),
    "wide": ("programs", "why", "build: rows", "compose: written", "home", "blast"),
    "narrow": ("programs", "member", "compose: written", "launch", "home", "blast: speed", "blast: cancel"),
}
"""The states of which a look other than the first keeps a picture; all of its states are judged."""

OUTSIDE = frozenset(
    "".join((*seed.HOSTILE, *seed.FIRST, *seed.LAST, "Café Köln Wien 🎉 Kaffeehaus Linden ✨ 🔎"))
)
"""Letters that are outside text, and no signs of ours."""


class Album:
    """The pictures of one tour in one look; those that differ are all named at the end."""

    def __init__(self, snapshot: Any, look: str, tmp_path: Path) -> None:
        self._snapshot = snapshot.use_extension(SVGImageExtension)
        self._look, self._tmp_path = look, tmp_path
        self.wrong: list[str] = []

    def compare(self, app: App[Any], state: str) -> None:
        """Compare what is seen with the picture that was kept; what differs is written beside the others."""
        name = file_name(self._look, state)
        picture = app.export_screenshot(simplify=True)
        if self._snapshot(name=name) != picture:
            seen = self._tmp_path / f"{name}.svg"
            seen.write_text(picture, encoding="utf-8")
            self.wrong.append(str(seen))


def file_name(look: str, state: str) -> str:
    """A picture's name."""
    return f"{look}-{state}".replace(": ", "-").replace(" ", "-")


async def walk(
    tour: str, desk: Desk, clock: Clock, size: tuple[int, int], **flags: str
) -> AsyncIterator[tuple[Stage, str]]:
    """Go through a tour's states, each on the screen that the table says."""
    mine = seat(desk.settings.home, **flags)
    mine.__dict__["database"] = desk.database
    app = Console(mine)
    app.animation_level = "none"
    fails = deafen(app) if tour == "loading" else asyncio.Event()
    states: list[str] = []
    async with app.run_test(size=size, notifications=True) as pilot:
        stage = Stage(pilot, mine, clock, fails)
        async for state in TOURS[tour](stage):
            states.append(state)
            assert type(app.screen) is STATES[tour][state], state
            yield stage, state
    assert states == list(STATES[tour])


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Desk:
    """The desk of a tour: on the first day there is nothing yet."""
    first = request.node.callspec.params["tour"] == "first day"
    desk: Desk = request.getfixturevalue("bare_desk" if first else "desk")
    return desk


every_tour = pytest.mark.parametrize("tour", TOURS)


@every_tour
async def test_every_state_looks_so(
    tour: str, home: Desk, clock: Clock, snapshot: Any, tmp_path: Path
) -> None:
    album = Album(snapshot, "dark", tmp_path)
    async for stage, state in walk(tour, home, clock, (80, 24)):
        album.compare(stage.pilot.app, state)
        assert not set(text_of(stage.pilot)) & set("\x1b\x07\u202e"), state
    assert not album.wrong


@every_tour
async def test_in_ascii_and_with_high_contrast_all_is_ascii_and_can_be_read(
    tour: str, home: Desk, clock: Clock, snapshot: Any, tmp_path: Path
) -> None:
    album = Album(snapshot, "contrast", tmp_path)
    flags = {"console.ascii": "true", "console.theme": "passbell-high-contrast"}
    faint: list[tuple[str, str, float]] = []
    async for stage, state in walk(tour, home, clock, (80, 24), **flags):
        if state in ELSEWHERE["contrast"]:
            album.compare(stage.pilot.app, state)
        signs = {one for one in text_of(stage.pilot) if not one.isascii()} - OUTSIDE
        assert not signs, (state, signs)
        faint += [(state, *one) for one in too_faint(stage)]
    assert not faint
    assert not album.wrong


@every_tour
async def test_without_colours_there_are_none_and_the_cursor_is_seen(
    tour: str, home: Desk, clock: Clock, snapshot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    album = Album(snapshot, "no-colour", tmp_path)
    async for stage, state in walk(tour, home, clock, (80, 24)):
        if state in ELSEWHERE["no-colour"]:
            album.compare(stage.pilot.app, state)
        coloured = [one.text for _, one in drawn(stage) if has_colour(one)]
        assert not coloured, (state, coloured)
        focused = stage.pilot.app.focused
        if isinstance(focused, VirtualTable) and focused.row_count:
            y = focused.region.y + focused._head + focused.cursor_row - focused.scroll_offset.y
            assert any(one.style and one.style.reverse for row, one in drawn(stage) if row == y), state
    assert not album.wrong


@pytest.mark.parametrize("tour", ["people", "writing", "sending"])
async def test_a_terminal_that_shrinks_and_grows_again_loses_nothing(
    tour: str, home: Desk, clock: Clock, snapshot: Any, tmp_path: Path
) -> None:
    faint: list[tuple[str, str, float]] = []
    wide, narrow = Album(snapshot, "wide", tmp_path), Album(snapshot, "narrow", tmp_path)
    async for stage, state in walk(tour, home, clock, (200, 50), **{"console.theme": "passbell-light"}):
        app, before = stage.pilot.app, seen(stage)
        if state in ELSEWHERE["wide"]:
            wide.compare(app, state)
        faint += [(state, *one) for one in too_faint(stage)]
        for size in ((60, 20), (40, 10), (200, 50)):
            await resized(stage, *size)
            if size == (60, 20) and state in ELSEWHERE["narrow"]:
                narrow.compare(app, state)
        assert seen(stage) == before, state
        assert type(app.screen) is STATES[tour][state]
    assert not faint
    assert not wide.wrong + narrow.wrong


async def test_the_first_moment_looks_so(snapshot: Any, tmp_path: Path) -> None:
    open_ = Event()

    def load() -> Settings:
        open_.wait(20)
        raise UsageError("the settings are wrong")

    app = Console(Desk(load))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        album = Album(snapshot, "dark", tmp_path)
        album.compare(app, "opening")
        assert type(app.screen) is OpeningScreen
        open_.set()
        await app.workers.wait_for_complete()
    assert not album.wrong


def test_every_screen_and_window_has_a_picture() -> None:
    modules = [import_module(one.name) for one in iter_modules(screens.__path__, "console.screens.")]
    kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    ours = {kind for kind in kinds if issubclass(kind, Screen) and kind.__module__.startswith("console.")}
    assert ours - BASES == {kind for tour in STATES.values() for kind in tour.values()} - {Palette}
    kept = {path.stem.rpartition("[")[2].rstrip("]") for path in PICTURES.glob("*.svg")}
    wanted = {file_name("dark", state) for tour in STATES.values() for state in tour}
    wanted |= {file_name(look, state) for look, states in ELSEWHERE.items() for state in states}
    assert wanted <= kept
    assert len(wanted) >= 60


# What is drawn


def drawn(stage: Stage) -> Iterator[tuple[int, Segment]]:
    """Every piece on the screen with its line."""
    screen = stage.pilot.app.screen
    for y, strip in enumerate(screen._compositor.render_strips(stage.pilot.app.size)):
        for segment in strip:
            yield y, segment


def has_colour(segment: Segment) -> bool:
    """Whether a terminal is told a colour."""
    colours = (segment.style.color, segment.style.bgcolor) if segment.style else ()
    return any(colour is not None and colour.type is not ColorType.DEFAULT for colour in colours)


def too_faint(stage: Stage) -> Iterator[tuple[str, float]]:
    """Words of the screen in front whose contrast is too low; what cannot be done may be dim.

    Phones are drawn in their own colours.
    """
    front = [widget.region for widget in stage.pilot.app.screen.children] if is_window(stage) else None
    found = stage.pilot.app.screen.query("*")
    off = [one.region for one in found if one.disabled or isinstance(one, LockScreen)]
    x, line = 0, 0
    for y, segment in drawn(stage):
        x, line = (0, y) if y != line else (x, line)
        at, x = x, x + segment.cell_length
        style = segment.style
        if style is None or style.dim or style.italic or not any(one.isalnum() for one in segment.text):
            continue
        if front is not None and not any(region.contains(at, y) for region in front):
            continue
        if any(region.contains(at + segment.cell_length // 2, y) for region in off):
            continue
        assert style.color is not None
        assert style.bgcolor is not None
        ratio = themes.contrast(Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor))
        if ratio < themes.TEXT and not HINT.search(segment.text):
            yield segment.text, round(ratio, 1)


def is_window(stage: Stage) -> bool:
    """Whether what is in front lies over another screen."""
    return stage.pilot.app.screen.is_modal


def seen(stage: Stage) -> list[str]:
    """What is on the screen; of a window what has the focus, what is typed and which line is in hand.

    What lies under a window is drawn anew once it is in front again.
    """
    app = stage.pilot.app
    if not is_window(stage):
        return shown(stage.pilot)
    fields = [f"{one.id}: {one.value}" for one in app.screen.query(Input)]
    return [repr(app.focused), *fields, *(str(one.highlighted) for one in app.screen.query(OptionList))]


async def resized(stage: Stage, width: int, height: int) -> None:
    """Give the terminal another size."""
    await stage.pilot.resize_terminal(width, height)
    await stage.press()
