from __future__ import annotations

import json
import re

import pytest

from jobs.rehearsal.names import ODD_NAMES
from jobs.rehearsal.passes import EVENT_TICKET, MEMBERSHIP, SINGLE_COUPON, Pass, PassKind
from jobs.rehearsal.world import World


def passes(world: World, kind: PassKind) -> list[Pass]:
    return world.of_kind(kind)[0].passes


@pytest.fixture(scope="module")
def world() -> World:
    return World(3, 4000)


def test_same_seed_same_world(world: World) -> None:
    again = World(3, 4000)
    assert [entry.message for entry in world.everyone()] == [entry.message for entry in again.everyone()]
    assert world.templates == again.templates


def test_another_seed_is_another_world() -> None:
    assert not World(1, 50).passes.keys() & World(2, 50).passes.keys()


@pytest.mark.parametrize("members", [0, 1, 39])
def test_small_worlds(members: int) -> None:
    assert len(passes(World(1, members), MEMBERSHIP)) == members


def test_sizes(world: World) -> None:
    assert [len(passes(world, kind)) for kind in (MEMBERSHIP, SINGLE_COUPON, EVENT_TICKET)] == [
        4000,
        200,
        100,
    ]
    assert len(world.boarding) == 40


def test_identifiers_are_packed_uuids(world: World) -> None:
    assert all(re.fullmatch("[0-9A-Za-z]{22}", identifier) for identifier in world.passes)


def test_shares_of_installed_and_opted_out(world: World) -> None:
    members = passes(world, MEMBERSHIP)
    assert 0.83 < sum(member.installed for member in members) / len(members) < 0.89
    assert 0.02 < sum(member.opted_out for member in members) / len(members) < 0.06
    assert any(member.installed and not member.on_apple for member in members)
    assert any(member.message["status"] == "EXPIRED" for member in members)


def test_holders_are_unlike(world: World) -> None:
    members = [member.message for member in passes(world, MEMBERSHIP)]
    names = {(member.get("person") or {}).get("displayName") for member in members}
    assert names >= {None, *ODD_NAMES}
    for missing in ("person", "metaData", "points"):
        assert any(missing not in member for member in members)
    assert any("emailAddress" not in member.get("person", {}) for member in members)
    assert any("latestOffer" in member.get("metaData", {}) for member in members)
    assert any(member["metaData"]["zip"].startswith("0") for member in members if "metaData" in member)


def test_created_rises_and_lies_before_updated(world: World) -> None:
    members = [member.message for member in passes(world, MEMBERSHIP)]
    assert members == sorted(members, key=lambda member: str(member["created"]))
    assert all(member["created"] <= member["updated"] for member in members)


def test_messages_hold_only_known_fields(world: World) -> None:
    for entry in world.everyone():
        fields = entry.kind.message
        assert fields.read(json.loads(json.dumps(entry.message))) == entry.message
        assert fields.full(entry.message).keys() == fields.fields.keys()
