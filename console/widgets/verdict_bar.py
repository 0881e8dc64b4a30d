"""One bar over a whole audience: how many phones alert, stay silent, get nothing, or cannot be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.content import Content
from textual.events import Click, Resize
from textual.message import Message
from textual.widgets import Static

from console import words
from console.plots import sign
from console.widgets.figures import COLOURS
from store.ledger import VERDICTS

SIGNS = {"alert": "block", "silent": "dense", "unproven": "medium", "nothing": "thin"}
"""What each part of the bar is drawn with, so that it is told without colours."""


def portions(counts: Sequence[int], width: int) -> list[int]:
    """Cells for each count: by its share, but one at least for what is not zero; `width` in all.

    All zero where there is nothing to share out.
    """
    total = sum(counts)
    if not total:
        return [0] * len(counts)
    least = [1 if count else 0 for count in counts]
    room = max(width - sum(least), 0)
    exact = [room * count / total for count in counts]
    cells = [base + int(share) for base, share in zip(least, exact, strict=True)]
    by_rest = sorted(range(len(counts)), key=lambda place: int(exact[place]) - exact[place])
    for place in by_rest[: room - sum(map(int, exact))]:
        cells[place] += 1
    return cells


class Part(Static):
    """The name of one part, its key and its count. A click opens its members."""

    DEFAULT_CSS = """
    Part { width: auto; height: 1; }
    Part:hover { text-style: underline; }
    """

    def __init__(self, verdict: str) -> None:
        super().__init__(id=verdict, markup=False)
        self.verdict = verdict
        self.tooltip = f"{verdict}: {words.VERDICTS[verdict]}"

    def on_click(self, event: Click) -> None:
        """Open its members."""
        event.stop()
        self.post_message(VerdictBar.Opened(self.verdict))


class VerdictBar(Vertical):
    """The four verdicts over an audience, each a key or a click away from its members."""

    DEFAULT_CSS = """
    VerdictBar {
        width: 1fr; height: auto;
        & > #bar { height: 1; width: 1fr; padding: 0 1; }
        & > #parts { height: auto; padding: 0 1; grid-size: 4; grid-columns: auto; grid-gutter: 0 3; }
        &.-narrow > #parts { grid-size: 2; grid-gutter: 0 2; }
    }
    """

    class Opened(Message):
        """Somebody wants to see the members of a part."""

        def __init__(self, verdict: str) -> None:
            super().__init__()
            self.verdict = verdict

    def __init__(self) -> None:
        super().__init__()
        self._counts: Mapping[str, int] = {}
        self._keys: Mapping[str, str] = {}
        self._exact = True

    def compose(self) -> ComposeResult:
        """The bar and the names of its parts."""
        yield Static(id="bar", markup=False)
        with Grid(id="parts"):
            yield from map(Part, VERDICTS)

    def show(self, counts: Mapping[str, int], keys: Mapping[str, str], *, exact: bool) -> None:
        """Show so many of each verdict; `keys` are those that open a part, by verdict."""
        self._counts, self._keys, self._exact = counts, keys, exact
        self.display = any(counts.values())
        self.draw()

    def on_resize(self, event: Resize) -> None:
        """Draw in the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw the bar and name its parts."""
        if not self._counts or not self.size.width:
            return
        self.set_class(self.size.width < 76, "-narrow")
        shares = portions([self._counts[verdict] for verdict in VERDICTS], self.size.width - 2)
        drawn = zip(VERDICTS, shares, strict=True)
        self.query_one("#bar", Static).update(
            Content.assemble(*((sign(SIGNS[verdict]) * cells, COLOURS[verdict]) for verdict, cells in drawn))
        )
        for part in self.query(Part):
            part.update(self._told(part.verdict))

    def _told(self, verdict: str) -> Content:
        count = self._counts[verdict]
        about = ""
        if not self._exact:
            about = sign("at_least") if verdict == "nothing" else sign("at_most") if count else ""
        return Content.assemble(
            (f"{self._keys.get(verdict, '')} ", "$quiet"),
            (sign(SIGNS[verdict]), COLOURS[verdict]),
            (f" {about}{count:,} ", "bold" if count else "$quiet"),
            (verdict, "" if count else "$quiet"),
        )
