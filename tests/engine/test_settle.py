"""How a result ends a delivery, or how often it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.channels.base import Outcome, Result
from jobs.engine.settle import settlement
from store.claims import Claimed
from store.sections import EngineSettings

AT = datetime(2026, 5, 1, 9, tzinfo=UTC)
ENGINE = EngineSettings(max_attempts=3)


def claimed(attempts: int, *, unsure: bool = False) -> Claimed:
    return Claimed(1, 2, attempts, "text", "p", "membership", "m1", "E1", "gold", {}, unsure=unsure)


@pytest.mark.parametrize(
    ("outcome", "allowed"), [(Outcome.LATER, 3), (Outcome.UNKNOWN, 6), (Outcome.THROTTLED, 30)]
)
def test_tries_are_bounded_and_a_throttle_is_the_most_patient(outcome: Outcome, allowed: int) -> None:
    result = Result(outcome, "some_reason", "in words", "HTTP 5", wait=7)
    again = settlement(claimed(allowed - 1), result, ENGINE, AT)
    assert (again.state, again.counts) == ("pending", True)
    assert again.due_at is not None
    assert again.due_at >= AT + timedelta(seconds=7)
    ended = settlement(claimed(allowed), result, ENGINE, AT)
    reason = "unknown" if outcome is Outcome.UNKNOWN else "some_reason"
    assert (ended.state, ended.reason, ended.code) == ("failed", reason, "HTTP 5")
    assert "in words" in (ended.detail or "")


def test_what_may_have_arrived_is_looked_up_longer_and_never_called_failed_for_certain() -> None:
    result = Result(Outcome.LATER, "timeout", "no answer")
    assert settlement(claimed(3, unsure=True), result, ENGINE, AT).state == "pending"
    ended = settlement(claimed(6, unsure=True), result, ENGINE, AT)
    assert (ended.state, ended.reason) == ("failed", "unknown")
    assert "may have arrived" in (ended.detail or "")


@pytest.mark.parametrize("reason", ["key_refused", "quota_spent", "no_message_field"])
def test_a_fault_of_the_account_costs_no_delivery_a_try(reason: str) -> None:
    given_back = settlement(claimed(3), Result(Outcome.REFUSED, reason, account=True), ENGINE, AT)
    assert (given_back.state, given_back.counts, given_back.due_at) == ("pending", False, AT)
