"""Compose: program, audience and text, with the lock screens of a real member beside them as one writes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from textual import on, work
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Button, Input

from console import editor
from console.actions import bindings
from console.screens.base import ConsoleScreen
from console.screens.draft import Draft, freeze
from console.screens.draft_form import DraftForm
from console.screens.outlook import Outlook
from console.widgets.job_bar import JobBar, Stopped
from store import texts
from store.errors import PassbellError

PAUSE_SECONDS = 0.15
"""So long nothing may be typed before the store is asked."""
LEFT = "The plan was left under way, and is stopped: the list of blasts says whether it was made."


class ComposeScreen(ConsoleScreen):
    """The message, on its way to a plan."""

    CSS_PATH = "../styles/compose.tcss"
    BINDINGS = bindings("compose")
    AUTO_FOCUS = "#program"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    mode = "compose"

    def __init__(self) -> None:
        super().__init__()
        self._form = DraftForm()
        self._outlook = Outlook(self._form)
        self._planning = False

    def body(self) -> Iterable[Widget]:
        """The form on the left, what comes of it on the right."""
        with Horizontal(id="desk"):
            yield self._form
            yield self._outlook
        yield JobBar("passes")

    def look_again(self) -> None:
        """Re-read the programs and audiences; the choice and the text stay."""
        self._outlook.recount()
        self._form.fill()

    def choose(self, program_id: str, audience: str | None = None, *, predicate: str | None = None) -> None:
        """Write to this program, to its audience of that name, or to those who fit the predicate."""
        self._form.choose(program_id, audience, predicate=predicate)
        self.look_again()
        self._form.area.focus()

    @on(DraftForm.Changed)
    def _changed(self, event: DraftForm.Changed) -> None:
        """Ask the store once the hands rest."""
        if event.whom:
            self._outlook.begin_anew()
        self._outlook.ask_soon(PAUSE_SECONDS)

    # The message

    @on(Input.Submitted)
    def action_write(self) -> None:
        """Write the text, where it ends."""
        area = self._form.area
        area.focus()
        area.move_cursor(area.document.end)

    def needs_editor(self) -> str:
        """Whether an editor of one's own can be opened."""
        return editor.why_not(self.app)

    @work(group="ask")
    async def action_editor(self) -> None:
        """Write the text in one's own editor."""
        area = self._form.area
        written = await editor.edit(self.app, area.text)
        if written is not None:
            area.text = written

    @work(group="ask")
    async def action_earlier(self) -> None:
        """Take up an earlier text. It can be undone as if it was typed."""
        from console.screens.earlier import EarlierScreen

        taken = await self.app.push_screen_wait(EarlierScreen())
        if taken is not None:
            area = self._form.area
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
        draft = self._form.draft()
        if draft is not None and not self._planning:
            self._planning = True
            self._plan(draft)

    @work(group="plan")
    async def _plan(self, draft: Draft) -> None:
        from console.screens.launch import LaunchScreen

        try:
            planned = await self.query_one(JobBar).run(partial(freeze, self.app.desk, draft), left=LEFT)
            program = self._form.programs[draft.program_id]
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
            self._form.begin_anew()
            await self.app.open_blast(launched)

    # The look

    def action_next(self) -> None:
        """Show the next member's lock screen."""
        self._outlook.step(1)

    def action_previous(self) -> None:
        """Show the one before."""
        self._outlook.step(-1)

    def needs_text(self) -> str:
        """Whether the text differs by member."""
        draft = self._form.draft()
        if draft is not None and texts.has_braces(draft.text):
            return ""
        return "The text is the same for everybody: name a field in it, such as {first_name|friend}."

    def action_longest(self) -> None:
        """Show the member whose text is the longest."""
        self._outlook.see("longest")

    def action_shortest(self) -> None:
        """Show the member whose text is the shortest."""
        self._outlook.see("shortest")

    def action_appearance(self) -> None:
        """Show the phones dark, or light."""
        self._outlook.turn_light()

    def needs_one_phone(self) -> str:
        """Whether one phone is hidden."""
        return "Both phones are in view." if self._outlook.has_both else ""

    def action_phone(self) -> None:
        """Show the other phone."""
        self._outlook.turn_phone()

    def needs_languages(self) -> str:
        """Whether the design speaks several languages, and we know it."""
        if self._outlook.speaks > 1:
            return ""
        return "No other language is known: only the designs of our own passes bring translations."

    def action_language(self) -> None:
        """Show a phone that speaks the next of the design's languages."""
        self._outlook.turn_language()

    def action_alert(self) -> None:
        """Those whose phone alerts."""
        self._outlook.open("alert")

    def action_silent(self) -> None:
        """Those whose phone stays silent."""
        self._outlook.open("silent")

    def action_unproven(self) -> None:
        """Those of whom nobody can tell."""
        self._outlook.open("unproven")

    def action_nothing(self) -> None:
        """Those who get nothing."""
        self._outlook.open("nothing")
