"""What a blast's screen asks: which failures to retry, which deliveries to show, how fast to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from console import words
from console.actions import bindings
from console.plain import inert
from console.widgets.progress import Standing


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of a blast's deliveries."""

    words: str
    count: int
    state: str | None = None
    reason: str | None = None
    batch_id: int | None = None


def all_slices(now: Standing) -> list[Slice]:
    """What deliveries can be narrowed down to: each state, each reason."""
    slices = [Slice("all", now.tally.planned)]
    slices += [Slice(state.replace("_", " "), n, state) for state, n in now.tally.states.items() if n]
    slices += [_failed(one.reason, one.detail, one.count) for one in now.failures]
    skipped = now.tally.skipped_by_reason
    return slices + [
        Slice(f"skipped: {words.reason(reason)}", count, "skipped", reason)
        for reason, count in skipped.items()
    ]


def failed_slices(now: Standing, batch: Slice | None) -> list[Slice]:
    """What can be retried: all that failed, the batch in view, each reason."""
    slices = [Slice("all that failed", now.tally.states["failed"], "failed")]
    if batch is not None and batch.count:
        slices.append(batch)
    return slices + [_failed(one.reason, one.detail, one.count) for one in now.failures]


def _failed(reason: str, detail: str | None, count: int) -> Slice:
    return Slice(f"failed: {detail or words.reason(reason)}", count, "failed", reason)


STYLE = """
    {name} {{
        & > #question {{
            width: 72; max-width: 94%; height: auto; max-height: 90%;
            padding: 1 2; background: $surface; border: round $primary;
        }}
        & #title {{ text-style: bold; }}
        & OptionList {{ height: auto; max-height: 10; margin: 1 0 0 0; border: none; background: $surface; }}
        & Input {{ margin: 1 0 0 0; width: 24; }}
        & #sentence {{ margin: 1 0; color: $text-muted; height: auto; }}
        & #trouble {{ color: $text-error; height: auto; }}
        & #answers {{ height: auto; align-horizontal: right; }}
        & Button {{ margin-left: 2; }}
    }}
"""


def options(slices: Sequence[Slice]) -> list[Option]:
    """The slices as lines of a list, each with its count."""
    return [Option(Content(f"{one.count:>9,}  {inert(one.words, 52)}")) for one in slices]


class FilterScreen(ModalScreen[Slice | None]):
    """Choose which deliveries to show."""

    BINDINGS = bindings("ask")
    CSS = STYLE.format(name="FilterScreen")

    def __init__(self, slices: Sequence[Slice]) -> None:
        super().__init__()
        self.slices = slices

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(id="question"):
            yield Label("Show which deliveries?", id="title")
            yield OptionList(*options(self.slices), markup=False)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.slices[event.option_index])

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)


class RetryScreen(ModalScreen[Slice | None]):
    """Choose which failures to try again; the button says how many. The focus is on Cancel."""

    BINDINGS = bindings("ask")
    CSS = STYLE.format(name="RetryScreen")
    AUTO_FOCUS = "#no"

    def __init__(self, slices: Sequence[Slice], mode: str) -> None:
        super().__init__()
        self.slices, self.mode = slices, mode

    def compose(self) -> ComposeResult:
        """The list, what a retry does, and the answers."""
        with Vertical(id="question"):
            yield Label("Try which failed deliveries again?", id="title")
            yield OptionList(*options(self.slices), markup=False)
            yield Static(
                f"{self.mode}. Only failed ones are sent again, never one that was accepted; a pass that "
                "shows the text already stays silent.",
                id="sentence",
                markup=False,
            )
            with Horizontal(id="answers"):
                yield Button("Cancel", id="no")
                yield Button("Retry", id="yes", variant="primary")

    def on_mount(self) -> None:
        """The first line is all of them."""
        self.query_one(OptionList).highlighted = 0

    @on(OptionList.OptionHighlighted)
    def _count(self, event: OptionList.OptionHighlighted) -> None:
        self.query_one("#yes", Button).label = Content(f"Retry {self.slices[event.option_index].count:,}")

    @on(OptionList.OptionSelected)
    def _to_the_button(self) -> None:
        """Enter in the list sends nothing."""
        self.query_one("#yes").focus()

    @on(Button.Pressed, "#yes")
    def _retry(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        self.dismiss(self.slices[highlighted or 0])

    @on(Button.Pressed, "#no")
    def action_cancel(self) -> None:
        """Leave them failed."""
        self.dismiss(None)


class RateScreen(ModalScreen[str | None]):
    """Ask for a limit of the blast's own: the number as text, empty for no limit, None to leave it."""

    BINDINGS = bindings("ask")
    CSS = STYLE.format(name="RateScreen")

    def __init__(self, current: float | None, account: float) -> None:
        super().__init__()
        self.current, self.account = current, account

    def compose(self) -> ComposeResult:
        """The field, what it means, and the answers."""
        with Vertical(id="question"):
            yield Label("How many requests a second may this blast make?", id="title")
            yield Input("" if self.current is None else f"{self.current:g}", type="number", compact=True)
            yield Static("", id="trouble", markup=False)
            yield Static(
                f"A message takes two requests. The account's {self.account:g} a second hold for all blasts "
                "together; leave the field empty for no limit of its own.",
                id="sentence",
                markup=False,
            )
            with Horizontal(id="answers"):
                yield Button("Cancel", id="no")
                yield Button("Set", id="yes", variant="primary")

    @on(Input.Submitted)
    @on(Button.Pressed, "#yes")
    def _set(self) -> None:
        typed = self.query_one(Input).value.strip()
        try:
            fine = not typed or 0 < float(typed) <= 10_000
        except ValueError:
            fine = False
        if fine:
            self.dismiss(typed)
        else:
            self.query_one("#trouble", Static).update("A rate lies above 0 and at most at 10,000.")

    @on(Button.Pressed, "#no")
    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
