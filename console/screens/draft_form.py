"""The fields of a message: program, audience, purpose, category and text."""

from __future__ import annotations

from collections.abc import Mapping

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Input, Label, Select, Static, TextArea

from console.app import Console
from console.keymap import keyed
from console.plain import inert
from console.plots import sign
from console.screens.draft import ALL, SAVED, WHERE, Draft, kept
from console.widgets.parts import Parts
from store import audiences, programs, texts
from store.consents import PURPOSES
from store.preferences import LONGEST_CATEGORY
from store.programs import Program

MARKETING = "marketing"
"""A message's purpose where nothing else is chosen."""
SHOWN = 150
"""Characters that a lock screen shows, about."""
NO_PROGRAMS = "Press <app.programs> to see how to get programs."
KEPT = "compose.draft"
"""What the draft is remembered by until the next sitting."""


class DraftForm(Vertical):
    """Says as a draft what stands in its fields, and beneath them what is said to be wrong with it."""

    class Changed(Message):
        """Another draft stands here; `whom`: its program or audience was chosen anew."""

        def __init__(self, whom: bool) -> None:
            super().__init__()
            self.whom = whom

    app = getters.app(Console)

    def __init__(self) -> None:
        super().__init__(id="form")
        self.programs: Mapping[str, Program] = {}
        """The account's, by their ids."""
        self._wish: tuple[str, str | None] | None = None
        self._offered = self._restored = False

    def compose(self) -> ComposeResult:
        """The fields in the order they are filled in."""
        yield Label("Program")
        yield Select[str]([], prompt="Choose a program", id="program", compact=True)
        yield Label("Audience")
        yield Select[str]([], prompt="Choose an audience", id="audience", compact=True)
        yield Input(id="predicate", placeholder="points > 500 AND tier = 'gold'", compact=True)
        yield Label("Purpose and category")
        with Horizontal(id="kind"):
            yield Select[str](
                [(purpose.capitalize(), purpose) for purpose in PURPOSES],
                value=MARKETING,
                allow_blank=False,
                id="purpose",
                compact=True,
                type_to_search=False,
            )
            yield Input(id="category", placeholder="none", max_length=LONGEST_CATEGORY, compact=True)
        with Horizontal(id="text-line"):
            yield Label("Text", id="text-label")
            yield Parts("compose", {"write": "write", "earlier": "earlier"})
        yield TextArea(id="text", placeholder="Two coffees for the price of one, today until noon.")
        yield Static(id="length", markup=False)
        yield Static(id="trouble", markup=False)
        yield Button("Plan and launch …", id="plan", variant="primary", compact=True)

    @property
    def area(self) -> TextArea:
        """Where the text is written."""
        return self.query_one("#text", TextArea)

    # Programs and audiences

    def choose(self, program_id: str, audience: str | None = None, *, predicate: str | None = None) -> None:
        """Write to this program, to its audience of that name, or to those who fit the predicate."""
        key = WHERE if predicate is not None else SAVED + audience if audience else None
        self._wish = (program_id, key)
        if predicate is not None:
            self.query_one("#predicate", Input).value = predicate

    @work(group="fill", exclusive=True)
    async def fill(self) -> None:
        """Read the programs and audiences; the choice and the text stay."""
        account = self.app.desk.settings.account
        found = await self.app.read(lambda connection: programs.list_programs(connection, account))
        self.programs = {row.program.id: row.program for row in found}
        self._restore()
        wish = self._wish
        select = self.query_one("#program", Select)
        now = wish[0] if wish else select.value
        with self.prevent(Select.Changed):
            select.set_options([(Content(inert(p.name, 80)), p.id) for p in self.programs.values()])
            first = Select.NULL if self._offered or wish else next(iter(self.programs), Select.NULL)
            select.value = now if now in self.programs else first
        await self._offer_audiences(wish[1] if wish else None)
        self._wish = None

    def _restore(self) -> None:
        """Once, put back what stood here at the end of the last sitting, if nothing else is wanted."""
        found = None if self._restored or self._wish else kept(self.app.memory.get(KEPT))
        self._restored = True
        if found is None or found.program_id not in self.programs:
            return
        self._wish = (found.program_id, found.audience)
        self.query_one("#predicate", Input).value = found.predicate
        self.query_one("#text", TextArea).text = found.text
        self.query_one("#category", Input).value = found.category[:LONGEST_CATEGORY]
        self.query_one("#purpose", Select).value = found.purpose if found.purpose in PURPOSES else MARKETING

    async def _offer_audiences(self, wanted: object = None, *, whom: bool = False) -> None:
        """Offer the program's audiences; a choice that this program does not have is dropped, not widened."""
        program = self.query_one("#program", Select).value
        saved = []
        if isinstance(program, str):
            saved = await self.app.read(lambda connection: audiences.list_all(connection, program))
        options = {ALL: "All active members", WHERE: "Where …"}
        options |= {SAVED + one.name: one.name for one in saved}
        select = self.query_one("#audience", Select)
        wanted = wanted or (select.value if self._offered else ALL)
        self._offered = isinstance(program, str)
        with self.prevent(Select.Changed):
            select.set_options([(Content(inert(name, 80)), key) for key, name in options.items()])
            select.value = wanted if wanted in options else Select.NULL
        self._changed(whom)

    @on(Select.Changed, "#program")
    @work(group="fill", exclusive=True)
    async def _other_program(self) -> None:
        await self._offer_audiences(whom=True)

    @on(Select.Changed, "#audience")
    def _other_audience(self, event: Select.Changed) -> None:
        self._changed(whom=True)
        if event.value == WHERE:
            self.query_one("#predicate").focus()

    # The draft

    @on(TextArea.Changed, "#text")
    @on(Input.Changed, "#predicate, #category")
    @on(Select.Changed, "#purpose")
    def _typed(self) -> None:
        self._changed()

    def draft(self) -> Draft | None:
        """What stands on the screen; None without a program or an audience."""
        found = self._standing()
        return found if found.program_id and found.audience else None

    def _standing(self) -> Draft:
        """The same, with nothing where no program or audience is chosen."""
        chosen = [self.query_one(name, Select).value for name in ("#program", "#audience", "#purpose")]
        program, audience, purpose = (one if isinstance(one, str) else "" for one in chosen)
        predicate, text = self.query_one("#predicate", Input).value, self.query_one("#text", TextArea).text
        return Draft(program, audience, predicate, text, purpose, self.query_one("#category", Input).value)

    def _changed(self, whom: bool = False) -> None:
        """Show at once what needs no store."""
        self.query_one("#predicate").display = self.query_one("#audience", Select).value == WHERE
        length = len(self.query_one("#text", TextArea).text.strip())
        colour = "$text-error" if length > texts.LIMIT else "$text-warning" if length > SHOWN else "$quiet"
        told = f"{length} of {texts.LIMIT} characters; a lock screen shows about {SHOWN}"
        self.query_one("#length", Static).update(Content.styled(told, colour))
        if self._offered:
            self.app.memory.put(KEPT, self._standing().as_json())
        self.post_message(self.Changed(whom))

    def say(self, trouble: str) -> None:
        """Say what is wrong with the draft; "" for nothing."""
        self.query_one("#trouble", Static).update(Content.styled(inert(trouble, 400), "$text-error"))

    def may_plan(self, ready: bool) -> None:
        """There is somebody to send it to, or not."""
        self.query_one("#plan", Button).disabled = not ready

    def missing(self) -> str:
        """What is to be done before there is a draft; that they are being read while the programs are."""
        if not self._restored:
            return f"Reading {sign('more')}"
        if isinstance(self.query_one("#program", Select).value, str):
            return "Choose an audience."
        return "Choose a program." if self.programs else keyed(NO_PROGRAMS)

    def begin_anew(self) -> None:
        """The next message is none for service because the last was."""
        self.query_one("#text", TextArea).clear()
        self.query_one("#category", Input).clear()
        self.query_one("#purpose", Select).value = MARKETING
