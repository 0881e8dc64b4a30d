"""When a blast is held, and whether it may go on by itself."""

from __future__ import annotations

import pytest

from jobs.channels.base import Outcome, Result
from jobs.engine.breaker import ENOUGH_BAD, ENOUGH_DOWN, Breaker, Hold

FINE = Result(Outcome.ACCEPTED)
DOWN = Result(Outcome.LATER, "unavailable", "try again", "HTTP 503 / 14")
GONE = Result(Outcome.GONE, "not_found", "no such pass", "HTTP 404 / 5")
KEY = Result(Outcome.REFUSED, "key_refused", "signature is invalid", "HTTP 401", account=True)


def held(*results: Result) -> Hold | None:
    """The first hold that a row of results brings about."""
    breaker = Breaker()
    return next((hold for result in results if (hold := breaker.note(result)) is not None), None)


def test_a_refused_key_holds_at_once_and_is_probed() -> None:
    hold = held(FINE, KEY)
    assert hold == Hold("the account is refused: signature is invalid (HTTP 401)", probe=True)


def test_only_an_unbroken_row_of_failures_means_that_the_provider_is_down() -> None:
    assert held(*[DOWN] * (ENOUGH_DOWN - 1), FINE, *[DOWN] * (ENOUGH_DOWN - 1)) is None
    hold = held(*[DOWN] * ENOUGH_DOWN)
    assert hold is not None
    assert hold.probe
    assert "the provider is down" in hold.reason


def test_a_429_says_that_the_provider_is_up() -> None:
    throttled = Result(Outcome.THROTTLED, "throttled", wait=1)
    assert held(*[DOWN, throttled] * ENOUGH_DOWN) is None


@pytest.mark.parametrize("fine", [0, 1, 4 * ENOUGH_BAD])
def test_a_share_of_gone_passes_stops_and_asks(fine: int) -> None:
    hold = held(*[FINE] * fine, *[GONE] * ENOUGH_BAD)
    assert hold is not None
    assert not hold.probe


def test_some_gone_passes_among_many_are_nothing_unusual() -> None:
    assert held(*([*[FINE] * 9, GONE] * 100)) is None
