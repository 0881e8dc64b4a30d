"""What a stand-in that keeps a journal has after it was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.rehearsal.passes import BOARDING_PASS, Pass
from jobs.rehearsal.world import World
from tests.rehearsal.conftest import Client


def seen(passkit: Client, entry: Pass) -> Any:
    return passkit.control("GET", f"passes/{entry.id}")


def test_another_one_goes_on_with_the_same_world_and_the_same_counts(
    rehearse: Callable[..., Client], tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    first = rehearse(World(7, 50), journal=journal)
    first.put("/members/member", {"id": first.pick().id, "metaData": {"latestOffer": "before the count"}})
    first.control("POST", "reset-stats")
    told = first.pick(where=lambda entry: entry.on_apple and not entry.opted_out)
    left = first.pick(where=lambda entry: entry.installed and entry is not told)
    boarding = first.pick(BOARDING_PASS, where=lambda entry: bool(entry.message.get("ticketNumber")))
    first.put("/members/member", {"id": told.id, "metaData": {"latestOffer": "Grüße 🥨"}})
    keys = {name: boarding.message[name] for name in ("ticketNumber", "ticketLeg", "boardingPoint")}
    first.put("/flights/boardingRecord", {**keys, "additionalDataItems": {"items": {"gate": "B32"}}})
    first.control("PUT", f"passes/{left.id}", {"status": "PASS_UNINSTALLED"})
    [template, *_] = first.world.templates
    first.control("PUT", f"templates/{template}", {"change_message": None})
    assert first.call("PUT", "/members/member", {"id": "nobody"}).status_code == 404
    with open(journal, "ab") as file:
        file.write(b'[1.0, "/members/member", "{\\"id')  # as a kill in mid-line leaves it

    again = rehearse(World(7, 50), journal=journal)
    counts = ("changed_passes", "alerts", "alerted_twice", "duplicate_writes", "sins")
    before, after = first.control("GET", "stats"), again.control("GET", "stats")
    assert [after[name] for name in counts] == [before[name] for name in counts]
    assert after["changed_passes"] == 2
    for entry in (told, left, boarding):
        assert seen(again, entry) == seen(first, entry)
    assert again.call("GET", f"/template/data/{template}").json() == (
        first.call("GET", f"/template/data/{template}").json()
    )
    again.put("/members/member", {"id": told.id, "metaData": {"latestOffer": "Grüße 🥨"}})
    assert again.control("GET", "stats")["duplicate_writes"] == 1
    third = rehearse(World(7, 50), journal=journal)
    assert third.control("GET", "stats")["duplicate_writes"] == 1
