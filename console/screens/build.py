"""Build an audience: a program, who in it, who that is at this moment, and a name.

A condition stands there twice, as text and as rows: either edits the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import getters, on, work
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static, TextArea

from console.actions import bindings
from console.audience_words import how_many
from console.keymap import keyed
from console.plain import inert, inert_lines
from console.screens.base import ConsoleScreen
from console.threads import in_thread
from console.widgets.clauses import NOTHING, Clauses
from console.widgets.columns import MEMBER_COLUMNS
from console.widgets.condition import Condition
from console.widgets.keep import Keep
from console.widgets.members import MemberSource
from console.widgets.paths import path_of
from console.widgets.table import VirtualTable
from store import programs
from store.audiences import Audience, Selection
from store.errors import PassbellError, UsageError

if TYPE_CHECKING:
    from textual.timer import Timer

    from jobs.intake.files import IdReport

DEBOUNCE = 0.2
"""Seconds without a key press after which a condition is asked."""

WAYS = (
    ("all active members", "all"),
    ("those where …", "where"),
    ("those in a file", "file"),
)
HINTS = {
    "all": "Everybody whose membership has not ended.",
    "where": "Rows and text say the same: edit either. <build.preset> begins with a preset.",
    "file": "Any spelling of the id's column will do. Members are kept as the file names them.",
}
NOBODY = {
    "all": "Nobody yet: choose a program.",
    "where": "Nobody yet: write a condition.",
    "file": "Nobody yet: name a file and press Enter.",
}
NO_PROGRAMS = "There are no programs yet: press <app.programs> for them, then <programs.sync> to sync."
FITS_NOBODY = "Nobody: no member is so. Ask for less, or choose another program."
WRONG = "Nobody: what is wrong is said above."
ASKED_IN = {"where": "#words", "file": "#path"}
"""Where a way is answered: there the cursor goes once it is chosen."""
REJECTS = 3


@dataclass(frozen=True, slots=True)
class Fields:
    """Who is meant, as it stands in the fields."""

    program_id: str | None
    way: str
    words: str


class BuildScreen(ConsoleScreen):
    """Nothing is written before it is saved."""

    CSS_PATH = "../styles/build.tcss"
    BINDINGS = bindings("build")
    AUTO_FOCUS = "#way"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (40, "-tall")]
    mode = "audiences"

    _condition = getters.query_one(Condition)

    def __init__(self, program_id: str | None = None, audience: Audience | None = None) -> None:
        """A new audience, in the program if it is given; or one that is saved, to be changed."""
        super().__init__()
        self._program_id = program_id
        self._audience = audience
        self._chosen: Selection | None = None
        self._answered: Fields | None = None
        """The fields that `_chosen`, or what is said to be wrong, is the answer to."""
        self._typing: Timer | None = None
        self._count: int | None = None
        """Members at the last count, of whatever was asked then."""

    def body(self) -> Iterable[Widget]:
        """The questions in the order they are answered, then who is meant."""
        saved = self._audience
        with Vertical(id="form"):
            with Horizontal(classes="line"):
                yield Label("Program")
                yield Select[str]([], id="program", compact=True, prompt="choose a program")
                yield Label("Who")
                way = saved.kind if saved else "all"
                yield Select(WAYS, id="way", compact=True, allow_blank=False, value=way, type_to_search=False)
            with Horizontal(classes="line", id="asks"):
                yield Label("File")
                yield Input(
                    id="path",
                    compact=True,
                    placeholder="path of a CSV or JSON file with a column of ids; Enter reads it",
                )
            yield Condition(saved.expression or "" if saved else "")
            yield Static(keyed(HINTS["all"]), id="hint", markup=False)
            yield Keep(saved)
        yield VirtualTable(MEMBER_COLUMNS, id="members", empty=NOBODY["all"])

    def on_mount(self) -> None:
        """Read which programs there are."""
        self._say_way(self._way)
        self._read_programs()

    @work
    async def _read_programs(self) -> None:
        account = self.app.desk.settings.account
        names = await self.app.read(lambda connection: programs.names(connection, account))
        program = self.query_one("#program", Select)
        program.set_options([(Content(inert(name, 60)), id_) for id_, name in names.items()])
        if names:
            program.value = self._program_id if self._program_id in names else next(iter(names))
        else:
            self._trouble(keyed(NO_PROGRAMS))

    # The choice

    @property
    def _way(self) -> str:
        return str(self.query_one("#way", Select).value)

    @property
    def _fields(self) -> Fields:
        program, way = self.query_one("#program", Select), self._way
        words = {"file": self.query_one("#path", Input).value, "where": self._condition.words}
        return Fields(None if program.is_blank() else str(program.value), way, words.get(way, "").strip())

    @on(Select.Changed, "#program")
    def _program_chosen(self) -> None:
        self._ask()
        if (program_id := self._fields.program_id) is not None:
            self._condition.know(program_id)

    @on(Select.Changed, "#way")
    def _way_chosen(self) -> None:
        self.query_one("#path", Input).clear()
        self._say_way(self._way)
        self._ask()
        if isinstance(self.focused, Select) and self._way in ASKED_IN:
            self.query_one(ASKED_IN[self._way]).focus()

    def _say_way(self, way: str) -> None:
        self.query_one("#asks").display = way == "file"
        self._condition.display = way == "where"
        self._hint()

    @on(Input.Changed, "#path")
    def _path_typed(self) -> None:
        if self._way == "file":
            self._forget()
            self._show_nobody(NOBODY["file"])

    @on(Input.Submitted, "#path")
    def _path_entered(self) -> None:
        fields = self._fields
        if fields.way == "file" and fields.program_id is not None and fields.words:
            self._forget()
            self.query_one("#hint", Static).update("Reading the file …")
            self._read_file(fields, fields.program_id)

    @on(TextArea.Changed, "#words")
    def _text_typed(self) -> None:
        self._forget()
        self._typing = self.set_timer(DEBOUNCE, self._ask)

    @on(Clauses.Changed)
    def _ask(self) -> None:
        """Find out who is meant."""
        self._forget()
        fields = self._fields
        if fields.way == "where" and not fields.words:
            self._condition.show(NOTHING)
        if fields.program_id is None or fields.way == "file" or (fields.way == "where" and not fields.words):
            self._show_nobody(NOBODY[fields.way])
            return
        self._say_counting()
        chosen = Selection("all") if fields.way == "all" else Selection("where", fields.words)
        self._find_out(fields, fields.program_id, chosen)

    @work(group="find", exclusive=True)
    async def _find_out(self, fields: Fields, program_id: str, chosen: Selection) -> None:
        if chosen.kind == "where":
            await self._condition.take_up(fields.words)
        await self._show(fields, program_id, chosen)

    async def _show(self, fields: Fields, program_id: str, chosen: Selection) -> bool:
        """Show who is meant, unless that is wrong or the fields have changed since."""
        source = MemberSource(self.app, program_id, chosen)
        source.asked = frozenset()  # their number is the audience's: no filter may change it
        try:
            await source.check()
        except PassbellError as error:
            self._show_wrong(fields, error)
            return False
        if fields != self._fields:
            return False
        self._chosen, self._answered = chosen, fields
        self._hint()
        self.query_one("#members", VirtualTable).show(source, empty=FITS_NOBODY)
        if chosen.kind == "where":
            self._condition.explain(program_id, fields.words)
        return True

    @work(group="find", exclusive=True)
    async def _read_file(self, fields: Fields, program_id: str) -> None:
        from jobs.intake.files import match_ids

        desk = self.app.desk
        try:
            path = path_of(fields.words)
            report = await in_thread(match_ids, desk.database, program_id, path, home=desk.settings.home)
        except PassbellError as error:
            self._show_wrong(fields, error)
            return
        if await self._show(fields, program_id, Selection("file", report.name, report.member_ids)):
            self.query_one("#hint", Static).update(report_in_words(report))

    def _show_wrong(self, fields: Fields, error: PassbellError) -> None:
        if fields == self._fields:
            self._answered = fields
            self._show_nobody(WRONG)
            self._trouble(str(error))

    def _forget(self) -> None:
        """The fields have changed: what was found, and what is still being looked for, no longer counts."""
        if self._typing is not None:
            self._typing.stop()
        self.workers.cancel_group(self, "find")
        self._chosen = self._answered = None
        self._condition.forget()
        self._hint()

    def _show_nobody(self, reason: str) -> None:
        self._count = None
        members = self.query_one("#members", VirtualTable)
        members.border_title = None
        members.show_nothing(reason)

    def _hint(self) -> None:
        hint = self.query_one("#hint", Static)
        hint.remove_class("-trouble")
        hint.update(keyed(HINTS[self._way]))

    def _trouble(self, sentence: str) -> None:
        hint = self.query_one("#hint", Static)
        hint.add_class("-trouble")
        hint.update(inert_lines(sentence))

    def _say_counting(self) -> None:
        """A count may take a while: what is shown until then was so before."""
        before = "" if self._count is None else f" ({self._count:,} before)"
        self.query_one("#members").border_title = f"counting …{before}"

    @on(VirtualTable.Counted, "#members")
    def _counted(self, event: VirtualTable.Counted) -> None:
        if self._chosen is not None:
            self._count = event.count
            self.query_one("#members").border_title = how_many(event.count)

    # Presets

    def action_preset(self) -> None:
        """Begin with a preset, or add one to what is there."""
        if self._fields.program_id is not None:
            self._add_preset()

    @work(group="clause", exclusive=True)
    async def _add_preset(self) -> None:
        """Both what is there and the preset have to hold."""
        row = await self._condition.ask_for_preset()
        if row is None:
            return
        self.query_one("#way", Select).value = "where"
        try:
            self._condition.add(row)
        except UsageError:
            self._trouble("The condition is wrong as it is: put it right before you add to it.")

    # Saving

    def action_close(self) -> None:
        """Back without saving."""
        self.dismiss()

    def action_save(self) -> None:
        """Save it; ask before it takes another's place."""
        fields = self._fields
        waiting = fields != self._answered
        if fields.way == "where" and fields.words and waiting:
            self._trouble("This condition is still being counted: save it once its members are shown.")
        elif self._chosen is None or fields.program_id is None or waiting:
            self._trouble("Say who is meant first: there is nobody to save yet.")
        else:
            self._save(fields.program_id, self._chosen)

    @work(group="save", exclusive=True)
    async def _save(self, program_id: str, chosen: Selection) -> None:
        try:
            if await self.query_one(Keep).save(program_id, chosen) is not None:
                self.dismiss()
        except UsageError as error:
            self._trouble(str(error))


def report_in_words(report: IdReport) -> Content:
    """What became of the file's rows."""
    lines = [
        Content(
            f"{report.rows:,} rows, ids in column {inert(report.column, 40)}: {how_many(report.matched)}, "
            f"{report.unknown:,} unknown, {report.duplicate:,} twice, {report.bad:,} unreadable"
        )
    ]
    lines += [Content(inert(note, 160)) for note in report.notes]
    lines += [
        Content.styled(f"line {one.line}: {inert(one.id, 40)} {inert(one.reason, 80)}", "$text-warning")
        for one in report.rejects[:REJECTS]
    ]
    if len(report.rejects) > REJECTS:
        lines.append(Content.styled(f"and {len(report.rejects) - REJECTS:,} more like these", "$quiet"))
    return Content("\n").join(lines)
