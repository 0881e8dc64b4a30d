"""Members and passes: pages written by a sync, screens read by people, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from store import enrolments, members, programs
from store.database import Database
from store.errors import UsageError
from store.migrations import migrate
from store.programs import Program
from store.schema import blasts, deliveries, passes
from store.schema import members as members_table

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def holder(number: int, **more: Any) -> dict[str, Any]:
    """A record as the provider's reader gives it."""
    return {
        "provider_id": f"pass-{number}",
        "external_id": f"M-{number:04d}",
        "tier_id": "gold",
        "name": f"Name {number:04d}",
        "email": f"m{number}@example.com",
        "phone": "",
        "points": float(number),
        "secondary_points": None,
        "tier_points": 3,
        "birthday": "1990-02-03",
        "status": "ACTIVE",
        "opted_out": False,
        "expires_at": None,
        "created_at": NOW,
        "updated_at": NOW,
        "pass_status": "PASS_INSTALLED",
        "wallets": ["apple"],
        "installed_at": NOW,
        "meta": {"zip": "01234", "news": "hello"},
        "keys": {},
    } | more


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    migrate(database)
    with database.write() as connection:
        for id_ in ("p1", "p2"):
            programs.upsert_program(connection, Program(id_, "rehearsal", "membership", id_.upper()))
    yield database
    database.close()


def put(database: Database, *holders: dict[str, Any], at: datetime = NOW, program: str = "p1") -> None:
    with database.write() as connection:
        fit = [enrolments.storable(one) for one in holders]
        enrolments.upsert_page(connection, program, fit, message_key="news", seen_at=at)


def get(database: Database, external_id: str) -> members.Member:
    with database.read() as connection:
        return members.get(connection, "p1", external_id)


def listed(database: Database, **query: Any) -> list[str]:
    with database.read() as connection:
        return [one.external_id for one in members.page(connection, "p1", **query)]


def test_a_page_makes_members_and_their_passes(database: Database) -> None:
    put(database, holder(1), holder(2, wallets=[], pass_status="PASS_ISSUED", meta={}, birthday=None))
    first = get(database, "M-0001")
    assert first.name == "Name 0001"
    assert first.phone is None
    assert first.attributes == {"zip": "01234"}
    assert first.synced_at == NOW
    (held,) = first.passes
    assert (held.provider_id, held.status, held.wallets, held.shown_text) == (
        "pass-1",
        "installed",
        ("apple",),
        "hello",
    )
    (other,) = get(database, "M-0002").passes
    assert (other.status, other.wallets, other.shown_text) == ("issued", (), None)


def test_an_empty_page_changes_nothing(database: Database) -> None:
    put(database)
    assert listed(database) == []


def test_a_second_page_brings_members_up_to_date(database: Database) -> None:
    put(database, holder(1))
    put(database, holder(1, name="Änne", pass_status="PASS_UNINSTALLED", meta={"city": "Wien"}), at=LATER)
    member = get(database, "M-0001")
    assert (member.name, member.synced_at, member.attributes) == ("Änne", LATER, {"city": "Wien"})
    assert [(one.status, one.shown_text) for one in member.passes] == [("uninstalled", None)]


def test_attributes_from_files_stay_under_the_passes_own(database: Database) -> None:
    put(database, holder(1))
    with database.write() as connection:
        connection.execute(members_table.update().values(imported={"zip": "from file", "shop": "7"}))
    put(database, holder(1), at=LATER)
    assert get(database, "M-0001").attributes == {"zip": "01234", "shop": "7"}


def test_a_text_put_there_after_the_page_was_asked_for_stays(database: Database) -> None:
    put(database, holder(1))
    with database.write() as connection:
        connection.execute(passes.update().values(shown_text="ours", shown_at=LATER))
    put(database, holder(1), at=NOW)
    (held,) = get(database, "M-0001").passes
    assert (held.shown_text, held.shown_at) == ("ours", LATER)
    put(database, holder(1, meta={"news": "ours"}), at=LATER + timedelta(minutes=1))
    (held,) = get(database, "M-0001").passes
    assert (held.shown_text, held.shown_at) == ("ours", LATER)
    put(database, holder(1, meta={"news": "theirs"}), at=LATER + timedelta(minutes=2))
    (held,) = get(database, "M-0001").passes
    assert (held.shown_text, held.shown_at) == ("theirs", None)


def test_a_record_that_stands_in_a_page_twice_is_written_as_it_stood_last(database: Database) -> None:
    put(database, holder(1, name="old"), holder(1, name="new"))
    assert get(database, "M-0001").name == "new"
    assert len(get(database, "M-0001").passes) == 1


def test_a_new_external_id_keeps_the_member(database: Database) -> None:
    put(database, holder(1))
    before = get(database, "M-0001")
    put(database, holder(1, external_id="NEW"), at=LATER)
    after = get(database, "NEW")
    assert (after.id, [one.id for one in after.passes]) == (before.id, [before.passes[0].id])
    assert listed(database) == ["NEW"]


def test_an_external_id_that_another_has_takes_the_pass_along(database: Database) -> None:
    put(database, holder(1), holder(2))
    put(database, holder(1, external_id="M-0002"), holder(2, external_id="M-0001"), at=LATER)
    assert [one.provider_id for one in get(database, "M-0001").passes] == ["pass-2"]
    assert [one.provider_id for one in get(database, "M-0002").passes] == ["pass-1"]


def test_an_unknown_pass_state_is_unknown(database: Database) -> None:
    put(database, holder(1, pass_status="PASS_FROZEN"))
    assert get(database, "M-0001").passes[0].status == "unknown"


@pytest.mark.parametrize(
    "wrong",
    [
        {"external_id": "x" * 201},
        {"external_id": ""},
        {"external_id": "a\0b"},
        {"provider_id": "\ud800"},
        {"tier_points": 2**63},
    ],
)
def test_a_record_that_no_database_can_keep_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be kept"):
        enrolments.storable(holder(1, **wrong))


def test_hostile_texts_are_kept_in_bounds(database: Database) -> None:
    put(
        database,
        holder(1, name="🎉[/foo]\0" * 4_000, email="\udcff" * 3_000, meta={"k\0": "\ud800", "news": "\0"}),
        holder(2, name="Ann [@click=app.quit] %_/\\'\"", external_id="שרה-٢"),
    )
    member = get(database, "M-0001")
    assert member.name.startswith("🎉[/foo]\ufffd")
    assert len(member.name) == 160
    assert member.attributes == {"k\ufffd": "\ufffd"}
    assert listed(database, search="[@CLICK=app.quit] %_/\\'\"") == ["שרה-٢"]


def test_unseen_gives_what_a_sync_did_not_meet(database: Database) -> None:
    put(database, holder(1), holder(2), holder(3), holder(4))
    put(database, holder(2), at=LATER)
    put(database, holder(1), program="p2")
    with database.write() as connection:
        found = enrolments.unseen(connection, "p1", LATER, limit=2)
        assert [one.external_id for one in found] == ["M-0001", "M-0003"]
        rest = enrolments.unseen(connection, "p1", LATER, found[-1].pass_id)
        assert [one.provider_id for one in rest] == ["pass-4"]
        enrolments.mark_gone(connection, [one.pass_id for one in found])
        assert [one.external_id for one in enrolments.unseen(connection, "p1", LATER)] == ["M-0004"]
    assert get(database, "M-0001").status == "DELETED"
    assert get(database, "M-0001").passes[0].status == "gone"
    assert get(database, "M-0004").status == "ACTIVE"


def test_both_passes_of_a_member_enrolled_anew_are_looked_at(database: Database) -> None:
    put(database, holder(1), holder(2))
    put(database, holder(1, provider_id="pass-new"), holder(2), at=LATER)
    with database.write() as connection:
        found = enrolments.unseen(connection, "p1", LATER)
        assert [one.provider_id for one in found] == ["pass-1", "pass-new"]
        enrolments.mark_gone(connection, [found[0].pass_id])
        assert enrolments.unseen(connection, "p1", LATER) == []
    member = get(database, "M-0001")
    assert (member.status, [one.status for one in member.passes]) == ("ACTIVE", ["gone", "installed"])


def test_a_member_seen_again_is_no_longer_gone(database: Database) -> None:
    put(database, holder(1))
    with database.write() as connection:
        enrolments.mark_gone(connection, [one.pass_id for one in enrolments.unseen(connection, "p1", LATER)])
        enrolments.mark_gone(connection, [])
    put(database, holder(1), at=LATER)
    assert (get(database, "M-0001").status, get(database, "M-0001").passes[0].status) == (
        "ACTIVE",
        "installed",
    )


def test_a_search_looks_everywhere_and_is_case_blind(database: Database) -> None:
    put(
        database,
        holder(1, name="Zoe 100% a_b", email="x0001@example.com", phone="+436612"),
        holder(2, name="Ann 1000 aXb", external_id="N-2"),
    )
    for search in ("ZOE", "m-0001", "0001@EXAMPLE", "+4366", "100%", "a_b"):
        assert listed(database, search=search) == ["M-0001"]
        with database.read() as connection:
            assert members.count(connection, "p1", search=search) == 1


def test_pages_are_ordered_and_hold_no_member_twice(database: Database) -> None:
    put(database, *(holder(n, name=f"N{n % 3}", points=None if n == 4 else float(-n)) for n in range(10)))
    put(database, holder(99), program="p2")
    whole = listed(database)
    assert whole == sorted(whole, key=lambda one: (int(one[2:]) % 3, one))
    assert [one for start in range(0, 12, 4) for one in listed(database, offset=start, limit=4)] == whole
    assert listed(database, descending=True) == whole[::-1]
    by_points = listed(database, order="points")
    assert (by_points[0], by_points[-1]) == ("M-0009", "M-0004")
    assert listed(database, order="points", descending=True)[-1] == "M-0004"
    with database.read() as connection:
        assert members.count(connection, "p1") == 10


def test_a_condition_narrows_page_and_count(database: Database) -> None:
    put(database, holder(1), holder(2), holder(3))
    condition = members_table.c.points > 1
    assert listed(database, condition=condition, search="name") == ["M-0002", "M-0003"]
    with database.read() as connection:
        assert members.count(connection, "p1", condition=condition) == 2


def test_every_order_works(database: Database) -> None:
    put(database, holder(1), holder(2))
    for order in members.ORDERS:
        assert len(listed(database, order=order)) == 2


def test_another_order_is_refused(database: Database) -> None:
    with pytest.raises(UsageError, match=r"cannot be ordered by 'name; DROP'"):
        listed(database, order="name; DROP")


def test_an_unknown_member_is_told_with_near_ids(database: Database) -> None:
    put(database, holder(1), holder(2))
    for wanted, near in (
        ("M-00002", "M-0002"),
        ("m-0002", "M-0002"),
        ("M-0002x", "M-0002"),
        ("%", ""),
        ("", ""),
    ):
        with pytest.raises(UsageError) as told:
            get(database, wanted)
        assert f"there is no member {wanted!r}" in str(told.value)
        assert near in str(told.value)
        assert ("near" in str(told.value)) == bool(near)


def test_show_tells_all_of_one_member(database: Database) -> None:
    put(database, holder(1))
    with database.write() as connection:
        pass_id = connection.execute(sa.select(passes.c.id)).scalar_one()
        blast = {
            "account": "rehearsal",
            "program_id": "p1",
            "name": "Easter",
            "text": "Two for one",
            "message_key": "news",
            "audience": "all",
            "state": "finished",
            "plan_hash": "",
            "planned_at": NOW,
        }
        blast_id = connection.execute(blasts.insert().values(blast).returning(blasts.c.id)).scalar_one()
        connection.execute(
            deliveries.insert().values(
                blast_id=blast_id, pass_id=pass_id, state="accepted", verdict="alert", accepted_at=LATER
            )
        )
        told = members.show(connection, "p1", "M-0001")
    assert told["tier"] == "gold"
    assert told["birthday"] == "1990-02-03"
    assert told["created_at"] == "2026-11-21T12:00:00.000000Z"
    assert told["passes"][0]["status"] == "installed"
    (delivery,) = told["deliveries"]
    assert (delivery["name"], delivery["text"], delivery["state"]) == ("Easter", "Two for one", "accepted")
    assert delivery["accepted_at"] == "2026-11-21T13:00:00.000000Z"


def test_reach_counts_whom_a_message_gets_to(database: Database) -> None:
    put(
        database,
        holder(1),
        holder(2, wallets=["google"]),
        holder(3, wallets=["google", "apple"]),
        holder(4, pass_status="PASS_ISSUED", wallets=[]),
        holder(5, opted_out=True, pass_status="PASS_ISSUED"),
        holder(6, status="EXPIRED"),
    )
    with database.read() as connection:
        assert members.reach(connection, "p1") == members.Reach(
            members=5, opted_out=1, not_installed=1, google_only=1
        )
