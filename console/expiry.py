"""Credentials of own passes that expire soon or cannot be used, in words: a reading of files and keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.passes.credentials import State
    from store.database import Database
    from store.settings import Settings

LOOK_SECONDS = 3_600.0
"""How often the console looks again."""
NAMES = {
    "apple": "Apple pass certificate",
    "apple wwdr": "Apple's intermediate",
    "push_key": "push key",
    "google": "Google's key",
}


@dataclass(frozen=True, slots=True)
class Weak:
    """One credential. `short` fits the masthead; `fails` where it cannot be used any more."""

    short: str
    sentence: str
    fails: bool


def weak(settings: Settings, database: Database) -> tuple[Weak, ...]:
    """Those that need somebody, the worst first. Takes some 50 ms: not for the UI's thread.

    A rehearsal's are made up and good for years; who issues no passes needs none.
    """
    if not settings.live or not (settings.apple.pass_type or settings.google.issuer):
        return ()
    from jobs.passes.credentials import states
    from store.times import now

    at = now()
    found = [
        _weak(one, one.days_left(at), one.level(at) == "fail", one.sentence(at))
        for one in states(settings, database)
        if one.level(at) != "ok"
    ]
    return tuple(sorted(found, key=lambda one: not one.fails))


def _weak(state: State, left: int | None, fails: bool, sentence: str) -> Weak:
    name = state.name.partition(" ")[0].replace("_", " ").capitalize()
    how = "unusable" if state.problem else "expired" if fails else f"{left} days left"
    return Weak(f"{name}: {how}", f"{NAMES[state.name]}: {sentence}", fails)
