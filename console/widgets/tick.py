"""A box to tick whose state can be read without colours."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.widgets import Checkbox


class Tick(Checkbox):
    """`[x] Urgent` or `[ ] Urgent`, in one line."""

    DEFAULT_CSS = """
    Tick, Tick:focus { border: none; padding: 0; background: transparent; background-tint: transparent; }
    Tick:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    """

    def render(self) -> Content:
        """The box and its words."""
        return Content.assemble("[x] " if self.value else "[ ] ", self.label)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as that."""
        return 4 + self.label.cell_length
