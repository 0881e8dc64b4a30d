"""Google's budget of alerts: three to a pass in 24 hours, however many workers and tries there are."""

from __future__ import annotations

import threading
from datetime import timedelta

import sqlalchemy as sa

from store.bookings import book
from store.schema import alert_bookings
from tests.channels.googles import open_own_store
from tests.store.crowd import NOW


def test_three_in_any_24_hours(current_url: str) -> None:
    database = open_own_store(current_url, deliveries_=6)
    hour = timedelta(hours=1)
    with database.write() as connection:
        taken = [book(connection, number, 1, NOW + number * hour) for number in (1, 2, 3, 4)]
        assert taken == [True, True, True, False]
        assert book(connection, 2, 1, NOW + 5 * hour), "a repeat has its booking"
        assert not book(connection, 5, 1, NOW + 24 * hour)
        assert book(connection, 5, 1, NOW + 25 * hour), "the first one is a day ago"
        assert not book(connection, 6, 1, NOW + 25 * hour)
    database.close()


def test_a_repeat_on_another_day_is_booked_for_that_day(current_url: str) -> None:
    database = open_own_store(current_url, deliveries_=5)
    later = NOW + timedelta(hours=30)
    with database.write() as connection:
        assert book(connection, 1, 1, NOW)
        assert all(book(connection, number, 1, later) for number in (2, 3))
        assert book(connection, 1, 1, later)
        assert not book(connection, 4, 1, later)
        count = connection.scalar(sa.select(sa.func.count()).select_from(alert_bookings))
    assert count == 3
    database.close()


def test_workers_never_book_more_together(current_url: str) -> None:
    database = open_own_store(current_url, deliveries_=12)
    start, taken = threading.Barrier(12), list[bool]()

    def one(number: int) -> None:
        start.wait(20)
        with database.write() as connection:
            taken.append(book(connection, number, 1, NOW))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == [False] * 9 + [True] * 3
    database.close()
