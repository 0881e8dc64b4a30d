"""Ways through the whole console: each goes from state to state and names the one it stands at.

Together they come by every screen and window, with something in it, with nothing, with an error, and while
it loads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Select, TextArea

from console.desk import Desk
from console.screens.ask import Ask
from console.screens.why import WhyScreen
from console.widgets.clauses import Clauses
from console.widgets.table import VirtualTable
from jobs.intake.imports import import_members
from store.database import StoreUnavailable
from store.errors import Refused
from tests.console.hands import paused, settled, typed
from tests.console.seed import ACTOR, CAFE, Clock
from tests.console.steps import open_blast, press
from tests.console.test_blast_control import FINISHED, PLANNED, RUNNING, fail_some, put

HOSTILE = "M-0001"
FILE = """external id,Postal code,city,"[/x] notes\u202e",points
M-0000,01234,Graz,"[@click=app.quit]me[/]",7
M-0001,00099,Linz,,7
nobody [/x]\u202e,1,Graz,,
M-0071
"""


@dataclass
class Stage:
    """Where a tour is: the console, its desk, and the clock."""

    pilot: Pilot[Any]
    desk: Desk
    clock: Clock
    fails: asyncio.Event
    """Set: reads that wait for a store that does not answer fail."""

    async def press(self, *keys: str) -> None:
        """Press keys one by one, each on a screen at rest."""
        await press(self.pilot, *keys)

    async def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        await typed(self.pilot, text)
        await settled(self.pilot)

    def one(self, selector: str, kind: type[Any]) -> Any:
        """A widget of the screen in front."""
        return self.pilot.app.screen.query_one(selector, kind)


Tour = Callable[[Stage], AsyncIterator[str]]


async def people(at: Stage) -> AsyncIterator[str]:
    """Programs, a list's windows, a member and what is asked of one, why, fields, and rules."""
    await at.press()
    yield "programs"
    await at.press("slash")
    await at.write("nobody of that name")
    yield "programs: nobody found"
    at.one("#filter", Input).value = ""
    await at.press("enter", "right", "F")
    await at.write("m-00")
    yield "list: filter"
    await at.press("escape", "right", "right", "F")
    await at.write("many")
    yield "list: wrong filter"
    await at.press("escape", "space", "space", "C")
    yield "list: columns"
    await at.press("escape", "E")
    yield "list: export"
    await at.press("escape", "home", "down", "enter")
    yield "member"
    await at.press("p")
    yield "form"
    await at.press("escape", "s")
    yield "form: dangerous"
    await at.press("escape", "escape")
    await at.pilot.app.push_screen(WhyScreen(CAFE, HOSTILE, FINISHED))
    await at.press()
    yield "why"
    await at.press("escape", "f")
    yield "fields"
    await at.press("escape", "r")
    yield "rules"


async def files(at: Stage) -> AsyncIterator[str]:
    """Imports, a file with a bit of everything, and what a column becomes."""
    earlier, file = at.desk.settings.home / "earlier.csv", at.desk.settings.home / "customers.csv"
    earlier.write_text("external id,zip\nM-0000,01000\nM-0001,00099\n", encoding="utf-8")
    file.write_text(FILE, encoding="utf-8")
    given: dict[str, Any] = {"account": at.desk.settings.account, "home": at.desk.settings.home}
    import_members(at.desk.database, CAFE, earlier, dry_run=False, actor=ACTOR, **given)
    await at.press("i")
    yield "imports"
    at.one("#path", Input).value = "nothing-of-that-name.csv"
    await at.press("enter")
    yield "imports: no such file"
    at.one("#path", Input).value = str(file)
    await at.press("enter")
    yield "import: file"
    await at.press("enter")
    yield "import: column"
    await at.press("escape", "i")
    yield "import: sure"


async def writing(at: Stage) -> AsyncIterator[str]:
    """Audiences, one that is built, a message, who gets it how, and the launch."""
    await at.press("2")
    yield "audiences"
    await at.press("d")
    yield "audiences: delete"
    await at.press("escape", "n")
    yield "build"
    at.one("#way", Select).value = "where"
    await at.press()
    at.one("#words", TextArea).text = "points > 1000 AND (tier = 'gold' OR city IN ('Wien', 'Köln'))"
    await at.press()
    yield "build: rows"
    at.one("#clauses", Clauses).focus()
    await at.press("a")
    yield "build: row"
    await at.press("escape", "ctrl+t")
    yield "build: preset"
    await at.press("escape")
    at.one("#words", TextArea).text = "pionts >"
    await at.press()
    yield "build: wrong"
    await at.press("ctrl+s")
    at.one("#words", TextArea).text = ""
    await at.press()
    await at.pilot.app.open_compose(CAFE)  # type: ignore[attr-defined]
    await at.press()
    yield "compose"
    at.one("#text", TextArea).text = "Hi {frist_name}, [bold]come[/] by"
    await at.press()
    yield "compose: wrong"
    at.one("#text", TextArea).text = "Hi {first_name|friend}, two cakes for one today 🎉"
    await at.press("escape", "n", "b")
    yield "compose: written"
    await at.press("ctrl+t")
    yield "compose: earlier"
    await at.press("escape", "6")
    yield "verdict"
    await at.press("escape", "ctrl+r")
    yield "launch"


async def sending(at: Stage) -> AsyncIterator[str]:
    """Home, the blasts, one with failures, its questions, its report, and one that missed its moment."""
    fail_some(at.desk)
    put(at.desk, PLANNED, state="missed", send_at=at.clock.at - timedelta(hours=2))
    await at.press("0")
    yield "home"
    await at.press("4")
    yield "blasts"
    await open_blast(at.pilot, RUNNING)
    yield "blast"
    await at.press("s")
    yield "blast: speed"
    await at.press("w")
    yield "blast: reasons"
    await at.press("d", "slash")
    yield "blast: filter"
    await at.press("escape", "enter")
    yield "delivery"
    await at.press("escape", "t")
    yield "blast: retry"
    await at.press("escape", "e")
    yield "blast: rate"
    await at.press("escape", "i")
    yield "report"
    await at.press("escape", "x")
    yield "blast: cancel"
    await at.press("escape")
    await open_blast(at.pilot, PLANNED)
    yield "blast: missed"


async def around(at: Stage) -> AsyncIterator[str]:
    """The audit, and what is at hand everywhere: help, keys, jump, palette, a question, a refusal."""
    await at.press("5")
    yield "audit"
    await at.press("v")
    yield "audit: verified"
    await at.press("enter")
    yield "audit: entry"
    await at.press("escape", "question_mark")
    yield "help"
    await at.write("blast")
    yield "help: searched"
    await at.press("escape", "escape", "f2")
    yield "keys"
    at.one("OptionList", OptionList).highlighted = 3
    await at.press("enter")
    yield "keys: one pressed"
    await at.press("escape", "escape", "ctrl+o")
    yield "jump"
    await at.press("escape", "ctrl+p")
    yield "palette"
    await at.write("theme passbell")
    yield "palette: searched"
    await at.press("escape", "escape")
    question = Ask("Delete [/foo]\x1b[31m?", "[@click=app.quit]x[/] \u202e", yes="Delete", danger=True)
    await at.pilot.app.push_screen(question)
    await at.press()
    yield "question"
    await at.press("escape")
    at.pilot.app.tell(Refused("The store is [/locked]: end the other program first."))  # type: ignore[attr-defined]
    await at.press()
    yield "refused"


async def first_day(at: Stage) -> AsyncIterator[str]:
    """Every place while nothing was ever synced."""
    for key, place in enumerate(("home", "programs", "audiences", "compose", "blasts", "audit")):
        await at.press(str(key))
        yield f"{place}: empty"
    await at.press("2", "n")
    yield "build: empty"


async def loading(at: Stage) -> AsyncIterator[str]:
    """Every place while the store does not answer, and then while it fails."""
    for key, place in enumerate(("home", "programs", "audiences", "compose", "blasts", "audit")):
        await at.pilot.press(str(key))
        while not all(one._reading for one in at.pilot.app.screen.query(VirtualTable)):
            await at.pilot.pause(0.05)
        while await paused(at.pilot):  # a message waits for the next key before it is looked at
            await at.pilot.pause()
        await at.pilot.pause()
        yield f"{place}: loading"
    at.fails.set()
    await at.press()
    yield "audit: store away"


def deafen(app: Any) -> asyncio.Event:
    """From its start on, what this console reads waits for the event, and then fails."""
    fails = asyncio.Event()

    async def read(act: Any) -> Any:
        await fails.wait()
        raise StoreUnavailable("the store does not answer [/x]: look whether its host is up")

    app.read = read
    return fails


TOURS: dict[str, Tour] = {
    "people": people,
    "files": files,
    "writing": writing,
    "sending": sending,
    "around": around,
    "first day": first_day,
    "loading": loading,
}
