"""Whatever comes from outside, on every screen and by the commands: it is shown, and it does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
import sqlalchemy as sa
from textual.command import CommandPalette
from textual.events import Paste

from console import palette
from console.app import Console
from console.desk import Desk
from console.plain import REORDERING
from console.screens.ask import Ask
from console.screens.member import MemberScreen
from console.screens.why import WhyScreen
from jobs import suppressions
from store import audit, consents, schema
from store.consents import Said
from store.database import Database
from store.errors import Refused
from tests.cli.conftest import run
from tests.console import every, ways
from tests.console.own import LINDEN
from tests.console.seed import ACTOR, CAFE, Clock
from tests.console.test_compose import translate
from tests.console.test_importing import bring
from tests.console.ways import CANCELLED, HELD, RUNNING, Go, Hand, at, audience, blast, member, members, then

Make = Callable[[Desk], Console]

PARTS = (
    "[/foo]",
    "[@click=app.quit]me[/]",
    "\x1b[31mred\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "nul\x00\x07\x9b2J",
    "\u202edesrever\u2066iso\u200f",
    "Z" + "\u0301\u0323" * 30,
    "שרה عربى",
    "👩‍👩‍👧‍👦🏳️‍🌈🇦🇹",
    "陈小龙",
    "two\nlines\r\u2028\u0085\ttab",
    "# *md* `c` | <b>&",
    "=cmd|'/C calc'!A1",
    "{first_name|{x",
)
"""What an enemy, or a customer's keyboard, may write."""
LONG = "x" * 10_000
MUTED = "\u200b"

FIELDS = {
    schema.programs: ("name",),
    schema.tiers: ("name", "template_id"),
    schema.members: ("name", "email", "phone", "locale", "time_zone", "attributes", "imported"),
    schema.passes: ("shown_text",),
    schema.audiences: ("name", "description"),
    schema.suppressions: ("reason",),
    schema.imports: ("file", "actor"),
    schema.blasts: ("name", "text", "audience", "category", "hold_reason"),
    schema.batches: ("worker",),
    schema.deliveries: ("detail", "code", "text"),
    schema.attempts: ("detail", "code"),
    schema.workers: ("host",),
    schema.templates: ("actor",),
    schema.pass_events: ("kind", "details"),
}
"""Every column that somebody else has written."""


def hostile(number: int) -> str:
    """All of it in one text; which part comes first follows from the number. Some are only long."""
    first = number % (len(PARTS) + 1)
    return LONG if first == len(PARTS) else " ".join((*PARTS[first:], *PARTS[:first]))


def poison(database: Database, clock: Clock) -> None:
    """Write it wherever others write."""
    with database.write() as connection:
        for table, names in FIELDS.items():
            keys = list(table.primary_key.columns)
            for number, found in enumerate(connection.execute(sa.select(*keys)).all()):
                values = {
                    name: {hostile(number + n): hostile(number + n + 1)}
                    if isinstance(table.c[name].type, sa.JSON)
                    else hostile(number + n)
                    for n, name in enumerate(names)
                }
                mine = [column == value for column, value in zip(keys, found, strict=True)]
                connection.execute(table.update().where(*mine).values(**values))
        ids = connection.execute(sa.select(schema.members.c.id).order_by(schema.members.c.id)).scalars().all()
        for number, id_ in enumerate(ids[200:300]):
            named = {"external_id": f"{hostile(number)}{number}"}
            connection.execute(schema.members.update().where(schema.members.c.id == id_).values(**named))
        for number in range(len(PARTS) + 1):
            one = hostile(number)
            audit.append(connection, actor=one, act=one, subject=one, details={one: [one]}, at=clock.at)


def faults(hand: Hand, *, in_fields: bool = False) -> Iterator[str]:
    """What is wrong with what is seen. Only in a field the last filter may be what keeps a text quiet."""
    width, height = hand.app.size
    strips = hand.screen._compositor.render_strips(hand.app.size)
    if len(strips) != height:
        yield f"{len(strips)} lines in {height}"
    for strip in strips:
        if strip.cell_length != width:
            yield f"{strip.cell_length} cells in {width}: {strip.text!r}"
        for segment in strip:
            if any(one in REORDERING or category(one) in ("Cc", "Cs", "Zl", "Zp") for one in segment.text):
                yield f"{segment.text!r} is not inert"
            if MUTED in segment.text and not in_fields:
                yield f"{segment.text!r} was not spelled out"
            if segment.style is not None and (segment.style.link or "@click" in segment.style.meta):
                yield f"{segment.text!r} is a link"
    if not hand.app.is_running or hand.app.failure is not None:
        yield f"the console has ended: {hand.app.failure!r}"


async def asked(hand: Hand) -> None:
    """A question, and a refusal in a toast."""
    await at("home")(hand)
    hand.app.tell(Refused(" ".join(PARTS)))
    await hand.app.push_screen(Ask(hostile(2), hostile(4), yes="Yes", danger=True))
    await hand.rest()


async def searched(hand: Hand) -> None:
    """The palette over members, blasts and audiences."""
    await at("programs")(hand)
    for words in ("where name = name", "blast: ", "audience: ", "program: "):
        await hand.pilot.press("ctrl+p")
        await hand.pilot.pause()
        assert isinstance(hand.screen, CommandPalette)
        hand.app.focused.post_message(Paste(words))  # type: ignore[union-attr]
        await hand.rest()
        assert list(faults(hand)) == []
        await hand.press("escape")


def one_member(number: int) -> Go:
    """A member, by the number of its text."""
    return ways.opened(lambda hand: MemberScreen(CAFE, f"M-{number:04}"))


async def strange(hand: Hand) -> None:
    """A member whose very id is hostile, opened from the list."""
    await members(220)(hand)
    await hand.press("enter")


STRANGE = ways.build("name = '[/x]\u202e\x1b[31mx' AND points > 5", "#clauses")

SCREENS: dict[str, Go] = {
    "home": at("home"),
    "home, in a need": then(at("home"), "enter"),
    "programs": ways.cafe,
    "own program": every.own_program,
    "members": members(30),
    "members with hostile ids": members(210),
    "sorted": then(members(), "right", "O"),
    "filter": then(members(), "F"),
    "columns": then(members(), "C"),
    "export": then(members(), "space", "E"),
    "fields": then(ways.cafe, "f", "down"),
    "rules": then(ways.cafe, "r"),
    "imports": ways.in_imports(),
    "undo": then(ways.in_imports(), "u"),
    "file": ways.import_file(
        "external id,[/x]\u202e,=b\nM-0001,=1+1,\u200f\nnobody [/x],[@click=app.quit],2\n"
    ),
    "target": then(ways.import_file("external id,[/x]\u202e\nM-0001,[/x]\n"), "down", "enter"),
    "member": member,
    **{f"member {number}": one_member(number) for number in range(len(PARTS) + 1)},
    "member with a hostile id": strange,
    "why": then(member, "w"),
    "consent": then(member, "g"),
    "suppress": then(member, "s"),
    "lift": then(member, "l"),
    "preferences": then(member, "p"),
    "own member": ways.opened(lambda hand: MemberScreen(LINDEN, "L-001")),
    "own why": ways.opened(lambda hand: WhyScreen(LINDEN, "L-001")),
    "audiences": audience(),
    "delete": then(audience(), "d"),
    "edit": then(audience(), "e"),
    "rows": every.CONDITION,
    "row": then(every.CONDITION, "enter"),
    "hostile rows": STRANGE,
    "hostile row": then(STRANGE, "enter"),
    "preset": then(ways.build(), "ctrl+t"),
    "compose": ways.compose(hostile(0)),
    "compose, another": then(ways.compose("Hello {name|friend} [/x]\x1b"), "n", "n", "n"),
    "longest": then(ways.compose("Hello {name|friend}"), "greater_than_sign"),
    "own compose": then(ways.compose("Cake [/x]", program_id=LINDEN), "b"),
    "earlier": then(ways.compose(), "ctrl+t"),
    "alert": then(ways.compose(), "6"),
    "nothing": then(ways.compose(), "9"),
    "blasts": at("blasts", "#blasts"),
    "held": blast(HELD),
    "cancelled": blast(CANCELLED, "d"),
    "running": blast(RUNNING),
    "speed": blast(RUNNING, "s"),
    "why failed": blast(RUNNING, "w"),
    "of a reason": blast(RUNNING, "w", "enter"),
    "delivery": blast(RUNNING, "w", "enter", "enter"),
    "why of a delivery": blast(RUNNING, "w", "enter", "enter", "w"),
    "which": blast(RUNNING, "slash"),
    "retry": blast(RUNNING, "t"),
    "report": blast(RUNNING, "i"),
    "launch": blast(ways.PLANNED, "l"),
    "own blast": ways.own_blast,
    "audit": at("audit", "VirtualTable"),
    "entry": then(at("audit", "VirtualTable"), "enter"),
    "verified": then(at("audit", "VirtualTable"), "v"),
    "help": then(ways.cafe, "question_mark"),
    "jump": then(ways.compose(), "ctrl+o"),
    "keys": then(ways.cafe, "f2"),
    "question": asked,
    "palette": searched,
}
WIDE = (
    "home",
    "own program",
    "members",
    "member 2",
    "audiences",
    "compose",
    "own compose",
    "running",
    "own blast",
)
"""Those that show more on a large terminal."""
FIELDS_IN = ("edit", "compose", "compose, another", "hostile rows", "hostile row")
"""Those with a field that holds such a text."""


@pytest.fixture
def poisoned(own_desk: Desk, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The desk, with hostile text wherever somebody else writes."""
    translate(own_desk)
    monkeypatch.chdir(tmp_path)
    bring(own_desk, "external id,town\nM-0003,Graz\n")
    with own_desk.database.write() as connection:
        found = sa.select(schema.members.c.id).where(schema.members.c.external_id == "M-0012")
        id_ = connection.execute(found).scalars().one()
        said = Said("marketing", True, hostile(1), clock.at, hostile(2))
        consents.record(connection, id_, said, actor=ACTOR)
    given: dict[str, Any] = {"reason": "complaint", "actor": ACTOR}
    suppressions.add(own_desk.database, own_desk.settings, "external_id", "M-0012", **given)
    poison(own_desk.database, clock)
    return own_desk


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("size", "screens"),
    [((80, 24), tuple(SCREENS)[::2]), ((80, 24), tuple(SCREENS)[1::2]), ((200, 50), WIDE)],
    ids=["small, some", "small, others", "large"],
)
async def test_no_text_from_outside_does_more_than_show_on_any_screen(
    poisoned: Desk,
    console: Make,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    screens: tuple[str, ...],
) -> None:
    monkeypatch.setattr(palette, "PAUSE", 0.0)
    app = console(poisoned)
    wrong: list[str] = []
    async with app.run_test(size=size, notifications=True) as pilot:
        hand = Hand(pilot, app, poisoned, clock, Path.cwd())
        await hand.rest()
        for name in screens:
            await SCREENS[name](hand)
            wrong += [f"{name}: {fault}" for fault in faults(hand, in_fields=name in FIELDS_IN)]
            app.clear_notifications()
    assert wrong == []


COMMANDS = (
    ("overview",),
    ("programs", "list"),
    ("members", "list", LINDEN),
    ("members", "list", CAFE),
    ("members", "show", CAFE, "M-0012"),
    ("audiences", "list"),
    ("blasts", "list"),
    ("blasts", "show", RUNNING),
    ("blasts", "deliveries", RUNNING),
    ("blasts", "batches", RUNNING),
    ("blasts", "incident", RUNNING),
    ("why", CAFE, "M-0012"),
    ("audit", "list"),
)


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_no_text_from_outside_does_more_than_show_by_a_command(
    poisoned: Desk, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    for command in COMMANDS:
        code = run("--home", poisoned.settings.home, *command, *(("--json",) if as_json else ()))
        told = capsys.readouterr()
        assert code == 0, (command, told.err)
        wrong = {one for one in told.out if one in REORDERING or (category(one) == "Cc" and one != "\n")}
        assert not wrong, (command, wrong)
        if as_json:
            assert all(json.loads(line) for line in told.out.splitlines()), command
