"""Words with a key before each, in one line: what the key does, a click does as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Static

from console.actions import BY_ID

if TYPE_CHECKING:
    from console.app import Console


class Parts(Static):
    """One line of names. `names` are verbs of the scope, which is the screen's, with words for each."""

    DEFAULT_CSS = "Parts { width: auto; height: 1; }"

    def __init__(self, scope: str, names: Mapping[str, str]) -> None:
        super().__init__(markup=False)
        self._scope, self._names = scope, names
        self._shown = ""

    def mark(self, shown: str) -> None:
        """Mark the part that is shown. Only other keys make it wider or narrower."""
        self._shown = shown
        self.refresh(layout=self.render().cell_length != self.content_size.width)

    def render(self) -> Content:
        """Each with a cell of room on both sides."""
        return Content("").join(
            Content.assemble(
                (f" {self._key(name)}", "bold $text-primary"),
                (f" {told} ", "reverse" if name == self._shown else ""),
            )
            for name, told in self._names.items()
        )

    def _key(self, name: str) -> str:
        """The key that the person at the desk has for it, as the footer writes it."""
        app = cast("Console", self.app)
        key = app.keymap.of(BY_ID[f"{self._scope}.{name}"])[0]
        return app.get_key_display(Binding(key, name))

    async def on_click(self, event: events.Click) -> None:
        """Do what the key before the words under the pointer does."""
        end = 0
        for name, told in self._names.items():
            end += cell_len(f" {self._key(name)} {told} ")
            if event.x < end:
                await self.app.run_action(f"screen.{name}", self.screen)
                return
