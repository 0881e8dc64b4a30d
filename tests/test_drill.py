"""The drill, small, on each pair of engines: what it counts, and that it ends with nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.drill import Moment, Report, drill
from store.errors import PassbellError
from tests.store.crowd import open_store


@pytest.mark.slow
@pytest.mark.parametrize("engines", ["sqlite", "postgres and valkey"])
def test_a_drill_loses_nothing_and_alerts_nobody_twice(
    engines: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    named = {}
    if engines != "sqlite":
        named["store_url"] = request.getfixturevalue("postgres_url")
        named["queue_url"] = request.getfixturevalue("valkey_url")
    *moments, report = drill(passes=200, kills=2, workers=2, seed=3, **named)
    assert isinstance(report, Report)
    assert all(isinstance(moment, Moment) for moment in moments)
    assert (report.lost, report.alerted_twice, report.kills) == (0, 0, 2)
    assert report.ok
    assert report.planned == 200 == report.accepted + report.failed + report.skipped
    assert "PASSBELL_HOME" in os.environ


@pytest.mark.slow
def test_a_drill_over_passes_of_our_own_alerts_each_phone_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    *moments, report = drill(passes=100, kills=1, workers=2, seed=3, direct=True)
    assert isinstance(report, Report)
    assert all(isinstance(moment, Moment) for moment in moments)
    assert (report.planned, report.accepted, report.kills) == (100, 100, 1)
    assert (report.lost, report.alerted_twice) == (0, 0)
    assert report.ok
    assert list(tmp_path.glob("passbell-demo-*")) == []


def test_a_store_that_holds_blasts_is_refused(tmp_path: Path) -> None:
    from tests.store.test_ledger import planned

    url = f"sqlite:///{tmp_path / 'used.db'}"
    used = open_store(url)
    planned(used)
    used.close()
    with pytest.raises(PassbellError, match="is not empty: a drill needs one of its own"):
        list(drill(passes=10, kills=0, workers=1, seed=1, store_url=url))
