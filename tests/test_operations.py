"""Guide and unit files name nothing that is not there: commands, options, settings."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from console.cli.root import root
from console.cli.use import Use
from store.connecting import BUSY_SECONDS
from store.errors import UsageError
from store.sections import PassKitSettings
from store.settings import HOME_VARIABLE, load
from store.settings import keys as declared
from web.serve import LEAVE_SECONDS

ROOT = Path(__file__).parents[1]
PAGES = ("operations.md", "runbook.md", "tour.md")
PAGE = "\n".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in PAGES)
UNIT = ROOT / "docs" / "systemd" / "passbell-worker@.service"
WEB_UNIT = UNIT.with_name("passbell-serve.service")
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LONGEST_ANSWER = 3
"""So many times `passkit.timeout_seconds` a request may take as a whole."""


def blocks(kind: str) -> Iterator[str]:
    return (text for found, text in FENCE.findall(PAGE) if found == kind)


def commands() -> Iterator[str]:
    """What the page tells to type, in its consoles and in its sentences, and what the unit starts."""
    for block in blocks("console"):
        for line in block.splitlines():
            if (typed := line.strip()).startswith("$ passbell "):
                yield typed.removeprefix("$ ")
    yield from re.findall(r"`(passbell [^`]+)`", FENCE.sub("", PAGE))
    for path in (UNIT, WEB_UNIT):
        (start,) = unit(path)["ExecStart"]
        yield start.removeprefix("/opt/passbell/bin/")


def unit(path: Path = UNIT) -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_a_command_of_the_page_exists(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed by the real commands, each with its own options and arguments; nothing is run."""
    reached = []
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: reached.append(self))
    program, *words = shlex.split(command)
    assert program == "passbell"
    root.main(args=words, prog_name=program, obj=Use(), standalone_mode=False)
    assert not isinstance(reached[-1], click.Group)


def test_the_settings_of_the_page_exist(tmp_path: Path) -> None:
    known = {key for key, _, _ in declared()}
    sections = "|".join({key.partition(".")[0] for key in known})
    named = set(re.findall(rf"`((?:{sections})\.(?!db\b)[a-z_]+)", PAGE))  # not the file queue.db
    assert {"store.url", "queue.secret", "engine.grace_seconds", "console.start_worker"} <= named <= known
    for number, block in enumerate(blocks("toml")):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "passbell.toml").write_text(block)
        assert tomllib.loads(block)
        load(home)  # refuses a key that does not exist


def test_the_page_names_the_files_that_are_there() -> None:
    for name in re.findall(r"docs/systemd/[\w.@-]+", PAGE):
        assert (ROOT / name).is_file(), name
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        assert not (line.startswith("PartOf=") and not (UNIT.parent / line.partition("=")[2]).is_file())


def test_the_unit_does_what_the_worker_needs() -> None:
    told = unit()
    assert told["Environment"] == [f"{HOME_VARIABLE}=%S/{told['StateDirectory'][0]}"]
    assert (told["StateDirectoryMode"], told["UMask"]) == (["0700"], ["0077"])
    assert (told["KillMode"], told["KillSignal"], told["Restart"]) == (["mixed"], ["SIGTERM"], ["always"])
    assert told["RestartPreventExitStatus"] == [str(UsageError.exit_code)]
    answer = LONGEST_ANSWER * PassKitSettings().timeout_seconds
    assert float(told["TimeoutStopSec"][0]) > answer + BUSY_SECONDS


def test_the_units_differ_in_what_they_run_only() -> None:
    worker, web = unit(), unit(WEB_UNIT)
    own = {"Description", "ExecStart", "TimeoutStopSec"}
    assert {name: told for name, told in worker.items() if name not in own} == {
        name: told for name, told in web.items() if name not in {*own, "LimitNOFILE"}
    }
    assert float(web["TimeoutStopSec"][0]) > LEAVE_SECONDS
