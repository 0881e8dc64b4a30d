"""The parts of a screen that are shown one at a time, each with its key; a click shows one as well."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widgets import Static


class Parts(Static):
    """One line of names. `names` are those of the screen's actions, with a key and words for each."""

    DEFAULT_CSS = "Parts { width: auto; height: 1; }"

    def __init__(self, names: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(markup=False)
        self._names = names
        self._shown = ""

    def mark(self, shown: str) -> None:
        """Mark the part that is shown."""
        self._shown = shown
        self.refresh(layout=True)

    def render(self) -> Content:
        """Each with a cell of room on both sides."""
        return Content("").join(
            Content.assemble(
                (f" {key}", "bold $text-primary"), (f" {told} ", "reverse" if name == self._shown else "")
            )
            for name, (key, told) in self._names.items()
        )

    async def on_click(self, event: events.Click) -> None:
        """Show the part under the pointer, as its key does."""
        end = 0
        for name, (key, told) in self._names.items():
            end += cell_len(f" {key} {told} ")
            if event.x < end:
                await self.app.run_action(f"screen.{name}", self.screen)
                return
