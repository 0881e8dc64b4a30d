"""Who goes first where several blasts wait for one account's rate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from jobs import blasts
from jobs.engine.turns import Queue
from tests.engine.conftest import House

Build = Callable[..., House]
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@one_store
@pytest.mark.slow
def test_a_small_urgent_blast_overtakes_a_big_one_and_two_others_share_the_rate(build: Build) -> None:
    house = build(passkit__rate_per_second="60")
    others = {"kind": "where", "expression": "points <= 3000"}
    pair = house.launch("One", **others), house.launch("Two", **others)
    house.start_worker()

    def accepted() -> list[int]:
        return [house.tally(one).states["accepted"] for one in pair]

    house.wait("both are on their way", lambda: min(accepted()) >= 3)
    before = accepted()
    house.wait("so many more are through", lambda: sum(accepted()) >= sum(before) + 40)
    shares = [now - then for now, then in zip(accepted(), before, strict=True)]
    assert min(shares) >= 12
    urgent = house.launch("Your gate has changed", kind="where", expression="points > 3000")
    house.say(blasts.set_urgent, urgent, urgent=True)
    house.wait_for_state(urgent, "finished")
    assert house.tally(urgent).states["accepted"] > 3
    assert all(house.tally(one).open > 10 for one in pair)
    for one in pair:
        house.say(blasts.cancel, one)
    house.wait("nothing is in flight", lambda: not any(house.tally(one).states["sending"] for one in pair))


def test_senders_take_turns_and_urgent_ones_go_first() -> None:
    async def order() -> list[str]:
        queue, names = Queue(), {}
        for sender, urgent in [("a", False), ("a", False), ("a", False), ("b", False), ("c", True)]:
            future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            names[future] = sender
            queue.add(future, sender, urgent)
        given_up = next(future for future, sender in names.items() if sender == "a")
        given_up.cancel()
        assert len(queue) == 5
        turns = []
        while (one := queue.next()) is not None:
            turns.append(names[one])
        assert not queue
        return turns

    assert asyncio.run(order()) == ["c", "a", "b", "a"]


def test_a_sender_that_leaves_takes_all_its_requests_along() -> None:
    async def left() -> list[object]:
        queue = Queue()
        for sender in ("a", "b", "a"):
            queue.add(asyncio.get_running_loop().create_future(), sender, sender == "b")
        gone = queue.drop("a")
        return [len(gone), len(queue), queue.next() is not None, queue.next()]

    assert asyncio.run(left()) == [2, 1, True, None]
