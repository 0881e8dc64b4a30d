"""The provider goes away, hangs, throttles, revokes, wants money: said in words, nobody lost or burnt down.

One house for all: each test begins with a provider that works, a worker and a text of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import count

import pytest
import sqlalchemy as sa

from jobs import blasts
from store import ledger
from store.ledger import Tally
from store.schema import attempts, deliveries, passes, tiers
from tests.bed.nursery import Nursery
from tests.cli.conftest import run
from tests.engine.conftest import House, Synced

pytestmark = pytest.mark.slow
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
numbers = count(1)
OPEN = ("running", "paused", "held")


class Provider(House):
    """A house whose stand-in can be killed, and comes back on its port with the world as it was."""

    def __init__(self, factory: pytest.TempPathFactory, synced: Synced, nursery: Nursery) -> None:
        self.home = factory.mktemp("provider")
        with socket.create_server(("127.0.0.1", 0)) as door:
            self.port = door.getsockname()[1]
        super().__init__(
            self.home,
            f"sqlite:///{self.home / 'passbell.db'}",
            synced,
            nursery,
            rehearsal__port=str(self.port),
            passkit__timeout_seconds="0.5",
        )

    def open(self, *more: str) -> None:
        super().open(f"--journal={self.home / 'journal'}", *more)

    def signal(self, number: signal.Signals) -> None:
        note = json.loads((self.home / "rehearsal.json").read_text())
        assert note["url"].endswith(f":{self.port}")
        os.kill(note["pid"], number)

    def begin(self, **selection: str) -> int:
        """Launch a blast with a text that nobody has seen."""
        self.control("POST", "reset-stats")
        return self.launch(f"Nummer {next(numbers)} für Sie 🥨", **selection)

    def held(self, blast_id: int, *words: str) -> str:
        """Wait until it is held, with nothing in flight, and the operator is told why; returns the reason."""
        self.wait_for_state(blast_id, "held")
        self.wait("nothing is in flight", lambda: not self.tally(blast_id).states["sending"])
        tally = self.tally(blast_id)
        assert tally.states["pending"] > 0
        assert tally.states["failed"] == 0
        reason = self.blast(blast_id).hold_reason or ""
        for word in words:
            assert word in reason
        assert f"held: {reason}" in self.shown(blast_id)
        return reason

    def ends_well(self, blast_id: int) -> Tally:
        """Wait until it has gone on by itself and finished: all are accounted for, and none has failed."""
        self.wait_for_state(blast_id, "finished")
        tally = self.nothing_lost(blast_id)
        assert tally.failed_by_reason == {}
        assert tally.states["accepted"] > 0
        return tally

    def shown(self, blast_id: int) -> str:
        """What `passbell blasts show` says of it, on one line."""
        flags = [part for key, value in self.settings._flags.items() for part in ("--set", f"{key}={value}")]
        with redirect_stdout(StringIO()) as said:
            assert run("--home", self.home, *flags, "blasts", "show", blast_id) == 0
        return " ".join(said.getvalue().split())

    def tries(self, blast_id: int) -> int:
        """So many tries did not end accepted."""
        ours = sa.select(deliveries.c.id).where(deliveries.c.blast_id == blast_id)
        query = sa.select(sa.func.count()).where(attempts.c.delivery_id.in_(ours))
        with self.database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def designs(self) -> dict[str, str]:
        """The program's tiers and their designs."""
        query = sa.select(tiers.c.id, tiers.c.template_id).where(tiers.c.program_id == self.program)
        with self.database.read() as connection:
            return {row.id: row.template_id for row in connection.execute(query)}


@pytest.fixture(scope="module")
def provider(
    tmp_path_factory: pytest.TempPathFactory, synced: Synced, nursery: Nursery
) -> Iterator[Provider]:
    made = Provider(tmp_path_factory, synced, nursery)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def house(provider: Provider) -> Iterator[Provider]:
    """The provider works, before and after, and no blast of another test is left over."""
    if not provider.workers:
        provider.start_worker()
    yield provider
    provider.faults()
    with provider.database.read() as connection:
        left = [blast for blast in ledger.list_blasts(connection, "rehearsal") if blast.state in OPEN]
    for blast in left:
        provider.say(blasts.cancel, blast.id)


def test_a_provider_that_is_killed_and_comes_back(house: Provider) -> None:
    house.faults(latency_ms=20)
    blast_id = house.begin()
    house.wait_for_accepted(blast_id, 5)
    house.signal(signal.SIGKILL)
    try:
        # The last of the failures was cut off by the kill, or met nobody any more.
        house.held(blast_id, "the provider is down: ", house.url)
    finally:
        house.open()
    house.ends_well(blast_id)


def test_a_slow_provider_is_waited_for_and_one_slower_than_the_limit_is_down(house: Provider) -> None:
    house.faults(latency_ms=150, jitter_ms=100)
    blast_id = house.begin()
    house.wait_for_accepted(blast_id, 10)
    assert house.blast(blast_id).state == "running"
    house.faults(latency_ms=900)
    house.held(blast_id, "the provider is down: ", f"no answer from {house.url} in time")
    house.faults()
    house.ends_well(blast_id)


def test_a_half_open_provider(house: Provider) -> None:
    """Its machine takes connections and bytes that nobody reads; once somebody does, it is all of them."""
    house.faults(latency_ms=20)
    blast_id = house.begin()
    house.wait_for_accepted(blast_id, 5)
    house.signal(signal.SIGSTOP)
    try:
        house.held(blast_id, "the provider is down: ", f"no answer from {house.url} in time")
    finally:
        house.signal(signal.SIGCONT)
    house.ends_well(blast_id)


@pytest.mark.parametrize("fault", ["hang", "hang_headers", "hang_body"])
def test_a_provider_that_hangs_before_its_answer_after_its_headers_or_in_its_body(
    house: Provider, fault: str
) -> None:
    house.faults(latency_ms=10, **{fault: 0.05})
    blast_id = house.begin()
    house.wait_for_accepted(blast_id, 10)
    house.faults(**{fault: 1})
    house.held(blast_id, "the provider is down: ", f"no answer from {house.url} in time")
    house.faults()
    house.ends_well(blast_id)


def test_a_storm_of_429_without_a_word_of_how_long(house: Provider) -> None:
    blast_id = house.begin()
    house.faults(throttled=1, retry_after=None)
    house.held(blast_id, "the provider takes no requests: ", "throttled", "too many requests (HTTP 429 / 8)")
    house.faults()
    house.ends_well(blast_id)


def test_a_short_storm_of_429_with_retry_after_is_sat_out(house: Provider) -> None:
    house.faults(throttled=1, retry_after=1)
    blast_id = house.begin()
    house.wait("it was asked to wait", lambda: house.tries(blast_id) > 0)
    house.faults()
    house.ends_well(blast_id)


@one_store
def test_a_long_wait_that_the_provider_asks_for_is_told_at_once(build: Callable[..., House]) -> None:
    """A house of its own: here nothing leaves for as long as the provider has asked for."""
    house = build()
    blast_id = house.launch()
    house.faults(throttled=1, retry_after=600)
    house.start_worker()
    house.wait_for_state(blast_id, "held")
    reason = "the provider asks to wait 600 s: too many requests (HTTP 429 / 8)"
    assert house.blast(blast_id).hold_reason == reason
    house.say(blasts.cancel, blast_id)
    house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
    assert set(house.nothing_lost(blast_id).skipped_by_reason) >= {"cancelled"}


def test_a_revoked_key_holds_all_blasts_of_the_account_and_one_look_frees_them(house: Provider) -> None:
    house.faults(latency_ms=20)
    first = house.begin()
    house.wait_for_accepted(first, 5)
    house.faults(revoked=True)
    second = house.launch("Zwei Worte für wenige", kind="where", expression="points > 100")
    for blast_id in (first, second):
        house.held(blast_id, "the account is refused: PassKit refused the key: api key is revoked (HTTP 401)")
    assert house.tries(first) == house.tries(second) == 0
    house.faults()
    for blast_id in (first, second):
        house.wait_for_state(blast_id, "finished")
        assert house.tally(blast_id).failed_by_reason == {}
    assert house.stats["alerted_twice"] == 0
    assert house.stats["changed_passes"] == house.tally(first).states["accepted"]


def test_a_spent_quota_costs_no_try_and_ends_when_there_is_more(house: Provider) -> None:
    house.faults(latency_ms=20)
    blast_id = house.begin()
    house.wait_for_accepted(blast_id, 5)
    house.faults(quota_spent=True)
    house.held(blast_id, "the quota is spent: ")
    flagged = "the quota is spent: PassKit flags the program as over its quota"
    house.wait("the look has found it flagged", lambda: house.blast(blast_id).hold_reason == flagged)
    assert house.tries(blast_id) == 0
    house.faults()
    house.ends_well(blast_id)


def test_a_message_field_that_is_gone_from_a_design_holds_before_anything_leaves(house: Provider) -> None:
    """PassKit takes such a message with a 200 and drops it, so that no answer ever tells."""
    designs = house.designs()
    house.control("PUT", f"templates/{designs['gold']}", {"change_message": None})
    try:
        blast_id = house.begin()
        words = f"tier Gold: the design {designs['gold']} has no field meta.latestOffer"
        house.held(blast_id, f"nobody would see the message: {words}")
        assert house.stats["changed_passes"] == 0
        others = house.launch("Nur für Bronze", kind="where", expression="tier = 'bronze'")
        house.wait_for_state(others, "finished")
        assert house.blast(blast_id).state == "held"
        house.control("POST", "reset-stats")
    finally:
        house.control("PUT", f"templates/{designs['gold']}", {"change_message": "%@"})
    house.ends_well(blast_id)


def test_a_share_of_gone_passes_stops_and_asks_once(house: Provider) -> None:
    blast_id = house.begin()
    house.say(blasts.pause, blast_id)
    query = (
        sa.select(passes.c.provider_id)
        .join(deliveries, deliveries.c.pass_id == passes.c.id)
        .where(deliveries.c.blast_id == blast_id, deliveries.c.state == "pending")
        .order_by(deliveries.c.id)
    )
    with house.database.read() as connection:
        gone = connection.scalars(query).all()[::3]
    for provider_id in gone:
        house.control("PUT", f"passes/{provider_id}", {"status": "PASS_INVALIDATED"})
    try:
        house.say(blasts.resume, blast_id, ring=lambda _: None)
        house.wait_for_state(blast_id, "held")
        reason = house.blast(blast_id).hold_reason or ""
        assert "were refused or are unknown to the provider, the last: the pass is invalidated" in reason
        assert house.blast(blast_id).probe_at is None
        house.wait("nothing is in flight", lambda: not house.tally(blast_id).states["sending"])
        assert house.tally(blast_id).states["pending"] > len(gone)
        assert f"held: {reason}" in house.shown(blast_id)
        house.say(blasts.resume, blast_id, ring=lambda _: None)
        house.wait_for_state(blast_id, "finished")
        assert house.nothing_lost(blast_id).failed_by_reason == {"invalidated": len(gone)}
    finally:
        for provider_id in gone:
            house.control("PUT", f"passes/{provider_id}", {"status": "PASS_INSTALLED"})
        house.sync()
