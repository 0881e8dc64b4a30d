"""A condition, as rows and as text: either edits the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static, TextArea

from console.app import Console
from console.known import Known, read_known
from console.plain import inert_lines
from console.threads import in_thread
from console.widgets.clauses import Clauses
from store import outline
from store.errors import UsageError
from store.outline import Group, Part, Row, TextOnly

if TYPE_CHECKING:
    from store.presets import Preset


class Condition(Horizontal):
    """An edit of the text sends `TextArea.Changed`; one of the rows `Clauses.Changed`, which the text has."""

    app = getters.app(Console)

    def __init__(self, words: str) -> None:
        """`words` are the text to begin with."""
        super().__init__(id="condition")
        self._first = words
        self._program_id: str | None = None
        self._known: Sequence[Known] = ()

    def compose(self) -> ComposeResult:
        """The rows, the text, and the text in words."""
        yield Clauses(id="clauses")
        with Vertical(id="written"):
            yield TextArea(
                self._first, id="words", compact=True, placeholder="points > 500 AND tier = 'gold'"
            )
            yield Static(id="said", markup=False)

    @property
    def words(self) -> str:
        """The text."""
        return self.query_one(TextArea).text

    @words.setter
    def words(self, text: str) -> None:
        self.query_one(TextArea).text = text

    @property
    def _clauses(self) -> Clauses:
        return self.query_one(Clauses)

    @work(group="know", exclusive=True)
    async def know(self, program_id: str) -> None:
        """Find out which fields the program has, and what is in them."""
        from store import catalogue

        self._program_id = program_id
        self._known = await self.app.read(lambda connection: read_known(connection, program_id))
        self._clauses.know({one.spelled: one.kind for one in self._known})
        counted = await in_thread(catalogue.fresh, self.app.desk.database, program_id)
        self._known = await self.app.read(lambda connection: read_known(connection, program_id, counted))

    async def take_up(self, words: str) -> None:
        """Show the rows that the text means, unless it has changed since."""
        # Off the UI's thread: a long text takes the parser longer than a key press should.
        rows = await in_thread(outlined, words)
        if words == self.words.strip():
            self.show(rows)

    def show(self, rows: Group | str) -> None:
        """Show rows, or why there are none. Where a text means none, the old ones cannot be changed."""
        self._clauses.disabled = isinstance(rows, str)
        if isinstance(rows, Group):
            self._clauses.show(rows)
        elif rows:
            self._clauses.show_instead(rows)

    @work(group="explain")
    async def explain(self, program_id: str, words: str) -> None:
        """Say in words what the text selects, where there is room for it."""
        from store.explain import explain

        told = await self.app.read(lambda connection: explain(connection, program_id, words))
        if words == self.words.strip():
            self.query_one("#said", Static).update(inert_lines(told))

    def forget(self) -> None:
        """What was said of the text no longer counts."""
        self.workers.cancel_group(self, "explain")
        self.query_one("#said", Static).update("")

    @on(Clauses.Changed)
    def _rows_changed(self, event: Clauses.Changed) -> None:
        with self.prevent(TextArea.Changed):
            self.words = outline.spell(event.whole)

    @on(Clauses.Asked)
    @work(group="clause", exclusive=True)
    async def _write_row(self, asked: Clauses.Asked) -> None:
        part = outline.at(self._clauses.whole, asked.path)
        old = part if asked.how == "edit" and isinstance(part, Row) else None
        if (row := await self._ask_for_row(old)) is not None:
            self._clauses.written(asked.path, asked.how, row)

    async def _ask_for_row(self, old: Row | None) -> Row | None:
        from console.screens.clause import ClauseScreen

        if self._program_id is None:
            return None
        return await self.app.push_screen_wait(ClauseScreen(self._program_id, self._known, old))

    async def ask_for_preset(self) -> Part | None:
        """A row of a preset, or one of its field; None where neither was wanted."""
        from console.screens.preset import PresetScreen

        preset: Preset | None = await self.app.push_screen_wait(PresetScreen())
        if preset is None:
            return None
        if preset.field is not None:
            return await self._ask_for_row(Row(outline.field(preset.field), "=", ("''",)))
        (part,) = outline.read(preset.expression).parts
        return part

    def add(self, row: Part) -> None:
        """Add a part to the text: both have to hold. Raises UsageError where the text is wrong as it is."""
        before, expression = self.words.strip(), outline.spell(row)
        self.words = outline.canonical(f"({before}) AND {expression}" if before else expression)
        self._clauses.focus()


def outlined(expression: str) -> Group | str:
    """The rows that a text means, or why rows cannot show it; empty where the text is wrong by itself."""
    try:
        return outline.read(expression)
    except TextOnly as error:
        return str(error)
    except UsageError:
        return ""
