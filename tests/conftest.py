"""What holds for every test: the same environment on every machine, and the servers of the test bed."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.bed.postgres", "tests.bed.valkey", "tests.bed.stores"]

# The same examples on every run and machine, and no failure because a shared machine was slow.
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci")


def pytest_collection_finish() -> None:
    """Let the collector pass over what is loaded, and look less often: it took a third of some tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


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
