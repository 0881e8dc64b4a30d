"""What one column of a file becomes: an attribute of any name, or one of the few things a member has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Key
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from console.actions import bindings
from console.plain import inert, inert_lines
from console.screens.drawn import Window
from console.widgets.cells import fit
from jobs.intake.mapping import EXTERNAL_ID, LOCALE, NOTHING, PASSENGER, TIME_ZONE
from store.errors import PassbellError

if TYPE_CHECKING:
    from store.catalogue import Entry

ROLES = (
    (EXTERNAL_ID, "whom the row is about: the member's id"),
    (TIME_ZONE, "the member's time zone, such as Europe/Vienna"),
    (LOCALE, "the member's language, such as de or de-AT"),
    (NOTHING, "nothing: the column is left out"),
)
MOST = 60
"""Offers that are listed; typing narrows them down."""
OFFER_CELLS = 24


class TargetScreen(Window["str | None"]):
    """Gives the target when `attempt` takes it; None where the column was left as it is."""

    BINDINGS = bindings("target")
    AUTO_FOCUS = "#name"
    CSS = """
    TargetScreen {
        & > #target {
            width: 76; max-width: 96%; height: 20; max-height: 96%;
            padding: 0 2; background: $surface; border: round $primary; border-title-color: $foreground;
        }
        & #holds { height: auto; max-height: 3; color: $quiet; margin: 0 0 1 0; }
        & .line { height: 1; margin: 0 0 1 0; }
        & .line Label { width: 9; color: $quiet; }
        & .line Input { width: 1fr; padding: 0 1; background: $boost; }
        & #offers {
            height: 1fr; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
            text-wrap: nowrap; text-overflow: ellipsis;
        }
        & #trouble { height: auto; max-height: 4; color: $text-error; }
        & #answers { height: 1; align-horizontal: right; }
        & #answers Button { margin-left: 2; }
    }
    """

    def __init__(
        self,
        column: str,
        holds: Sequence[str],
        now: str,
        entries: Sequence[Entry],
        attempt: Callable[[str], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._column, self._holds, self._now, self._attempt = column, holds, now, attempt
        known = {entry.name: entry.share for entry in entries if entry.source == "attribute"}
        named = [(name, f"attribute, {share:.0%} of the members have it") for name, share in known.items()]
        if column not in known:
            named.insert(0, (column, "a new attribute, by the column's own name"))
        self._known = [*ROLES, *named]
        self._offers: list[str] = []

    def compose(self) -> ComposeResult:
        """What the column holds, a name, and what there is to choose from."""
        with Vertical(id="target") as box:
            box.border_title = Content(inert(f"The column {self._column}", 60))
            yield Static(inert(f"holds {', '.join(self._holds) or 'nothing'}", 200), id="holds", markup=False)
            with Horizontal(classes="line"):
                yield Label("Becomes")
                now = "" if self._now in (NOTHING, PASSENGER) else self._now
                yield Input(now, id="name", compact=True, placeholder="an attribute's name, or one of these")
            yield OptionList(id="offers", compact=True, markup=False)
            yield Static(id="trouble", markup=False)
            with Horizontal(id="answers"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Use", id="use", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Offer all that it could be."""
        self._offer("")

    @on(Input.Changed, "#name")
    def _typed(self, event: Input.Changed) -> None:
        """What stands there from the start is replaced by the first key: until then nothing was typed."""
        self._offer("" if event.value == self._now else event.value.strip().lower())

    def _offer(self, typed: str) -> None:
        fits = [(name, note) for name, note in self._known if typed in name.lower()][:MOST]
        self._offers = [name for name, _ in fits]
        offers = self.query_one("#offers", OptionList)
        offers.clear_options()
        offers.add_options([Option(_offer_line(name, note)) for name, note in fits])
        offers.highlighted = self._offers.index(self._now) if self._now in self._offers else None

    def on_key(self, event: Key) -> None:
        """Down leads from the field into the offers."""
        if event.key == "down" and self.query_one("#name").has_focus and self._offers:
            offers = self.query_one("#offers", OptionList)
            offers.highlighted = offers.highlighted or 0
            offers.focus()

    @on(OptionList.OptionSelected, "#offers")
    def _offer_chosen(self, event: OptionList.OptionSelected) -> None:
        self._use(self._offers[event.option_index])

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_use()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "use":
            self.action_use()
        else:
            self.dismiss(None)

    def action_close(self) -> None:
        """Leave the column as it was."""
        self.dismiss(None)

    def action_use(self) -> None:
        """Give what is written."""
        self._use(self.query_one("#name", Input).value.strip() or NOTHING)

    @work(group="use", exclusive=True)
    async def _use(self, target: str) -> None:
        try:
            await self._attempt(target)
        except PassbellError as error:
            self.query_one("#trouble", Static).update(inert_lines(str(error)))
            return
        self.dismiss(target)


def _offer_line(name: str, note: str) -> Content:
    return Content.assemble(fit(inert(name, 80), OFFER_CELLS), " ", (inert(note, 80), "$quiet"))
