"""What is drawn with cells keeps to its width, whatever is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console import plots

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
WIDTHS = st.integers(-2, 240)


@pytest.fixture(autouse=True)
def signs_of_the_house() -> Iterator[None]:
    """Leave the signs as they were."""
    yield
    plots.use_ascii(False)


@given(NUMBERS, WIDTHS, st.booleans())
def test_a_bar_has_its_width(share: float, width: int, plain: bool) -> None:
    plots.use_ascii(plain)
    drawn = plots.bar(share, width)
    assert cell_len(drawn) == max(width, 0)
    assert drawn.isascii() or not plain


@given(st.lists(NUMBERS, max_size=300), WIDTHS, st.integers(1, 12), st.booleans())
def test_an_area_has_its_width_and_height(values: list[float], width: int, height: int, plain: bool) -> None:
    plots.use_ascii(plain)
    lines = plots.area(values, width, height)
    assert [cell_len(line) for line in lines] == [max(width, 0)] * height
    assert cell_len(plots.sparkline(values, width)) == max(width, 0)
    assert all(line.isascii() for line in lines) or not plain


@given(st.lists(st.none() | NUMBERS, max_size=300), WIDTHS, st.booleans())
def test_a_strip_stands_for_every_value_once(values: list[float | None], width: int, plain: bool) -> None:
    plots.use_ascii(plain)
    cells = plots.strip(values, width)
    assert len(cells) == max(min(width, len(values)), 0)
    assert all(cell_len(shown) == 1 and level in range(5) for shown, level in cells)
    parts = list(plots.spans(len(values), width))
    if parts:
        assert [place for start, end in parts for place in range(start, end)] == list(range(len(values)))


def test_a_bar_is_full_only_where_nothing_is_missing() -> None:
    assert plots.bar(0, 4) == "────"
    assert plots.bar(0.0001, 4) == "━───"
    assert plots.bar(0.9999, 4) == "━━━─"
    assert plots.bar(1, 4) == "━━━━"
    plots.use_ascii(True)
    assert plots.bar(0.5, 4) == "==--"


def test_what_is_small_is_seen_and_the_highest_fills_the_height() -> None:
    assert plots.sparkline([0, 1, 1000], 3) == " ▁█"
    assert plots.area([0, 1, 2], 6, 2) == ["    ██", "  ████"]
    assert plots.sparkline([], 3) == "   "


def test_the_worst_of_a_cell_is_shown() -> None:
    assert plots.strip([None, 0, 0.05, 0.4, 1], 5) == [("·", 0), ("▁", 1), ("▃", 2), ("▅", 3), ("█", 4)]
    assert plots.strip([None, 0.0, 0.0, 1.0], 2) == [("▁", 1), ("█", 4)]


def test_every_sign_takes_one_cell_and_has_its_twin_in_ascii() -> None:
    for name in plots.SIGNS:
        assert cell_len(plots.sign(name)) == 1
    plots.use_ascii(True)
    assert all(plots.sign(name).isascii() for name in plots.SIGNS)
