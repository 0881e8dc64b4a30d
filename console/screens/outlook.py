"""The right half of Compose: a member's phones, the verdicts over the whole audience, and the counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from textual import on, work
from textual.containers import VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from console.phone_words import PHONES, Showing, notes, showing
from console.plain import inert
from console.plots import sign
from console.screens.base import ConsoleScreen
from console.screens.draft import Draft, Glance, Which, count, glance, outlook
from console.widgets.lock_screen import LockScreen, of_the_drawing
from console.widgets.verdict_bar import VerdictBar
from jobs.moments import zone_of
from jobs.phones import Wording
from jobs.preview import VERDICTS, Preview
from store import texts
from store.programs import Program
from store.times import now

WHOSE = {"longest": "The longest text of all", "shortest": "The shortest text of all"}
COUNTING = "The audience is being counted: press the key again in a moment."


class OutlookScreen(ConsoleScreen):
    """A screen with a draft, and beside it what comes of it: it says what stands there, we look at it."""

    def __init__(self) -> None:
        super().__init__()
        self._programs: Mapping[str, Program] = {}
        self._which: Which = 0
        self._language = ""
        self._languages: tuple[str, ...] = ()
        self._timer: Timer | None = None
        self._counted: Draft | None = None
        self._recount = False
        """Whether the store may have changed since: the counts stay until they are there anew."""
        self._verdicts: Mapping[str, int] = {}
        self._asking = self._ask_again = False

    def outlook(self) -> Iterable[Widget]:
        """The widgets of the look."""
        with VerticalScroll(id="outlook", can_focus=False):
            yield Static(id="whose", markup=False)
            yield LockScreen()
            yield VerdictBar()
            yield Static(id="figures", markup=False)
            yield Static(id="notes", markup=False)

    def draft(self) -> Draft | None:
        """What stands on the screen; None without a program or an audience."""
        raise NotImplementedError

    def take(self, draft: Draft, looked: Glance) -> None:
        """The store was asked for one member of the draft."""

    def may_plan(self, ready: bool) -> None:
        """The counts are known: whether there is somebody to send it to."""

    def missing(self) -> str:
        """What is to be done before there is a draft."""
        raise NotImplementedError

    # The look

    def ask_soon(self, pause: float) -> None:
        """Ask the store once nothing was typed for so many seconds."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(pause, self.ask)

    def ask(self) -> None:
        """One look at a time: what changed meanwhile is asked for when it is done."""
        if self._asking:
            self._ask_again = True
        else:
            self._asking = True
            self._look()

    @work(group="look")
    async def _look(self) -> None:
        try:
            while True:
                self._ask_again = False
                await self._look_at(self.draft(), self._which)
                if not self._ask_again:
                    return
        finally:
            self._asking = False

    async def _look_at(self, draft: Draft | None, which: Which) -> None:
        """The lock screen first; then the counts, if they can have changed."""
        if draft is None:
            self._counted = None
            self._show_nothing()
            return
        settings, program = self.app.desk.settings, self._programs[draft.program_id]
        if isinstance(which, str):
            whole = f"{WHOSE[which]}: comparing every member of the audience …"
            self.query_one("#whose", Static).update(Content.styled(whole, "$quiet"))
        looked = await self.app.read(
            lambda connection: glance(connection, settings, draft, which, program, self._language)
        )
        if self._which == which:
            self._which = looked.which
        self._languages = looked.wording.languages
        self.take(draft, looked)
        if looked.trouble:
            self._counted = None
            self._show_figures(draft, None)
            return
        self._show(draft, looked)
        if draft != self._counted or self._recount:
            self._recount = False
            figures = await self.app.read(lambda connection: count(connection, settings, draft))
            self._counted = draft
            self._show_figures(draft, figures)

    def _show(self, draft: Draft, looked: Glance) -> None:
        seen, program = looked.seen, self._programs[draft.program_id]
        whose = Content.styled("Nobody to show", "$quiet")
        if seen is not None:
            name, member = inert(seen.name or "no name", 30), inert(seen.external_id, 14)
            length = f"{len(seen.text)} characters" if seen.reason is None else "not sent"
            told, after = "For ", f"  {length}"
            if isinstance(looked.which, str):
                told, after = f"{WHOSE[looked.which]}, {length}: ", ""
            whose = Content.assemble((told, "$quiet"), name, (f"  {member}{after}", "$quiet"))
        self.query_one("#whose", Static).update(whose)
        shown = [showing(wallet, seen, looked.wording, own=program.own) for wallet in PHONES]
        self._draw(shown, list(notes(seen, looked.wording)), program.time_zone)
        self.refresh_bindings()

    def _draw(self, shown: list[Showing], told: list[str], time_zone: str | None) -> None:
        """The phones at this time of the program's day, and last what else there is to know of them."""
        at = now().astimezone(zone_of(time_zone)[0])
        day = f"{at:%A} {at.day} {at:%B}"
        self.query_one(LockScreen).show(shown, clock=f"{at:%H:%M}", day=day)
        lines = [f"{sign('dot')} {inert(one)}" for one in (*told, *of_the_drawing(shown))]
        self.query_one("#notes", Static).update(Content.styled("\n".join(lines), "$quiet"))

    def _show_figures(self, draft: Draft, figures: Preview | None) -> None:
        told = outlook(figures, self._programs[draft.program_id])
        self.query_one("#figures", Static).update(told)
        self._verdicts = figures.verdicts if figures is not None else {}
        keys = {one: self._key_of(one) for one in VERDICTS}
        self.query_one(VerdictBar).show(self._verdicts, keys, exact=figures is None or figures.exact)
        self.may_plan(bool(draft.text.strip() and figures is not None and figures.to_send))

    def _key_of(self, verdict: str) -> str:
        found = (binding for _, binding in self._bindings if binding.action == verdict)
        return next((self.app.get_key_display(binding) for binding in found), "")

    def _show_nothing(self) -> None:
        """Say what is missing before there is anything to show."""
        self.query_one("#whose", Static).update(Content.styled("Nobody to show yet", "$quiet"))
        shown = [replace(showing(one, None, Wording(""), own=False), told=self.missing()) for one in PHONES]
        self._draw(shown, [], None)
        self.query_one("#figures", Static).update("")
        self.query_one(VerdictBar).show({}, {}, exact=True)
        self.may_plan(False)

    # Whose phone, and which

    def _see(self, which: Which) -> None:
        self._which = which
        self.ask()

    def action_next(self) -> None:
        """Show the next member's lock screen."""
        self._see(self._which + 1 if isinstance(self._which, int) else 0)

    def action_previous(self) -> None:
        """Show the one before."""
        self._see(max(self._which - 1, 0) if isinstance(self._which, int) else 0)

    def needs_text(self) -> str:
        """Whether the text differs by member."""
        draft = self.draft()
        if draft is not None and texts.has_braces(draft.text):
            return ""
        return "The text is the same for everybody: name a field in it, such as {first_name|friend}."

    def action_longest(self) -> None:
        """Show the member whose text is the longest."""
        self._see("longest")

    def action_shortest(self) -> None:
        """Show the member whose text is the shortest."""
        self._see("shortest")

    def action_appearance(self) -> None:
        """Show the phones dark, or light."""
        phones = self.query_one(LockScreen)
        phones.dark = not phones.dark
        phones.draw()

    def needs_one_phone(self) -> str:
        """Whether one phone is hidden."""
        return "Both phones are in view." if self.query_one(LockScreen).has_both else ""

    def action_phone(self) -> None:
        """Show the other phone."""
        phones = self.query_one(LockScreen)
        phones.in_front = next(one for one in PHONES if one != phones.in_front)
        phones.draw()

    def needs_languages(self) -> str:
        """Whether the design speaks several languages, and we know it."""
        if len(self._languages) > 1:
            return ""
        return "No other language is known: only the designs of our own passes bring translations."

    def action_language(self) -> None:
        """Show a phone that speaks the next of the design's languages."""
        place = self._languages.index(self._language) if self._language in self._languages else 0
        self._language = self._languages[(place + 1) % len(self._languages)]
        self.ask()

    # The members of a verdict

    @on(VerdictBar.Opened)
    def _open_part(self, event: VerdictBar.Opened) -> None:
        self._open(event.verdict)

    def _open(self, verdict: str) -> None:
        from console.screens.verdict import VerdictScreen

        draft = self._counted
        if draft is None or not self._verdicts:
            wrong = "There are no counts yet: put the sentence on the left right."
            self.notify(COUNTING if self._asking else wrong, markup=False)
        else:
            program = self._programs[draft.program_id]
            self.app.push_screen(VerdictScreen(draft, program, self._verdicts, verdict))

    def action_alert(self) -> None:
        """Those whose phone alerts."""
        self._open("alert")

    def action_silent(self) -> None:
        """Those whose phone stays silent."""
        self._open("silent")

    def action_unproven(self) -> None:
        """Those of whom nobody can tell."""
        self._open("unproven")

    def action_nothing(self) -> None:
        """Those who get nothing."""
        self._open("nothing")
