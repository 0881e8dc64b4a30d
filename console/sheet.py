"""The rules of style, each read once: Textual reads all of them anew, several times, as a screen opens."""

from __future__ import annotations

from os.path import abspath
from typing import Any

from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen

SOURCES = 1_000
"""So many pieces are kept as read; Textual's 64 are fewer than a console has, so that none is found again."""

RuleSet.__hash__ = object.__hash__  # type: ignore[method-assign]
# Textual's says the same in Python, and is asked for every rule whenever a widget is styled.


class Sheet(Stylesheet):
    """Keeps what was read until the theme's colours change."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(SOURCES)

    def set_variables(self, variables: dict[str, str]) -> None:
        """Take a theme's colours; what was read stays where they are the same."""
        if variables != self._variables:
            super().set_variables(variables)

    def reparse(self) -> None:
        """Read what was not read yet, or with other colours."""
        self.parse()

    def take(self, screen: Screen[Any]) -> None:
        """Read a screen's own rules, once for each kind of screen."""
        for path in map(abspath, screen.css_path):
            if not self.has_source(path):
                self.read(path)
        if screen.CSS:
            kind = type(screen)
            scope = screen._css_type_name if screen.SCOPED_CSS else ""
            self.add_source(screen.CSS, (kind.__module__, f"{kind.__name__}.CSS"), scope=scope)
        if self._require_parse:
            self.parse()
