"""Time zones by name: which are known, and which one holds for a member."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str | None) -> ZoneInfo | None:
    """The zone of that IANA name; None for no name, and for one that nobody knows."""
    try:
        return ZoneInfo(name or "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def known(name: str | None) -> bool:
    """Whether there is a zone of that name."""
    return zone(name) is not None
