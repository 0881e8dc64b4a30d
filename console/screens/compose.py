"""Compose: program, audience and text, with the lock screens of a real member beside them as one writes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from textual import on, work
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static, TextArea

from console import editor
from console.actions import bindings
from console.plain import inert
from console.screens.draft import ALL, SAVED, WHERE, Draft, Glance, freeze, kept
from console.screens.outlook import OutlookScreen
from console.widgets.job_bar import JobBar, Stopped
from console.widgets.parts import Parts
from store import audiences, programs, texts
from store.consents import PURPOSES
from store.errors import PassbellError
from store.preferences import LONGEST_CATEGORY

PAUSE_SECONDS = 0.15
"""So long nothing may be typed before the store is asked."""
MARKETING = "marketing"
"""A message's purpose where nothing else is chosen."""
SHOWN = 150
"""Characters that a lock screen shows, about."""
LEFT = "The plan was left under way, and is stopped: the list of blasts says whether it was made."
KEPT = "compose.draft"
"""What the draft is remembered by until the next sitting."""


class ComposeScreen(OutlookScreen):
    """The message, on its way to a plan."""

    CSS_PATH = "../styles/compose.tcss"
    BINDINGS = bindings("compose")
    AUTO_FOCUS = "#program"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    mode = "compose"

    def __init__(self) -> None:
        super().__init__()
        self._wish: tuple[str, str | None] | None = None
        self._offered = self._planning = self._restored = False

    def body(self) -> Iterable[Widget]:
        """The form on the left, what comes of it on the right."""
        with Horizontal(id="desk"):
            with Vertical(id="form"):
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
            yield from self.outlook()
        yield JobBar("passes")

    # Programs and audiences

    def look_again(self) -> None:
        """Re-read the programs and audiences; the choice and the text stay."""
        self._fill()

    def choose(self, program_id: str, audience: str | None = None, *, predicate: str | None = None) -> None:
        """Write to this program, to its audience of that name, or to those who fit the predicate."""
        key = WHERE if predicate is not None else SAVED + audience if audience else None
        self._wish = (program_id, key)
        if predicate is not None:
            self.query_one("#predicate", Input).value = predicate
        self.look_again()
        self.query_one("#text").focus()

    @work(group="fill", exclusive=True)
    async def _fill(self) -> None:
        account = self.app.desk.settings.account
        found = await self.app.read(lambda connection: programs.list_programs(connection, account))
        self._programs = {row.program.id: row.program for row in found}
        self._restore()
        wish = self._wish
        select = self.query_one("#program", Select)
        now = wish[0] if wish else select.value
        with self.prevent(Select.Changed):
            select.set_options([(Content(inert(p.name, 80)), p.id) for p in self._programs.values()])
            first = Select.NULL if self._offered or wish else next(iter(self._programs), Select.NULL)
            select.value = now if now in self._programs else first
        self._recount = True
        await self._offer_audiences(wish[1] if wish else None)
        self._wish = None

    def _restore(self) -> None:
        """Once, put back what stood here at the end of the last sitting, if nothing else is wanted."""
        found = None if self._restored or self._wish else kept(self.app.memory.get(KEPT))
        self._restored = True
        if found is None or found.program_id not in self._programs:
            return
        self._wish = (found.program_id, found.audience)
        self.query_one("#predicate", Input).value = found.predicate
        self.query_one("#text", TextArea).text = found.text
        self.query_one("#category", Input).value = found.category[:LONGEST_CATEGORY]
        self.query_one("#purpose", Select).value = found.purpose if found.purpose in PURPOSES else MARKETING

    async def _offer_audiences(self, wanted: object = None) -> None:
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
        self._changed()

    @on(Select.Changed, "#program")
    @work(group="fill", exclusive=True)
    async def _other_program(self) -> None:
        self._which = 0
        await self._offer_audiences()

    @on(Select.Changed, "#audience")
    def _other_audience(self, event: Select.Changed) -> None:
        self._which = 0
        self._changed()
        if event.value == WHERE:
            self.query_one("#predicate").focus()

    # The look

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

    def _changed(self) -> None:
        """Show at once what needs no store, and ask the store once the hands rest."""
        self.query_one("#predicate").display = self.query_one("#audience", Select).value == WHERE
        length = len(self.query_one("#text", TextArea).text.strip())
        colour = "$text-error" if length > texts.LIMIT else "$text-warning" if length > SHOWN else "$quiet"
        told = f"{length} of {texts.LIMIT} characters; a lock screen shows about {SHOWN}"
        self.query_one("#length", Static).update(Content.styled(told, colour))
        if self._offered:
            self.app.memory.put(KEPT, self._standing().as_json())
        self.ask_soon(PAUSE_SECONDS)

    def take(self, draft: Draft, looked: Glance) -> None:
        """Say what is wrong with the draft."""
        self.query_one("#trouble", Static).update(Content.styled(inert(looked.trouble, 400), "$text-error"))

    def may_plan(self, ready: bool) -> None:
        """There is somebody to send it to, or not."""
        self.query_one("#plan", Button).disabled = not ready

    def missing(self) -> str:
        """What is to be done before there is a draft."""
        self.query_one("#trouble", Static).update("")
        if isinstance(self.query_one("#program", Select).value, str):
            return "Choose an audience."
        return "Choose a program." if self._programs else "Press 1 to see how to get programs."

    # The keys

    @on(Input.Submitted)
    def action_write(self) -> None:
        """Write the text, where it ends."""
        area = self.query_one("#text", TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    def needs_editor(self) -> str:
        """Whether an editor of one's own can be opened."""
        return editor.why_not(self.app)

    @work(group="ask")
    async def action_editor(self) -> None:
        """Write the text in one's own editor."""
        area = self.query_one("#text", TextArea)
        written = await editor.edit(self.app, area.text)
        if written is not None:
            area.text = written

    @work(group="ask")
    async def action_earlier(self) -> None:
        """Take up an earlier text. It can be undone as if it was typed."""
        from console.screens.earlier import EarlierScreen

        taken = await self.app.push_screen_wait(EarlierScreen())
        if taken is not None:
            area = self.query_one("#text", TextArea)
            area.replace(taken, (0, 0), area.document.end)
            area.focus()

    def action_back(self) -> None:
        """Stop a plan that is under way; else leave the field, so that keys are keys again."""
        if self.query_one(JobBar).running:
            self.query_one(JobBar).stop()
        else:
            self.set_focus(None)

    @on(Button.Pressed, "#plan")
    def action_plan(self) -> None:
        """Freeze what stands here and ask to launch it. A second press while that happens does nothing."""
        draft = self.draft()
        if draft is not None and not self._planning:
            self._planning = True
            self._plan(draft)

    @work(group="plan")
    async def _plan(self, draft: Draft) -> None:
        from console.screens.launch import LaunchScreen

        try:
            planned = await self.query_one(JobBar).run(partial(freeze, self.app.desk, draft), left=LEFT)
            program = self._programs[draft.program_id]
            launched = await self.app.push_screen_wait(LaunchScreen(planned, program))
        except Stopped:
            self.app.notify("Stopped: nothing was planned.", markup=False)
            return
        except PassbellError as error:
            self.app.tell(error)
            return
        finally:
            self._planning = False
        if launched is not None:
            self._begin_anew()
            await self.app.open_blast(launched)

    def _begin_anew(self) -> None:
        """The next message is none for service because the last was."""
        self.query_one("#text", TextArea).clear()
        self.query_one("#category", Input).clear()
        self.query_one("#purpose", Select).value = MARKETING
