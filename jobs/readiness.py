"""What stands in the way of a launch, or makes it another than was meant: asked right before it.

`stops`: the launch would be refused, or nothing of it could leave. Everything else is to be minded: the
launch goes ahead if the operator says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jobs import blasts
from jobs.blasts import Outdated
from jobs.engine.gate import REASONS
from jobs.moments import in_words
from jobs.plans import Plan
from store import programs, workers
from store.database import Database
from store.ledger import Tally
from store.programs import Program
from store.settings import Settings
from store.times import now

MANY = 0.5
"""A gate that leaves out this share of a plan, or more, is worth a second look at the audience."""
SECRETS = {"apple": ("apple", "apple wwdr", "push_key"), "google": ("google",)}
"""Which credentials a channel of own passes needs, as `passbell credentials list` names them."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """One of them. `kind` is fixed for scripts: outdated | nobody | no_credentials | no_worker |
    no_alert | put_off | left_out; `count` the passes that it is about, 0 where it is about all.
    """

    kind: str
    stops: bool
    sentence: str
    count: int = 0

    def as_json(self) -> dict[str, Any]:
        """The blocker as the commands print it."""
        return {"kind": self.kind, "stops": self.stops, "count": self.count, "sentence": self.sentence}


def blockers(database: Database, settings: Settings, planned: Plan) -> list[Blocker]:
    """What stands in a plan's way now, those that stop it first. Reading credentials takes some 50 ms."""
    blast, tally = planned.blast, planned.tally
    with database.read() as connection:
        program = programs.get(connection, blast.program_id, blast.account)
        alive = len(workers.alive(connection, settings.account))
        try:
            blasts.check_plan(connection, settings, blast, at=now())
            outdated = ""
        except Outdated as error:
            outdated = error.why
    found: list[Blocker] = []
    if outdated:
        found.append(Blocker("outdated", True, outdated))
    if not tally.states["pending"]:
        told = f"Nobody would be messaged: all {tally.planned:,} passes are left out."
        found.append(Blocker("nobody", True, told))
    if program.own and settings.live:
        found += _without_credentials(settings, database, tally)
    if not alive:
        told = "No worker is alive, so nothing leaves: start one with `passbell worker`."
        found.append(Blocker("no_worker", False, told))
    return [*found, *_surprises(tally, program)]


def _without_credentials(settings: Settings, database: Database, tally: Tally) -> Iterator[Blocker]:
    from jobs.passes.credentials import states  # costs its cryptography: only for own passes that are live

    at = now()
    needed = {name: channel for channel in tally.open_on for name in SECRETS.get(channel, ())}
    set_up = {"apple": settings.apple.pass_type, "google": settings.google.issuer}
    for channel, count in tally.open_on.items():
        if channel in set_up and not set_up[channel]:
            told = f"{channel.capitalize()} is not set up: see `passbell credentials --help`."
            yield Blocker("no_credentials", True, told, count)
    for one in states(settings, database):
        if one.name in needed and one.level(at) == "fail":
            count = tally.open_on[needed[one.name]]
            told = f"No message can leave to {needed[one.name].capitalize()}: {one.sentence(at)}."
            yield Blocker("no_credentials", True, told, count)


def _surprises(tally: Tally, program: Program) -> Iterator[Blocker]:
    """What a plan may do other than its writer thinks."""
    pending, skipped = tally.states["pending"], tally.states["skipped"]
    if pending and not tally.verdicts.get("alert"):
        yield Blocker("no_alert", False, "No phone is known to show it on its lock screen.", pending)
    for reason, count in tally.deferred_by_reason.items():
        first, last = tally.deferred_until[reason]
        if last > now():
            what = "quiet hours" if reason == "quiet_hours" else "their last message"
            until = in_words(first, program.time_zone) + (" or later" if last > first else "")
            told = f"{count:,} of {pending:,} wait for {what}: until {until}."
            yield Blocker("put_off", False, told, count)
    if skipped and pending and skipped >= MANY * tally.planned:
        reason, most = max(tally.skipped_by_reason.items(), key=lambda pair: pair[1])
        why = REASONS.get(reason, reason.replace("_", " "))
        told = f"{skipped:,} of {tally.planned:,} passes are left out; most ({most:,}): {why}."
        yield Blocker("left_out", False, told, skipped)
