"""One line that says what is done, and a bar that shows how much of it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Label, ProgressBar


class HowFar(Horizontal):
    """Hidden until something is done."""

    DEFAULT_CSS = """
    HowFar {
        height: 1; padding: 0 1; display: none;
        & > Label { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
        & > ProgressBar { width: auto; }
        & Bar { width: 20; }
    }
    """

    def compose(self) -> ComposeResult:
        """What is done, and how far."""
        yield Label("", markup=False)
        yield ProgressBar(show_eta=False)

    def draw(self, told: str, done: int, total: int) -> None:
        """Say it; 0 in all where nobody knows how much there is."""
        self.query_one(Label).update(told)
        self.query_one(ProgressBar).update(total=total or None, progress=done)
