"""What a blast's screen asks: which failures to retry, which deliveries to show, how fast to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from console import words
from console.actions import bindings
from console.plain import inert, inert_lines
from console.screens.asking import Asking, Box
from console.widgets.figures import mode_line
from console.widgets.funnel import Reached
from console.widgets.progress import Standing
from jobs.blasts import check_limits
from store.deliveries import Failure
from store.errors import UsageError

REASONS_TOLD = 3


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of a blast's deliveries. `why` is what a provider said of them, with its code.

    `ids` are those that were marked one by one. `fetched` asks for those that Apple accepted, and whether
    a phone has fetched the pass since.
    """

    words: str
    count: int
    state: str | None = None
    reason: str | None = None
    batch_id: int | None = None
    why: str = ""
    fetched: bool | None = None
    ids: tuple[int, ...] | None = None


def all_slices(now: Standing, reached: Reached | None = None) -> list[Slice]:
    """What deliveries can be narrowed down to: each state, whether a phone fetched it, each reason."""
    slices = [Slice("all", now.tally.planned)]
    slices += [Slice(state.replace("_", " "), n, state) for state, n in now.tally.states.items() if n]
    if reached is not None and "apple" in reached.funnel.planned:
        slices += [fetched_slice(fetched, reached) for fetched in (False, True)]
    slices += [failed_slice(one) for one in now.failures]
    slices += [
        Slice(f"pending: {words.reason(reason)}", count, "pending", reason)
        for reason, count in now.tally.deferred_by_reason.items()
    ]
    skipped = now.tally.skipped_by_reason
    return slices + [
        Slice(f"skipped: {words.reason(reason)}", count, "skipped", reason)
        for reason, count in skipped.items()
    ]


def fetched_slice(fetched: bool, reached: Reached) -> Slice:
    """Those that Apple accepted and a phone has fetched, or has not."""
    words_ = "fetched by a phone" if fetched else "accepted, but not fetched by a phone yet"
    return Slice(words_, reached.fetched if fetched else reached.not_fetched, fetched=fetched)


def failed_slices(
    now: Standing, batch_id: int | None, of_batch: Sequence[Failure], marked: Sequence[int] = ()
) -> list[Slice]:
    """What can be retried: all that failed, the batch in view, those marked, each reason."""
    slices = [Slice("all that failed", now.tally.states["failed"], "failed", why=_whys(now.failures))]
    if of_batch:
        count = sum(one.count for one in of_batch)
        words_ = f"failed in batch {batch_id}"
        slices.append(Slice(words_, count, "failed", batch_id=batch_id, why=_whys(of_batch)))
    if marked:
        words_ = "marked, and failed"
        slices.append(Slice(words_, len(marked), "failed", why="as their rows say", ids=tuple(marked)))
    return slices + [failed_slice(one) for one in now.failures]


def place_of(slices: Sequence[Slice], seen: Slice) -> int:
    """The line that stands for the deliveries in view: those marked, their batch, their reason, or all."""
    for place, one in enumerate(slices):
        if one.ids:
            return place
    for place, one in enumerate(slices):
        if seen.batch_id is not None and one.batch_id == seen.batch_id:
            return place
        if seen.batch_id is None and seen.reason is not None and one.reason == seen.reason:
            return place
    return 0


def failed_slice(one: Failure) -> Slice:
    """Those that failed for one reason."""
    why = one.detail or words.reason(one.reason)
    return Slice(f"failed: {why}", one.count, "failed", one.reason, why=_whys([one]))


def _whys(failures: Sequence[Failure]) -> str:
    """Up to three reasons in words, each with the provider's code where it gave one."""
    told = []
    for one in failures[:REASONS_TOLD]:
        why = inert(one.detail or words.reason(one.reason), 100)
        count = f"{one.count:,} " if len(failures) > 1 else ""
        told.append(f"{count}{why}" + (f" ({inert(one.code, 24)})" if one.code else ""))
    more = len(failures) - REASONS_TOLD
    return "; ".join(told) + (f"; {more} more reasons" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests in any second, over all workers, and deliveries in flight at once in each; None: no limit."""

    per_second: float | None
    concurrency: int | None


STYLE = """
    {name} {{
        & > #question {{
            width: 72; max-width: 94%; height: auto; max-height: 94%;
            padding: 0 2; background: $surface; border: round $primary;
        }}
        & > #question.-live {{ border: heavy $error; }}
        & #title {{ text-style: bold; width: 1fr; }}
        & #mode {{ height: auto; margin: 1 0 0 0; color: $text-success; }}
        & .-live #mode {{ color: $text-error; }}
        & #why {{ margin: 1 0 0 0; height: auto; max-height: 3; }}
        & OptionList {{ height: auto; max-height: 22vh; margin: 1 0 0 0; }}
        & OptionList {{ border: none; background: $surface; }}
        & .line {{ height: 1; margin: 1 0 0 0; }}
        & .line Label {{ width: 20; }}
        & .line Input {{ width: 24; padding: 0 1; background: $boost; }}
        & #sentence {{ margin: 1 0; color: $text-muted; height: auto; }}
        & #trouble {{ color: $text-error; height: auto; }}
        & #answers {{ height: auto; align-horizontal: right; }}
        & Button {{ margin-left: 2; min-width: 12; }}
        &.-narrow .line Input {{ width: 1fr; }}
        &.-narrow #answers {{ layout: grid; grid-size: 2; grid-rows: auto; }}
        &.-narrow #answers Button {{ width: 1fr; margin-left: 1; }}
    }}
"""


def options(slices: Sequence[Slice]) -> list[Option]:
    """The slices as lines of a list, each with its count."""
    return [Option(Content(f"{one.count:>9,}  {inert(one.words, 48)}")) for one in slices]


class FilterScreen(Asking[Slice | None]):
    """Choose which deliveries to show."""

    BINDINGS = bindings("ask")
    CSS = STYLE.format(name="FilterScreen")

    def __init__(self, slices: Sequence[Slice]) -> None:
        super().__init__()
        self.slices = slices

    def compose(self) -> ComposeResult:
        """The list."""
        with Box(id="question"):
            yield Label("Show which deliveries?", id="title")
            yield OptionList(*options(self.slices), markup=False)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.slices[event.option_index])

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)


class RetryScreen(Asking[Slice | None]):
    """Choose which failures to try again; the button says how many. The focus is on Cancel."""

    BINDINGS = [*bindings("ask"), *bindings("retry")]
    CSS = STYLE.format(name="RetryScreen")
    AUTO_FOCUS = "#no"

    def __init__(self, slices: Sequence[Slice], mode: str, first: int = 0, *, own: bool = False) -> None:
        super().__init__()
        self.slices, self.mode, self.first, self.own = slices, mode, first, own

    def compose(self) -> ComposeResult:
        """Where it goes, the list, why those in it failed, what a retry does, and the answers."""
        with Box(id="question", classes=f"-{self.mode.lower()}"):
            yield Label("Try which failed deliveries again?", id="title")
            yield Static(mode_line(self.mode, own=self.own), id="mode")
            yield OptionList(*options(self.slices), markup=False)
            yield Static(id="why", markup=False)
            yield Static(
                "Only failed ones are sent again, never one that was accepted; a pass that "
                "shows the text already stays silent.",
                id="sentence",
                markup=False,
            )
            with Horizontal(id="answers"):
                yield Button("Cancel", id="no")
                yield Button("Retry", id="yes", variant="error" if self.mode == "LIVE" else "primary")

    def on_mount(self) -> None:
        """Begin with what was in view."""
        self.query_one(OptionList).highlighted = self.first

    @on(OptionList.OptionHighlighted)
    def _count(self, event: OptionList.OptionHighlighted) -> None:
        chosen = self.slices[event.option_index]
        self.query_one("#yes", Button).label = Content(f"Retry {chosen.count:,}")
        self.query_one("#why", Static).update(Content.assemble(("Why  ", "$quiet"), inert(chosen.why, 400)))

    @on(OptionList.OptionSelected)
    def _to_the_button(self) -> None:
        """Enter in the list sends nothing."""
        self.query_one("#yes").focus()

    def action_up(self) -> None:
        """The line above."""
        self.query_one(OptionList).action_cursor_up()

    def action_down(self) -> None:
        """The line below."""
        self.query_one(OptionList).action_cursor_down()

    @on(Button.Pressed, "#yes")
    def _retry(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        self.dismiss(self.slices[highlighted or 0])

    @on(Button.Pressed, "#no")
    def action_cancel(self) -> None:
        """Leave them failed."""
        self.dismiss(None)


class RateScreen(Asking[Limits | None]):
    """Ask for limits of the blast's own; an empty field is no limit. None leaves them as they are."""

    BINDINGS = bindings("ask")
    CSS = STYLE.format(name="RateScreen")

    def __init__(self, current: Limits, account: Limits) -> None:
        super().__init__()
        self.current, self.account = current, account

    def compose(self) -> ComposeResult:
        """The two fields, what they mean, and the answers."""
        rate, concurrency = self.current.per_second, self.current.concurrency
        with Box(id="question"):
            yield Label("How fast may this blast be sent?", id="title")
            with Horizontal(classes="line"):
                yield Label("Requests a second")
                yield Input("" if rate is None else f"{rate:g}", type="number", compact=True, id="rate")
            with Horizontal(classes="line"):
                yield Label("Deliveries at once")
                yield Input(
                    "" if concurrency is None else str(concurrency),
                    type="integer",
                    compact=True,
                    id="concurrency",
                )
            yield Static("", id="trouble", markup=False)
            yield Static(
                f"A message takes two requests. The account's {self.account.per_second:g} a second hold for "
                f"all blasts together; in one worker at most {self.account.concurrency} deliveries are on "
                "their way at once. Leave a field empty for no limit of its own.",
                id="sentence",
                markup=False,
            )
            with Horizontal(id="answers"):
                yield Button("Cancel", id="no")
                yield Button("Set", id="yes", variant="primary")

    @on(Input.Submitted)
    @on(Button.Pressed, "#yes")
    def _set(self) -> None:
        rate, concurrency = (self.query_one(name, Input).value.strip() for name in ("#rate", "#concurrency"))
        try:
            typed = Limits(float(rate) if rate else None, int(concurrency) if concurrency else None)
        except ValueError:
            typed = Limits(0, 0)
        for field, limits in ("#rate", (typed.per_second, None)), ("#concurrency", (None, typed.concurrency)):
            try:
                check_limits(*limits)
            except UsageError as error:
                self._tell(str(error), field)
                return
        self.dismiss(typed)

    def _tell(self, trouble: str, field: str) -> None:
        self.query_one("#trouble", Static).update(trouble)
        self.query_one(field).focus()

    @on(Button.Pressed, "#no")
    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)


class MissedScreen(Asking[str | None]):
    """Ask what becomes of a blast whose schedule was missed: `now`, `at`, `cancel`, or None for later."""

    BINDINGS = bindings("ask")
    CSS = STYLE.format(name="MissedScreen")
    AUTO_FOCUS = "#later"

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence

    def compose(self) -> ComposeResult:
        """What was missed, and the four answers."""
        with Box(id="question", classes="-live"):
            yield Label("This blast missed its moment. What shall become of it?", id="title")
            yield Static(inert_lines(self.sentence), id="sentence", markup=False)
            with Horizontal(id="answers"):
                yield Button("Later", id="later")
                yield Button("Send now …", id="now")
                yield Button("New time …", id="at")
                yield Button("Cancel it …", id="cancel", variant="error")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(None if event.button.id == "later" else event.button.id)

    def action_cancel(self) -> None:
        """Decide later."""
        self.dismiss(None)
