"""Audiences to begin with, for the builder: one of them is taken, or none."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from console.actions import bindings
from console.screens.drawn import Window
from store.presets import PRESETS, Preset

NAME_CELLS = 16


class PresetScreen(Window["Preset | None"]):
    """The presets, each with what it is for."""

    BINDINGS = bindings("preset")
    CSS = """
    PresetScreen {
        align: center middle;
        & > #presets {
            width: 76; max-width: 96%; height: auto;
            padding: 1 2; background: $surface; border: round $primary;
        }
        & Label { text-style: bold; margin: 0 0 1 0; }
        & OptionList { height: auto; border: none; padding: 0; background: transparent; }
    }
    """

    def compose(self) -> ComposeResult:
        """One line each."""
        with Vertical(id="presets"):
            yield Label("Begin with")
            yield OptionList(*map(_line, PRESETS), compact=True, markup=False)

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(PRESETS[event.option_index])

    def action_close(self) -> None:
        """None of them."""
        self.dismiss(None)


def _line(preset: Preset) -> Option:
    return Option(Content.assemble((f"{preset.name:<{NAME_CELLS}}", "bold"), preset.meaning))
