"""Devices and their registrations: tokens, states of passes, and that no change is ever missed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jobs.rehearsal.authority import PASS_TYPE
from store import devices, issued, pass_events
from store.database import Database
from store.devices import Place
from store.migrations import migrate
from store.schema import installation, metadata, passes, registrations
from store.times import now
from tests.web.seed import NOW, seed

SECOND = timedelta(seconds=1)


def opened(url: str, count: int) -> tuple[Database, list[str]]:
    """A store with so many Apple passes, and their serials."""
    database = Database(url)
    migrate(database)
    return database, [one.serial for one in seed(database, count)]


def register(database: Database, device: str, serial: str, token: str = "aa") -> bool:
    with database.write() as connection:
        return devices.register(
            connection, pass_type=PASS_TYPE, library_id=device, serial=serial, push_token=token, at=NOW
        )


def unregister(database: Database, device: str, serial: str) -> bool:
    with database.write() as connection:
        return devices.unregister(connection, pass_type=PASS_TYPE, library_id=device, serial=serial, at=NOW)


def change(database: Database, *serials: str) -> None:
    with database.write() as connection:
        found = issued.by_serials(connection, serials)
        issued.changed(connection, [found[serial].pass_id for serial in serials], at=NOW)


def ask(database: Database, device: str, tag: int | None = None) -> devices.Changes | None:
    with database.read() as connection:
        return devices.changed_since(connection, pass_type=PASS_TYPE, library_id=device, tag=tag)


def standing(database: Database, serial: str) -> tuple[str, list[str], list[str]]:
    """A pass's status, its push tokens, and the kinds of its events since it was made."""
    with database.read() as connection:
        found = issued.by_serial(connection, serial)
        assert found is not None
        tokens = devices.tokens(connection, [found.pass_id]).get(found.pass_id, [])
        events = pass_events.of_member(connection, found.member_id)
    return found.status, [one.push_token for one in tokens], [one.kind for one in events][-2::-1]


def test_a_pass_is_installed_with_its_first_device_and_uninstalled_with_its_last(current_url: str) -> None:
    database, (serial, other) = opened(current_url, 2)
    assert register(database, "phone", serial)
    assert register(database, "watch", serial, "bb")
    assert not register(database, "phone", serial)
    assert standing(database, serial) == ("installed", ["bb", "aa"], ["installed"])
    assert not unregister(database, "phone", other)
    assert unregister(database, "phone", serial)
    assert standing(database, serial)[0] == "installed"
    assert unregister(database, "watch", serial)
    assert not unregister(database, "watch", serial)
    assert standing(database, serial) == ("uninstalled", [], ["installed", "removed"])
    assert register(database, "phone", serial)
    assert standing(database, serial) == ("installed", ["aa"], ["installed", "removed", "installed"])
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM devices")) == 1
    database.close()


def test_the_newest_token_of_a_device_is_that_of_all_its_passes(current_url: str) -> None:
    database, (one, two) = opened(current_url, 2)
    register(database, "phone", one, "old")
    register(database, "phone", two, "new")
    assert standing(database, one)[1] == standing(database, two)[1] == ["new"]
    # The device calls itself otherwise now: the same place to push to, and once.
    register(database, "renamed", one, "new")
    assert standing(database, one)[1] == ["new"]
    database.close()


def test_many_come_and_go_in_one_transaction(current_url: str) -> None:
    database, serials = opened(current_url, 3)
    place = Place(PASS_TYPE, "phone", serials[0])
    wanted = [
        (place, "a"),
        (Place(PASS_TYPE, "phone", serials[1]), "b"),
        (Place(PASS_TYPE, "phone", "nobody"), "c"),
        (Place("pass.other", "phone", serials[2]), "d"),
        (place, "e"),
    ]
    with database.write() as connection:
        assert devices.register_all(connection, wanted, at=NOW) == [True, True, None, None, False]
        assert devices.register_all(connection, wanted[2:4], at=NOW) == [None, None]
    assert standing(database, serials[1]) == ("installed", ["e"], ["installed"])
    with database.write() as connection:
        assert devices.unregister_all(connection, [place, place, wanted[3][0]], at=NOW) == [
            True,
            False,
            False,
        ]
    database.close()


def test_an_invalidated_pass_stays_so_on_whatever_device_it_comes(current_url: str) -> None:
    database, (serial,) = opened(current_url, 1)
    with database.write() as connection:
        connection.execute(passes.update().values(status="invalidated"))
    assert register(database, "phone", serial)
    assert standing(database, serial) == ("invalidated", ["aa"], [])
    unregister(database, "phone", serial)
    assert standing(database, serial)[0] == "invalidated"
    database.close()


def test_a_dead_token_is_forgotten_unless_its_device_came_back_since(current_url: str) -> None:
    database, (one, two) = opened(current_url, 2)
    register(database, "phone", one, "dead")
    register(database, "phone", two, "dead")
    register(database, "watch", one, "alive")

    def forget(before: timedelta | None, token: str = "dead", pass_type: str = PASS_TYPE) -> int:
        with database.write() as connection:
            since = None if before is None else NOW + before
            return devices.forget(connection, pass_type=pass_type, push_token=token, registered_before=since)

    assert forget(-SECOND) == forget(None, "none") == forget(None, pass_type="pass.other") == 0
    assert forget(SECOND) == 2
    assert standing(database, one)[:2] == ("installed", ["alive"])
    assert standing(database, two) == ("uninstalled", [], ["installed", "removed"])
    assert forget(None, "alive") == 1
    database.close()


def test_a_list_has_every_change_since_the_tag_and_the_newest_tag(current_url: str) -> None:
    database, (one, two, three, four) = opened(current_url, 4)
    assert ask(database, "phone") is None
    for serial in (one, two, three):
        register(database, "phone", serial)
    register(database, "watch", four)
    first = ask(database, "phone")
    assert first is not None
    assert set(first.serials) == {one, two, three}
    assert ask(database, "phone", first.tag) is None
    change(database, two)
    change(database, one, four)
    second = ask(database, "phone", first.tag)
    assert second is not None
    assert second.serials == (two, one)
    assert len(second.pass_ids) == 2
    assert ask(database, "phone", second.tag - 1) == devices.Changes((one,), second.pass_ids[1:], second.tag)
    assert ask(database, "phone", second.tag) is None
    database.close()


def test_a_pass_from_an_old_file_is_told_although_its_change_is_older_than_the_tag(current_url: str) -> None:
    database, (one, two, three) = opened(current_url, 3)
    register(database, "phone", one)
    change(database, two)
    change(database, one)
    told = ask(database, "phone")
    assert told is not None
    for new in (True, False):  # as well where it is registered again, from a file once more
        assert register(database, "phone", two) is new
        again = ask(database, "phone", told.tag)
        assert again is not None
        assert again.serials == (two,)
        told = again
    # One that has never changed can only be there as it is: nothing is to be fetched.
    register(database, "phone", three)
    assert ask(database, "phone", told.tag) is None
    database.close()


def test_a_tag_that_was_never_given_out_hides_nothing(current_url: str) -> None:
    """As after a store was put back from its backup: by its tags, the phones are ahead of it."""
    database, (serial,) = opened(current_url, 1)
    register(database, "phone", serial)
    with database.read() as connection:
        newest = int(connection.execute(sa.select(installation.c.value)).scalar_one())
    assert ask(database, "phone", newest) is None
    told = ask(database, "phone", newest + 1)
    assert told is not None
    assert told.serials == (serial,)
    database.close()


class DeviceMachine(RuleBasedStateMachine):
    """Two phones and three passes that change; a phone keeps copies, and the newest tag it was told."""

    database: Database
    serials: list[str]

    @initialize()
    def begin(self) -> None:
        with self.database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                if table.name != "alembic_version":
                    connection.execute(table.delete())
        self.serials = [one.serial for one in seed(self.database, 3)]
        self.version = dict.fromkeys(self.serials, 0)
        self.copies: dict[str, dict[str, int]] = {"phone": {}, "watch": {}}
        self.registered: dict[str, set[str]] = {"phone": set(), "watch": set()}
        self.token = {"phone": "p0", "watch": "w0"}
        self.tag: dict[str, int | None] = {"phone": None, "watch": None}

    @rule(which=st.sets(st.integers(0, 2), min_size=1))
    def change(self, which: set[int]) -> None:
        """Several passes change at once."""
        serials = [self.serials[number] for number in sorted(which)]
        change(self.database, *serials)
        for serial in serials:
            self.version[serial] += 1

    @rule(device=st.sampled_from(["phone", "watch"]), number=st.integers(0, 2), age=st.integers(0, 2))
    def add(self, device: str, number: int, age: int) -> None:
        """A pass comes onto a phone from a file, which may be older than what is known of it here."""
        serial = self.serials[number]
        self.copies[device][serial] = max(self.version[serial] - age, 0)
        new = register(self.database, device, serial, self.token[device])
        assert new == (serial not in self.registered[device])
        self.registered[device].add(serial)

    @rule(device=st.sampled_from(["phone", "watch"]))
    def renew(self, device: str) -> None:
        """Apple gives a phone another push token, and it registers all its passes again."""
        self.token[device] = f"{device[0]}{int(self.token[device][1:]) + 1}"
        for serial in self.registered[device]:
            assert not register(self.database, device, serial, self.token[device])

    @rule(device=st.sampled_from(["phone", "watch"]), number=st.integers(0, 2))
    def remove(self, device: str, number: int) -> None:
        serial = self.serials[number]
        assert unregister(self.database, device, serial) == (serial in self.registered[device])
        self.registered[device].discard(serial)

    @rule(device=st.sampled_from(["phone", "watch"]))
    def forget(self, device: str) -> None:
        """Apple knows the token no more. The phone's copies stay as they are."""
        with self.database.write() as connection:
            count = devices.forget(
                connection, pass_type=PASS_TYPE, push_token=self.token[device], registered_before=None
            )
        assert count == len(self.registered[device])
        self.registered[device].clear()

    @rule(device=st.sampled_from(["phone", "watch"]))
    def ask(self, device: str) -> None:
        """After each list, and a fetch of what it tells, nothing on the phone is old."""
        told = ask(self.database, device, self.tag[device])
        if told is not None:
            assert set(told.serials) <= self.registered[device]
            for serial in told.serials:
                self.copies[device][serial] = self.version[serial]
            self.tag[device] = told.tag
        for serial in self.registered[device]:
            assert self.copies[device][serial] == self.version[serial]
        assert ask(self.database, device, self.tag[device]) is None

    @invariant()
    def what_is_known_is_what_is_so(self) -> None:
        for serial in self.serials:
            holders = [device for device, held in self.registered.items() if serial in held]
            status, tokens, events = standing(self.database, serial)
            assert sorted(tokens) == sorted(self.token[device] for device in holders)
            assert (status == "installed") == bool(holders)
            assert events == ["installed", "removed"] * (len(events) // 2) + ["installed"] * bool(holders)
        with self.database.read() as connection:
            known = set(connection.scalars(sa.text("SELECT library_id FROM devices")))
        assert known == {device for device, held in self.registered.items() if held}


def test_no_change_is_missed_whatever_comes_in_whatever_order(current_url: str) -> None:
    on_disk = current_url.startswith("postgresql")
    url = current_url if on_disk else "sqlite:///:memory:"

    class Machine(DeviceMachine):
        """The machine on this database."""

        database = Database(url)

    migrate(Machine.database)
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=3 if on_disk else 12, stateful_step_count=20)
    )
    Machine.database.close()


def test_no_change_is_missed_while_others_write(current_url: str) -> None:
    """Two change passes, one comes and goes on another device, and a phone asks all the while."""
    database, serials = opened(current_url, 4)
    for serial in serials[:3]:
        register(database, "phone", serial)
    copies: dict[str, str | None] = {}
    tag: int | None = None

    def write(which: list[str], rounds: int, writer: str) -> None:
        for number in range(rounds):
            with database.write() as connection:
                found = issued.by_serials(connection, which)
                ids = [found[serial].pass_id for serial in which]
                issued.changed(connection, ids, at=now())
                changed = passes.update().where(passes.c.id.in_(sorted(ids)))
                connection.execute(changed.values(shown_text=f"{writer} {number}"))

    def come_and_go(rounds: int) -> None:
        for _ in range(rounds):
            register(database, "watch", serials[0])
            unregister(database, "watch", serials[0])

    def look() -> None:
        nonlocal tag
        told = ask(database, "phone", tag)
        if told is None:
            return
        with database.read() as connection:
            found = issued.by_serials(connection, told.serials)
        copies.update({serial: one.shown_text for serial, one in found.items()})
        tag = told.tag

    with ThreadPoolExecutor(3) as pool:
        others = [
            pool.submit(write, serials[:2], 30, "one"),
            pool.submit(write, [serials[2], serials[1]], 30, "two"),
            pool.submit(come_and_go, 20),
        ]
        while not all(other.done() for other in others):
            look()
    for other in others:
        other.result()
    look()
    with database.read() as connection:
        found = issued.by_serials(connection, serials[:3])
        left = connection.scalar(sa.select(sa.func.count()).select_from(registrations))
    assert copies == {serial: one.shown_text for serial, one in found.items()}
    assert left == 3
    database.close()
