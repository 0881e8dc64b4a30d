"""Whatever goes wrong: one sentence on standard error that names it, the right exit code, no traceback."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from console.cli import asked
from console.desk import Desk
from store import programs
from store.errors import UsageError
from store.settings import load
from tests.cli.conftest import COMMAND, Done, Passbell

LINDEN = "Kaffeehaus Linden"


def told(done: Done, code: int, *parts: str) -> None:
    """One sentence, the exit code, nothing on standard output."""
    assert done.code == code, done
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.startswith("passbell: ")
    for part in parts:
        assert part in done.err


PLAN = ("blasts", "plan", "--program", LINDEN)


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("programs", "show", "Nirvana"), 2, ("no program 'Nirvana'", LINDEN)),
        (("members", "show", LINDEN, "KL-99"), 2, ("no member 'KL-99'", "near:")),
        (
            ("members", "list", LINDEN, "--where", "pointz > 5"),
            2,
            ("pointz", "did you mean points?", "^^^^^^"),
        ),
        (("members", "list", LINDEN, "--where", ""), 2, ()),
        (("audiences", "show", LINDEN, "gold"), 2, ("no audience gold",)),
        (("audiences", "delete", LINDEN, "gold"), 2, ("no audience gold",)),
        (("audiences", "save", LINDEN, "gold"), 2, ("exactly one option", "none was given")),
        (("blasts", "show", "99"), 2, ("no blast 99",)),
        (("blasts", "launch", "99", "--expect", "1"), 2, ("no blast 99",)),
        (("blasts", "watch", "99"), 2, ("no blast 99",)),
        (("blasts", "deliveries", "99"), 2, ("no blast 99",)),
        (("blasts", "pause", "99"), 2, ("no blast 99",)),
        (("blasts", "retry", "99"), 2, ("no blast 99",)),
        (("blasts", "rate", "99", "fast"), 2, ("'fast'",)),
        ((*PLAN, "--text", "x"), 2, ("none was given",)),
        ((*PLAN, "--all", "--where", "points > 1", "--text", "x"), 2, ("--all and --where were given",)),
        ((*PLAN, "--all", "--rejects", "out.csv", "--text", "x"), 2, ("--rejects goes with --file",)),
        ((*PLAN, "--all", "--text", "x" * 501), 2, ("501 characters", "500")),
        ((*PLAN, "--all", "--text", " "), 2, ("empty",)),
        ((*PLAN, "--all", "--text", "Hi {nme}"), 2, ("{nme}", "did you mean {name}?")),
        ((*PLAN, "--file", "/nowhere/ids.csv", "--text", "x"), 2, ("/nowhere/ids.csv",)),
        ((*PLAN, "--where", "points > 1e9", "--text", "x"), 3, ("nobody",)),
        (("members", "import", LINDEN, "/nowhere/ids.csv"), 2, ("/nowhere/ids.csv",)),
        (("audit", "export", "audit.txt"), 2, ("audit.txt", ".ndjson")),
        (("audit", "export", "/nowhere/audit.db"), 1, ("/nowhere/audit.db",)),
    ],
    ids=lambda value: " ".join(map(str, value))[:60] if isinstance(value, tuple) else None,
)
def test_wrong_input_is_named(
    passbell: Passbell, words: tuple[str, ...], code: int, parts: tuple[str, ...]
) -> None:
    told(passbell(*words), code, *parts)
    assert passbell("blasts", "list", "--json").out == ""


def test_the_same_as_json(passbell: Passbell) -> None:
    done = passbell("blasts", "show", "99", "--json")
    assert json.loads(done.err) == {"error": "there is no blast 99", "exit_code": 2}
    assert (done.code, done.out) == (2, "")


def test_wrong_usage(passbell: Passbell) -> None:
    for words in (("blast",), ("blasts", "show", "x"), ("blasts", "launch", "1"), ("--set", "x", "doctor")):
        done = passbell(*words)
        assert done.code == 2
        assert "Error: " in done.err
        assert "--help" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("why", LINDEN, "\udcff"),
        ("members", "list", LINDEN, "--search", "\udcff"),
        ("blasts", "plan", "--program", LINDEN, "--all", "--text", "x", "--name", "\udcff"),
        ("preferences", "set", LINDEN, "KL-000001", "--decline", "\udcff"),
    ],
)
def test_words_that_are_no_text(passbell: Passbell, words: tuple[str, ...]) -> None:
    done = passbell(*words, "--json")
    assert (done.code, json.loads(done.err)["exit_code"]) == (2, 2)
    assert "is not valid text" in done.err


def test_unknown_settings(passbell: Passbell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(
        passbell("--set", "passkit.api_kee=x", "blasts", "list"),
        2,
        "--set",
        "did you mean `passkit.api_key`?",
    )
    (tmp_path / "home" / "passbell.toml").write_text("[passkit]\nconcurrency = 'many'\n")
    told(passbell("blasts", "list"), 2, "passbell.toml", "passkit.concurrency")
    (tmp_path / "home" / "passbell.toml").unlink()
    monkeypatch.setenv("PASSBELL_PASSKIT__RATE", "5")
    told(passbell("blasts", "list"), 2, "PASSBELL_PASSKIT__RATE")


def test_a_store_that_cannot_be_opened(passbell: Passbell, tmp_path: Path) -> None:
    told(passbell("--set", "store.url=sqlite:////nowhere/p.db", "blasts", "list"), 1, "/nowhere/p.db")
    told(passbell("--set", "store.url=mysql://host/name", "blasts", "list"), 2, "store.url", "mysql")
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_text("this is no database" * 100)
    told(
        passbell("--set", f"store.url=sqlite:///{rubbish}", "blasts", "list"),
        1,
        "not a database",
        "rubbish.db",
    )


def test_a_dead_key(empty: Passbell) -> None:
    key = ("--set", "passkit.api_key=gone", "--set", "passkit.api_secret=a-secret-of-thirty-two-characters")
    told(empty(*key, "sync"), 1, "PassKit refused the key")
    done = empty(*key, "doctor", "--json")
    assert done.code == 1
    assert [finding["subject"] for finding in done.lines if finding["level"] == "fail"] != []


def test_a_wrong_region(empty: Passbell, stand_in: str) -> None:
    faults = f"{stand_in}/_rehearsal/faults"
    httpx.put(faults, json={"wrong_region": True}).raise_for_status()
    try:
        done = empty("sync")
    finally:
        httpx.put(faults, json={}).raise_for_status()
    told(done, 1, "region")


def test_a_port_in_use(empty: Passbell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told(empty("rehearse", "--port", port), 1, f"port {port}", "in use")


@pytest.mark.parametrize(
    ("taken", "code", "told"),
    [(">/dev/full", 1, "passbell: the output cannot be written: no space is left there"), (">&-", 0, "")],
)
def test_output_that_nobody_takes(tmp_path: Path, taken: str, code: int, told: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {taken}', "sh", *COMMAND, "--home", str(tmp_path), "templates", "show", "--help"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stderr.startswith(told), "unforeseen" in done.stderr) == (code, True, False)
    assert not list(tmp_path.glob("error-*"))


@pytest.mark.parametrize("taken", [None, io.StringIO("y\n")], ids=["closed", "no terminal"])
def test_where_nobody_can_be_asked_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, taken: io.StringIO | None
) -> None:
    monkeypatch.setattr("sys.stdin", taken)
    with pytest.raises(UsageError, match="nobody can be asked here: give --yes"):
        asked.confirm("Issue passes?", "nothing was issued")
    with pytest.raises(UsageError, match="nobody can be asked here: give --yes"):
        asked.typed("Type its id", "KL-7", "nothing was changed")


def test_a_login_or_a_host_that_is_no_text_is_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", os.fsdecode(b"../\xff"))
    monkeypatch.setattr(socket, "gethostname", lambda: os.fsdecode(b"vm\xff\x1b[31m\n"))
    desk = Desk(lambda: load(tmp_path))
    assert desk.actor == "../\\xff@vm\ufffd\ufffd[31m\ufffd"
    assert desk.memory_file == tmp_path / "console" / "..%2F%5Cxff.json"


def test_what_nobody_foresaw_leaves_a_trace_without_secrets(
    passbell: Passbell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret is open-sesame-open-sesame-open-sesame")

    monkeypatch.setattr(programs, "list_programs", broken)
    monkeypatch.setenv("PASSBELL_QUEUE__SECRET", "open-sesame-open-sesame-open-sesame")
    done = passbell("programs", "list")
    told(done, 1, "RuntimeError")
    (trace,) = (tmp_path / "home").glob("error-*.txt")
    assert str(trace) in done.err
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    assert "in broken" in trace.read_text()
    assert "sesame" not in done.err + trace.read_text()
