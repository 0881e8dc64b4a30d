"""Saving and deleting an audience leave their marks in the audit, and only when they happened."""

from __future__ import annotations

import pytest

from jobs import audiences as verbs
from store import audit
from store.audiences import Selection
from store.errors import UsageError
from tests.store.crowd import fill, open_store


def test_saving_and_deleting_are_audited(current_url: str) -> None:
    database = open_store(current_url)
    fill(database, 20)
    verbs.save(database, "P1", "gold", Selection("where", "tier = 'gold'"), actor="ann@box")
    with pytest.raises(UsageError, match="there already is an audience gold"):
        verbs.save(database, "P1", "gold", Selection("all"), actor="ann@box")
    verbs.delete(database, "P1", "gold", actor="ann@box")
    with pytest.raises(UsageError, match="there is no audience gold"):
        verbs.delete(database, "P1", "gold", actor="ann@box")
    with database.read() as connection:
        entries = audit.page(connection)
        assert audit.verify(connection) == (2, None)
    assert [(entry.act, entry.details["name"]) for entry in entries] == [
        ("audience.delete", "gold"),
        ("audience.save", "gold"),
    ]
    database.close()
