"""Quiet hours: whether a wall clock stands in them, and the moment at which they end."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from store import zones

Hours = tuple[str, str]
"""From (in) and to (out) as HH:MM; they may span midnight. Equal times are no quiet hours."""


def ends(hours: Hours, zone: ZoneInfo, at: datetime) -> datetime | None:
    """The first moment from `at` on, in UTC, that is not quiet; None where `at` is not.

    The wall clock decides. Where it is set back, an hour that is shown twice is quiet twice; where it is
    set forward over the end, or back to before the beginning, they end with the change.
    """
    if not _within(hours, at.astimezone(zone).time()):
        return None
    start, out = (time.fromisoformat(text) for text in hours)
    today = at.astimezone(zone).date()
    found = []
    for day in (today + timedelta(days=number) for number in range(3)):
        found += zones.moments(datetime.combine(day, out), zone)
        # A change of clocks ends them too, where it goes over their end, or back to before their beginning.
        for local in (datetime.combine(day, start), datetime.combine(day, out)):
            if len(zones.moments(local, zone)) != 1:
                found.append(zones.change(local, zone))
    return min(
        moment for moment in found if moment > at and not _within(hours, moment.astimezone(zone).time())
    )


def _within(hours: Hours, clock: time) -> bool:
    start, out = (time.fromisoformat(text) for text in hours)
    if start <= out:
        return start <= clock < out
    return clock >= start or clock < out
