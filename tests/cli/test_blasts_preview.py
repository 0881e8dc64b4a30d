"""`passbell blasts preview`: the lock screens of a text, for people and for programs."""

from __future__ import annotations

from tests.cli.conftest import Passbell

LINDEN = "Kaffeehaus Linden"
ALL = ("blasts", "preview", "--program", LINDEN, "--all")


def test_preview_for_people_and_for_programs(passbell: Passbell) -> None:
    text = ("--text", "Hi {first_name|you}!")
    told = passbell(*ALL, *text)
    assert told.code == 0
    assert told.out.startswith("REHEARSAL: Kaffeehaus Linden\n")
    for words in (
        "alert: the phone shows the text",
        "At most:",
        "first: ",
        "longest: ",
        "iPhone (",
        "Android (",
    ):
        assert words in told.out

    found = passbell(*ALL, *text, "--json").json
    assert list(found["verdicts"]) == ["alert", "silent", "unproven", "nothing"]
    assert found["exact"] is False
    assert found["title"] is None
    assert found["shortest"]["characters"] <= found["first"]["characters"] <= found["longest"]["characters"]
    phones = found["longest"]["phones"]
    assert phones["apple"]["text"] == found["longest"]["text"]
    assert phones["google"]["text"] is None
    assert passbell("blasts", "list", "--json").lines == []


def test_the_members_of_a_verdict_are_those_that_are_counted(passbell: Passbell) -> None:
    text = ("--text", "Two for one")
    verdicts = passbell(*ALL, *text, "--json").json["verdicts"]
    for verdict, count in verdicts.items():
        members = passbell(*ALL, *text, "--verdict", verdict, "--limit", "100000", "--json").lines
        assert len(members) == count
        assert {one["verdict"] for one in members} <= {verdict}
    told = passbell(*ALL, *text, "--verdict", "nothing")
    assert "opted out of messages" in told.out


def test_a_text_that_cannot_be_sent_is_told(passbell: Passbell) -> None:
    refused = passbell(*ALL, "--text", "Hi {frist_name}")
    assert refused.code == 2
    assert "did you mean {first_name}" in refused.err
