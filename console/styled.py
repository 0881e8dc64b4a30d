"""How the console looks: its themes, its rules of style, what a terminal can show of them, and by what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.screen import Screen

from console import terminal, themes
from console.sheet import Sheet

if TYPE_CHECKING:
    from textual.driver import Driver
    from textual.filter import LineFilter
    from textual.widget import AwaitMount


class Styled(App[None]):
    """An app in our themes, whose rules of style are each read once."""

    stylesheet: Sheet

    def __init__(self) -> None:
        super().__init__()
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.stylesheet = Sheet(self.get_css_variables())

    def get_driver_class(self) -> type[Driver]:
        """As Textual finds it, but one for a terminal ends with its terminal."""
        found = super().get_driver_class()
        if found.__name__ != "LinuxDriver":
            return found
        from console.driver import TerminalDriver

        return TerminalDriver

    def get_css_variables(self) -> dict[str, str]:
        """The theme's variables, completed and readable."""
        self.theme_variables = themes.completed(super().get_css_variables())
        return self.theme_variables

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What drawn lines go through: Textual's, or ours on a terminal without signs or colours."""
        few = self.console.color_system == "standard" and not self.is_headless  # a picture has all colours
        return terminal.filters(super().get_line_filters(), without_colours=self.no_color, few_colours=few)

    def _get_screen(self, screen: Screen[Any] | str) -> tuple[Screen[Any], AwaitMount]:
        """A screen whose rules and size are known before it is styled, so that once is enough."""
        screen = self.get_screen(screen)
        if not screen.is_running:
            self._load_screen_css(screen)
            screen._css_update_count = self._css_update_count
            for cells, steps in zip(
                self.size, (screen.HORIZONTAL_BREAKPOINTS, screen.VERTICAL_BREAKPOINTS), strict=True
            ):
                screen.add_class(*screen._get_breakpoint_classes(cells, steps or []), update=False)
        return super()._get_screen(screen)

    def _load_screen_css(self, screen: Screen[Any]) -> None:
        """Read a screen's rules. They are of nothing beyond it: what is seen already is not styled anew."""
        self.stylesheet.take(screen)
