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
    set forward over the end, they end with the change.
    """
    if not _within(hours, at.astimezone(zone).time()):
        return None
    out = time.fromisoformat(hours[1])
    today = at.astimezone(zone).date()
    found = []
    for day in (today + timedelta(days=number) for number in range(3)):
        local = datetime.combine(day, out)
        shown = zones.moments(local, zone) or [zones.change(local, zone)]
        found += [moment for moment in shown if moment > at]
    return min(moment for moment in found if not _within(hours, moment.astimezone(zone).time()))


def _within(hours: Hours, clock: time) -> bool:
    start, out = (time.fromisoformat(text) for text in hours)
    if start <= out:
        return start <= clock < out
    return clock >= start or clock < out
