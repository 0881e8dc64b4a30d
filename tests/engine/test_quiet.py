"""Quiet hours by the wall clock: midnight, both changes of clocks, odd zones."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.engine import quiet
from store import zones

VIENNA = ZoneInfo("Europe/Vienna")
ZONES = [
    "UTC",
    "Europe/Vienna",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "America/Santiago",  # clocks change at midnight
    "Africa/Casablanca",
]
CHANGES = ["03-08", "03-29", "04-05", "09-06", "10-04", "10-25", "11-01"]
"""Days of 2026 on which clocks are changed somewhere of these."""
MOMENTS = st.builds(
    lambda day, minutes: datetime.fromisoformat(f"2026-{day}T00:00:00+00:00") + timedelta(minutes=minutes),
    st.sampled_from([*CHANGES, "07-01"]),
    st.integers(-2_000, 2_000),
)
CLOCKS = st.sampled_from(["00:00", "01:30", "02:00", "02:30", "03:00", "08:00", "12:15", "21:00", "23:59"])


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "zone", "at", "until"),
    [
        (("21:00", "08:00"), "Europe/Vienna", "2026-11-21 19:59", None),
        (("21:00", "08:00"), "Europe/Vienna", "2026-11-21 20:00", "2026-11-22 07:00"),
        (("21:00", "08:00"), "Europe/Vienna", "2026-11-22 06:59", "2026-11-22 07:00"),
        (("21:00", "08:00"), "Europe/Vienna", "2026-11-22 07:00", None),
        (("09:00", "17:00"), "America/New_York", "2026-07-01 13:00", "2026-07-01 21:00"),
        (("09:00", "17:00"), "Asia/Kathmandu", "2026-07-01 04:00", "2026-07-01 11:15"),
        # The night on which Vienna's clocks go forward at 2 to 3: one hour shorter.
        (("21:00", "08:00"), "Europe/Vienna", "2026-03-28 20:00", "2026-03-29 06:00"),
        # ... and the end itself does not exist: they end with the change.
        (("21:00", "02:30"), "Europe/Vienna", "2026-03-28 23:00", "2026-03-29 01:00"),
        # The night on which they go back at 3 to 2: one hour longer.
        (("21:00", "08:00"), "Europe/Vienna", "2026-10-24 19:00", "2026-10-25 07:00"),
        # ... and the end happens twice: free from the first, quiet again from the change, free again.
        (("21:00", "02:30"), "Europe/Vienna", "2026-10-24 19:00", "2026-10-25 00:30"),
        (("21:00", "02:30"), "Europe/Vienna", "2026-10-25 00:45", None),
        (("21:00", "02:30"), "Europe/Vienna", "2026-10-25 01:10", "2026-10-25 01:30"),
        # ... and the beginning happens twice: free with the change, until it is shown again.
        (("02:30", "01:00"), "Europe/Vienna", "2026-10-25 00:45", "2026-10-25 01:00"),
        (("02:30", "01:00"), "Europe/Vienna", "2026-10-25 01:15", None),
        (("02:30", "01:00"), "Europe/Vienna", "2026-10-25 01:30", "2026-10-26 00:00"),
        (("00:00", "00:00"), "Europe/Vienna", "2026-11-21 23:00", None),
        (("08:00", "08:00"), "Europe/Vienna", "2026-11-21 07:00", None),
    ],
)
def test_quiet_hours_end_when_the_wall_clock_says_so(
    hours: quiet.Hours, zone: str, at: str, until: str | None
) -> None:
    expected = utc(until) if until is not None else None
    assert quiet.ends(hours, ZoneInfo(zone), utc(at)) == expected


@settings(max_examples=1_000)
@given(hours=st.tuples(CLOCKS, CLOCKS), zone=st.sampled_from(ZONES), at=MOMENTS)
def test_they_end_at_the_first_minute_that_is_not_quiet(hours: quiet.Hours, zone: str, at: datetime) -> None:
    def is_quiet(moment: datetime) -> bool:
        clock, (start, out) = moment.astimezone(ZoneInfo(zone)).time(), map(time.fromisoformat, hours)
        return start <= clock < out if start <= out else not out <= clock < start

    walked = at
    while is_quiet(walked):
        walked += timedelta(minutes=1)
    assert quiet.ends(hours, ZoneInfo(zone), at) == (walked if walked > at else None)


@pytest.mark.parametrize(
    "name", [None, "", "Mars/Olympus", "../../etc/passwd", "Europe", "localtime", "Factory", "posixrules"]
)
def test_what_names_no_place_is_no_zone(name: str | None) -> None:
    assert not zones.known(name)
    assert zones.first_known(name, "Europe/Vienna") == VIENNA
