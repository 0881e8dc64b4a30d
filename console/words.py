"""The ledger's short words, as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jobs.engine.gate import REASONS

if TYPE_CHECKING:
    from store.ledger import Blast

VERDICTS = {
    "alert": "the phone shows the text on its lock screen",
    "silent": "the pass is updated without a sound: Google Wallet, or the same text as before",
    "nothing": "the pass is not touched",
    "unproven": "sent, but whether the phone alerts could not be found out",
}
"""What each verdict of the plan means for a phone."""

FIELD_STATES = {
    "ok": "can alert",
    "no_field": "cannot alert: the message field is missing from its design",
    "no_change_message": "cannot alert: the message field has no lock-screen message",
    "no_placeholder": "cannot alert: the lock-screen message lacks %@",
    "unknown": "may alert: its design could not be read",
}
"""What a design's state means for its phones."""

_FURTHER = {"cancelled": "the blast was cancelled before their turn"}


def reason(word: str) -> str:
    """Why passes are skipped, in words; a provider's own reason as it is."""
    return REASONS.get(word) or _FURTHER.get(word) or word.replace("_", " ")


def figures(counts: Mapping[str, int]) -> str:
    """`4,120 accepted, 3 failed`: what is not zero."""
    told = [f"{count:,} {word.replace('_', ' ')}" for word, count in counts.items() if count]
    return ", ".join(told) or "none"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `5 days`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / (24 * 60))} days"


def limits(blast: Blast) -> list[str]:
    """A blast's own limits, those it has: `at most 20 requests a second`, `4 deliveries at once`."""
    told = []
    if blast.rate_per_second is not None:
        told.append(f"at most {blast.rate_per_second:g} requests a second")
    if blast.concurrency is not None:
        told.append(f"at most {blast.concurrency} deliveries at once")
    return told
