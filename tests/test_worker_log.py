"""A worker says a trouble when it begins, then once in a while, and when it is over."""

from __future__ import annotations

import logging

import pytest

from jobs import worker_log
from jobs.worker_log import Repeats


@pytest.fixture
def log() -> logging.Logger:
    """A log of its own, with the filter that a worker's has."""
    log = logging.Logger("test")
    log.addHandler(Kept())
    return log


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.addFilter(Repeats())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def lines(log: logging.Logger) -> list[str]:
    (handler,) = log.handlers
    assert isinstance(handler, Kept)
    return handler.lines


def test_the_same_error_is_told_once_and_another_one_too(log: logging.Logger) -> None:
    for _ in range(3):
        log.error("the store %s is away", "x")
        log.error("the queue is away")
        log.warning("took back %d deliveries", 3)
    assert lines(log) == ["the store x is away", "the queue is away", *["took back 3 deliveries"] * 3]


def test_an_error_that_lasts_is_told_again_with_how_often_it_was(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        log.error("away")
    monkeypatch.setattr(worker_log, "AGAIN", 0.0)
    log.error("away")
    assert lines(log) == ["away", "away (and 2 times before)"]


def test_after_its_end_a_trouble_is_told_anew(log: logging.Logger) -> None:
    log.error("away")
    log.info("back", extra={"over": True})
    log.error("away")
    assert lines(log) == ["away", "back", "away"]


def test_the_same_line_over_another_exception_is_another_error(log: logging.Logger) -> None:
    for error in (ValueError("one"), ValueError("two"), ValueError("two")):
        log.error("it failed", exc_info=error)
    assert len(lines(log)) == 2


def test_no_more_than_some_errors_are_remembered(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_log, "KEPT", 2)
    for number in (1, 2, 3, 1, 1):
        log.error("error %d", number)
    assert lines(log) == ["error 1", "error 2", "error 3", "error 1"]
