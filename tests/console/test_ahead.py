"""Places that are opened ahead of their keys, in a console that is left alone on a terminal of its own."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import thrift
from tests.console.seed import Clock
from tests.console.terminal import Terminal

TELL = """
import asyncio, gc, os, signal

def tell(*_):
    tasks = [task.get_name() for task in asyncio.all_tasks()]
    with open(os.environ["TOLD"] + ".new", "w") as file:
        print(gc.get_freeze_count(), gc.get_threshold(), *tasks, sep="\\n", file=file)
    os.replace(file.name, os.environ["TOLD"])

signal.signal(signal.SIGUSR1, tell)
"""
"""What the process says of itself when it is asked: of its collector, and its tasks: each screen has one."""
SCREENS = {"Home", "Programs", "Blasts"}
"""Those that are opened ahead."""
PLACES = (
    ("0", "NEEDS YOU"),
    ("4", "Gold evening on Friday"),
    ("2", "gold"),
    ("5", "audience.save"),
    ("1", "Café Central"),
)
"""Keys, also of places that are opened by them, and what is among the rows that each shows."""


@pytest.fixture
def terminal(seeded: tuple[Path, Clock], tmp_path: Path) -> Iterator[Terminal]:
    """A console on the seeded store that begins on the programs and tells of itself."""
    shutil.copy(seeded[0], tmp_path / "passbell.db")
    (tmp_path / "passbell.toml").write_text('[console]\nstart_worker = false\nstart = "programs"\n')
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(TELL)
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    opened = Terminal(tmp_path, surroundings={"PYTHONPATH": paths, "TOLD": str(tmp_path / "told")})
    yield opened
    if opened.child.poll() is None:
        opened.kill()


def asked(terminal: Terminal, told: Path) -> list[str]:
    """What the process answers."""
    told.unlink(missing_ok=True)
    os.kill(terminal.child.pid, signal.SIGUSR1)
    terminal.until("it tells of itself", told.exists)
    return told.read_text().splitlines()


def open_screens(lines: list[str]) -> set[str]:
    """The places whose screens are there, seen or not."""
    return {name for name in SCREENS if any(f" {name}Screen(" in line for line in lines)}


@pytest.mark.slow
def test_a_console_left_alone_opens_its_places_and_loses_no_key(terminal: Terminal, tmp_path: Path) -> None:
    told = tmp_path / "told"
    terminal.wait_for("Café Central", "300")
    assert open_screens(asked(terminal, told)) == {"Programs"}

    # A key that comes in the middle of it is dealt with at once, and the rest is opened after it.
    terminal.until("it opens places", lambda: len(open_screens(asked(terminal, told))) > 1)
    terminal.press("4")
    terminal.wait_for("Gold evening on Friday")
    terminal.until("all places are open", lambda: open_screens(asked(terminal, told)) == SCREENS)
    terminal.settle(1.0)
    frozen, thresholds, *_ = asked(terminal, told)
    assert int(frozen) > 50_000  # what is loaded is looked at by no collection any more
    assert thresholds == str(thrift.RARELY)

    for key, words in PLACES:
        terminal.send(key)
        terminal.wait_for(words)
    assert open_screens(asked(terminal, told)) == SCREENS
