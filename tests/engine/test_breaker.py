"""When a blast is held, and whether it may go on by itself."""

from __future__ import annotations

import pytest

from jobs.channels.base import Outcome, Result
from jobs.engine.breaker import (
    ENOUGH_ALIKE,
    ENOUGH_BAD,
    ENOUGH_DOWN,
    KEPT,
    LATELY,
    LONG_REST,
    SILENCE,
    Breaker,
    Breakers,
    Hold,
)

FINE = Result(Outcome.ACCEPTED)
DOWN = Result(Outcome.LATER, "unavailable", "try again", "HTTP 503 / 14")
GONE = Result(Outcome.GONE, "not_found", "no such pass", "HTTP 404 / 5")
KEY = Result(Outcome.REFUSED, "key_refused", "signature is invalid", "HTTP 401", account=True)


class Clock:
    """Seconds that pass only when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def held(*results: Result, breaker: Breaker | None = None) -> Hold | None:
    """The first hold that a row of results brings about."""
    breaker = breaker or Breaker()
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


def test_a_spent_quota_and_a_mute_design_hold_in_words_of_their_own() -> None:
    quota = Result(Outcome.REFUSED, "quota_spent", "quota exceeded", "HTTP 429 / 8", account=True)
    assert held(FINE, quota) == Hold("the quota is spent: quota exceeded (HTTP 429 / 8)", probe=True)
    mute = Result(Outcome.REFUSED, "no_message_field", "tier Gold: has no field", account=True)
    assert held(mute) == Hold("nobody would see the message: tier Gold: has no field", probe=True)


def test_few_failures_are_enough_where_nothing_else_was_heard_for_long() -> None:
    """Requests that hang take their time: waiting for twenty of them would be minutes."""
    clock = Clock()
    breaker = Breaker(clock)
    assert held(FINE, *[DOWN] * (ENOUGH_ALIKE - 1), breaker=breaker) is None
    clock.now += SILENCE
    hold = held(DOWN, breaker=breaker)
    assert hold is not None
    assert hold.reason.startswith(f"the provider is down: {ENOUGH_ALIKE} failures in a row, the last: try")


def test_a_short_throttle_is_no_reason_to_hold_and_a_lasting_one_is() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    throttled = Result(Outcome.THROTTLED, "throttled", "too many", "HTTP 429")
    assert held(FINE, *[throttled] * 100, breaker=breaker) is None
    clock.now += SILENCE
    assert held(FINE, throttled, throttled, breaker=breaker) is None
    clock.now += SILENCE
    hold = held(throttled, breaker=breaker)
    assert hold is not None
    assert hold.probe
    assert hold.reason == (
        "the provider takes no requests: 3 in a row were throttled, the last: too many (HTTP 429)"
    )


def test_a_long_rest_that_the_provider_asks_for_is_said_at_once() -> None:
    asked = Result(Outcome.THROTTLED, "throttled", "come back later", "HTTP 429", wait=LONG_REST)
    assert held(FINE, asked) == Hold("the provider asks to wait 30 s: come back later (HTTP 429)", probe=True)


def test_far_into_a_blast_a_program_that_vanishes_still_stops_it() -> None:
    breaker = Breaker()
    assert held(*[FINE] * 10_000, *[GONE] * (LATELY // 2 - 1), breaker=breaker) is None
    hold = held(GONE, breaker=breaker)
    assert hold is not None
    assert hold.reason.startswith(f"{LATELY // 2} of the last {LATELY} were refused or are unknown")


def test_an_operator_who_let_it_go_on_is_not_asked_again_for_the_same_share() -> None:
    kept = Breakers()
    breaker = kept.of(1, accepted=0, failed=0)
    assert held(*[FINE] * 5, *[GONE] * ENOUGH_BAD, breaker=breaker) is not None
    assert held(*[GONE] * 5 * ENOUGH_BAD, breaker=breaker) is None  # those that were in flight
    breaker = kept.of(1, accepted=5, failed=6 * ENOUGH_BAD)
    assert held(*([FINE] * 2 + [GONE]) * 500, breaker=breaker) is None
    assert held(*[GONE] * LATELY, breaker=breaker) is not None


def test_failures_count_over_the_pumps_of_a_small_blast() -> None:
    """A pump with little to do ends between two tries; the next one must not forget the first."""
    kept = Breakers()
    holds = [held(DOWN, breaker=kept.of(7, accepted=0, failed=0)) for _ in range(ENOUGH_DOWN)]
    assert [hold is not None for hold in holds] == [*[False] * (ENOUGH_DOWN - 1), True]
    assert held(*[DOWN] * 5, breaker=kept.of(7, accepted=0, failed=0)) is None
    for blast_id in range(8, 8 + KEPT):
        kept.of(blast_id, accepted=0, failed=0)
    assert held(*[DOWN] * (ENOUGH_DOWN - 1), breaker=kept.of(7, accepted=0, failed=0)) is None
