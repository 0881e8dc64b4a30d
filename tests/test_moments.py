"""A moment that an operator writes: in any zone, it is the one that was meant, or it is refused in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as cases
from hypothesis import strategies as st

from jobs.moments import assumed, in_words, read, zone_of
from store.errors import UsageError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(2026, 1, 3), datetime(2026, 12, 30)
ZONES = [
    *("UTC", "Europe/Vienna", "Europe/Dublin", "America/New_York", "America/St_Johns", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll"),
]
VIENNA = "Europe/Vienna"


@cache
def offsets(zone: str) -> frozenset[timedelta]:
    """All offsets that a zone has in that year."""
    hours = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(366 * 24))
    return frozenset(offset for hour in hours if (offset := hour.astimezone(ZoneInfo(zone)).utcoffset()))


@cache
def changes(zone: str) -> list[datetime]:
    """Local times around which a zone's clocks are changed."""
    hours = [(NOW + timedelta(days=2, hours=n)).astimezone(ZoneInfo(zone)) for n in range(360 * 24)]
    return [
        after.replace(tzinfo=None)
        for before, after in pairwise(hours)
        if before.utcoffset() != after.utcoffset()
    ]


@st.composite
def local_times(draw: st.DrawFn, zone: str) -> datetime:
    """Any local time of the year, and often one near a change of clocks."""
    anywhere = st.datetimes(FIRST, LAST)
    if not changes(zone):
        return draw(anywhere).replace(microsecond=0)
    near = st.sampled_from(changes(zone)).map(lambda change: change + timedelta(minutes=far))
    far = draw(st.integers(-180, 180))
    return draw(st.one_of(anywhere, near)).replace(microsecond=0)


def means(local: datetime, zone: str) -> list[datetime]:
    """The moments at which the clocks of a zone show a time: one, none or two."""
    candidates = sorted({(local - offset).replace(tzinfo=UTC) for offset in [*offsets(zone), timedelta(0)]})
    return [one for one in candidates if one.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local]


@cases(max_examples=300)
@given(st.data(), st.sampled_from(ZONES))
def test_a_local_time_is_read_where_it_exists_once_and_refused_elsewhere(
    data: st.DataObject, zone: str
) -> None:
    local = data.draw(local_times(zone))
    meant = means(local, zone)
    if len(meant) == 1:
        assert read(str(local), zone, at=NOW) == meant[0]
        assert read(local.isoformat(), zone, at=NOW) == meant[0]
        assert str(local).removesuffix(":00") in in_words(meant[0], zone)
        return
    with pytest.raises(UsageError) as refused:
        read(str(local), zone, at=NOW)
    told = str(refused.value)
    if meant:
        assert "happens twice" in told
        written = re.findall(r"\d{4}-\d\d-\d\dT\S+", told)
        assert [read(one, zone, at=NOW) for one in written] == meant
    else:
        assert "does not exist" in told
        (earlier, later) = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?", told)[-2:]
        assert read(later, zone, at=NOW) - read(earlier, zone, at=NOW) == timedelta(minutes=1)
        assert earlier < str(local) < later


@cases(max_examples=100)
@given(st.datetimes(FIRST, LAST), st.sampled_from(ZONES))
def test_a_moment_with_its_offset_is_what_it_says_in_every_zone(utc: datetime, zone: str) -> None:
    moment = utc.replace(tzinfo=UTC)
    written = moment.astimezone(ZoneInfo(zone)).isoformat()
    assert read(written, "Asia/Tokyo", at=NOW) == moment
    assert read(moment.isoformat().replace("+00:00", "z").replace("T", "t"), zone, at=NOW) == moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is no date and time: write 2026-12-01 09:00"),
        ("tomorrow", "is no date and time"),
        ("2026-12-01", "is no date and time"),
        ("2026-12-01 9:00", "is no date and time"),
        ("2026-12-01 09:00 CET", "is no date and time"),
        ("２０２６-12-01 09:00", "is no date and time"),
        ("2026-02-30 09:00", "names a date or time that does not exist"),
        ("2026-12-01 24:01", "names a date or time that does not exist"),
        ("2026-12-01T09:00:00+25:00", "names a date or time that does not exist"),
        ("2026-01-01 00:59", "2025-12-31 23:59 UTC has passed already"),
        ("0001-01-01T00:00:00+12:00", "has passed already"),
        ("9999-12-31T23:59:59-12:00", "is more than 366 days ahead"),
        ("2027-01-03 09:00", "2027-01-03 08:00 UTC is more than 366 days ahead"),
        ("2026-03-29 02:30", "the nearest times that do are 2026-03-29 01:59 and 2026-03-29 03:00"),
        ("2026-10-25 02:30", "write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        read(text, VIENNA, at=NOW)


@pytest.mark.parametrize("zone", [None, "", "Vienna", "../../etc/passwd", "Europe", "\x00", "x" * 5_000, "Ä"])
def test_without_a_zone_that_is_known_a_local_time_is_utc_and_that_is_said(zone: str | None) -> None:
    moment = datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert read("2026-12-01 09:00", zone, at=NOW) == moment
    assert in_words(moment, zone) == "2026-12-01 09:00 UTC"
    assert "local times are taken as UTC" in assumed(zone)
    assert not zone_of(zone)[1]


def test_a_moment_is_shown_in_the_zone_and_in_utc() -> None:
    moment = datetime(2026, 12, 31, 23, 30, 5, tzinfo=UTC)
    assert in_words(moment, VIENNA) == "2027-01-01 00:30:05 Europe/Vienna (2026-12-31 23:30:05 UTC)"
    assert assumed(VIENNA) == ""
