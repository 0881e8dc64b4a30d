"""Audiences that every shop asks for, to begin with: each a predicate, and what it is for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from store import outline
from store.audiences import Selection
from store.errors import UsageError


@dataclass(frozen=True, slots=True)
class Preset:
    """A predicate with a name.

    field   what is compared with a value that is to be given; None where the predicate is whole
    meaning who they are, and what to write to them for
    """

    name: str
    expression: str
    meaning: str
    field: str | None = None

    def with_value(self, value: str | None) -> str:
        """The whole predicate. Raises UsageError where a value is missing, or given and not asked for."""
        if self.field is None:
            if value is not None:
                raise UsageError(f"the preset {self.name} takes no value")
            return self.expression
        if not value:
            raise UsageError(
                f"the preset {self.name} needs a value for {self.field}, such as {self.name}=90210"
            )
        return f"{self.expression} {outline.quoted(value)}"


PRESETS = (
    Preset(
        "slumber",
        "last_activity < NOW() - INTERVAL '30 days'",
        "nothing heard of them for 30 days: win them back",
    ),
    Preset("whale", "points_balance > 500", "more than 500 points: thank them, or let them spend"),
    Preset("local", "zip =", "those of one zip code: an event or a shop nearby", field="zip"),
    Preset("birthday", "birthday_today()", "their birthday is today: a treat on the house"),
    Preset(
        "expiring",
        "expires_at BETWEEN NOW() AND NOW() + INTERVAL '14 days'",
        "their pass ends within 14 days: a reason to renew it",
    ),
    Preset("never messaged", "last_message_at IS NULL", "no message of yours was ever accepted: say hello"),
)


def chosen(words: str) -> Selection:
    """The choice that `slumber`, or `local=90210`, means.

    Raises UsageError with the nearest name, or for a missing value.
    """
    name, equals, value = words.partition("=")
    name = " ".join(name.lower().replace("-", " ").split())
    for preset in PRESETS:
        if preset.name == name:
            return Selection("where", preset.with_value(value.strip() if equals else None))
    names = [preset.name for preset in PRESETS]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise UsageError(f"there is no preset of that name; {hint}")


def of_blast(blast_id: int, fetched: bool | None = None) -> str:
    """The predicate for those who got a blast; with `fetched`, whose phone has fetched it, or has not.

    Only iPhones fetch: where somebody has Google Wallet alone, nobody can know, and no nudge goes there.
    """
    got, seen = f"received('{blast_id}')", f"fetched('{blast_id}')"
    if fetched is None:
        return got
    return f"{got} AND {seen}" if fetched else f"{got} AND NOT {seen} AND wallet = 'apple'"
