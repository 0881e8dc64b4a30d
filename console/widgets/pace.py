"""A blast's speed over its time, and how long its answers took."""

from __future__ import annotations

from datetime import timedelta

from textual.content import Content
from textual.widgets import Static

from console import plots, words
from jobs.moments import zone_of
from store.throughput import Latency, Throughput

NOTHING = "Nothing was claimed yet: the plot begins with the first batch."
LINES = 4
"""Lines beside the plot: its title, what failed, its ends, the latency."""


class PaceView(Static):
    """Passes settled a second, from the first claim to the last answer; below it what failed."""

    DEFAULT_CSS = "PaceView { height: 1fr; width: 1fr; padding: 0 2; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._told: tuple[Throughput, str | None] | None = None

    def show(self, found: Throughput, time_zone: str | None) -> None:
        """Show it; times are of this zone."""
        if self._told != (found, time_zone):
            self._told = found, time_zone
            self.refresh()

    def render(self) -> Content:
        """As tall and as wide as there is room."""
        if self._told is None or self._told[0].since is None:
            return Content.styled(NOTHING, "$quiet")
        found, time_zone = self._told
        width, height = self.content_size.width, max(self.content_size.height - LINES, 1)
        tall = plots.area(found.done, width, height)
        lines = [
            _title(found),
            *(Content.styled(line, "$success") for line in tall),
            _failed(found, width),
            _ends(found, time_zone, width),
            _latency(found.latency, width),
        ]
        return Content("\n").join(lines)


def _title(found: Throughput) -> Content:
    each = words.duration(found.step)
    told = f"  at most {found.fastest:,.1f} passes a second ({each} a part)"
    return Content.assemble(("Speed", "bold"), (told, "$quiet"))


def _failed(found: Throughput, width: int) -> Content:
    if not any(found.failed):
        return Content.styled("Nothing failed.", "$quiet")
    return Content.styled(plots.sparkline(found.failed, width), "$error")


def _ends(found: Throughput, time_zone: str | None, width: int) -> Content:
    assert found.since is not None
    zone = zone_of(time_zone)[0]
    first = found.since.astimezone(zone)
    last = (found.since + timedelta(seconds=found.step * len(found.done))).astimezone(zone)
    same = first.date() == last.date()
    left, right = f"{first:%m-%d %H:%M:%S}", f"{last:%H:%M:%S %Z}" if same else f"{last:%m-%d %H:%M %Z}"
    middle = "passes that failed" if any(found.failed) else ""
    return Content.styled(f"{left}{middle:^{max(width - len(left) - len(right), 0)}}{right}", "$quiet")


def _latency(late: Latency | None, width: int) -> Content:
    if late is None:
        return Content.styled("No batch is settled yet: its answers are not timed.", "$quiet")
    parts = [("Answered in ", "bold")]
    for name, value in (("p50", late.p50), ("p95", late.p95), ("p99", late.p99)):
        parts += [(f"{name} ", "$quiet"), (f"{value:.1f} s  ", "bold")]
    figures = Content.assemble(*parts)
    told = f"claim to a batch's last answer, {late.batches:,} newest"
    if figures.cell_length + len(told) > width:
        told = f"{late.batches:,} {'batch' if late.batches == 1 else 'batches'}"
    return figures + Content.styled(told, "$quiet")
