"""The ledger's short words, as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobs.engine.gate import REASONS
from jobs.moments import zone_of
from store.differences import WHY, Difference
from store.times import now

if TYPE_CHECKING:
    from collections.abc import Collection

    from store.arrivals import Funnel
    from store.ledger import Blast
    from store.settings import Settings

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

_WAITS = {"quiet_hours": "quiet hours", "too_soon": "messaged a moment ago,"}


def reason(word: str) -> str:
    """Why passes are skipped, in words; a provider's own reason as it is."""
    return REASONS.get(word) or _FURTHER.get(word) or word.replace("_", " ")


def waiting(word: str, until: tuple[datetime, datetime], time_zone: str | None) -> str:
    """`quiet hours until 08:00 CET`: what passes wait for, and how long, by a program's clock.

    `until` is the first moment at which one of them is due and the last.
    """
    (first, last), told = until, _WAITS.get(word, word)
    if last <= now():
        return f"{told.rstrip(',')} when last asked: asked again when their turn comes"
    return f"{told} until {clock(first, time_zone)}" + (" or later" if last > first else "")


def clock(moment: datetime, time_zone: str | None) -> str:
    """`08:00 CET`, with the day where it is more than a day away: `12-01 08:00 CET`."""
    local = moment.astimezone(zone_of(time_zone)[0])
    return f"{local:%H:%M %Z}" if moment - now() < timedelta(days=1) else f"{local:%m-%d %H:%M %Z}"


def purpose(blast: Blast) -> str:
    """`marketing`, or with what members may decline: `marketing, category news`."""
    return blast.purpose + (f", category {blast.category}" if blast.category else "")


def difference(found: Difference) -> list[tuple[int, str]]:
    """What is other than in the plan before, a number and its words each; nothing where nothing is."""
    lines = []
    for word, move in (("entered", found.entered), ("left", found.left)):
        if move.count:
            why = ", ".join(f"{count:,} {WHY[reason]}" for reason, count in move.why.items())
            lines.append((move.count, f"{word}: {why}; such as {', '.join(move.sample)}"))
    turned = (("now skipped", found.now_skipped), ("no longer skipped", found.no_longer_skipped))
    for word, reasons in turned:
        lines += [(count, f"{word}: {reason(one)}") for one, count in reasons.items()]
    return lines


def value(found: object) -> str:
    """A value of a field: `yes`, `12` where it is 12.0, else as it is."""
    if isinstance(found, bool):
        return "yes" if found else "no"
    return f"{found:.15g}" if isinstance(found, int | float) else str(found)


def figures(counts: Mapping[str, int]) -> str:
    """`4,120 accepted, 3 failed`: what is not zero."""
    told = [f"{count:,} {word.replace('_', ' ')}" for word, count in counts.items() if count]
    return ", ".join(told) or "none"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `5 days`; what takes any time at all takes a second."""
    whole = round(seconds) or int(seconds > 0)
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


def own_account(settings: Settings, channels: Collection[str] = ("apple", "google")) -> str:
    """Whose passes we issue: `Apple pass.com.example.club and Google issuer 3388000000022222222`."""
    if not settings.live:
        return "stand-ins for Apple and Google"
    apple, google = settings.apple.pass_type, settings.google.issuer
    known = {
        "apple": f"Apple {apple}" if apple else "",
        "google": f"Google issuer {google}" if google else "",
    }
    told = [name for channel, name in known.items() if name and channel in channels]
    return " and ".join(told) or "neither Apple nor Google is set up"


STEP_WORDS = {
    "accepted": "accepted",
    "listed": "asked for changes",
    "fetched": "fetched the pass",
    "has_users": "held by somebody",
}
"""How far a message came, in words."""

CHANNELS = {"apple": "Apple", "google": "Google", "passkit": "PassKit"}
"""Who carries a message, as people write it."""

TELLERS = CHANNELS | {"events": "an event of yours", "passbell": "passbell"}
"""Who told of something that happened to a pass."""

LAST_STEPS = {
    "apple": "a phone fetched the pass with this text",
    "google": "somebody holds the pass",
    "passkit": "PassKit accepted the text",
}
"""What the last step is that can be known of each channel: nobody is told who saw or read a message."""


def funnel(found: Funnel, channel: str) -> str:
    """`2,000 planned > 1,950 accepted > 1,900 asked for changes > 1,880 fetched the pass`."""
    steps = found.steps[channel]
    told = [f"{found.planned[channel]:,} planned"]
    told += [f"{step.count:,} {STEP_WORDS[name]}" for name, step in steps.items()]
    return " > ".join(told)
