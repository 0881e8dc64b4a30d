"""The commands at work: what they print for people and for programs, and what is in the store afterwards."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import sqlite_utils

from tests.cli.conftest import COMMAND, MEMBERS, Passbell

LINDEN = "Kaffeehaus Linden"
PLAN = ("blasts", "plan", "--program", LINDEN)
SHOWN = {
    *("id", "program", "name", "text", "state", "hold_reason", "counts", "skipped_by_reason"),
    *("failed_by_reason", "started_at", "finished_at"),
}
COUNTS = {"planned", "pending", "sending", "accepted", "failed", "skipped", "held_out"}
PATIENCE = 60
"""Seconds within which a process that was told to end has to."""
HOSTILE = "Ann\x1b[2J\x9b31m [/foo] \u202eeel\r\n\x07\x00"


def rename(home: Path, external_id: str, name: str) -> None:
    with sqlite3.connect(home / "passbell.db") as connection:
        connection.execute("UPDATE members SET name = ? WHERE external_id = ?", (name, external_id))
    connection.close()


def some_ids(passbell: Passbell, count: int) -> list[str]:
    return [member["external_id"] for member in passbell("members", "list", LINDEN, "--json").lines[:count]]


def test_init_makes_a_home_and_never_overwrites(empty: Passbell, tmp_path: Path) -> None:
    first = empty("init")
    home = tmp_path / "home"
    assert first.code == 0
    assert "REHEARSAL" in first.out
    assert "passbell sync" in first.out
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}
    (home / "passbell.toml").write_text("[passkit]\nconcurrency = 3\n")
    assert empty("init", "--json").json["written"] is False
    assert (home / "passbell.toml").read_text() == "[passkit]\nconcurrency = 3\n"


def test_programs(passbell: Passbell) -> None:
    listed = passbell("programs", "list", "--json").lines
    assert {program["kind"] for program in listed} == {"membership", "coupon", "ticket"}
    shown = passbell("programs", "show", "Kaff", "--json").json
    assert (shown["name"], shown["members"]) == (LINDEN, MEMBERS)
    assert {"id", "reachable", "synced_at", "tiers"} <= set(shown)
    assert passbell("programs", "list").out.startswith("REHEARSAL\n")
    assert "can alert" in passbell("programs", "show", LINDEN).out


def test_sync_says_what_it_read(empty: Passbell) -> None:
    report = empty("sync", "--json").json
    assert {program["read"] for program in report["programs"] if program["name"] == LINDEN} == {MEMBERS}
    again = empty("sync", LINDEN)
    assert again.out.startswith("REHEARSAL: synced 1 programs")
    assert "Flights cannot be listed" in again.err


def test_doctor(passbell: Passbell) -> None:
    done = passbell("doctor", "--json")
    assert done.code == 0
    assert {"level", "subject", "sentence", "hint"} == set(done.lines[0])
    assert "no worker is alive" in passbell("doctor").out


def test_members(passbell: Passbell) -> None:
    done = passbell("members", "list", LINDEN, "--where", "points >= 0", "--limit", 2, "--json")
    assert len(done.lines) == 2
    assert "members shown: --limit" in done.err
    external_id = done.lines[0]["external_id"]
    shown = passbell("members", "show", LINDEN, external_id, "--json").json
    assert shown["external_id"] == external_id
    assert shown["deliveries"] == []
    assert external_id in passbell("members", "show", LINDEN, external_id).out


def test_a_member_with_a_hostile_name_is_shown_inertly(passbell: Passbell, tmp_path: Path) -> None:
    (external_id,) = some_ids(passbell, 1)
    rename(tmp_path / "home", external_id, HOSTILE)
    passbell(*PLAN, "--all", "--text", "Hello")
    for words in (
        ("members", "list", LINDEN, "--search", external_id),
        ("members", "show", LINDEN, external_id),
        ("blasts", "deliveries", 1),
    ):
        shown = passbell(*words).out
        assert "Ann\\x1b[2J\\x9b31m [/foo] \\u202eeel\\r\\n\\x07" in shown
        assert not {"\x1b", "\x9b", "\u202e", "\r", "\x07", "\x00"} & set(shown)
        assert passbell(*words, "--json").out.isascii()


def test_import_of_members(passbell: Passbell, tmp_path: Path) -> None:
    (external_id,) = some_ids(passbell, 1)
    file = tmp_path / "vip.csv"
    file.write_text(f"id,vip\n{external_id},yes\nnobody,no\n")
    rejects = tmp_path / "rejects.csv"
    dry = passbell("members", "import", LINDEN, file, "--dry-run", "--json").json
    assert (dry["new"], dry["rejected"], dry["dry_run"]) == (1, 1, True)
    assert passbell("members", "show", LINDEN, external_id, "--json").json["attributes"].get("vip") is None
    assert passbell("members", "import", LINDEN, file, "--rejects", rejects).code == 0
    assert passbell("members", "show", LINDEN, external_id, "--json").json["attributes"]["vip"] == "yes"
    assert "nobody" in rejects.read_text()


def test_an_import_is_mapped_listed_and_undone(passbell: Passbell, tmp_path: Path) -> None:
    (external_id,) = some_ids(passbell, 1)
    file = tmp_path / "in.csv"
    file.write_text(f"id,Postal code\n{external_id},01234\n")
    done = passbell("members", "import", LINDEN, file, "--map", "Postal code=plz", "--json").json
    assert done["mapping"] == {"id": "external_id", "Postal code": "plz"}
    assert passbell("members", "import", LINDEN, file, "--map", "nothing").code == 2
    shown = passbell("members", "import", LINDEN, file, "--dry-run").out
    assert "plz" in shown
    assert "plz" in {one["name"] for one in passbell("programs", "fields", LINDEN, "--json").lines}
    assert "plz" in passbell("programs", "fields", LINDEN).out
    (listed,) = passbell("members", "imports", LINDEN, "--json").lines
    assert (listed["id"], listed["new"], listed["undone_at"]) == (done["import"], 1, None)
    assert "in.csv" in passbell("members", "imports", LINDEN).out
    assert passbell("members", "undo", done["import"], "--json").json["restored"] == 1
    assert passbell("members", "undo", done["import"]).code == 3
    told = passbell("members", "show", LINDEN, external_id, "--json").json
    assert "plz" not in told["attributes"]


def test_an_audience_is_explained(passbell: Passbell) -> None:
    expression = "points > 100 AND messages_30d = 0"
    assert passbell("audiences", "save", LINDEN, "rich", "--where", expression).code == 0
    told = passbell("audiences", "explain", LINDEN, "rich", "--json").json
    assert told == passbell("audiences", "explain", LINDEN, "--where", expression, "--json").json
    assert told["expression"] == expression
    assert told["words"].startswith("members where\n  points is more than 100")
    assert [part["text"] for part in told["clauses"]] == ["points > 100", "messages_30d = 0"]
    assert told["clauses"][0]["members"] == told["count"]
    assert "and messages_30d is 0" in passbell("audiences", "explain", LINDEN, "rich").out
    assert passbell("audiences", "explain", LINDEN, "--where", "teir = 'x'").code == 2
    assert passbell("audiences", "explain", LINDEN).code == 2


def test_audiences(passbell: Passbell, tmp_path: Path) -> None:
    ids = some_ids(passbell, 2)
    file = tmp_path / "ids.csv"
    file.write_text("\n".join(["member id", *ids, ids[0], "nobody"]))
    saved = passbell("audiences", "save", LINDEN, "invited", "--file", file, "--json").json
    assert (saved["count"], saved["file"]["unknown"], saved["file"]["duplicate"]) == (2, 1, 1)
    assert passbell("audiences", "save", LINDEN, "invited", "--all").code == 2
    assert passbell("audiences", "save", LINDEN, "rich", "--where", "points > 100").code == 0
    assert [one["name"] for one in passbell("audiences", "list", "--json").lines] == ["invited", "rich"]
    shown = passbell("audiences", "show", LINDEN, "invited", "--json").json
    assert sorted(shown["sample"]) == sorted(ids)
    planned = passbell(*PLAN, "--audience", "invited", "--text", "Hello", "--json").json
    assert planned["counts"]["planned"] == 2
    assert passbell("audiences", "delete", LINDEN, "rich").code == 0
    assert "rich" not in passbell("audiences", "list").out
    used = passbell("audiences", "show", LINDEN, "invited", "--json").json["used_by"]
    assert used == {"blasts": [{"id": planned["id"], "name": planned["name"]}], "audiences": []}


def test_audiences_are_combined_described_and_followed(passbell: Passbell) -> None:
    local = passbell("audiences", "save", LINDEN, "x", "--preset", "local").err
    assert "the preset local needs a value for zip" in local
    about = ("--description", "spenders [/x]")
    rich = passbell("audiences", "save", LINDEN, "rich", "--preset", "whale", *about, "--json").json
    assert (rich["expression"], rich["description"]) == ("points_balance > 500", "spenders [/x]")
    assert passbell("audiences", "save", LINDEN, "everybody", "--all").code == 0
    sets = ("--union", "everybody", "--minus", "rich")
    others = passbell("audiences", "combine", LINDEN, "others", *sets, "--json").json
    assert others["expression"] == "in_audience('everybody') AND NOT in_audience('rich')"
    shown = passbell("audiences", "show", LINDEN, "everybody", "--json").json
    assert rich["count"] + others["count"] == shown["count"] == shown["sizes"][0]["members"]
    assert shown["used_by"] == {"blasts": [], "audiences": ["others"]}
    kept = passbell("audiences", "delete", LINDEN, "rich")
    assert (kept.code, "named by others" in kept.err) == (3, True)
    for part in ("spenders [/x]", f"{rich['count']} on ", "used by: the audience others"):
        assert part in passbell("audiences", "show", LINDEN, "rich").out
    assert [one["sizes"][0]["members"] for one in passbell("audiences", "list", "--json").lines] == [
        shown["count"],
        others["count"],
        rich["count"],
    ]
    assert "spenders [/x]" in passbell("audiences", "list").out
    presets = {one["name"]: one for one in passbell("audiences", "presets", LINDEN, "--json").lines}
    assert presets["whale"]["count"] == rich["count"]
    assert (presets["local"]["count"], presets["local"]["value_for"]) == (None, "zip")
    assert "thank them" in passbell("audiences", "presets", LINDEN).out
    planned = passbell(*PLAN, "--preset", "whale", "--text", "Hello", "--json").json
    assert planned["counts"]["planned"] == rich["count"]
    assert passbell(*PLAN, "--preset", "whale", "--all", "--text", "Hello").code == 2


def test_a_plan_for_programs(passbell: Passbell) -> None:
    planned = passbell(*PLAN, "--all", "--text", "Fresh rolls!", "--name", "Rolls", "--json").json
    assert {"id", "hash", "counts", "verdicts", "skipped_by_reason", "eta_seconds"} <= set(planned)
    assert set(planned["counts"]) == COUNTS
    assert planned["counts"]["planned"] == planned["counts"]["pending"] + planned["counts"]["skipped"]
    assert sum(planned["verdicts"].values()) == planned["counts"]["planned"]


def test_a_plan_for_people(passbell: Passbell, tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("\n".join(["id", *some_ids(passbell, 30), "nobody"]))
    shown = passbell(*PLAN, "--file", file, "--text", "Fresh rolls!", "--rejects", tmp_path / "rejects.csv")
    pending = passbell("blasts", "show", 1, "--json").json["counts"]["pending"]
    assert f"passbell blasts launch 1 --expect {pending}\n" in shown.out
    for part in (
        "REHEARSAL",
        LINDEN,
        "Fresh rolls!",
        "30 matched, 1 unknown",
        "lock screen",
        "takes:",
        "hash:",
    ):
        assert part in shown.out
    assert "nobody" in (tmp_path / "rejects.csv").read_text()


def test_launch_acts_on_the_count_that_was_confirmed(passbell: Passbell) -> None:
    pending = passbell(*PLAN, "--all", "--text", "Hello", "--json").json["counts"]["pending"]
    refused = passbell("blasts", "launch", 1, "--expect", pending + 1)
    assert refused.code == 3
    assert str(pending) in refused.err
    assert passbell("blasts", "show", 1, "--json").json["state"] == "planned"
    assert passbell("blasts", "watch", 1).code == 3
    launched = passbell("blasts", "launch", 1, "--expect", pending, "--json")
    assert (launched.code, launched.json["state"]) == (0, "running")
    assert "no worker is alive" in launched.err
    assert set(launched.json) >= SHOWN
    assert passbell("blasts", "launch", 1, "--expect", pending).code == 0


def test_the_verbs_of_a_running_blast(passbell: Passbell) -> None:
    pending = passbell(*PLAN, "--all", "--text", "Hello", "--json").json["counts"]["pending"]
    passbell("blasts", "launch", 1, "--expect", pending)
    assert passbell("blasts", "rate", 1, "12.5", "--json").json["rate_per_second"] == 12.5
    assert passbell("blasts", "rate", 1, "none", "--json").json["rate_per_second"] is None
    assert passbell("blasts", "rate", 1, "0").code == 2
    assert passbell("blasts", "retry", 1).code == 3
    assert passbell("blasts", "pause", 1, "--json").json["state"] == "paused"
    watched = passbell("blasts", "watch", 1, "--json")
    assert (watched.code, watched.lines[-1]["state"]) == (3, "paused")
    assert passbell("blasts", "resume", 1, "--json").json["state"] == "running"
    assert passbell("blasts", "cancel", 1, "--json").json["state"] == "cancelled"
    assert passbell("blasts", "watch", 1).code == 1
    assert passbell("blasts", "resume", 1).code == 3
    shown = passbell("blasts", "show", 1, "--json").json
    assert shown["counts"]["skipped"] == shown["counts"]["planned"]
    assert [blast["id"] for blast in passbell("blasts", "list", "--json").lines] == [1]
    assert "cancelled" in passbell("blasts", "list").out
    assert "cancelled before their turn" in passbell("blasts", "show", 1).out


def test_deliveries(passbell: Passbell) -> None:
    counts = passbell(*PLAN, "--all", "--text", "Hi {first_name|you}", "--json").json["counts"]
    rows = passbell("blasts", "deliveries", 1, "--json").lines
    assert len(rows) == counts["planned"]
    keys = {"member", "pass", "channel", "state", "reason", "attempts", "text", "batch", "accepted_at"}
    assert keys <= set(rows[0])
    skipped = passbell("blasts", "deliveries", 1, "--state", "skipped", "--json").lines
    assert len(skipped) == counts["skipped"]
    reason = skipped[0]["reason"]
    of_reason = passbell("blasts", "deliveries", 1, "--reason", reason, "--json").lines
    assert {row["reason"] for row in of_reason} == {reason}
    assert passbell("blasts", "deliveries", 1, "--state", "lost").code == 2


def test_the_audit_leaves_as_a_file_of_its_own(passbell: Passbell, tmp_path: Path) -> None:
    passbell(*PLAN, "--all", "--text", "Hello")
    entries = passbell("audit", "list", "--json").lines
    assert entries[0]["act"] == "blast.plan"
    assert passbell("audit", "verify", "--json").json["entries"] == len(entries)
    database, lines = tmp_path / "audit.db", tmp_path / "audit.ndjson"
    assert passbell("audit", "export", database, "--json").json["entries"] == len(entries)
    assert passbell("audit", "export", lines).code == 0
    exported = sqlite_utils.Database(database)
    assert [row["hash"] for row in exported["audit"].rows] == [entry["hash"] for entry in entries[::-1]]
    exported.close()
    (first,) = passbell("audit", "list", "--filter", "subject=all", "--json").lines[1:]
    assert (first["act"], first["details"]["file"]) == ("list.export", "audit.db")
    assert [json.loads(line) for line in lines.read_text().splitlines()] == [*entries[::-1], first]
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    before = database.read_bytes()
    assert passbell("audit", "export", database).code == 2
    assert database.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"home", "audit.db", "audit.ndjson"}


def test_a_broken_audit_is_told(passbell: Passbell, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "home" / "passbell.db") as connection:
        connection.execute("UPDATE audit SET actor = 'somebody else' WHERE id = 2")
    connection.close()
    done = passbell("audit", "verify")
    assert done.code == 1
    assert "entry 2 was changed" in done.err


def test_no_secret_is_ever_printed(empty: Passbell, stand_in: str, tmp_path: Path) -> None:
    secrets = {"key-of-the-house-1", "secret-of-the-house-2-of-thirty-two", "queue-secret-3", "pass-word-4"}
    home = tmp_path / "home"
    home.mkdir()
    (home / "passbell.toml").write_text(
        '[passkit]\napi_key = "key-of-the-house-1"\napi_secret = "secret-of-the-house-2-of-thirty-two"\n'
        '[queue]\nsecret = "queue-secret-3"\nurl = "redis://user:pass-word-4@127.0.0.1:1/0"\n'
    )
    commands: list[tuple[object, ...]] = [
        *(("init",), ("doctor",), ("sync",), ("programs", "list"), ("programs", "show", "Linden")),
        *(("members", "show", "Linden", "x"), ("members", "list", "Linden")),
        *(("audiences", "list"), ("audiences", "show", "Linden", "x")),
        *(("blasts", "list"), ("blasts", "launch", 1, "--expect", 1), ("blasts", "show", 1)),
        *((*PLAN, "--all", "--text", "x"), ("audit", "list"), ("audit", "verify")),
    ]
    for words in commands:
        for more in ((), ("--json",)):
            done = empty(*words, *more)
            assert not [secret for secret in secrets if secret in done.out + done.err], words
    others = [path for path in home.rglob("*") if path.is_file() and path.name != "passbell.toml"]
    assert not [path for path in others for secret in secrets if secret.encode() in path.read_bytes()]


def test_live_is_said(empty: Passbell) -> None:
    live = ("--set", "passkit.api_key=k", "--set", "passkit.api_secret=s")
    assert empty(*live, "programs", "list").out.startswith("LIVE\n")
    assert "LIVE" in empty(*live, "init").out


@pytest.mark.slow
def test_rehearse_says_how_to_reach_it_and_ends_in_order(tmp_path: Path) -> None:
    command = (*COMMAND, "--home", str(tmp_path))
    options = ["rehearse", "--port", "0", "--members", "20", "--json"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = json.loads(child.stdout.readline())
        assert httpx.get(f"{told['url']}/_rehearsal/stats").status_code == 200
        assert {"url", "key", "secret", "members", "seed"} == set(told)
        found = subprocess.run([*command, "sync", "--json"], capture_output=True, text=True, check=True)
        assert json.loads(found.stdout)["programs"]
        child.terminate()
        assert child.wait(PATIENCE) == 0
    assert not (tmp_path / "rehearsal.json").exists()


@pytest.mark.slow
def test_a_worker_finishes_what_was_launched(passbell: Passbell, tmp_path: Path, stand_in: str) -> None:
    pending = passbell(*PLAN, "--all", "--text", "To the end", "--json").json["counts"]["pending"]
    passbell("--set", "engine.undo_seconds=0", "blasts", "launch", 1, "--expect", pending)
    options = ["--home", str(tmp_path / "home"), "--set", f"passkit.base_url={stand_in}", "worker"]
    with subprocess.Popen([*COMMAND, *options], stderr=subprocess.DEVNULL) as worker:
        watched = passbell("blasts", "watch", 1, "--json")
        worker.terminate()
        assert worker.wait(PATIENCE) == 0
    assert watched.code == 0
    counts = watched.lines[-1]["counts"]
    assert (counts["accepted"], counts["pending"], counts["sending"]) == (pending, 0, 0)
    assert f"{pending:,} accepted" in passbell("blasts", "watch", 1).out
    assert (
        passbell("members", "list", LINDEN, "--limit", MEMBERS, "--json").out.count("To the end") == pending
    )


@pytest.mark.slow
def test_the_demo_compares_both_sides_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PASSBELL_PASSKIT__API_KEY", "never-to-be-used")
    # Each of its 5,000 members and 2,000 phones takes both processors a while.
    few = "from jobs import demo; demo.MEMBERS = 800; demo.PHONES = 60; "
    command = (sys.executable, "-c", few + COMMAND[-1], "demo", "--headless", "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"mode", "programs", "members", "blast", "stand_in", "seconds", "own", "ok"}
    assert (told["mode"], told["programs"], told["ok"]) == ("REHEARSAL", 3, True)
    counts = told["blast"]["counts"]
    assert counts["planned"] == counts["accepted"] + counts["failed"] + counts["skipped"]
    assert told["stand_in"]["changed_passes"] == counts["accepted"]
    own = told["own"]
    assert own["blast"]["counts"]["accepted"] == own["funnel"]["apple"]["accepted"]["count"] == 60
    assert own["funnel"]["apple"]["fetched"]["count"] == own["phones"]["alerted"] > 50
    assert own["differences"] == []
    assert list(tmp_path.glob("passbell-demo-*")) == []


@pytest.mark.slow
def test_a_demo_that_is_ended_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = (*COMMAND, "demo", "--headless")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as demo:
        assert demo.stdout is not None
        while "launched" not in (line := demo.stdout.readline()):
            assert line, "the demo ended too early"
        (home,) = tmp_path.glob("passbell-demo-*")
        url = json.loads((home / "rehearsal.json").read_text())["url"]
        assert httpx.get(f"{url}/_rehearsal/stats").status_code == 200
        demo.terminate()
        assert demo.wait(PATIENCE) == 143
    assert list(tmp_path.glob("passbell-demo-*")) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/_rehearsal/stats")
