"""Every action of the registry: where it can act and what it does then, and where it cannot and says why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from textual.widgets import Input, OptionList, Static

from console.keymap import judged
from store import audiences, catalogue
from store.view import View
from tests.console.own import LINDEN
from tests.console.seed import CAFE
from tests.console.steps import blast as stored
from tests.console.ways import (
    PLANNED,
    RUNNING,
    Go,
    Hand,
    at,
    audience,
    blast,
    build,
    cafe,
    compose,
    import_file,
    members,
    then,
    typed_into,
)


class Case(NamedTuple):
    """One action in a state in which it can act.

    go    gets there, from anywhere
    see   what it changes
    want  what that is afterwards; None for anything else than before
    """

    go: Go
    see: Callable[[Hand], Any]
    want: Any = None


def screen(hand: Hand) -> str:
    """The screen in front."""
    return hand.name


def mode(hand: Hand) -> str:
    """The mode in front, with nothing over it."""
    return hand.app.current_mode if len(hand.app.screen_stack) == 1 else ""


def focus(hand: Hand) -> str | None:
    """What has the focus."""
    return hand.focus


def of(attribute: str, selector: str = "") -> Callable[[Hand], Any]:
    """An attribute of the screen in front, or of a widget of it."""

    def see(hand: Hand) -> Any:
        value = hand.screen.query_one(selector) if selector else hand.screen
        for name in attribute.split("."):
            value = getattr(value, name, None)
        return value

    return see


def words(selector: str) -> Callable[[Hand], str]:
    """What a widget of the screen in front says."""
    return lambda hand: str(hand.screen.query_one(selector, Static).content)


def title(hand: Hand) -> str:
    """What the question in front is about: the second word from the end tells which it is."""
    found = hand.screen.query("#title")
    return str(found.first(Static).content) if found else ""


def of_members(attribute: str) -> Callable[[Hand], Any]:
    """What the list of members is like."""
    return of(attribute, "#members")


def of_blast(blast_id: int, attribute: str) -> Callable[[Hand], Any]:
    """A blast as the store has it."""
    return lambda hand: getattr(stored(hand.desk, blast_id), attribute)


def saved(hand: Hand) -> int:
    """How many audiences the store has."""
    with hand.desk.database.read() as connection:
        return len(audiences.list_all(connection))


def counted(hand: Hand) -> Any:
    """When the café's fields were counted."""
    with hand.desk.database.read() as connection:
        return max(one.at for one in catalogue.of(connection, CAFE) if one.at is not None)


def reports(hand: Hand) -> int:
    """How many reports of blasts were written."""
    return len(list(hand.desk.settings.home.glob("blast-*.md")))


def rule(hand: Hand) -> str:
    """The rules as the facts of the program in front say them."""
    return words("#facts")(hand) if hand.name == "ProgramsScreen" else ""


def target(hand: Hand) -> str:
    """What the first column becomes, and who said so."""
    row = hand.table("#columns").row_at(1) if hand.name == "ImportFileScreen" else None
    return f"{row[1][2]}, {row[1][3]}" if row else ""


# States that take more than a way


async def leaving(hand: Hand) -> None:
    """This console has the worker that sends a blast."""
    hand.app.attendance.child = Child()  # type: ignore[assignment]
    await at("programs")(hand)


class Child:
    """A worker of ours that is alive."""

    stdin = None

    def poll(self) -> None:
        """Not ended yet."""


async def hours_later(hand: Hand) -> None:
    """The fields of the café, counted some hours ago."""
    await then(cafe, "f")(hand)
    hand.clock.move(hours=1)


async def naming(hand: Hand) -> None:
    """A column of a file that is to become something."""
    await then(TO_IMPORT, "down", "enter")(hand)
    await typed_into(hand, "#name", "town")


async def named(hand: Hand) -> None:
    """A file with a column of which somebody said what it becomes."""
    await naming(hand)
    await hand.press("enter")


async def new_audience(hand: Hand) -> None:
    """An audience under a name of its own, all but saved."""
    await build()(hand)
    await typed_into(hand, "#name", f"audience {saved(hand)}")


async def with_row(hand: Hand) -> None:
    """A row of a condition in hand, opened."""
    await then(CONDITION, "enter")(hand)


async def ruling(hand: Hand) -> None:
    """The question for the café's rules, with another answer than the store has."""
    await then(cafe, "r")(hand)
    now = hand.screen.query_one("#most_a_week", Input).value
    await typed_into(hand, "#most_a_week", "3" if now == "2" else "2")


async def old_plan(hand: Hand) -> None:
    """A launch that is asked for a day too late."""
    planned_at = hand.clock.at - timedelta(hours=25)
    await blast(PLANNED, "l", planned_at=planned_at)(hand)


async def rekeyed(hand: Hand) -> None:
    """Keys of one's own, with an action in hand that has one."""
    await at("programs")(hand)
    hand.app.keymap = judged({"app.home": "f9"})
    await hand.press("f2")


async def unwritten(hand: Hand) -> None:
    """A report that was not written yet."""
    for file in hand.desk.settings.home.glob("blast-*.md"):
        file.unlink()
    await then(blast(RUNNING), "i")(hand)


async def uncopied(hand: Hand) -> None:
    """A list of which nothing is on the clipboard."""
    await members()(hand)
    hand.app._clipboard = ""


async def unread(hand: Hand) -> None:
    """A report of which nothing is on the clipboard."""
    await then(blast(RUNNING), "i")(hand)
    hand.app._clipboard = ""


async def unverified(hand: Hand) -> None:
    """The audit, of which nothing is said yet."""
    await at("audit", "VirtualTable")(hand)
    hand.screen.query_one("#verdict", Static).update("")


async def imported(hand: Hand) -> None:
    """A file that was imported."""
    await then(TO_IMPORT, "i", "tab", "enter")(hand)


def retry(place: int) -> Go:
    """The question for a retry, with a choice in hand."""

    async def go(hand: Hand) -> None:
        await then(blast(RUNNING, state="running"), "t")(hand)
        hand.screen.query_one(OptionList).highlighted = place
        await hand.rest()

    return go


def help_at(y: int) -> Go:
    """Help, scrolled."""

    async def go(hand: Hand) -> None:
        await then(cafe, "question_mark")(hand)
        hand.screen.query_one("#lines").scroll_to(y=y, animate=False)
        await hand.rest()

    return go


def keys_at(place: int) -> Go:
    """Keys of one's own, with an action in hand."""

    async def go(hand: Hand) -> None:
        await then(cafe, "f2")(hand)
        hand.screen.query_one(OptionList).highlighted = place
        await hand.rest()

    return go


def launch_at(y: int) -> Go:
    """A launch, with its facts scrolled."""

    async def go(hand: Hand) -> None:
        await PLAN(hand)
        hand.screen.query_one("#facts").scroll_to(y=y, animate=False)
        await hand.rest()

    return go


TO_IMPORT = import_file("external id,city,points\nM-0001,Graz,7\nnobody,Linz,8\n")
CLEAN = import_file("external id,city\nM-0002,Graz\n")
CONDITION = build("points > 5 AND tier = 'gold'", "#clauses")
TEXT = then(compose("Hello {first_name|friend}"), "n")
PLAIN = compose()
TO_OWN = compose("Cake!", program_id=LINDEN)
VERDICT = then(compose(), "6")
OTHER_VERDICT = then(compose(), "9")
PLAN = blast(PLANNED, "l", state="planned")
ONE = blast(RUNNING, state="running")
WHY = then(members(), "w")
DELIVERY = then(ONE, "d", "enter")
REPORT = then(ONE, "i")
ASK = then(audience(), "d")
HELP = help_at(0)
LIST = members()
ROW = members(50)
ENTRY = then(at("audit", "VirtualTable"), "enter")
IN_COLUMNS = then(LIST, "C")
FILTERED = members(view=View(filters=(("name", "a"),)))
NO_ROWS = members(view=View(filters=(("name", "nobody is called so"),)))


def no_filter(first: Go) -> Go:
    """A list with a column in hand that cannot be filtered; where all can, a list that was not read."""

    async def go(hand: Hand) -> None:
        await first(hand)
        table = hand.table()
        asked = getattr(table._source, "asked", ())
        table._column = next((n for n, one in enumerate(table.columns) if one.key not in asked), 0)
        if table.column.key in asked:
            table.show_nothing("The store is locked.")
        await hand.rest()

    return go


async def launching(hand: Hand) -> None:
    """A launch that is under way, as one is for a moment."""
    await PLAN(hand)
    hand.screen._launching = True


async def own_program(hand: Hand) -> None:
    """The programs, with the cursor on our own."""
    await cafe(hand)
    hand.screen.choose(LINDEN)
    await hand.rest()
