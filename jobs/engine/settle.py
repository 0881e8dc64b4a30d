"""From the result of a send to what the ledger keeps of it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

from jobs.channels.base import Outcome, Result
from store.claims import Claimed
from store.sections import EngineSettings
from store.settlements import Settlement

UNSURE_PATIENCE = 2
"""So many times the allowed tries: a send that may have arrived is looked up before it counts as failed."""
THROTTLED_PATIENCE = 10
"""The same for one that the provider asked to come later: it was not tried at all."""

LONGEST_WAIT = timedelta(hours=1)
"""Until a change is told again."""

_PASS_STATUS = {
    "not_found": "gone",
    "deleted": "gone",
    "invalidated": "invalidated",
    "not_installed": "uninstalled",
}

_MEMBER_STATUS = {"expired": "EXPIRED", "deleted": "DELETED"}


def settlement(claimed: Claimed, result: Result, engine: EngineSettings, at: datetime) -> Settlement:
    """How a delivery goes on after this result: an end, or another try and when."""
    match result.outcome:
        case Outcome.ACCEPTED:
            return _end(claimed, "accepted", result, shown_text=None if result.kept else claimed.text)
        case Outcome.SKIPPED:
            return _end(claimed, "skipped", result)
        case Outcome.GONE:
            return _end(claimed, "failed", result)
        case Outcome.REFUSED if not result.account:
            return _end(claimed, "failed", result)
        case Outcome.REFUSED:
            return give_back(claimed, at)
        case Outcome.THROTTLED | Outcome.LATER | Outcome.UNKNOWN:
            return _again(claimed, result, engine, at)


def give_back(claimed: Claimed, at: datetime) -> Settlement:
    """A delivery that was claimed but not tried: pending as before, and the try does not count."""
    return Settlement(claimed.id, claimed.pass_id, "pending", "unsent", due_at=at, counts=False)


def backoff(tries: int, engine: EngineSettings) -> float:
    """Seconds until the next try: doubling, with jitter of a half either way, under the ceiling."""
    doubled = engine.backoff_seconds * 2.0 ** min(tries - 1, 30)
    return min(doubled * random.uniform(0.5, 1.5), engine.backoff_ceiling_seconds)


def tell_again_at(attempts: int, result: Result, engine: EngineSettings, at: datetime) -> datetime:
    """When to tell again of something that is no delivery: doubling, and at least as the provider asks."""
    wait = max(engine.backoff_seconds * 2 ** min(attempts, 20), result.wait or 0.0)
    return at + min(timedelta(seconds=wait), LONGEST_WAIT)


def _end(claimed: Claimed, state: str, result: Result, *, shown_text: str | None = None) -> Settlement:
    return Settlement(
        claimed.id,
        claimed.pass_id,
        state,
        str(result.outcome),
        reason=result.reason or (None if state == "accepted" else "unknown"),
        detail=result.detail or None,
        code=result.code or None,
        pass_status=_PASS_STATUS.get(result.reason),
        shown_text=shown_text,
        opted_out=result.reason == "opted_out",
        member_status=_MEMBER_STATUS.get(result.reason),
    )


def _again(claimed: Claimed, result: Result, engine: EngineSettings, at: datetime) -> Settlement:
    unsure = claimed.unsure or result.outcome is Outcome.UNKNOWN
    patience = UNSURE_PATIENCE if unsure else 1
    if result.outcome is Outcome.THROTTLED:
        patience = THROTTLED_PATIENCE
    if claimed.attempts >= engine.max_attempts * patience:
        return _end(claimed, "failed", _in_doubt(result) if unsure else result)
    wait = max(result.wait or 0.0, backoff(claimed.attempts, engine))
    return Settlement(
        claimed.id,
        claimed.pass_id,
        "pending",
        str(result.outcome),
        reason=result.reason or None,
        detail=result.detail or None,
        code=result.code or None,
        due_at=at + timedelta(seconds=wait),
    )


def _in_doubt(result: Result) -> Result:
    """It counts as failed, and nobody shall take that for certain. A retry looks before it writes."""
    detail = f"a try may have arrived, and no look since has told: {result.detail or result.reason}"
    return replace(result, reason="unknown", detail=detail)
