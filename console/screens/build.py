"""Build an audience: a program, who in it, who that is at this moment, and a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from console.actions import bindings
from console.plain import inert, inert_lines
from console.screens.base import ConsoleScreen
from console.widgets.columns import MEMBER_COLUMNS
from console.widgets.members import MemberSource
from console.widgets.table import VirtualTable
from store import audiences, programs
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
ASKS = {
    "where": "points > 500 AND tier = 'gold'",
    "file": "path of a CSV or JSON file with a column of ids; Enter reads it",
}
HINTS = {
    "all": "Everybody whose membership has not ended.",
    "where": (
        "Fields: name, tier, points, birthday, status, created_at, pass_status, wallet … and the program's. "
        "AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL, NOW() - INTERVAL '30 days'."
    ),
    "file": "Any spelling of the id's column will do. Members are kept as the file names them.",
}
NOBODY = {
    "all": "Nobody yet.",
    "where": "Nobody yet: write a condition.",
    "file": "Nobody yet: name a file and press Enter.",
}
WRONG = "Nobody: what is wrong is said above."
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
    mode = "audiences"

    def __init__(self, program_id: str | None = None) -> None:
        super().__init__()
        self._program_id = program_id
        self._chosen: Selection | None = None
        self._answered: Fields | None = None
        """The fields that `_chosen`, or what is said to be wrong, is the answer to."""
        self._typing: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """The questions in the order they are answered, then who is meant."""
        with Vertical(id="form"):
            with Horizontal(classes="line"):
                yield Label("Program")
                yield Select[str]([], id="program", compact=True, prompt="choose a program")
            with Horizontal(classes="line"):
                yield Label("Who")
                yield Select(WAYS, id="way", compact=True, allow_blank=False, value="all")
            with Horizontal(classes="line", id="asks"):
                yield Label("Where", id="asked")
                yield Input(id="words", compact=True)
            with Horizontal(classes="line"):
                yield Label("Name")
                yield Input(
                    id="name",
                    compact=True,
                    max_length=audiences.LONGEST_NAME,
                    placeholder="a name to save it under",
                )
            yield Static(HINTS["all"], id="hint", markup=False)
        yield VirtualTable(MEMBER_COLUMNS, id="members", empty=NOBODY["all"])

    def on_mount(self) -> None:
        """Read which programs there are."""
        super().on_mount()
        self._say_way("all")
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
            self._trouble("There are no programs yet: press 1 for Programs and s to sync them.")

    # The choice

    @property
    def _way(self) -> str:
        return str(self.query_one("#way", Select).value)

    @property
    def _fields(self) -> Fields:
        program, way = self.query_one("#program", Select), self._way
        words = "" if way == "all" else self.query_one("#words", Input).value.strip()
        return Fields(None if program.is_blank() else str(program.value), way, words)

    @on(Select.Changed, "#program")
    def _program_chosen(self) -> None:
        self._ask()

    @on(Select.Changed, "#way")
    def _way_chosen(self) -> None:
        self.query_one("#words", Input).clear()
        self._say_way(self._way)
        self._ask()

    def _say_way(self, way: str) -> None:
        self.query_one("#asks").display = way != "all"
        self.query_one("#asked", Label).update({"where": "Where", "file": "File"}.get(way, ""))
        self.query_one("#words", Input).placeholder = ASKS.get(way, "")
        self._hint()

    @on(Input.Changed, "#words")
    def _typed(self) -> None:
        if self._way == "all":  # the field was cleared, and nobody is asked for words
            return
        self._forget()
        if self._way == "where":
            self._typing = self.set_timer(DEBOUNCE, self._ask)
        else:
            self._show_nobody(NOBODY[self._way])

    @on(Input.Submitted, "#words")
    def _entered(self) -> None:
        fields = self._fields
        if fields.way == "file" and fields.program_id is not None and fields.words:
            self._forget()
            self.query_one("#hint", Static).update("Reading the file …")
            self._read_file(fields, fields.program_id, Path(fields.words).expanduser())
        elif fields.way == "where":
            self.query_one("#name").focus()

    def _ask(self) -> None:
        """Find out who is meant."""
        self._forget()
        fields = self._fields
        if fields.program_id is None or fields.way == "file" or (fields.way == "where" and not fields.words):
            self._show_nobody(NOBODY[fields.way])
            return
        chosen = Selection("all") if fields.way == "all" else Selection("where", fields.words)
        self._find_out(fields, fields.program_id, chosen)

    @work(group="ask", exclusive=True)
    async def _find_out(self, fields: Fields, program_id: str, chosen: Selection) -> None:
        await self._show(fields, program_id, chosen)

    async def _show(self, fields: Fields, program_id: str, chosen: Selection) -> bool:
        """Show who is meant, unless that is wrong or the fields have changed since."""
        source = MemberSource(self.app, program_id, chosen)
        try:
            await source.check()
        except PassbellError as error:
            self._show_wrong(fields, error)
            return False
        if fields != self._fields:
            return False
        self._chosen, self._answered = chosen, fields
        self._hint()
        self.query_one("#members", VirtualTable).show(source)
        return True

    @work(group="ask", exclusive=True)
    async def _read_file(self, fields: Fields, program_id: str, path: Path) -> None:
        import asyncio

        from jobs.intake.files import match_ids

        desk = self.app.desk
        try:
            report = await asyncio.to_thread(
                match_ids, desk.database, program_id, path, home=desk.settings.home
            )
        except PassbellError as error:
            self._show_wrong(fields, error)
            return
        if await self._show(fields, program_id, Selection("file", path.name, report.member_ids)):
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
        self.workers.cancel_group(self, "ask")
        self._chosen = self._answered = None
        self.query_one("#members").border_title = None
        self._hint()

    def _show_nobody(self, reason: str) -> None:
        self.query_one("#members", VirtualTable).show_nothing(reason)

    def _hint(self) -> None:
        hint = self.query_one("#hint", Static)
        hint.remove_class("-trouble")
        hint.update(HINTS[self._way])

    def _trouble(self, sentence: str) -> None:
        hint = self.query_one("#hint", Static)
        hint.add_class("-trouble")
        hint.update(inert_lines(sentence))

    @on(VirtualTable.Counted, "#members")
    def _counted(self, event: VirtualTable.Counted) -> None:
        if self._chosen is not None:
            self.query_one("#members").border_title = f"{event.count:,} members"

    # Saving

    def action_close(self) -> None:
        """Back without saving."""
        self.dismiss()

    def action_save(self) -> None:
        """Save it; ask before it takes another's place."""
        fields, name = self._fields, self.query_one("#name", Input).value
        waiting = fields != self._answered
        if fields.way == "where" and fields.words and waiting:
            self._trouble("This condition is still being counted: save it once its members are shown.")
        elif self._chosen is None or fields.program_id is None or waiting:
            self._trouble("Say who is meant first: there is nobody to save yet.")
        else:
            self._save(fields.program_id, name, self._chosen)

    @work(group="save", exclusive=True)
    async def _save(self, program_id: str, name: str, chosen: Selection) -> None:
        from console.screens.ask import Ask

        saved = await self.app.read(lambda connection: audiences.list_all(connection, program_id))
        taken = any(one.name == name.strip() for one in saved)
        if taken:
            question = Ask(
                f"Replace the audience {name.strip()}?",
                "This program has an audience of that name. The new one takes its place.",
                yes="Replace",
            )
            if not await self.app.push_screen_wait(question):
                return
        if await self._write(program_id, name, chosen, replace=taken) is not None:
            self.dismiss()

    async def _write(
        self, program_id: str, name: str, chosen: Selection, *, replace: bool
    ) -> Audience | None:
        import asyncio

        from jobs.audiences import save

        desk = self.app.desk
        write = partial(save, desk.database, program_id, name, chosen, replace=replace, actor=desk.actor)
        try:
            return await asyncio.to_thread(write)
        except UsageError as error:
            self._trouble(str(error))
            self.query_one("#name").focus()
            return None


def report_in_words(report: IdReport) -> Content:
    """What became of the file's rows."""
    lines = [
        Content(
            f"{report.rows:,} rows, ids in column {inert(report.column, 40)}: {report.matched:,} members, "
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
