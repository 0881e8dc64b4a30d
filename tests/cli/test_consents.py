"""`passbell consents`, `preferences` and `suppressions`, as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Passbell

PROGRAM = "Kaffeehaus Linden"


def spaced(text: str) -> str:
    """The text with single blanks, however columns are aligned."""
    return " ".join(text.split())


@pytest.fixture
def member(passbell: Passbell) -> str:
    """The first member whom PassKit does not have as opted out."""
    found = passbell("members", "list", PROGRAM, "--where", "opted_out = false", "--limit", "1", "--json")
    external_id: str = found.lines[0]["external_id"]
    return external_id


def test_a_consent_from_word_to_word(passbell: Passbell, member: str, tmp_path: Path) -> None:
    gave = passbell("consents", "give", PROGRAM, member, "--source", "till", "--wording", "v3", "--json")
    assert (gave.code, gave.json["given"], gave.json["note"]) == (0, True, None)
    left = passbell("consents", "withdraw", PROGRAM, member, "--ip", "203.0.113.9")
    assert left.out == f"REHEARSAL: {member}: marketing is withdrawn\n"
    shown = passbell("consents", "show", PROGRAM, member, "--json").json
    assert [one["given"] for one in shown["history"]] == [False, True]
    assert shown["write_back"] == {"state": "waiting", "attempts": 0, "detail": None}
    plain = passbell("consents", "show", PROGRAM, member)
    assert "marketing: withdrawn opted out in PassKit: no" in spaced(plain.out)
    assert "PassKit not told yet" in plain.out
    assert "203.0.113.9" in plain.out
    late = passbell("consents", "give", PROGRAM, member, "--at", "2026-01-01")
    assert (late.code, "has to be newer" in late.err) == (3, True)
    file = tmp_path / "file.csv"
    file.write_text(f"external_id,given\n{member},yes\nnobody\u202e,yes\n")
    done = passbell("consents", "import", PROGRAM, file, "--purpose", "service", "--source", "shop")
    assert (done.code, "\u202e" in done.out) == (0, False)
    assert "given: 1" in spaced(done.out)
    assert "line 3: nobody\\u202e: no member has this id" in done.out


def test_a_token_is_made_and_taken(passbell: Passbell, member: str) -> None:
    token = passbell("consents", "token", PROGRAM, member).out.strip()
    assert passbell("consents", "redeem", token).out == f"REHEARSAL: {member}: marketing is withdrawn\n"
    assert passbell("consents", "redeem", token, "--json").json["new"] is False
    wrong = passbell("consents", "redeem", token[:-4])
    assert wrong.code == 3
    assert wrong.err == "passbell: this is no unsubscribe token of ours, or it was changed on its way\n"


def test_giving_says_what_still_stands_against_it(passbell: Passbell) -> None:
    found = passbell("members", "list", PROGRAM, "--where", "opted_out = true", "--limit", "1", "--json")
    done = passbell("consents", "give", PROGRAM, found.lines[0]["external_id"])
    assert done.code == 0
    assert "has to be cleared in PassKit" in done.err


def test_preferences_are_set_one_by_one(passbell: Passbell, member: str) -> None:
    set_ = ("preferences", "set", PROGRAM, member)
    done = passbell(*set_, "--decline", "Offers", "--quiet-hours", "21:00-08:00", "--most-a-week", "2")
    assert done.out.startswith(f"REHEARSAL: {member}: changed declined, quiet hours, most a week\n")
    told = passbell(*set_, "--quiet-hours", "none", "--time-zone", "Europe/Vienna", "--json").json
    assert (told["declined"], told["quiet_hours"], told["most_a_week"]) == (["offers"], "00:00-00:00", 2)
    assert told["changed"]["before"] == {"quiet_hours": "21:00-08:00", "time_zone": None}
    assert "none at all" in passbell(*set_, "--accept", "offers", "--most-a-week", "default").out
    shown = passbell("preferences", "show", PROGRAM, member)
    assert "most a week: as the program has it" in spaced(shown.out)
    assert "Europe/Vienna" in shown.out
    for wrong in ((), ("--time-zone", "Mars"), ("--most-a-day", "x"), ("--decline", "a", "--accept", "A")):
        assert passbell(*set_, *wrong).code == 2
    assert passbell("members", "show", PROGRAM, member, "--json").json["preferences"]["declined"] == []


def test_somebody_is_suppressed_and_freed(passbell: Passbell, member: str, tmp_path: Path) -> None:
    add = ("suppressions", "add", "--external-id", member, "--program", PROGRAM, "--reason")
    added = passbell(*add, "asked to pause", "--expires", "2099-01-01", "--json").json
    assert (added["new"], added["members"], added["expires_at"]) == (True, 1, "2099-01-01T00:00:00.000000Z")
    again = passbell(*add, "complaint \U0001f600")
    assert again.out == "REHEARSAL: was suppressed already (number 1): 1 member known now\n"
    listed = passbell("suppressions", "list")
    assert "never" in listed.out
    assert member not in listed.out
    told = passbell("members", "show", PROGRAM, member)
    assert "suppressed: complaint \U0001f600, until for ever" in spaced(told.out)
    out = tmp_path / "out.csv"
    assert passbell("suppressions", "export", out, "--json").json["entries"] == 1
    assert passbell("suppressions", "export", out).code == 3
    assert passbell("suppressions", "remove", "1", "--json").json["removed"]["members"] == 1
    assert passbell("suppressions", "list").out == "REHEARSAL: nobody is suppressed\n"
    done = passbell("suppressions", "import", out)
    assert "members: 1" in spaced(done.out)
    gone = passbell("suppressions", "remove", "--external-id", member, "--program", PROGRAM)
    assert gone.code == 0
    for wrong in (
        ("add", "--reason", "x"), ("add", "--email", "a@b.c", "--phone", "+4366012", "--reason", "x"),
        ("add", "--email", "a@b.c", "--reason", "x", "--expires", "2020-01-01"), ("remove",), ("remove", "7"),
        ("add", "--email", "a@b.c", "--reason", "\x1b[2J"), ("remove", "1", "--email", "a@b.c"),
    ):  # fmt: skip
        done = passbell("suppressions", *wrong)
        assert (done.code, "\x1b" in done.err) == (2, False), wrong


def test_a_sync_with_another_secret_is_refused(passbell: Passbell, member: str) -> None:
    assert passbell("suppressions", "add", "--external-id", member, "--reason", "x").code == 0
    done = passbell("--set", "consent.secret=another secret of ours", "sync")
    assert done.code == 1
    assert "consent.secret is not the one" in done.err
    assert passbell("sync").code == 0
