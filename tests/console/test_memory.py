"""What the console remembers: one small file that no kill, no garbage and no full disk makes a trouble of."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.app import Console
from console.desk import Desk
from console.memory import Memory
from store.errors import PassbellError
from tests.console.hands import settled, text_of

MakeConsole = Callable[[Desk], Console]
KEPT = {"screen": {"mode": "blasts", "blast": 5}, "programs.members.view": ["name", True, "Zoë 🎉 \x1b"]}
WRITES = """
import sys
from pathlib import Path
from console.memory import Memory
memory = Memory(Path(sys.argv[1]))
print("begun", flush=True)
for number in range(1_000_000):
    memory.put("number", number)
    memory.put("same", number)
    memory.put("long", "x" * 20_000)
    memory.save()
"""


def test_what_is_put_is_there_in_the_next_sitting(tmp_path: Path) -> None:
    file = tmp_path / "console" / "ann.json"
    memory = Memory(file)
    assert (memory.get("screen"), memory.trouble, memory.changed) == (None, "", False)
    for key, value in KEPT.items():
        memory.put(key, value)
    assert memory.changed
    memory.save()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*file.parent.iterdir()] == [file]
    again = Memory(file)
    assert {key: again.get(key) for key in KEPT} == KEPT
    again.put("screen", None)
    again.save()
    assert "screen" not in json.loads(file.read_text())


def test_a_value_cannot_be_changed_behind_its_back(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "ann.json")
    value = {"filters": ["gold"]}
    memory.put("view", value)
    value["filters"].append("silver")
    memory.get("view")["filters"].append("base")
    assert memory.get("view") == {"filters": ["gold"]}


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "ann.json")
    memory.save()
    assert not memory.path.exists()
    memory.put("screen", 1)
    memory.save()
    before = memory.path.stat().st_mtime_ns
    memory.put("screen", 1)
    memory.save()
    assert memory.path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "torn",
    [b"", b'{"screen": {"mo', b"[1, 2]", b"\xff\xfe\x00", b"[" * 100_000, b'"screen"', b"null"],
    ids=["empty", "torn", "list", "no text", "deep", "text", "null"],
)
def test_a_broken_file_is_an_empty_one_and_is_told(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "ann.json"
    file.write_bytes(torn)
    memory = Memory(file)
    assert memory.get("screen") is None
    assert str(file) in memory.trouble
    memory.put("screen", 1)
    memory.save()
    assert Memory(file).trouble == ""


def test_a_file_that_is_none_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "ann.json"
    os.mkfifo(file)
    memory = Memory(file)
    assert memory.trouble.endswith("cannot be read (it is not an ordinary file).")
    memory.put("screen", 1)
    memory.save()
    assert Memory(file).get("screen") == 1


def test_where_it_cannot_be_written_that_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "console").write_text("a file where a folder should be")
    memory = Memory(tmp_path / "console" / "ann.json")
    memory.put("screen", 1)
    with pytest.raises(PassbellError, match="cannot remember where you were"):
        memory.save()
    memory.put("screen", 2)
    memory.save()
    assert memory.get("screen") == 2


def test_a_kill_leaves_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "ann.json"
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITES, str(file)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"begun\n"
            seen = file.stat().st_mtime_ns if file.exists() else 0
            while not file.exists() or file.stat().st_mtime_ns == seen:
                assert child.poll() is None
            os.kill(child.pid, signal.SIGKILL)
        memory = Memory(file)
        assert memory.trouble == ""
        assert memory.get("number") == memory.get("same")


@pytest.mark.anyio
async def test_the_console_begins_anew_where_its_memory_is_garbage(desk: Desk, console: MakeConsole) -> None:
    desk.memory_file.parent.mkdir()
    desk.memory_file.write_bytes(b"\x00garbage[/]")
    app = console(desk)
    async with app.run_test(size=(120, 30), notifications=True) as pilot:
        await settled(pilot)
        assert "Where you were last is forgotten" in text_of(pilot)
        assert app.current_mode == "programs"
        await pilot.press("5", "q")
        await settled(pilot)
    assert Memory(desk.memory_file).get("screen") == {"mode": "audit"}
