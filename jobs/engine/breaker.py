"""The breaker: when results say that sending on would only burn the blast down into failures."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.channels.base import Outcome, Result

ENOUGH_BAD = 5
SHARE_BAD = 0.2
"""A blast is held once so many deliveries, and this share of those settled here, were refused or gone."""
ENOUGH_DOWN = 20
"""So many failures one after the other, with no other answer between them: the provider is down."""
PROBE_SECONDS = 5.0
"""Between two looks whether an account that was held works again."""

_DOWN = ("network", "timeout", "unavailable", "server_error", "odd_reply")


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a blast is held, in words; `probe`: it may go on by itself once the account answers again."""

    reason: str
    probe: bool


@dataclass(slots=True)
class Breaker:
    """Watches the results of one blast in one worker."""

    _settled: int = 0
    _bad: int = 0
    _down: int = 0

    def note(self, result: Result) -> Hold | None:
        """Take a result in; the hold that follows from it, if one does."""
        self._settled += 1
        down = result.outcome in (Outcome.LATER, Outcome.UNKNOWN) and result.reason in _DOWN
        self._down = self._down + 1 if down else 0
        words = result.detail or result.reason
        if result.code:
            words += f" ({result.code})"
        if result.outcome is Outcome.REFUSED and result.account:
            return Hold(f"the account is refused: {words}", probe=True)
        if self._down >= ENOUGH_DOWN:
            return Hold(
                f"the provider is down: {self._down} failures in a row, the last: {words}", probe=True
            )
        if result.outcome in (Outcome.REFUSED, Outcome.GONE):
            self._bad += 1
            if self._bad >= ENOUGH_BAD and self._bad >= SHARE_BAD * self._settled:
                told = f"{self._bad} of {self._settled} were refused or are unknown to the provider"
                return Hold(f"{told}, the last: {words}", probe=False)
        return None
