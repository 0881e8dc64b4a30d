"""The limit holds in every window of one second, whatever networks, workers and kills do in between."""

from __future__ import annotations

import asyncio
import time

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from jobs.engine.pace import LATE, Pacer
from jobs.engine.slots import AHEAD, LONGEST_REST, Slots, seconds_per_slot, slots_of
from store.schema import pacers
from tests.store.crowd import open_store


def busiest_window(arrivals: list[float], width: float) -> int:
    """The most arrivals that any half-open window of that width holds."""
    arrivals = sorted(arrivals)
    most = first = 0
    for last, moment in enumerate(arrivals):
        while moment - arrivals[first] >= width:
            first += 1
        most = max(most, last - first + 1)
    return most


TIMEOUT = 5.0
LONGEST_HOLD = TIMEOUT + AHEAD + LATE + 2
delays = st.floats(0, TIMEOUT / 2)
visits = st.lists(
    st.tuples(
        st.integers(0, 2),  # which worker
        st.floats(0, 0.6),  # seconds since the visit before
        st.integers(0, 12),  # slots wanted
        st.floats(0, LATE),  # how late in its time a request leaves
        delays,  # until it reaches the provider
        delays,  # until its answer is back
        st.booleans(),  # killed right after this visit: no answer is ever reported
    ),
    max_size=80,
)


@given(visits, st.sampled_from([1.0, 2.0, 5.0, 9.7]))
def test_no_window_holds_more_than_the_limit(
    visits: list[tuple[int, float, int, float, float, float, bool]], rate: float
) -> None:
    slots = Slots()
    now = 1_000.0
    answered: dict[int, list[float]] = {0: [], 1: [], 2: []}
    arrivals: list[float] = []
    for worker, wait, want, lateness, there, back, killed in visits:
        now += wait
        slots.adjust(rate, now, LONGEST_HOLD)
        back_now = [moment for moment in answered[worker] if moment <= now]
        answered[worker] = [moment for moment in answered[worker] if moment > now]
        slots.give_back(str(worker), [moment + seconds_per_slot(rate) for moment in back_now])
        for free_at in slots.take(str(worker), want, now, now + LONGEST_HOLD):
            assert free_at >= now
            arrival = free_at + lateness + there
            arrivals.append(arrival)
            if not killed:
                answered[worker].append(arrival + back)
        assert slots.total() <= slots_of(rate)
    assert busiest_window(arrivals, seconds_per_slot(rate)) <= slots_of(rate)


def test_all_slots_of_a_fresh_limit_are_spread_over_its_first_second() -> None:
    slots = Slots()
    slots.adjust(100, 0, LONGEST_HOLD)
    moments = [moment for moment, count in slots.free for _ in range(int(count))]
    assert len(moments) == 100
    assert max(moments) - min(moments) > 0.9


def test_a_lower_rate_takes_slots_away_as_they_come_back() -> None:
    slots = Slots()
    slots.adjust(10, 0, LONGEST_HOLD)
    in_hand = slots.take("a", 10, 2, 9)
    slots.adjust(4, 2, LONGEST_HOLD)
    assert slots.total() == 4
    slots.give_back("a", [moment + 3 for moment in in_hand])
    slots.adjust(4, 3, LONGEST_HOLD)
    assert sum(count for _, count in slots.free) == 4
    slots.adjust(10, 3, LONGEST_HOLD)
    assert slots.total() == 10


def test_what_a_dead_worker_held_comes_back_only_when_its_last_request_must_have_ended() -> None:
    slots = Slots()
    slots.adjust(3, 0, LONGEST_HOLD)
    slots.take("dead", 3, 1, 1 + LONGEST_HOLD)
    slots.adjust(3, 0.5 + LONGEST_HOLD, LONGEST_HOLD)
    assert slots.take("alive", 3, 0.5 + LONGEST_HOLD, 99) == []
    slots.adjust(3, 1.1 + LONGEST_HOLD, LONGEST_HOLD)
    assert all(moment >= 2 + LONGEST_HOLD for moment, _ in slots.free)
    assert slots.total() == 3


def test_a_worker_thought_dead_does_not_give_its_slots_back_twice() -> None:
    slots = Slots()
    slots.adjust(3, 0, LONGEST_HOLD)
    taken = slots.take("slow", 3, 1, 1 + LONGEST_HOLD)
    late = 2 + LONGEST_HOLD
    slots.adjust(3, late, LONGEST_HOLD)
    slots.give_back("slow", [late + 1 for _ in taken])
    assert slots.total() == 3


def test_moments_of_a_clock_from_before_a_reboot_are_pulled_in() -> None:
    slots = Slots(free=[[90_000.0, 2]], held={"gone": [[90_010.0, 1]]})
    slots.adjust(3, 5, LONGEST_HOLD)
    assert all(moment <= 6.1 for moment, _ in slots.free)
    slots.adjust(3, 5 + LONGEST_HOLD + 0.1, LONGEST_HOLD)
    assert "gone" not in slots.held
    assert slots.total() == 3


def test_a_rate_below_one_a_second_is_one_slot_with_a_longer_window() -> None:
    slots = Slots()
    slots.adjust(0.5, 0, LONGEST_HOLD)
    assert len(slots.take("a", 9, 1, 9)) == 1
    assert seconds_per_slot(0.5) == 2


def test_a_rest_that_one_worker_was_asked_for_binds_all_and_ends() -> None:
    slots = Slots()
    slots.adjust(10, 0, LONGEST_HOLD)
    slots.closed = 20
    assert slots.take("another", 5, 10, 30) == []
    assert len(slots.take("another", 5, 20, 40)) == 5
    slots.closed = 1e9
    slots.adjust(10, 25, LONGEST_HOLD)
    assert slots.closed <= 25 + LONGEST_REST


def test_a_sender_that_has_nothing_more_to_send_keeps_no_slots(current_sqlite_url: str) -> None:
    database = open_store(current_sqlite_url)

    def held() -> object:
        with database.read() as connection:
            return connection.execute(sa.select(pacers.c.state)).scalar_one()["held"]

    async def run() -> None:
        pacer = Pacer(database, "account:test", "one", 50, timeout=TIMEOUT)
        for _ in range(5):
            async with pacer.slot():
                pass
        assert held()
        deadline = time.monotonic() + 20
        while held():
            assert time.monotonic() < deadline, held()
            await asyncio.sleep(0.02)
        await pacer.close()

    asyncio.run(run())
    database.close()
