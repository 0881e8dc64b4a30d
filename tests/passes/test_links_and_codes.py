from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from jobs.passes import codes
from jobs.passes.links import Expired, Forged, link_token, read_link_token
from store.errors import UsageError

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def secret() -> str:
    return "a secret of some length"


@given(st.integers(0, 2**63 - 1), MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9_000)))
def test_a_token_names_its_pass_until_it_expires(pass_id: int, expires: datetime, before: timedelta) -> None:
    expires = expires.replace(microsecond=0)
    token = link_token(secret, pass_id, expires)
    assert len(token) == 40
    assert read_link_token(secret, token, expires - before) == pass_id
    with pytest.raises(Expired):
        read_link_token(secret, token, expires + timedelta(seconds=1))


@given(st.integers(0, 39), st.characters())
def test_no_other_spelling_is_taken(place: int, character: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    token = link_token(secret, 7, at)
    other = token[:place] + character + token[place + 1 :]
    if other != token:
        with pytest.raises(Forged):
            read_link_token(secret, other, at)


@given(st.text(max_size=60))
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(Forged):
        read_link_token(secret, text, datetime(2026, 1, 1, tzinfo=UTC))


def test_another_secret_makes_no_token_of_ours() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(Forged):
        read_link_token(lambda: "another secret", link_token(secret, 7, at), at)


@given(st.text("abc/:.-_", min_size=1, max_size=106), st.booleans())
def test_a_terminal_shows_every_module(text: str, colours: bool) -> None:
    lines = codes.terminal(text, colours=colours).splitlines()
    assert len(lines) <= 23
    made = segno.make_qr(text, error="l", boost_error=False)
    wanted = [[bool(module) for module in row] for row in made.matrix_iter(border=4)]
    dark = " ▄▀█" if colours else "█▀▄ "
    shown: list[list[bool]] = []
    for line in lines:
        bare = line.removeprefix(codes.BLACK_ON_WHITE).removesuffix(codes.PLAIN)
        assert len(bare) <= 80
        shown.append([dark.index(glyph) >= 2 for glyph in bare])
        shown.append([dark.index(glyph) % 2 == 1 for glyph in bare])
    assert shown[: len(wanted)] == wanted


def test_pictures_are_what_their_names_say() -> None:
    assert codes.png("https://example.com").startswith(b"\x89PNG\r\n")
    assert ElementTree.fromstring(codes.svg("https://example.com")).tag.endswith("svg")
    assert codes.image("x", codes.kind_of(Path("Card.PNG"))) == codes.png("x")
    with pytest.raises(UsageError, match=r"card\.gif"):
        codes.kind_of(Path("card.gif"))
