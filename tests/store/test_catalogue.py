from __future__ import annotations

from pathlib import Path

import pytest

from store import catalogue
from store.database import Database
from tests.store.crowd import fill, open_store


def test_fields_are_counted_alike_on_both_databases(current_url: str) -> None:
    database = open_store(current_url)
    fill(database, 300)
    entries = {entry.name: entry for entry in catalogue.fresh(database, "P1")}
    assert (entries["zip"].type, entries["zip"].source) == ("any", "attribute")
    assert all(0 <= entry.filled <= entry.members for entry in entries.values())
    assert {entry.members for entry in entries.values()} == {0, 300}
    assert {name for name, entry in entries.items() if entry.members == 0} == {
        name for name, entry in entries.items() if entry.source == "past"
    }
    assert {value for value, _ in entries["tier"].top} == {"gold", "Gold", "silver", "größe"}
    assert {value for value, _ in entries["pass_status"].top} == {"issued", "installed", "uninstalled"}
    assert {value for value, _ in entries["wallet"].top} == {"apple", "google", "other"}
    for personal in ("name", "email", "phone", "external_id"):
        assert entries[personal].top == ()
    assert entries["attributes.tier"].source == "attribute"
    with database.read() as connection:
        assert catalogue.names(connection, "nobody's")[0] == "birthday"
        assert catalogue.values(connection, "P1", "no such field") == []
    database.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_large_program_is_sampled(
    current_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(catalogue, "LOOKED_AT", 100)
    database: Database = open_store(current_url)
    fill(database, 300)
    assert {entry.members for entry in catalogue.fresh(database, "P1")} == {0, 100}
    database.close()
