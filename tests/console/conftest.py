"""The console on a seeded store, with everything that moves by itself held still."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.widgets import Input, TextArea

from console.app import Console
from console.desk import Desk
from console.screens import blast, build
from store.database import Database
from store.schema import blasts, programs, workers
from store.settings import load
from tests.console.hands import at_rest, watched_threads
from tests.console.own import fill_own
from tests.console.seed import ACTOR, Clock, fill, stopped


class SeatedDesk(Desk):
    """A desk whose person is always the same."""

    @property
    def actor(self) -> str:
        """Who acts."""
        return ACTOR


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Clock]:
    """The seeded store's file, made once, and its clock as the last blast left it."""
    home = tmp_path_factory.mktemp("seeded")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PASSBELL_PASSKIT__API_KEY", raising=False)
        settings = load(home, {"engine.undo_seconds": "0"})  # so that its clock need not wait for a window
    database, clock = Database(settings.store_url), Clock()
    with stopped(clock):
        fill(database, settings, clock)
    database.close()
    return home / "passbell.db", clock


@pytest.fixture
def clock(seeded: tuple[Path, Clock]) -> Iterator[Clock]:
    """The stopped clock, a moment after the last blast was planned."""
    clock = Clock()
    clock.at = seeded[1].at
    with stopped(clock):
        yield clock


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No blinking cursor: Textual's own switch does not reach every field. And quick hands and answers.

    A busy machine is not taken for a slow store, of which less is asked.
    """
    monkeypatch.setattr("textual.app.wait_for_idle", at_rest)
    monkeypatch.setattr("textual.pilot.wait_for_idle", at_rest)
    monkeypatch.setattr("textual.command.wait_for", look_at_once)
    monkeypatch.setattr(build, "DEBOUNCE", 0.02)
    monkeypatch.setattr(blast, "SHARE", 0)
    monkeypatch.setattr(Input, "_toggle_cursor", lambda self: None)
    monkeypatch.setattr(TextArea, "_toggle_cursor_blink_visible", lambda self: None)


def look_at_once(found: Coroutine[Any, Any, Any], seconds: float) -> Coroutine[Any, Any, Any]:
    """The palette looks twenty times as often whether all has been found: at its end it waits for nothing."""
    return asyncio.wait_for(found, seconds / 20)


@pytest.fixture(scope="session", autouse=True)
def watched() -> Iterator[None]:
    """It is known what threads do."""
    with watched_threads():
        yield


@pytest.fixture(scope="session", autouse=True)
def parsed_once() -> Iterator[None]:
    """The same style sheet under the same theme is parsed once a session, and not by each console anew."""
    parse = Stylesheet._parse_rules
    parsed: dict[tuple[Any, ...], list[RuleSet]] = {}

    def look_up(sheet: Stylesheet, *given: Any, **named: Any) -> list[RuleSet]:
        key = (*given, *sorted(named.items()), *sorted(sheet._variables.items()))
        if key not in parsed:
            parsed[key] = parse(sheet, *given, **named)
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", look_up)
        yield


def seat(home: Path, **flags: str) -> Desk:
    """A desk in a home of its own, without a worker of its own."""
    settings = load(home, {"console.start_worker": "false", "console.start": "programs", **flags})
    desk = SeatedDesk(lambda: settings)
    assert desk.settings is settings  # read already, so that tests begin on the programs
    desk.__dict__["ring"] = lambda blast_id: None
    return desk


@pytest.fixture
def desk(seeded: tuple[Path, Clock], clock: Clock, tmp_path: Path) -> Iterator[Desk]:
    """A desk with a copy of the seeded store: three programs, 300 members, two audiences, six blasts."""
    shutil.copy(seeded[0], tmp_path / "passbell.db")
    desk = seat(tmp_path)
    yield desk
    desk.database.close()


@pytest.fixture(scope="session")
def seeded_own(seeded: tuple[Path, Clock], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Clock]:
    """The seeded store with a program of our own besides, made once, and its clock."""
    home = tmp_path_factory.mktemp("seeded-own")
    shutil.copy(seeded[0], home / "passbell.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PASSBELL_PASSKIT__API_KEY", raising=False)
        settings = load(home, {"engine.undo_seconds": "0"})
    database, clock = Database(settings.store_url), Clock()
    clock.at = seeded[1].at
    with stopped(clock):
        fill_own(database, settings, clock)
    database.close()
    return home / "passbell.db", clock


@pytest.fixture
def own_desk(seeded_own: tuple[Path, Clock], clock: Clock, tmp_path: Path) -> Iterator[Desk]:
    """The desk with a program of our own besides, and its three blasts."""
    clock.at = seeded_own[1].at
    shutil.copy(seeded_own[0], tmp_path / "passbell.db")
    desk = seat(tmp_path)
    yield desk
    desk.database.close()


@pytest.fixture
def bare_desk(clock: Clock, tmp_path: Path) -> Iterator[Desk]:
    """A desk on the first day: nothing was ever synced."""
    desk = seat(tmp_path)
    yield desk
    desk.database.close()


@pytest.fixture
def console() -> Callable[[Desk], Console]:
    """Makes the console of a desk."""

    def make(desk: Desk) -> Console:
        app = Console(desk)
        app.animation_level = "none"
        return app

    return make


@pytest.fixture
def live_desk(desk: Desk) -> Desk:
    """The same desk with a key, so that it is LIVE; its programs are the live account's."""
    with desk.database.write() as connection:
        for table in (programs, blasts, workers):
            connection.execute(table.update().values(account="live"))
    live = seat(desk.settings.home, **{"passkit.api_key": "key", "passkit.api_secret": "s" * 32})
    live.__dict__["database"] = desk.database
    return live


@pytest.fixture
def anyio_backend() -> str:
    """Screens run on asyncio."""
    return "asyncio"
