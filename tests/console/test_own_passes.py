"""Programs whose passes we issue: the funnel, who has not fetched a text, a nudge, and what expires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from console.app import Console
from console.desk import Desk
from tests.console.own import FINISHED
from tests.console.steps import open_blast, press

pytestmark = pytest.mark.anyio

Make = Callable[[Desk], Console]
Compare = Callable[..., bool]
SMALL, LARGE = (80, 24), (200, 50)


def opened(blast_id: int, *keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """For a snapshot: open a blast, then press keys."""

    async def steps(pilot: Pilot[Any]) -> None:
        await open_blast(pilot, blast_id)
        await press(pilot, *keys)

    return steps


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_funnel_looks_so(
    snap_compare: Compare, own_desk: Desk, console: Make, size: tuple[int, int]
) -> None:
    assert snap_compare(console(own_desk), terminal_size=size, run_before=opened(FINISHED))
