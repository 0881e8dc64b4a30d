"""Why deliveries failed, the commonest reason first; one opens its deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from console import plots, words
from console.plain import inert
from store.deliveries import Failure

BAR = 12
"""Cells of a bar."""


class Reasons(OptionList):
    """A line for each reason: its share of all that failed, how many, why, and the provider's code."""

    DEFAULT_CSS = """
    Reasons, Reasons.-textual-compact {
        height: 1fr; width: 1fr; border: none; padding: 0 2; background: transparent;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """

    class Chosen(Message):
        """A reason was opened."""

        def __init__(self, failure: Failure) -> None:
            super().__init__()
            self.failure = failure

    def __init__(self) -> None:
        super().__init__(markup=False, compact=True)
        self._failures: Sequence[Failure] | None = None

    def show(self, failures: Sequence[Failure]) -> None:
        """Show these; the line in hand stays where it is."""
        if failures == self._failures:
            return
        self._failures, place = failures, self.highlighted
        total = sum(one.count for one in failures)
        self.clear_options()
        self.add_options([Option(_line(one, total)) for one in failures])
        if not failures:
            self.add_option(Option(Content.styled("Nothing has failed.", "$quiet"), disabled=True))
        else:
            self.highlighted = min(place or 0, len(failures) - 1)

    @property
    def in_hand(self) -> Failure | None:
        """The reason that is marked."""
        return self._failures[self.highlighted] if self._failures and self.highlighted is not None else None

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Tell which reason is meant."""
        event.stop()
        if self._failures:
            self.post_message(self.Chosen(self._failures[event.option_index]))


def _line(one: Failure, total: int) -> Content:
    why = inert(one.detail or words.reason(one.reason), 120)
    code = f"  {inert(one.code, 24)}" if one.code else ""
    return Content.assemble(
        (plots.bar(one.count / total, BAR), "$error"),
        (f"{one.count:>9,}  ", "$text-error"),
        why,
        (code, "$quiet"),
    )
