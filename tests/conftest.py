"""What holds for every test: the same environment on every machine, and the servers of the test bed."""

from __future__ import annotations

import faulthandler
import gc
import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import settings

pytest_plugins = [
    "tests.bed.authority",
    "tests.bed.nursery",
    "tests.bed.postgres",
    "tests.bed.stores",
    "tests.bed.valkey",
    "tests.console.terminal",
]

STUCK = 240.0
"""Seconds after which a test takes its process along: more than the timeout in pyproject.toml."""

# The same examples on every run and machine, and no failure because a shared machine was slow.
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, so that at the end no process is left alone with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Let the collector pass over what is loaded, and look less often: it took a third of some tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that does not end at its timeout either: one that hangs in C, or waits again on its way out.

    Its process says where all threads stand and is gone; with xdist another one goes on with the next test.
    """
    stderr = item.config.stash[fault_handler_stderr_fd_key]  # the one that is not captured
    faulthandler.dump_traceback_later(STUCK, file=stderr, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An own home, and nothing in the environment that changes settings, colours, sizes, words or times."""
    for name in [name for name in os.environ if name.startswith("PASSBELL_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "LINES", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PASSBELL_HOME", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
