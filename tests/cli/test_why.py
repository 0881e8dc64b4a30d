"""`passbell why`: for people at 80 columns, and for programs."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from jobs.engine.gate import REASONS
from tests.cli.conftest import Passbell

LINDEN = "Kaffeehaus Linden"
HOSTILE = "Ann\x1b[2J\x9b31m [/foo] \u202eeel\r\n\x07"
KEYS = {"program", "member", "blast", "blast_state", "purpose", "category", "at", "decision", "audience"}
KEYS |= {"rules_changed", "passes"}


def test_why_for_people_and_for_programs(
    passbell: Passbell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    plan = ("blasts", "plan", "--program", LINDEN, "--where", "points >= 0", "--text", "Two for one")
    blast: int = passbell(*plan, "--json").json["id"]
    rows = passbell("blasts", "deliveries", blast, "--json").lines
    by_state: dict[str, Any] = {row["state"]: row for row in rows}
    member = by_state["pending"]["member"]
    with sqlite3.connect(tmp_path / "home" / "passbell.db") as connection:
        connection.execute("UPDATE members SET name = ? WHERE external_id = ?", (HOSTILE, member))
    connection.close()

    told = passbell("why", LINDEN, member, "--blast", blast)
    assert told.code == 0
    assert told.out.startswith(f"Not sent yet: blast {blast} is planned and was not launched\n")
    assert max(map(len, told.out.splitlines())) <= 80
    assert not any(sign in told.out for sign in ("\x1b", "\x9b", "\u202e", "\x07"))
    for word in ("Audience", "Pass", "Gate, asked for", "Message", "one text for all", "waits for"):
        assert word in told.out

    found = passbell("why", LINDEN, member, "--blast", blast, "--json").json
    assert set(found) == KEYS
    assert found["decision"]["word"] == "pending"
    assert [one["check"] for one in found["passes"][0]["checks"]] == list(REASONS)
    assert found["passes"][0]["delivery"]["id"] == by_state["pending"]["id"]

    skipped = by_state["skipped"]
    refused = passbell("why", LINDEN, skipped["member"], "--blast", blast)
    assert refused.out.startswith("Not messaged: ")
    assert "FAILS" in refused.out


def test_why_without_a_blast_asks_for_a_message_now(passbell: Passbell) -> None:
    (member,) = passbell("members", "list", LINDEN, "--json", "--limit", "1").lines
    external_id = member["external_id"]
    passbell("consents", "withdraw", LINDEN, external_id, "--source", "hotline")
    found = passbell("why", LINDEN, external_id, "--category", "News", "--json").json
    assert (found["blast"], found["audience"], found["category"]) == (None, None, "news")
    checks = {one["check"]: one for one in found["passes"][0]["checks"]}
    assert checks["withdrawn"]["fails"] is True
    assert checks["withdrawn"]["data"]["record"]["source"] == "hotline"
    assert checks["same_text"]["result"] == "not_asked"
    service = passbell("why", LINDEN, external_id, "--purpose", "service", "--json").json
    assert service["purpose"] == "service"
    assert {one["check"]: one["result"] for one in service["passes"][0]["checks"]}[
        "declined"
    ] == "passed_over"


def test_what_is_asked_wrongly_is_told(passbell: Passbell) -> None:
    (member,) = passbell("members", "list", LINDEN, "--json", "--limit", "1").lines
    near = passbell("why", LINDEN, member["external_id"] + "9")
    assert near.code == 2
    assert f"near: {member['external_id']}" in near.err
    assert passbell("why", LINDEN, member["external_id"], "--blast", 99).code == 2
    both = passbell("why", LINDEN, member["external_id"], "--blast", 1, "--purpose", "service")
    assert both.code == 2
    assert "a purpose and a category of its own" in both.err
