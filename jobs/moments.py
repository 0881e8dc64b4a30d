"""A moment as people write and read it: in a program's own time zone, or with an offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from store import zones
from store.errors import UsageError

FARTHEST = timedelta(days=366)
"""A blast is scheduled at most so far ahead."""

_WRITTEN = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)
HOW = "write 2026-12-01 09:00, or with an offset 2026-12-01T09:00:00+01:00"


def zone_of(time_zone: str | None) -> tuple[ZoneInfo, bool]:
    """A program's time zone, and whether it is known; where it is not, it is UTC."""
    found = zones.zone(time_zone)
    return found or ZoneInfo("UTC"), found is not None


def read(text: str, time_zone: str | None, *, at: datetime) -> datetime:
    """The moment, in UTC, that a text means in a program's time zone; `at` is now.

    `2026-12-01 09:00` (seconds and a T are allowed) is local; RFC 3339 with an offset is what it says.
    Raises UsageError for another spelling, a local time that does not exist or exists twice where clocks
    are changed, a moment that has passed, and one more than 366 days ahead.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no date and time: {HOW}")
    day, clock, offset = found.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{clock}")
        zone = datetime.fromisoformat(f"{day}T{clock}{offset.upper()}").tzinfo if offset else None
    except ValueError:
        raise UsageError(f"{text!r} names a date or time that does not exist: {HOW}") from None
    if local.year > at.year + 2 or local.year < at.year - 2:  # far from what UTC's years can hold
        raise UsageError(_out_of_range(local < at.replace(tzinfo=None), text))
    moment = _absolute(local, zone) if zone is not None else _from_local(local, zone_of(time_zone)[0])
    check(moment, at=at)
    return moment


def check(moment: datetime, *, at: datetime) -> None:
    """Raise UsageError for a moment that a blast cannot be scheduled for: one past, or too far ahead."""
    if not at < moment <= at + FARTHEST:
        raise UsageError(_out_of_range(moment <= at, f"{_spelled(moment)} UTC"))


def in_words(moment: datetime, time_zone: str | None) -> str:
    """`2026-12-01 09:00 Europe/Vienna (2026-12-01 08:00 UTC)`; UTC alone where no zone is known."""
    zone, _ = zone_of(time_zone)
    utc = f"{_spelled(moment.astimezone(UTC))} UTC"
    return utc if zone.key == "UTC" else f"{_spelled(moment.astimezone(zone))} {zone.key} ({utc})"


def assumed(time_zone: str | None) -> str:
    """What has to be said of a local time where the program's zone is missing or not known; else empty."""
    if zone_of(time_zone)[1]:
        return ""
    given = f"has a time zone that is not known, {time_zone!r}" if time_zone else "has no time zone"
    return f"the program {given}: local times are taken as UTC"


def _absolute(local: datetime, zone: tzinfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def _from_local(local: datetime, zone: ZoneInfo) -> datetime:
    found = zones.moments(local, zone)
    if len(found) == 1:
        return found[0]
    if found:
        first, second = (moment.astimezone(zone) for moment in found)
        raise UsageError(
            f"{_spelled(local)} happens twice in {zone.key}, as the clocks go back: "
            f"write {first.isoformat()} or {second.isoformat()}"
        )
    changed = zones.change(local, zone)
    before, after = ((changed - ago).astimezone(zone) for ago in (timedelta(minutes=1), timedelta()))
    raise UsageError(
        f"{_spelled(local)} does not exist in {zone.key}, as the clocks go forward: "
        f"the nearest times that do are {_spelled(before)} and {_spelled(after)}"
    )


def _spelled(moment: datetime) -> str:
    whole_minute = not moment.second and not moment.microsecond
    return moment.strftime("%Y-%m-%d %H:%M" if whole_minute else "%Y-%m-%d %H:%M:%S")


def _out_of_range(past: bool, told: str) -> str:
    if past:
        return f"{told} has passed already"
    return f"{told} is more than {FARTHEST.days} days ahead: a blast can be scheduled for a year at most"
