"""When messages leave, through a real worker: not within the undo window, and at a schedule's moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from jobs import blasts
from store import audit
from store.schema import batches
from store.times import now
from tests.engine.conftest import House

pytestmark = pytest.mark.slow


def first_claim(house: House, blast_id: int) -> datetime | None:
    with house.database.read() as connection:
        query = sa.select(sa.func.min(batches.c.claimed_at)).where(batches.c.blast_id == blast_id)
        found: datetime | None = connection.execute(query).scalar()
        return found


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_nothing_leaves_before_the_undo_window_ends_nor_before_its_time(build: Callable[..., House]) -> None:
    house = build(engine__undo_seconds="1.5")
    rung: list[int] = []
    stopped = house.launch("Never to be seen")
    plan = house.plan()
    send_at = now() + timedelta(seconds=2)
    how = {"expect": plan.tally.counts["pending"], "ring": rung.append}
    house.say(blasts.launch, plan.blast.id, send_at=send_at, **how)
    house.start_worker()
    house.say(blasts.cancel, stopped)
    house.wait_for_state(plan.blast.id, "finished")
    blast = house.blast(plan.blast.id)
    assert (first_claim(house, stopped), rung) == (None, [])
    assert house.tally(stopped).skipped_by_reason["cancelled"] > 80
    assert blast.started_at is not None
    assert blast.started_at >= send_at
    assert house.nothing_lost(plan.blast.id).states["failed"] == 0
    with house.database.read() as connection:
        acts = {entry.act: entry.actor for entry in audit.page(connection)}
    assert acts["blast.started"].count(":") == 2  # the worker that started it

    undone_not = house.launch("Seen after a while")
    house.wait_for_state(undone_not, "finished")
    claimed, ends = first_claim(house, undone_not), house.blast(undone_not).sends_from
    assert claimed is not None
    assert ends is not None
    assert claimed >= ends
    assert house.tally(undone_not).states["accepted"] > 80
