"""The verb of a program's rules: change them, with its audit entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from store import audit, rules
from store.database import Database
from store.rules import Rules
from store.settings import Settings


def change(
    database: Database, settings: Settings, program_id: str, changes: Mapping[str, Any], *, actor: str
) -> Rules:
    """Give a program rules of its own (see store/rules.py), None for the settings' again.

    Returns the rules that hold now. Blasts that were planned by others are not launched any more, and those
    that run are asked by the new ones. Raises UsageError for a rule that cannot be.
    """
    database.check_role("program.rules")
    with database.write() as connection:
        before = rules.own(connection, program_id)
        after = rules.change(connection, program_id, changes)
        changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
        if changed:
            audit.append(connection, actor=actor, act="program.rules", subject=program_id, details=changed)
        return rules.effective(connection, settings.gate, program_id)
