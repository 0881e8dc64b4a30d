"""How a blast stands: its bar, its pace, its counts, and what keeps it from going on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from textual.content import Content
from textual.widgets import Static

from console import words
from console.plain import inert
from console.widgets.figures import STATE_COLOURS
from jobs.blasts import eta_seconds
from store import deliveries, ledger, programs
from store.deliveries import Failure
from store.ledger import Blast, Tally
from store.settings import Settings
from store.times import now
from store.workers import alive

READINGS = 6
"""Readings, one a second, over which the pace is taken."""
REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """A blast at one moment. `next_due` is when its next pending delivery is due."""

    blast: Blast
    program: str
    tally: Tally
    failures: Sequence[Failure]
    next_due: datetime | None
    workers: int

    @property
    def done(self) -> int:
        """What was sent, whatever came of it."""
        return self.tally.states["accepted"] + self.tally.states["failed"]


def standing(connection: sa.Connection, account: str, blast_id: int) -> Standing:
    """Read how a blast stands. Raises UsageError where there is no such blast."""
    blast = ledger.get(connection, blast_id)
    return Standing(
        blast,
        programs.get(connection, blast.program_id, blast.account).name,
        ledger.tally(connection, blast_id),
        deliveries.failures(connection, blast_id),
        ledger.next_due(connection, blast_id) if blast.state == "running" else None,
        len(alive(connection, account)),
    )


class Pace:
    """Passes a second over the last readings."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque(maxlen=READINGS)

    def take(self, done: int, at: float) -> None:
        """Note how many were done at a moment of a monotonic clock."""
        if self._readings and done < self._readings[-1][1]:  # failed ones were taken up again
            self._readings.clear()
        self._readings.append((at, done))

    @property
    def per_second(self) -> float:
        """0 until there are two readings."""
        (first, before), (last, after) = self._readings[0], self._readings[-1]
        return (after - before) / (last - first) if last > first else 0.0


class Progress(Static):
    """The head of a blast's screen."""

    DEFAULT_CSS = "Progress { height: auto; max-height: 13; }"

    def __init__(self, settings: Settings) -> None:
        super().__init__(markup=False)
        self._settings = settings
        self._pace = Pace()

    def show(self, now_: Standing) -> None:
        """Show how it stands now."""
        self._pace.take(now_.done, time.monotonic())
        lines = [
            _title(now_.blast),
            Content.styled(f"{inert(now_.program, 40)}, {inert(now_.blast.audience, 80)}", "$quiet"),
            _text(now_.blast),
            Content(""),
            self._bar(now_),
            _counts(now_.tally),
            *_failures(now_.failures),
            self._sentence(now_),
        ]
        self.update(Content("\n").join(lines))

    def _bar(self, now_: Standing) -> Content:
        never_sent = now_.tally.skipped_by_reason.get("cancelled", 0)
        to_send = now_.done + now_.tally.open + never_sent
        share = now_.done / to_send if to_send else 0.0
        told = f" {int(share * 100)}%  {now_.done:,} of {to_send:,}"
        if now_.blast.state == "running" and self._pace.per_second:
            told += f"  {self._pace.per_second:,.1f} passes a second"
        width = max(self.content_size.width - 52, 20)
        filled = int(width * share)
        colour = STATE_COLOURS[now_.blast.state]
        return Content.assemble(("━" * filled, colour), ("━" * (width - filled), "$surface-lighten-2"), told)

    def _sentence(self, now_: Standing) -> Content:
        """What happens next, or what to do."""
        blast, left = now_.blast, now_.tally.open
        match blast.state:
            case "running":
                return self._while_running(now_)
            case "planned":
                return Content("Nothing is sent yet: press l to launch it.")
            case "paused":
                return Content.styled(f"Paused with {left:,} to go: press r to go on.", "$text-warning")
            case "held":
                reason = inert(blast.hold_reason or "the provider refuses us", 300)
                told = f"Held: {reason}. Put that right, then press r to go on."
                return Content.styled(told, "$text-error")
            case "finished" | "cancelled":
                ended = f"{blast.finished_at:%Y-%m-%d %H:%M} UTC" if blast.finished_at else "an unknown time"
                took = ""
                if blast.started_at and blast.finished_at:
                    seconds = (blast.finished_at - blast.started_at).total_seconds()
                    took = f", {words.duration(seconds)} after the start"
                retry = (
                    " Press t to try the failed ones again."
                    if now_.failures and blast.state == "finished"
                    else ""
                )
                return Content.styled(f"{blast.state.capitalize()} at {ended}{took}.{retry}", "$quiet")
        return Content("")

    def _while_running(self, now_: Standing) -> Content:
        if not now_.workers:
            return Content.styled(
                "No worker is alive, so nothing is sent: start one with `passbell worker`.", "$text-error"
            )
        pace, left = self._pace.per_second, now_.tally.open
        wait = (now_.next_due - now()).total_seconds() if now_.next_due else 0.0
        if not pace and wait > 1:
            return Content.styled(f"The next try is due in {words.duration(wait)}.", "$quiet")
        seconds = left / pace if pace else eta_seconds(left, self._settings, now_.blast)
        rate = (
            f", at most {now_.blast.rate_per_second:g} requests a second"
            if now_.blast.rate_per_second
            else ""
        )
        return Content.styled(f"Done in about {words.duration(seconds)}{rate}.", "$quiet")


def _title(blast: Blast) -> Content:
    state = (f" {blast.state.upper()} ", f"bold reverse {STATE_COLOURS[blast.state]}")
    return Content.assemble((f"#{blast.id} ", "bold"), (inert(blast.name, 44), "bold"), "  ", state)


def _text(blast: Blast) -> Content:
    return Content.styled(f"“{inert(' '.join(blast.text.split()), 140)}”", "italic")


def _counts(tally: Tally) -> Content:
    """The sum that always holds."""
    parts: list[Content] = []
    for state, count in tally.states.items():
        if count or state in ("accepted", "failed", "skipped"):
            colour = STATE_COLOURS.get(state, "") if count else "$quiet"
            parts.append(Content.assemble((f"{count:,}", colour), f" {state.replace('_', ' ')}"))
    return Content.assemble((f"{tally.planned:,} planned", "bold"), " = ", Content(" + ").join(parts))


def _failures(failures: Sequence[Failure]) -> list[Content]:
    lines = []
    for one in failures[:REASONS_SHOWN]:
        why = inert(one.detail or words.reason(one.reason), 120)
        lines.append(Content.assemble((f"{one.count:>9,}", "$text-error"), f"  {why}"))
    if len(failures) > REASONS_SHOWN:
        rest = sum(one.count for one in failures[REASONS_SHOWN:])
        lines.append(
            Content.assemble((f"{rest:>9,}", "$text-error"), "  for other reasons: press / to see them")
        )
    return lines
