"""How a blast stands: its bar, its pace, its counts, and what keeps it from going on."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from console import words
from console.keymap import key_of, keyed
from console.plain import inert
from console.plots import sign
from console.widgets.cells import fit
from console.widgets.figures import STATE_COLOURS, figure_lines, waiting_lines
from jobs.moments import in_words
from jobs.plans import eta_seconds
from store import deliveries, ledger, programs
from store.deliveries import Failure
from store.holds import SLACK
from store.ledger import Blast, Tally
from store.programs import Program
from store.settings import Settings
from store.times import now
from store.workers import alive

if TYPE_CHECKING:
    import sqlalchemy as sa

READINGS = 6
"""Readings, one a second, over which the pace is taken."""
REASONS_SHOWN = 3
WIDEST = 120
"""Cells of a line of figures."""
WAITS = (
    "It waits for you: once that is put right press <blast.resume> to go on, or <blast.cancel> to end it "
    "for good."
)
NOBODY_LOOKS = (
    "Nobody looks whether that has passed: start a worker with `passbell worker`, or press <blast.resume>."
)
AT_ONCE = "press <blast.resume> to go on at once"
NO_WORKER = "No worker is alive, so nothing is sent: start one with `passbell worker`."


@dataclass(frozen=True, slots=True)
class Standing:
    """A blast at one moment, `at`. `next_due` is when its next pending delivery is due."""

    blast: Blast
    program: Program
    tally: Tally
    failures: Sequence[Failure]
    next_due: datetime | None
    workers: int
    at: datetime

    @property
    def done(self) -> int:
        """What was sent, whatever came of it."""
        return self.tally.states["accepted"] + self.tally.states["failed"]

    @property
    def undo_seconds(self) -> float:
        """Seconds until the first message leaves; 0 where none has to wait for that."""
        return self.blast.undo_left(self.at)


def standing(connection: sa.Connection, account: str, blast_id: int) -> Standing:
    """Read how a blast stands. Raises UsageError where there is no such blast."""
    blast = ledger.get(connection, blast_id)
    return Standing(
        blast,
        programs.get(connection, blast.program_id, blast.account),
        ledger.progress(connection, blast_id),
        deliveries.failures(connection, blast_id),
        ledger.next_due(connection, blast_id) if blast.state == "running" else None,
        len(alive(connection, account)),
        now(),
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

    DEFAULT_CSS = "Progress { height: auto; max-height: 14; }"

    def __init__(self, settings: Settings) -> None:
        super().__init__(markup=False)
        self._settings = settings
        self._pace = Pace()
        self._now: Standing | None = None

    def show(self, now_: Standing) -> None:
        """Show how it stands now."""
        self._pace.take(now_.done, time.monotonic())
        self._now = now_
        self._draw(now_)

    def on_resize(self) -> None:
        """Fit bar and reasons into the new width."""
        if self._now is not None:
            self._draw(self._now)

    def _draw(self, now_: Standing) -> None:
        """What may be cut off on a small terminal comes last."""
        lines = [
            _title(now_.blast),
            Content.styled(_whom(now_), "$quiet"),
            _text(now_.blast),
            Content(""),
            self._bar(now_),
            _counts(now_.tally),
            *_waiting(now_),
            self._sentence(now_),
            *_failures(now_.failures, max(self.content_size.width, 40)),
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
        rest = sign("light") * (width - filled)
        return Content.assemble((sign("heavy") * filled, colour), (rest, "$rest"), told)

    def _sentence(self, now_: Standing) -> Content:
        """What happens next, or what to do."""
        blast, left = now_.blast, now_.tally.open
        match blast.state:
            case "running":
                return self._while_running(now_)
            case "planned":
                return Content(planned_in_words(now_))
            case "scheduled":
                return Content(scheduled_in_words(now_))
            case "missed":
                then = keyed(
                    "Press <blast.launch> to send it now or at a new time, <blast.cancel> to cancel it."
                )
                return Content.assemble((missed_in_words(now_), "$text-error"), "\n", (then, "bold"))
            case "paused":
                return Content.styled(
                    f"Paused with {left:,} to go: press {key_of('blast.resume')} to go on.", "$text-warning"
                )
            case "held":
                return held_in_words(now_, timedelta(seconds=self._settings.engine.probe_seconds))
            case "finished" | "cancelled":
                return _ended(now_)
        return Content("")

    def _while_running(self, now_: Standing) -> Content:
        if now_.undo_seconds:
            stop = keyed("press <blast.cancel> to stop it")
            told = f"First message leaves in {math.ceil(now_.undo_seconds)} s: {stop}."
            return Content.assemble((told, "bold $text-warning"), "  Nobody has got it yet.")
        if not now_.workers:
            return Content.styled(NO_WORKER, "$text-error")
        pace, put_off = self._pace.per_second, _put_off(now_)
        left = now_.tally.open - put_off
        wait = (now_.next_due - now_.at).total_seconds() if now_.next_due else 0.0
        if wait > 1 and not (pace and left):
            what = "The next try" if left else "The next message"
            return Content.styled(f"{what} is due in {words.duration(wait)}.", "$quiet")
        at_rate = eta_seconds(now_.tally.open_on, self._settings, now_.blast) * left / max(now_.tally.open, 1)
        seconds = left / pace if pace else at_rate
        limits = "".join(f", {limit}" for limit in words.limits(now_.blast))
        but = ", but for those that wait" if put_off else ""
        return Content.styled(f"Done in about {words.duration(seconds)}{but}{limits}.", "$quiet")


def held_in_words(now_: Standing, every: timedelta) -> Content:
    """Why it is held, whether it goes on by itself, and by which key. `every` lies between two looks."""
    blast = now_.blast
    reason = inert(blast.hold_reason or "the provider refuses us", 300).rstrip(". ")
    if blast.probe_at is None:
        then = keyed(WAITS)
    elif not now_.workers:
        then = keyed(NOBODY_LOOKS)
    else:
        wait = blast.probe_at - now_.at
        looking = wait <= timedelta(0) or wait > every + SLACK  # set further while a look is under way
        look = "a worker looks now" if looking else f"next look in {math.ceil(wait.total_seconds())} s"
        then = f"It goes on by itself once that has passed ({look}); {keyed(AT_ONCE)}."
    return Content.assemble((f"Held: {reason}.", "$text-error"), "\n", (then, "bold"))


def planned_in_words(now_: Standing) -> str:
    """That it waits for the launch, with the moment that it was planned for."""
    if now_.blast.send_at is None:
        return keyed("Nothing is sent yet: press <blast.launch> to launch it.")
    planned = in_words(now_.blast.send_at, now_.program.time_zone)
    launch = keyed("press <blast.launch>, or nothing is sent then")
    return f"Planned for {planned}, and not launched yet: {launch}."


def scheduled_in_words(now_: Standing) -> str:
    """When it starts, and by which keys that is changed."""
    blast = now_.blast
    if blast.send_at is None:
        return keyed("Scheduled: press <blast.launch> to launch it.")
    wait = (blast.send_at - now_.at).total_seconds()
    start = f"in {words.duration(wait)}" if wait > 0 else "any moment now"
    told = f"Starts {start}, {in_words(blast.send_at, now_.program.time_zone)}."
    lonely = "" if now_.workers else " No worker is alive: one has to be by then."
    then = keyed("Press <blast.launch> to start it now or at another time, <blast.cancel> to cancel it.")
    return f"{told}{lonely}\n{then}"


def missed_in_words(now_: Standing) -> str:
    """That nothing was sent, and when it should have been."""
    blast = now_.blast
    due = f" at {in_words(blast.send_at, now_.program.time_zone)}" if blast.send_at else ""
    return f"Missed: it was to start{due}, and no worker was there in time. Nothing was sent."


def _ended(now_: Standing) -> Content:
    blast = now_.blast
    ended = f"{blast.finished_at:%Y-%m-%d %H:%M} UTC" if blast.finished_at else "an unknown time"
    took = ""
    if blast.started_at and blast.finished_at:
        seconds = (blast.finished_at - blast.started_at).total_seconds()
        took = f", {words.duration(seconds)} after the start"
    told = f"{blast.state.capitalize()} at {ended}{took}."
    if blast.state == "finished" and now_.failures:
        told += keyed(" Press <blast.retry> to try the failed ones again.")
    if blast.state == "cancelled" and not now_.done:
        told += " Nobody was messaged."
    return Content.styled(told, "$quiet")


def _title(blast: Blast) -> Content:
    state = (f" {blast.state.upper()} ", f"bold reverse {STATE_COLOURS[blast.state]}")
    urgent = ("  URGENT", "bold $text-warning") if blast.urgent else ""
    return Content.assemble((f"#{blast.id} ", "bold"), (inert(blast.name, 44), "bold"), "  ", state, urgent)


def _text(blast: Blast) -> Content:
    return Content.styled(f"“{inert(' '.join(blast.text.split()), 140)}”", "italic")


def _whom(now_: Standing) -> str:
    told = (now_.program.name, 40), (now_.blast.audience, 80), (words.purpose(now_.blast), 80)
    return ", ".join(inert(text, limit) for text, limit in told)


def _waiting(now_: Standing) -> list[Content]:
    """What the gate has put off, a line for each reason; what was never started is only foreseen."""
    lines = waiting_lines(now_.tally, now_.program.time_zone)
    return [figure_lines(lines, WIDEST)] if lines else []


def _put_off(now_: Standing) -> int:
    """How many the gate lets wait. A launch makes all of a plan due at once: those are asked first."""
    until = now_.tally.deferred_until
    return sum(count for why, count in now_.tally.deferred_by_reason.items() if until[why][0] > now_.at)


def _counts(tally: Tally) -> Content:
    """The sum that always holds."""
    parts: list[Content] = []
    for state, count in tally.states.items():
        if count or state in ("accepted", "failed", "skipped"):
            colour = STATE_COLOURS.get(state, "") if count else "$quiet"
            parts.append(Content.assemble((f"{count:,}", colour), f" {state.replace('_', ' ')}"))
    return Content.assemble((f"{tally.planned:,} planned", "bold"), " = ", Content(" + ").join(parts))


def _failures(failures: Sequence[Failure], width: int) -> list[Content]:
    """The commonest reasons, a line each: in words, and in the provider's code."""
    lines = []
    for one in failures[:REASONS_SHOWN]:
        code = f"  {inert(one.code, 20)}" if one.code else ""
        why = inert(one.detail or words.reason(one.reason), 120)
        told = fit(why, min(cell_len(why), width - 11 - len(code)))
        lines.append(Content.assemble((f"{one.count:>9,}", "$text-error"), f"  {told}", (code, "$quiet")))
    if len(failures) > REASONS_SHOWN:
        rest = sum(one.count for one in failures[REASONS_SHOWN:])
        lines.append(
            Content.assemble(
                (f"{rest:>9,}", "$text-error"), keyed("  for other reasons: press <blast.filter> to see them")
            )
        )
    return lines
