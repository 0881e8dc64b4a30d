"""Every command teaches: what it does, with an example."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from console.cli.root import COMMANDS, root
from tests.cli.conftest import Passbell

ROOT = Path(__file__).parents[2]


def every_command() -> Iterator[tuple[str, ...]]:
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)
        else:
            yield (name,)


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_a_command_teaches(empty: Passbell, words: tuple[str, ...]) -> None:
    done = empty(*words, "--help")
    assert done.code == 0
    assert "Example" in done.out
    assert f"passbell {words[0]}" in done.out or "passbell --" in done.out


def test_the_commands_are_these() -> None:
    below = {
        "programs": "list show create fields rules reconcile broadcast",
        "templates": "new check add list show",
        "credentials": "add list remove",
        "members": "list show import imports undo",
        "passes": "issue rehearse show link list void events",
        "audiences": "save combine presets list show explain delete",
        "blasts": "preview plan replan launch list show watch deliveries batches pause resume cancel retry "
        "rate urgent incident throughput",
        "consents": "show give withdraw import token redeem",
        "preferences": "show set",
        "suppressions": "list add remove import export",
        "audit": "list verify export",
        "keys": "list set restore",
    }
    expected: set[tuple[str, ...]] = {
        (group, name) for group, names in below.items() for name in names.split()
    }
    alone = [
        "init",
        "doctor",
        "overview",
        "backup",
        "demo",
        "drill",
        "rehearse",
        "worker",
        "console",
        "serve",
        "sync",
        "why",
    ]
    expected |= {(name,) for name in alone}
    assert set(every_command()) == expected


def test_help_needs_neither_settings_nor_a_library(empty: Passbell, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "passbell.toml").write_text("wrong = [")
    assert empty("--help").code == 0
    assert empty("blasts", "plan", "--help").code == 0
    loaded = "import console.cli, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not {"sqlalchemy", "pydantic", "httpx", "textual", "sqlglot"} & set(done.stdout.split())


def test_the_version(empty: Passbell) -> None:
    assert empty("--version").out.startswith("passbell ")


def test_the_console_needs_a_terminal(empty: Passbell) -> None:
    done = empty()
    assert (done.code, done.out) == (2, "")
    assert done.err == "passbell: the console needs a terminal: see `passbell --help` for the commands\n"
