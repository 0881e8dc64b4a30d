"""One row of a condition: a field, what is said of it, and a value, with what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Key
from textual.widgets import Button, Input, Label, OptionList, Select, Static
from textual.widgets.option_list import Option

from console.actions import bindings
from console.clause_words import CHOICES, Choice, choice_of, shown, shown_list, spelled, spelled_list
from console.known import Known, values_of
from console.plain import inert, inert_lines
from console.screens.drawn import Window
from console.widgets.cells import fit
from store import audiences
from store.audiences import Selection
from store.errors import PassbellError
from store.outline import Row, spell

MOST = 60
"""Offers that are listed; typing narrows them down."""
OFFER_CELLS = 36
HINTS = {
    "moment": "2026-01-31, now, 30 days ago, in 14 days",
    "date": "2026-01-31, today, 30 days ago",
    "number": "a number",
}


class ClauseScreen(Window["Row | None"]):
    """Writes a row, and gives it only when it is right; None where it was left alone."""

    CSS_PATH = "../styles/clause.tcss"
    BINDINGS = bindings("clause")
    AUTO_FOCUS = "#field"

    def __init__(self, program_id: str, known: Sequence[Known], row: Row | None = None) -> None:
        super().__init__()
        self._program_id, self._row = program_id, row
        self._known = {one.words: one for one in known}
        self._choices: Sequence[Choice] = ()
        self._asker = ""
        self._offers: list[str] = []
        self._values: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        """Three questions, and one list of offers for the one that is being answered."""
        with Vertical(id="clause"):
            with Horizontal(classes="line"):
                yield Label("Field")
                yield Input(id="field", compact=True, placeholder="what is known of a member")
            with Horizontal(classes="line"):
                yield Label("Says")
                yield Select[int]([], id="choice", compact=True, prompt="…")
            with Horizontal(classes="line", id="values"):
                yield Label("Value")
                yield Input(id="value", compact=True)
                yield Input(id="high", compact=True, placeholder="and")
            yield OptionList(id="offers", compact=True, markup=False)
            yield Static(id="trouble", markup=False)
            with Horizontal(id="answers"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Use", id="use", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Show the row that is to be written anew."""
        row = self._row
        if row is not None:
            known = self._known_as(row)
            with self.prevent(Input.Changed):
                self.query_one("#field", Input).value = known.words if known else row.field
        self._say_choices()
        if row is not None:
            self._show_values(row)
            self.query_one("#value" if row.values else "#choice").focus()

    # What is in the fields

    def _known_as(self, row: Row) -> Known | None:
        wanted = [one for one in self._known.values() if one.spelled == row.field]
        return wanted[0] if wanted else None

    @property
    def _field(self) -> Known | None:
        """The field that is named, in any case if only one fits so."""
        typed = self.query_one("#field", Input).value.strip()
        alike = [one for words, one in self._known.items() if words.lower() == typed.lower()]
        return self._known.get(typed) or (alike[0] if len(alike) == 1 else None)

    @property
    def _choice(self) -> Choice | None:
        select = self.query_one("#choice", Select)
        return None if select.is_blank() else self._choices[int(str(select.value))]

    def _say_choices(self) -> None:
        """Offer what can be said of the field; what was said of the one before stays where it can."""
        field, select, before = self._field, self.query_one("#choice", Select), self._choice
        every = list(CHOICES[field.kind]) if field else []
        if self._row is not None and (field is None or field.spelled == self._row.field):
            mine = choice_of(self._row, field.kind if field else None)
            every += [] if mine in every else [mine]
            before = before or mine
        if every == list(self._choices):
            return
        self._choices = every
        with self.prevent(Select.Changed):
            select.set_options([(choice.words, place) for place, choice in enumerate(every)])
            select.value = every.index(before) if before in every else 0 if every else Select.NULL
        self._chosen()

    @on(Select.Changed, "#choice")
    def _chosen(self) -> None:
        choice = self._choice
        takes = choice.takes if choice else 1
        self.query_one("#values").display = takes != 0
        self.query_one("#high").display = takes == 2
        kind = self._field.kind if self._field else ""
        hint = "values with commas between them" if takes is None else HINTS.get(kind, "")
        self.query_one("#value", Input).placeholder = hint

    def _show_values(self, row: Row) -> None:
        value, high = self.query_one("#value", Input), self.query_one("#high", Input)
        if row.operator == "IN":
            value.value = shown_list(row.values)
        elif row.values and row.operator != "IS":
            value.value = shown(row.values[0])
            high.value = shown(row.values[1]) if len(row.values) == 2 else ""

    # Offers

    @on(Input.Changed, "#field")
    def _field_typed(self) -> None:
        self._say_choices()
        self._offer_fields()

    @on(Input.Changed, "#value")
    def _value_typed(self) -> None:
        self._offer_values()

    def on_descendant_focus(self) -> None:
        """Offer what belongs where the cursor is."""
        focused = self.focused.id if self.focused else None
        if focused == "field":
            self._offer_fields()
        elif focused == "value":
            self._read_values()
        elif focused != "offers":
            self._offer("", [])

    def _offer_fields(self) -> None:
        typed = self.query_one("#field", Input).value.strip().lower()
        fits = [one for one in self._known.values() if typed in one.words.lower()]
        fits.sort(key=lambda one: not one.words.lower().startswith(typed))
        self._offer("field", [(one.words, one.words, one.note) for one in fits])

    @work(group="values", exclusive=True)
    async def _read_values(self) -> None:
        self._values, field = [], self._field
        if field is not None:
            self._values = await self.app.read(lambda one: values_of(one, self._program_id, field))
        if self.focused is not None and self.focused.id == "value":
            self._offer_values()

    def _offer_values(self) -> None:
        typed = self.query_one("#value", Input).value
        if self._takes_many:
            typed = typed.rpartition(",")[2]
        wanted = typed.strip().lower()
        fits = [one for one in self._values if wanted in shown(one[0]).lower()]
        self._offer("value", [(value, shown(value), note) for value, note in fits])

    def _offer(self, asker: str, offers: Sequence[tuple[str, str, str]]) -> None:
        """Show what the field `asker` may be given: what each offer means, its words, and a note."""
        self._asker, self._offers = asker, [meaning for meaning, _, _ in offers[:MOST]]
        told = self.query_one("#offers", OptionList)
        told.clear_options()
        told.add_options([Option(_offer_line(words, note)) for _, words, note in offers[:MOST]])
        told.highlighted = 0 if offers else None

    @on(OptionList.OptionSelected, "#offers")
    def _offer_chosen(self, event: OptionList.OptionSelected) -> None:
        self._take(self._offers[event.option_index])

    def _take(self, offer: str) -> None:
        """Put an offer where it was asked for, and go on from there."""
        if self._asker == "field":
            self.query_one("#field", Input).value = offer
            self.query_one("#choice").focus()
            return
        value = self.query_one("#value", Input)
        if self._takes_many:
            before = value.value.rpartition(",")[0].strip()
            value.value = f"{before}, {shown_list([offer])}" if before else shown_list([offer])
        else:
            value.value = shown(offer)
        value.focus()

    def on_key(self, event: Key) -> None:
        """Down leads from a field into its offers."""
        if (
            event.key == "down"
            and self.focused is not None
            and self.focused.id == self._asker
            and self._offers
        ):
            self.query_one("#offers").focus()

    # The answer

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if event.input.id != "field":
            self.action_use()
        elif self._field is not None:
            self.query_one("#choice").focus()
        elif self._offers:
            self._take(self._offers[0])

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "use":
            self.action_use()
        else:
            self.dismiss(None)

    def action_close(self) -> None:
        """Leave the row as it was."""
        self.dismiss(None)

    def action_use(self) -> None:
        """Give the row, if it is right."""
        field, choice = self._field, self._choice
        if field is None or choice is None:
            typed = self.query_one("#field", Input).value.strip()
            missing = f"There is no field {typed} here. " if typed else ""
            self._trouble(f"{missing}Choose a field: begin to type its name.")
            self.query_one("#field").focus()
        elif empty := self._empty(field, choice):
            self._trouble(f"Write a value: {HINTS[field.kind]}.")
            empty.focus()
        else:
            self._use(self._written(field, choice))

    def _empty(self, field: Known, choice: Choice) -> Input | None:
        """The first value that is still to be written; only a text may be empty."""
        takes = 1 if choice.takes is None else choice.takes
        needed = ("value", "high")[:takes] if field.kind in HINTS else ()
        fields = (self.query_one(f"#{name}", Input) for name in needed)
        return next((one for one in fields if not one.value.strip()), None)

    @property
    def _takes_many(self) -> bool:
        return self._choice is not None and self._choice.takes is None

    def _written(self, field: Known, choice: Choice) -> Row:
        old = self._row.values if self._row is not None and self._row.field == field.spelled else ()
        known = {shown(value): value for value in (*(value for value, _ in self._values), *old)}
        values: tuple[str, ...] = (choice.value,) if choice.value else ()
        if choice.takes is None:
            values = spelled_list(self.query_one("#value", Input).value, field.kind, old)
        elif choice.takes:
            typed = [self.query_one(f"#{name}", Input).value for name in ("value", "high")[: choice.takes]]
            values = tuple(spelled(one, field.kind, choice.operator, known.get(one, "")) for one in typed)
        return Row(field.spelled, choice.operator, values, choice.negated)

    @work(group="use", exclusive=True)
    async def _use(self, row: Row) -> None:
        """A row is tried alone, so that what is wrong is said here and not beside all the others."""
        tried = Selection("where", spell(row))
        try:
            await self.app.read(lambda one: audiences.condition(one, self._program_id, tried))
        except PassbellError as error:
            self._trouble(str(error))
            return
        self.dismiss(row)

    def _trouble(self, sentence: str) -> None:
        self.query_one("#trouble", Static).update(inert_lines(sentence))


def _offer_line(words: str, note: str) -> Content:
    return Content.assemble(fit(inert(words, 120), OFFER_CELLS), " ", (inert(note, 80), "$quiet"))
