"""Outside text made inert."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from console.plain import cells, inert, inert_lines


def test_what_would_act_is_spelled_out() -> None:
    assert (
        inert("a\x1b[31m\tb\r\n\x9bc\x00\u202ed\u2028e\ud800")
        == "a\\x1b[31m\\tb\\r\\n\\x9bc\\x00\\u202ed\\u2028e\\ud800"
    )


def test_what_only_shows_is_left_alone() -> None:
    for text in ("Ann [/foo] Lee", "[@click=app.quit]", "שרה", "Zoë", "👩‍👩‍👧", "日本", ""):
        assert inert(text) == text


def test_long_text_is_cut() -> None:
    assert inert("x" * 10_000, 5) == "xxxx…"
    assert inert("12345", 5) == "12345"
    assert len(inert("\x1b" * 10, 5)) == 5


def test_meant_line_breaks_stay() -> None:
    assert inert_lines("a\nb\x1b") == "a\nb\\x1b"


def test_cells() -> None:
    assert [cells(text) for text in ("abc", "日本", "e\u0301", "👍", "")] == [3, 4, 1, 2, 0]


@given(st.text(), st.integers(1, 30))
def test_nothing_acts_whatever_comes_in(text: str, limit: int) -> None:
    shown = inert(text, limit)
    assert len(shown) <= limit
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert inert(shown) == shown
