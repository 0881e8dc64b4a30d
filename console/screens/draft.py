"""A message that is being written, and what the store says to it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from textual.content import Content

from console import words
from console.widgets.figures import figure_lines, messaged_lines, skipped_lines, waiting_lines
from jobs.engine.gate import Message
from jobs.preview import Preview, Seen, preview, see
from store import audiences, preferences
from store.audiences import Audience, Selection
from store.errors import PassbellError, UsageError
from store.programs import Program
from store.settings import Settings

ALL, WHERE = "all", "where"
SAVED = "saved:"


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands on the screen: an audience's key is `all`, `where` or `saved:NAME`."""

    program_id: str
    audience: str
    predicate: str
    text: str
    purpose: str
    category: str

    def message(self) -> Message:
        """What the gate has to know of it. Raises UsageError for an unusable category."""
        category = self.category.strip()
        return Message(self.purpose, preferences.category(category) if category else None)

    def chosen(self, connection: sa.Connection) -> Audience | Selection:
        """The audience that is meant. Raises UsageError where a predicate is missing."""
        if self.audience == WHERE:
            if not self.predicate.strip():
                raise UsageError("write who is meant, such as: points > 500 AND tier = 'gold'")
            return Selection("where", self.predicate)
        if self.audience.startswith(SAVED):
            return audiences.by_name(connection, self.program_id, self.audience.removeprefix(SAVED))
        return Selection("all")


@dataclass(frozen=True, slots=True)
class Glance:
    """What the `number`th member of a draft would see; `trouble` where the draft is wrong."""

    seen: Seen | None = None
    number: int = 0
    trouble: str = ""


def glance(connection: sa.Connection, settings: Settings, draft: Draft, number: int) -> Glance:
    """A look at one member, which takes a moment whatever the audience's size; past the last, the first."""
    try:
        asked = (draft.program_id, draft.chosen(connection), draft.text, draft.message())
        seen = see(connection, settings, *asked, number=number)
        if seen is None and number:
            number, seen = 0, see(connection, settings, *asked)
    except PassbellError as error:
        return Glance(number=number, trouble=str(error))
    return Glance(seen, number)


def count(connection: sa.Connection, settings: Settings, draft: Draft) -> Preview:
    """The counts of a draft that is right."""
    chosen = draft.chosen(connection)
    return preview(connection, settings, draft.program_id, chosen, draft.text, draft.message())


def outlook(figures: Preview | None, program: Program) -> Content:
    """The counts in words; what waits, by the clock of the program."""
    if figures is None:
        return Content.styled("Put the sentence on the left right, and the counts come back.", "$quiet")
    told = "will get it" if figures.exact else "at most get it"
    if figures.to_send:
        told += f", taking about {words.duration(figures.eta_seconds)}"
    parts = [Content.styled(f"{figures.to_send:>9,}  {told}", "bold")]
    messaged = messaged_lines(figures.messaged, short=True, own=program.own)
    lines = [*messaged, *waiting_lines(figures, program.time_zone)]
    parts.append(figure_lines(lines, 46))
    if figures.skipped:
        parts.append(Content.styled(f"{figures.skipped:>9,}  are left out", "bold"))
        parts.append(figure_lines(skipped_lines(figures.skipped_by_reason, short=True), 46))
    return Content("\n").join(part for part in parts if part)
