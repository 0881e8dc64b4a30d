"""The breaker: when results say that sending on would only burn the blast down into failures."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.channels.base import Outcome, Result

ENOUGH_BAD = 5
SHARE_BAD = 0.2
"""A blast is held once so many deliveries, and this share of those settled here, were refused or gone."""
LATELY = 50
SHARE_BAD_LATELY = 0.5
"""Far into a blast, or where the operator has let it go on: this share of so many that were settled last."""
ENOUGH_DOWN = 20
"""So many failures one after the other, with no other answer between them: the provider is down."""
ENOUGH_ALIKE = 3
SILENCE = 5.0
"""Or so few, where for so many seconds there was no other answer: those that hang take their time."""
KEPT = 100
"""Blasts that one worker remembers, those it pumped last."""
LONG_REST = 30.0
"""Seconds: a provider that asks to wait this long is not waited for in silence."""

_DOWN = ("network", "timeout", "unavailable", "server_error", "odd_reply")


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a blast is held, in words; `probe`: it may go on by itself once the account answers again."""

    reason: str
    probe: bool


@dataclass(slots=True)
class Breaker:
    """Watches the results of one blast in one worker, over all its pumps: a short one ends between two tries.

    `clock` gives seconds and is never set back.
    """

    clock: Callable[[], float] = time.monotonic
    _asked: bool = False
    _tripped: bool = False
    _settled: int = 0
    _bad: int = 0
    _lately: deque[bool] = field(default_factory=lambda: deque(maxlen=LATELY))
    _down: int = 0
    _throttled: int = 0
    _well_at: float = field(init=False)
    _free_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._well_at = self._free_at = self.clock()

    def begin(self, *, accepted: int, failed: int) -> None:
        """A pump begins; so many of the blast's deliveries had ended so before.

        Where many had failed and it runs all the same, the operator was asked and has let it go on.
        """
        self._asked = failed >= ENOUGH_BAD and failed >= SHARE_BAD * (accepted + failed)
        if self._tripped:
            self._tripped = False
            self._settled = self._bad = self._down = self._throttled = 0
            self._lately.clear()
        if not self._down:
            self._well_at = self.clock()
        if not self._throttled:
            self._free_at = self.clock()

    def note(self, result: Result) -> Hold | None:
        """Take a result in; the hold that follows from it, if one does. One is enough for a pump."""
        if self._tripped:
            return None
        hold = refusal(result) or self._is_down(result) or self._is_throttled(result) or self._is_bad(result)
        self._tripped = hold is not None
        return hold

    def _is_down(self, result: Result) -> Hold | None:
        at = self.clock()
        if result.outcome not in (Outcome.LATER, Outcome.UNKNOWN) or result.reason not in _DOWN:
            self._down, self._well_at = 0, at
            return None
        self._down += 1
        silent = self._down >= ENOUGH_ALIKE and at - self._well_at >= SILENCE
        if self._down < ENOUGH_DOWN and not silent:
            return None
        row = f"{self._down} failures in a row, the last"
        return Hold(f"the provider is down: {row}: {_words(result)}", probe=True)

    def _is_throttled(self, result: Result) -> Hold | None:
        """A short rest is the pacer's affair. Nobody should have to guess at a long one."""
        at = self.clock()
        if result.outcome is not Outcome.THROTTLED:
            self._throttled, self._free_at = 0, at
            return None
        self._throttled += 1
        if (result.wait or 0.0) >= LONG_REST:
            return Hold(f"the provider asks to wait {result.wait:.0f} s: {_words(result)}", probe=True)
        if self._throttled < ENOUGH_ALIKE or at - self._free_at < SILENCE:
            return None
        row = f"{self._throttled} in a row were throttled, the last"
        return Hold(f"the provider takes no requests: {row}: {_words(result)}", probe=True)

    def _is_bad(self, result: Result) -> Hold | None:
        """Whether too many passes are gone or refused: in the first batches, or lately."""
        if result.outcome not in (Outcome.ACCEPTED, Outcome.SKIPPED, Outcome.REFUSED, Outcome.GONE):
            return None
        bad = result.outcome in (Outcome.REFUSED, Outcome.GONE)
        self._settled += 1
        self._bad += bad
        self._lately.append(bad)
        if not bad:
            return None
        told = ""
        if not self._asked and self._bad >= ENOUGH_BAD and self._bad >= SHARE_BAD * self._settled:
            told = f"{self._bad} of {self._settled}"
        elif sum(self._lately) >= SHARE_BAD_LATELY * LATELY:
            told = f"{sum(self._lately)} of the last {len(self._lately)}"
        if not told:
            return None
        return Hold(
            f"{told} were refused or are unknown to the provider, the last: {_words(result)}", probe=False
        )


class Breakers:
    """The breakers of one worker, a blast each."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Breaker] = OrderedDict()

    def of(self, blast_id: int, *, accepted: int, failed: int) -> Breaker:
        """The breaker of a blast that is about to be pumped; so many of its deliveries ended so before."""
        breaker = self._kept.setdefault(blast_id, Breaker())
        breaker.begin(accepted=accepted, failed=failed)
        self._kept.move_to_end(blast_id)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return breaker


def refusal(result: Result) -> Hold | None:
    """The hold for a fault of the whole account: its key, its quota, its designs."""
    if result.outcome is not Outcome.REFUSED or not result.account:
        return None
    what = {"quota_spent": "the quota is spent: ", "no_message_field": "nobody would see the message: "}
    return Hold(what.get(result.reason, "the account is refused: ") + _words(result), probe=True)


def _words(result: Result) -> str:
    words = result.detail or result.reason
    return f"{words} ({result.code})" if result.code else words
