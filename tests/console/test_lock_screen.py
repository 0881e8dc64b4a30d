"""The lock screen's lines: broken at words, measured in cells, cut after the fourth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.widgets.lock_screen import LINES, WIDTH, lock_screen_lines, told
from jobs.preview import Seen


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


@given(st.text(max_size=600))
def test_no_text_breaks_the_frame(text: str) -> None:
    lines = lock_screen_lines(text)
    assert 1 <= len(lines) <= LINES
    assert all(cell_len(line) <= WIDTH for line in lines)


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (None, "Nobody in this audience can be messaged."),
        (Seen("Ann", "1", "Hi", "silent", "same_text"), "shows this very text already"),
        (Seen("Ann", "1", "Hi", "silent", None), "the lock screen stays dark"),
        (Seen("Ann", "1", "Hi", "alert", None), "unless its owner switched"),
        (Seen("Ann", "1", "Hi", "unproven", None), "cannot be known"),
    ],
)
def test_it_says_only_what_is_certain(seen: Seen | None, sentence: str) -> None:
    assert sentence in told(seen)
