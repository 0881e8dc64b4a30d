"""What comes of a draft: a member's phones, the verdicts over the whole audience, and the counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from console.app import Console
from console.phone_words import PHONES, Showing, notes, showing
from console.plain import inert
from console.plots import sign
from console.screens.draft import Draft, Glance, Which, count, glance, outlook
from console.screens.draft_form import DraftForm
from console.widgets.lock_screen import LockScreen, of_the_drawing
from console.widgets.verdict_bar import VerdictBar
from jobs.moments import zone_of
from jobs.phones import Wording
from jobs.preview import Preview
from store.ledger import VERDICTS
from store.times import now

WHOSE = {"longest": "The longest text of all", "shortest": "The shortest text of all"}
COUNTING = "The audience is being counted: press the key again in a moment."


class Outlook(VerticalScroll):
    """Looks at what stands in a form, and tells the form what is wrong with it."""

    app = getters.app(Console)

    def __init__(self, form: DraftForm) -> None:
        super().__init__(id="outlook", can_focus=False)
        self._form = form
        self._which: Which = 0
        self._language = ""
        self._languages: tuple[str, ...] = ()
        self._timer: Timer | None = None
        self._counted: Draft | None = None
        self._recount = False
        """Whether the store may have changed since; the counts stay until they are there anew."""
        self._verdicts: Mapping[str, int] = {}
        self._asking = self._ask_again = False

    def compose(self) -> ComposeResult:
        """Whose phones, the phones, the bar, the counts, and what else there is to know."""
        yield Static(id="whose", markup=False)
        yield LockScreen()
        yield VerdictBar()
        yield Static(id="figures", markup=False)
        yield Static(id="notes", markup=False)

    # The look

    def begin_anew(self) -> None:
        """Begin with the first member: the draft is for others."""
        self._which = 0

    def recount(self) -> None:
        """The store may have changed: count again with the next look."""
        self._recount = True

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
                await self._look_at(self._form.draft(), self._which)
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
        settings, program = self.app.desk.settings, self._form.programs[draft.program_id]
        if isinstance(which, str):
            whole = f"{WHOSE[which]}: comparing every member of the audience …"
            self.query_one("#whose", Static).update(Content.styled(whole, "$quiet"))
        looked = await self.app.read(
            lambda connection: glance(connection, settings, draft, which, program, self._language)
        )
        if self._which == which:
            self._which = looked.which
        self._languages = looked.wording.languages
        self._form.say(looked.trouble)
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
        seen, program = looked.seen, self._form.programs[draft.program_id]
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
        self.screen.refresh_bindings()

    def _draw(self, shown: list[Showing], told: list[str], time_zone: str | None) -> None:
        """The phones at this time of the program's day, and last what else there is to know of them."""
        at = now().astimezone(zone_of(time_zone)[0])
        day = f"{at:%A} {at.day} {at:%B}"
        self.query_one(LockScreen).show(shown, clock=f"{at:%H:%M}", day=day)
        lines = [f"{sign('dot')} {inert(one)}" for one in (*told, *of_the_drawing(shown))]
        self.query_one("#notes", Static).update(Content.styled("\n".join(lines), "$quiet"))

    def _show_figures(self, draft: Draft, figures: Preview | None) -> None:
        told = outlook(figures, self._form.programs[draft.program_id])
        self.query_one("#figures", Static).update(told)
        self._verdicts = figures.verdicts if figures is not None else {}
        keys = {one: self._key_of(one) for one in VERDICTS}
        self.query_one(VerdictBar).show(self._verdicts, keys, exact=figures is None or figures.exact)
        self._form.may_plan(bool(draft.text.strip() and figures is not None and figures.to_send))

    def _key_of(self, verdict: str) -> str:
        found = (binding for _, binding in self.screen._bindings if binding.action == verdict)
        return next((self.app.get_key_display(binding) for binding in found), "")

    def _show_nothing(self) -> None:
        """Say what is missing before there is anything to show."""
        self._form.say("")
        self.query_one("#whose", Static).update(Content.styled("Nobody to show yet", "$quiet"))
        shown = [
            replace(showing(one, None, Wording(""), own=False), told=self._form.missing()) for one in PHONES
        ]
        self._draw(shown, [], None)
        self.query_one("#figures", Static).update("")
        self.query_one(VerdictBar).show({}, {}, exact=True)
        self._form.may_plan(False)

    # Whose phone, and which

    def see(self, which: Which) -> None:
        """Show this one's lock screen."""
        self._which = which
        self.ask()

    def step(self, by: int) -> None:
        """Show the lock screen of the member so many places on."""
        self.see(max(self._which + by, 0) if isinstance(self._which, int) else 0)

    def turn_light(self) -> None:
        """Show the phones dark, or light."""
        phones = self.query_one(LockScreen)
        phones.dark = not phones.dark
        phones.draw()

    @property
    def has_both(self) -> bool:
        """Whether both phones are in view."""
        return self.query_one(LockScreen).has_both

    def turn_phone(self) -> None:
        """Show the other phone."""
        phones = self.query_one(LockScreen)
        phones.in_front = next(one for one in PHONES if one != phones.in_front)
        phones.draw()

    @property
    def speaks(self) -> int:
        """How many languages the design is known to speak."""
        return len(self._languages)

    def turn_language(self) -> None:
        """Show a phone that speaks the next of the design's languages."""
        place = self._languages.index(self._language) if self._language in self._languages else 0
        self._language = self._languages[(place + 1) % len(self._languages)]
        self.ask()

    # The members of a verdict

    @on(VerdictBar.Opened)
    def _open_part(self, event: VerdictBar.Opened) -> None:
        self.open(event.verdict)

    def open(self, verdict: str) -> None:
        """Show the members of a verdict, or say why there are none yet."""
        from console.screens.verdict import VerdictScreen

        draft = self._counted
        if draft is None or not self._verdicts:
            wrong = "There are no counts yet: put the sentence on the left right."
            self.notify(COUNTING if self._asking else wrong, markup=False)
        else:
            program = self._form.programs[draft.program_id]
            self.app.push_screen(VerdictScreen(draft, program, self._verdicts, verdict))
