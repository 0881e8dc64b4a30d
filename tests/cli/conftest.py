"""Commands run as people run them: through `main`, on a home that was synced from a real stand-in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.cli import main

MEMBERS = 60
COMMAND = (sys.executable, "-c", "from console.cli import main; main()")
"""`passbell` as a process of its own."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object it printed."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The objects it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Passbell = Callable[..., Done]


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a stand-in PassKit with few members."""
    home = tmp_path_factory.mktemp("stand-in")
    options = ["--home", str(home), "rehearse", "--port", "0", "--members", str(MEMBERS), "--json"]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["url"]
        child.terminate()


def run(*arguments: object) -> int:
    """A command in this process; returns its exit code. `main` narrows the umask, which is put back."""
    mask = os.umask(0o077)
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ending:
        return int(ending.code or 0)
    finally:
        os.umask(mask)
    raise AssertionError("main did not exit")


@pytest.fixture(scope="session")
def synced_home(stand_in: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home right after its first sync, to be copied."""
    home = tmp_path_factory.mktemp("synced")
    assert run("--home", home, "--set", f"passkit.base_url={stand_in}", "sync", "--json") == 0
    return home


@pytest.fixture
def empty(tmp_path: Path, stand_in: str, capsys: pytest.CaptureFixture[str]) -> Passbell:
    """`passbell` on a home where nothing is yet."""
    return _passbell(tmp_path / "home", stand_in, capsys)


@pytest.fixture
def passbell(empty: Passbell, tmp_path: Path, synced_home: Path) -> Passbell:
    """`passbell` on a home of its own that was just synced: 60 members in `Kaffeehaus Linden`."""
    shutil.copytree(synced_home, tmp_path / "home")
    return empty


def _passbell(home: Path, url: str, capsys: pytest.CaptureFixture[str]) -> Passbell:
    def passbell(*arguments: object) -> Done:
        capsys.readouterr()
        code = run("--home", home, "--set", f"passkit.base_url={url}", *arguments)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return passbell
