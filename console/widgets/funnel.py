"""How far a blast to passes of our own came beyond the provider's yes, up to the last step to be known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from console import words
from console.plots import sign
from console.widgets.cells import wrapped
from jobs.moments import zone_of
from store import arrivals, deliveries
from store.arrivals import COUNTED_HOURS, STEPS, Funnel, Step

if TYPE_CHECKING:
    import sqlalchemy as sa

SHORT = {"accepted": "accepted", "listed": "asked", "fetched": "fetched", "has_users": "held by somebody"}
"""The steps, where a channel has one line."""
NAMES = 8
"""Cells of the column of channels."""
BAR, REST = 60, 88
"""Cells of a bar at most, and of what stands on both sides of it."""
WIDE, TALL = 120, 36
"""A terminal of at least so many cells has room for a bar for each step."""
UNKNOWN = "whether anybody saw or read it, nobody is told"


@dataclass(frozen=True, slots=True)
class Reached:
    """The funnel, and of what Apple accepted how many no phone has fetched, however late."""

    funnel: Funnel
    not_fetched: int

    @property
    def fetched(self) -> int:
        """How many a phone has fetched, however late."""
        apple = self.funnel.steps.get("apple")
        return max(apple["accepted"].count - self.not_fetched, 0) if apple else 0


def reached(connection: sa.Connection, blast_id: int) -> Reached:
    """Count how far a blast came."""
    return Reached(
        arrivals.funnel(connection, blast_id),
        deliveries.count(connection, blast_id, deliveries.Which(fetched=False)),
    )


class FunnelView(Static):
    """A line for each channel and its last step; on a large terminal a bar for each step."""

    DEFAULT_CSS = "FunnelView { display: none; height: auto; max-height: 12; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._told: tuple[Reached, str | None] | None = None

    def show(self, found: Reached, time_zone: str | None) -> None:
        """Show how far it came; times are of this zone."""
        self._told = found, time_zone
        self.on_resize()

    def on_resize(self) -> None:
        """Take the room that there is now."""
        if self._told is None:
            return
        (found, time_zone), size = self._told, self.app.size
        large = size.width >= WIDE and size.height >= TALL
        lines = _bars(found, time_zone, size.width) if large else _compact(found.funnel)
        self.update(Content("\n").join(lines))


def _compact(found: Funnel) -> Iterator[Content]:
    for channel, planned in found.planned.items():
        steps = found.steps[channel]
        told = [f"{planned:,} planned", *(f"{step.count:,} {SHORT[name]}" for name, step in steps.items())]
        yield Content.assemble((f"{words.CHANNELS[channel]:<{NAMES}}", "bold"), _joined(told))
        yield Content.styled(f"  The last that can be known: {words.LAST_STEPS[channel]}.", "$quiet")


def _joined(told: list[str]) -> Content:
    """The steps in their order, the last one marked."""
    return Content.assemble(" > ".join(told[:-1]), " > ", (told[-1], "bold"))


def _bars(found: Reached, time_zone: str | None, width: int) -> Iterator[Content]:
    bar, indent = min(BAR, width - REST), NAMES + 11
    for channel, planned in found.funnel.planned.items():
        steps = {"planned": Step(planned)} | dict(found.funnel.steps[channel])
        for name, step in steps.items():
            head = words.CHANNELS[channel] if name == "planned" else ""
            last = name == STEPS[channel][-1]
            share = step.count / planned if planned else 0.0
            filled = int(bar * share)
            yield Content.assemble(
                (f"{head:<{NAMES}}", "bold"),
                (f"{step.count:>9,}  {words.STEP_WORDS.get(name, name):<18}", "bold" if last else ""),
                (sign("heavy") * filled, "$success" if last else "$primary"),
                (sign("light") * (bar - filled), "$rest"),
                f" {int(share * 100):>4}%",
                (_times(step, time_zone), "$quiet"),
            )
        for line in wrapped(_last(channel, found), width - indent - 4):
            yield Content.styled(f"{'':{indent}}{line}", "$quiet")


def _last(channel: str, found: Reached) -> str:
    told = f"The last that can be known: {words.LAST_STEPS[channel]}; {UNKNOWN}."
    if channel == "apple" and found.not_fetched:
        told += f" Fetches are counted for {COUNTED_HOURS} hours."
    return told


def _times(step: Step, time_zone: str | None) -> str:
    """When the first and the last came, where that is known: `  12:05:31 to 12:07:02 CET`."""
    if step.first_at is None or step.last_at is None:
        return ""
    first, last = (_local(moment, time_zone) for moment in (step.first_at, step.last_at))
    day = "%m-%d %H:%M:%S"
    if first == last:
        return f"  {first:{day} %Z}"
    until = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:{day}}"
    return f"  {first:{day}} to {until} {last:%Z}"


def _local(moment: datetime, time_zone: str | None) -> datetime:
    return moment.astimezone(zone_of(time_zone)[0])
