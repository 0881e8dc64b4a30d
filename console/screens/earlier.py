"""Texts of earlier blasts, for Compose: one of them is taken, to be changed or sent as it is, or none."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from console.actions import bindings
from console.keymap import keyed
from console.plain import inert
from console.screens.drawn import Window
from store import ledger
from store.errors import PassbellError
from store.ledger import Blast

NEWEST = 200
"""Blasts that are looked through."""
LONGEST = 200
"""Characters of a text that are shown."""


class EarlierScreen(Window[str | None]):
    """The texts of the newest blasts, each once, the newest first. Gives the text that was taken."""

    BINDINGS = bindings("earlier")
    CSS = """
    EarlierScreen {
        align: center middle;
        & > #texts {
            width: 76; max-width: 96%; height: auto; max-height: 90%;
            padding: 1 2; background: $surface; border: round $primary;
        }
        & Label { text-style: bold; margin: 0 0 1 0; }
        & OptionList { height: auto; max-height: 16; border: none; padding: 0; background: transparent; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: Sequence[Blast] = ()

    def compose(self) -> ComposeResult:
        """Two lines each."""
        with Vertical(id="texts"):
            yield Label("Write again")
            yield OptionList(Option("Reading …", disabled=True), compact=True, markup=False)

    def on_mount(self) -> None:
        """Read them."""
        self._read()

    @work(group="earlier")
    async def _read(self) -> None:
        account = self.app.desk.settings.account
        try:
            newest = await self.app.read(lambda c: ledger.list_blasts(c, account, limit=NEWEST))
        except PassbellError as error:
            self._say(f"{error}: <earlier.close> leads back.")
            return
        self._found = tuple({blast.text: blast for blast in reversed(newest)}.values())[::-1]
        offered = self.query_one(OptionList)
        offered.set_options([Option(_lines(blast)) for blast in self._found])
        if self._found:
            offered.highlighted = 0
        else:
            self._say("No text was planned yet. <earlier.close> leads back, to write the first one.")

    def _say(self, sentence: str) -> None:
        told = Content.styled(inert(keyed(sentence)), "$quiet")
        self.query_one(OptionList).set_options([Option(told, disabled=True)])

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index].text)

    def action_close(self) -> None:
        """None of them."""
        self.dismiss(None)


def _lines(blast: Blast) -> Content:
    told = f"blast {blast.id}, {blast.state}, {blast.planned_at:%Y-%m-%d}: {inert(blast.audience, 40)}"
    return Content.assemble((inert(blast.text, LONGEST), "bold"), "\n", (f"  {told}", "$quiet"))
