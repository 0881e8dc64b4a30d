"""The order of a long list that is held while it is looked at in one way: its end is as near as its top."""

from __future__ import annotations

from store.view import View
from store.views import Held


class Holding:
    """What is held for the view that was asked for last."""

    def __init__(self) -> None:
        self._view, self._held = View(), Held()

    def of(self, view: View) -> Held:
        """What is held for this view: nothing yet, where another was asked for before."""
        if view != self._view:
            self._view, self._held = view, Held()
        return self._held
