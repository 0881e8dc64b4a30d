"""A few questions on one page. The verb behind them is the judge: what it refuses is said beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Label, Select, Static

from console.actions import Action, bindings, of_scope
from console.plain import inert, inert_lines
from console.screens.asking import Asking, Box
from console.threads import in_thread
from store.errors import PassbellError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """One line of the page.

    name     of the answer
    choices  what can be answered, each as (answer, words); without, the answer is typed
    note     what stands behind the field
    """

    name: str
    words: str
    answer: str = ""
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    note: str = ""


class Form(Asking[T | None]):
    """Asks, and gives what the verb made of the answers; None where nothing was done.

    `act` gets the answers by name. It runs in a thread, and the page stays while it refuses. Where `closed`
    says what stands in its way, the page is only to be read, and tells so.
    """

    CSS_PATH = "../styles/form.tcss"
    BINDINGS = bindings("form")

    def __init__(
        self,
        title: str,
        questions: Sequence[Question],
        sentence: str,
        act: Callable[[Mapping[str, str]], T],
        *,
        yes: str,
        danger: bool = False,
        closed: str = "",
    ) -> None:
        super().__init__(classes="danger" if danger else "")
        self._title, self._questions, self._sentence = title, questions, sentence
        self._act, self._yes, self._danger = act, yes, danger
        self._shut = closed
        self._busy = False

    def compose(self) -> ComposeResult:
        """The questions, what they mean, and the two answers."""
        with Box(id="form") as page:
            done = [one for one in of_scope("form") if not (self._shut and one.guard)]
            keys = [(self._key(one), one.words) for one in done]
            page.border_subtitle = " · ".join(f"{key} {words.lower()}" for key, words in keys)
            yield Label(inert(self._title, 200), id="title", markup=False)
            with VerticalScroll(id="questions", can_focus=False):
                for one in self._questions:
                    with Horizontal(classes="line"):
                        yield Label(one.words, markup=False)
                        yield self._field(one)
                        if one.note:
                            yield Label(inert(one.note), classes="note", markup=False)
            yield Static(inert_lines(self._shut), id="trouble", classes="-trouble", markup=False)
            yield Static(inert_lines(self._sentence), id="sentence", markup=False)
            with Horizontal(id="answers"):
                yield Button("Close" if self._shut else "Cancel", id="no", compact=True)
                if not self._shut:
                    yield Button(
                        self._yes, id="yes", variant="error" if self._danger else "primary", compact=True
                    )

    def _key(self, one: Action) -> str:
        return self.app.get_key_display(Binding(self.app.keymap.of(one)[0], ""))

    def _field(self, one: Question) -> Input | Select[str]:
        if not one.choices:
            return Input(
                one.answer, id=one.name, compact=True, placeholder=one.hint, disabled=bool(self._shut)
            )
        offered = [(Content(inert(words, 80)), answer) for answer, words in one.choices]
        return Select(
            offered,
            id=one.name,
            compact=True,
            allow_blank=False,
            disabled=bool(self._shut),
            value=one.answer,
            type_to_search=False,  # so that j and k are arrows: there are few choices
        )

    def on_mount(self) -> None:
        """Begin with what is typed; where nothing is, a hasty Enter does nothing."""
        self.query("#no" if self._shut else "Input, #no").first().focus()

    def needs_open(self) -> str:
        """Why it is only to be read."""
        return self._shut

    @property
    def _answers(self) -> dict[str, str]:
        typed = {str(one.id): one.value for one in self.query(Input)}
        return typed | {str(one.id): str(one.value) for one in self.query(Select)}

    @on(Input.Submitted)
    def _next(self) -> None:
        """Enter goes on to the next question, so that a hasty one does nothing."""
        self.focus_next("Input, Select, #yes")

    @on(Button.Pressed, "#yes")
    def action_do(self) -> None:
        """Do it."""
        if not self._busy:
            self._busy = True
            self._say("Working …")
            self._do(self._answers)

    @work(group="do")
    async def _do(self, answers: Mapping[str, str]) -> None:
        try:
            done = await in_thread(self._act, answers)
        except PassbellError as error:
            self._say(str(error), "-trouble")
        else:
            self.dismiss(done)
        finally:
            self._busy = False

    def _say(self, sentence: str, *classes: str) -> None:
        told = self.query_one("#trouble", Static)
        told.set_classes(classes)
        told.update(inert_lines(sentence))

    @on(Button.Pressed, "#no")
    def action_cancel(self) -> None:
        """Leave it as it is; what is being done already is waited for."""
        if not self._busy:
            self.dismiss(None)
