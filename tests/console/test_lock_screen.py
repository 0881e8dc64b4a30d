"""The phones: their lines broken at words and measured in cells, and no more promised than is certain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.phone_words import PHONES, notes, showing
from console.plots import use_ascii
from console.widgets.lock_screen import COMBINED, RIGHT, of_the_drawing
from console.widgets.phone import (
    DARK,
    LEAST,
    LIGHT,
    LINES,
    MOST,
    WIDTH,
    drawable,
    head_lines,
    lock_screen_lines,
    phone,
)
from console.widgets.verdict_bar import portions
from jobs.phones import Wording
from jobs.preview import Seen

DESIGN = Wording("Kaffeehaus Linden", "News: %@", True, "en", ("en", "de"))
FAMILY, FLAG, HEART, THUMB, KEYCAP = "👨‍👩‍👧", "🇦🇹", "❤️", "👍🏽", "1️⃣"


def seen(**more: Any) -> Seen:
    given_ = {"name": "Ann", "external_id": "1", "text": "Hi", "verdict": "alert", "reason": None}
    return Seen(**(given_ | {"wallets": ("apple",)} | more))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Free refill", ["Free refill"]),
        ("one\n\ntwo", ["one", "", "two"]),
        ("a\nb\nc\nd", ["a", "b", "c", "d"]),
        ("a\nb\nc\nd\ne", ["a", "b", "c", "d…"]),
        ("x" * 41, ["x" * 40, "x"]),
        ("word " * 9, ["word word word word word word word word", "word"]),
        ("🎉" * 21, ["🎉" * 20, "🎉"]),
        ("שלום", [" " * 36 + "שלום"]),
        ("", [""]),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    assert lock_screen_lines(text) == lines


def test_the_fourth_line_tells_that_there_is_more() -> None:
    lines = lock_screen_lines("x" * 500)
    assert lines[-1] == "x" * 39 + "…"


def test_what_a_terminal_or_an_eye_would_obey_is_spelled_out() -> None:
    assert lock_screen_lines("\x1b[2J \u202eevil") == ["\\x1b[2J \\u202eevil"]


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (FAMILY, "👨"),
        (FLAG, "AT"),
        (HEART, "❤"),
        (THUMB, "👍"),
        (KEYCAP, "1"),
        ("café", "café"),
        ("می‌خواهم", "می‌خواهم"),
    ],
)
def test_what_is_combined_is_drawn_by_its_first_part(text: str, drawn: str) -> None:
    assert drawable(text) == drawn


@given(st.text(max_size=600))
def test_no_text_breaks_a_line(text: str) -> None:
    lines = lock_screen_lines(text)
    assert 1 <= len(lines) <= LINES
    assert all(cell_len(line) <= WIDTH for line in lines)


PIECES = st.sampled_from(
    (FAMILY, FLAG, HEART, THUMB, KEYCAP, "שלום", "مرحبا", "陈", "e\u0301", "\u200f", " ", "\n")
)


@given(
    text=st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=60).map("".join)),
    title=st.text(max_size=60),
    width=st.integers(LEAST, MOST),
    plain=st.booleans(),
    mine=st.sampled_from((True, False, None)),
)
def test_no_text_breaks_the_frame(text: str, title: str, width: int, plain: bool, mine: bool | None) -> None:
    use_ascii(plain)
    try:
        for wallet, own in (("apple", False), ("google", False), ("google", True)):
            shown = replace(showing(wallet, seen(text=text), Wording(title), own=own), mine=mine)
            for head in ([], head_lines("15:21", "Saturday 21 November", large=True)):
                lines = phone(shown, width, LIGHT if plain else DARK, head, 12)
                assert len(lines) >= 12
                assert {line.cell_length for line in lines} == {width}
                assert "\n" not in "".join(line.plain for line in lines)
    finally:
        use_ascii(False)


def test_an_iphone_shows_the_text_in_the_designs_words_under_the_organisations_name() -> None:
    shown = showing("apple", seen(channel="apple"), DESIGN, own=True)
    assert (shown.alert, shown.title, shown.text, shown.mine) == (
        "text",
        "Kaffeehaus Linden",
        "News: Hi",
        True,
    )
    drawn = "\n".join(line.plain for line in phone(shown, 44, DARK))
    assert "iPhone  ● holds the pass" in drawn
    assert "News: Hi" in drawn


def test_nothing_is_put_into_googles_mouth() -> None:
    shown = showing("google", seen(channel="google", text="Soup", verdict="unproven"), DESIGN, own=True)
    assert (shown.alert, shown.text) == ("worded", "")
    alert, on_the_pass = "\n".join(line.plain for line in phone(shown, 44, DARK)).split("on the pass")
    assert "Soup" not in alert
    assert "Soup" in on_the_pass


@pytest.mark.parametrize(
    ("wallet", "of_whom", "sentence"),
    [
        ("apple", None, "Nobody in this audience can be messaged."),
        ("apple", seen(verdict="silent", reason="same_text"), "shows this very text already"),
        ("apple", seen(verdict="nothing", reason="opted_out"), "Nothing is sent to this member: opted out"),
        ("google", seen(verdict="silent", wallets=("google",)), "the lock screen stays dark"),
        ("apple", seen(verdict="silent", wallets=("google",)), "in no Apple Wallet"),
        ("apple", seen(), "unless its owner switched"),
        ("apple", seen(verdict="unproven", wallets=()), "cannot be known"),
    ],
)
def test_it_says_only_what_is_certain(wallet: str, of_whom: Seen | None, sentence: str) -> None:
    assert sentence in showing(wallet, of_whom, Wording("Café"), own=False).told


def test_it_says_what_stands_in_for_something() -> None:
    assert "stands in for the organisation's" in " ".join(notes(seen(), Wording("Café")))
    assert "speaks en" in " ".join(notes(seen(), DESIGN))
    assert "quiet hours" in " ".join(notes(seen(waits="quiet_hours"), DESIGN))
    drawn = [showing(wallet, seen(text=f"{FAMILY} שלום"), DESIGN, own=True) for wallet in PHONES]
    assert list(of_the_drawing(drawn)) == [COMBINED, RIGHT]
    assert list(of_the_drawing([showing("apple", seen(text="Hi 🎉"), DESIGN, own=True)])) == []


@given(st.lists(st.integers(0, 10**6), min_size=4, max_size=4), st.integers(4, 200))
def test_the_bar_is_full_and_hides_nobody(counts: list[int], width: int) -> None:
    cells = portions(counts, width)
    assert sum(cells) == (width if any(counts) else 0)
    assert [bool(count) for count in counts] == [bool(cell) for cell in cells]
