"""Time zones by name, and wall clocks in them: times that happen twice, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NOT_PLACES = frozenset({"localtime", "Factory", "posixrules"})
"""Files among the zones that say how this machine is set, or nothing: another worker's may say otherwise."""


def zone(name: str | None) -> ZoneInfo | None:
    """The zone of that IANA name; None for no name, and for one that nobody knows."""
    try:
        return None if name in NOT_PLACES else ZoneInfo(name or "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def known(name: str | None) -> bool:
    """Whether there is a zone of that name."""
    return zone(name) is not None


def first_known(*names: str | None) -> ZoneInfo | None:
    """The zone of the first name that is one."""
    return next((found for name in names if (found := zone(name)) is not None), None)


def moments(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """The moments, in UTC, at which a wall clock shows this time: one, two where it is set back, or none."""
    found = []
    for fold in (0, 1):
        moment = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
        if moment not in found and moment.astimezone(zone).replace(tzinfo=None) == local:
            found.append(moment)
    return found


def change(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, at which clocks are changed around a time that exists twice or not at all."""
    moments = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    offset = min(moments).astimezone(zone).utcoffset()
    low, high = (int(moment.timestamp()) for moment in sorted(moments))
    while high - low > 1:
        middle = (low + high) // 2
        same = datetime.fromtimestamp(middle, UTC).astimezone(zone).utcoffset() == offset
        low, high = (middle, high) if same else (low, middle)
    return datetime.fromtimestamp(high, UTC)
