"""Withdrawals and opt-outs through a real worker and the stand-in, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from jobs import consents as verbs
from store import consents, members, opt_outs
from store.consents import Said
from store.schema import members as members_table
from store.schema import passes
from store.times import now
from tests.engine.conftest import House

Build = Callable[..., House]


def wanted(house: House, kind: str, count: int = 1) -> list[tuple[int, str, str]]:
    """(our id, external id, pass id) of the first members of a program who can be messaged."""
    query = (
        sa.select(members_table.c.id, members_table.c.external_id, passes.c.provider_id)
        .join(passes, passes.c.member_id == members_table.c.id)
        .where(
            members_table.c.program_id == house.programs[kind],
            members_table.c.opted_out.is_(False),
            members_table.c.status.not_in(("EXPIRED", "DELETED")),
            passes.c.status == "installed",
        )
        .order_by(members_table.c.id)
        .limit(count)
    )
    with house.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def withdraw(house: House, kind: str, external_id: str) -> None:
    said = Said("marketing", False, "hotline", now())
    verbs.withdraw(house.database, house.programs[kind], external_id, said, actor="test")


def standing(house: House, member_id: int) -> dict[str, Any] | None:
    with house.database.read() as connection:
        return opt_outs.state(connection, member_id)


def said_of(house: House, member_id: int) -> list[tuple[bool, str]]:
    with house.database.read() as connection:
        return [(one.given, one.source) for one in consents.history(connection, member_id)]


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_passkit_is_told_of_withdrawals_and_tells_of_its_own(build: Build) -> None:
    house = build()
    people = {kind: wanted(house, kind)[0] for kind in ("membership", "coupon", "ticket")}
    gone = wanted(house, "membership", 2)[1]
    for kind, (_, external_id, _) in people.items():
        withdraw(house, kind, external_id)
    withdraw(house, "membership", gone[1])
    with house.database.write() as connection:
        connection.execute(passes.update().where(passes.c.member_id == gone[0]).values(status="gone"))
    house.faults(unavailable=1.0)
    house.start_worker()
    first = people["membership"][0]
    house.wait("a try has failed", lambda: bool((standing(house, first) or {}).get("detail")))
    cannot = {"state": "cannot", "attempts": 1, "detail": opt_outs.NO_PASS}
    house.wait("one cannot be told", lambda: standing(house, gone[0]) == cannot)
    house.faults(unavailable=0.0)
    for kind, (member_id, external_id, pass_id) in people.items():
        house.wait(f"{kind} is told", lambda id_=member_id: standing(house, id_) is None)  # type: ignore[misc]
        assert house.control("GET", f"passes/{pass_id}")["opt_out"] is True
        with house.database.read() as connection:
            assert members.get(connection, house.programs[kind], external_id).opted_out
        assert said_of(house, member_id) == [(False, "hotline")]
    assert house.stats["changed_passes"] == 0, "no phone has seen anything of it"
    other = wanted(house, "membership", 2)[1]
    house.control("PUT", f"passes/{other[2]}", {"opt_out": True})
    house.sync()
    assert said_of(house, other[0]) == [(False, "passkit")]
    for pass_id in (other[2], people["membership"][2]):
        house.control("PUT", f"passes/{pass_id}", {"opt_out": False})
    house.sync()
    assert said_of(house, other[0]) == [(True, "passkit"), (False, "passkit")]
    assert said_of(house, first) == [(False, "hotline")], "PassKit does not lift what was said elsewhere"


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_an_opt_out_found_on_the_way_is_recorded(build: Build) -> None:
    house = build()
    ((member_id, external_id, pass_id),) = wanted(house, "membership")
    blast_id = house.launch(kind="where", expression=f"external_id = '{external_id}'")
    house.control("PUT", f"passes/{pass_id}", {"opt_out": True})
    house.start_worker()
    house.wait_for_state(blast_id, "finished")
    assert house.tally(blast_id).states["skipped"] == 1
    assert said_of(house, member_id) == [(False, "passkit")]
    assert standing(house, member_id) is None
