"""A message that is being written, and what the store says to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from textual.content import Content

from console import words
from console.widgets.figures import figure_lines, skipped_lines, waiting_lines
from jobs.engine.gate import Message
from jobs.phones import Wording, wording
from jobs.plans import Plan, Progress, plan
from jobs.preview import Asked, Preview, Seen, extremes, preview, see
from store import audiences, preferences
from store.audiences import Audience, Selection
from store.errors import PassbellError, UsageError
from store.programs import Program
from store.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from console.desk import Desk

ALL, WHERE = "all", "where"
SAVED = "saved:"

Which = int | Literal["longest", "shortest"]
"""Whose lock screen: the so manieth member who can be messaged, or the one with such a text."""


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

    def asked(self, connection: sa.Connection, settings: Settings) -> Asked:
        """What is asked of it. Raises UsageError as `chosen` and `message` do."""
        return Asked(settings, self.program_id, self.chosen(connection), self.text, self.message())

    def as_json(self) -> dict[str, str]:
        """The draft as it is kept until the next sitting."""
        return asdict(self)


def kept(found: Any) -> Draft | None:
    """A draft as it was kept; None for what is none, or one of another make."""
    names = Draft.__dataclass_fields__
    if not isinstance(found, Mapping) or found.keys() != names.keys():
        return None
    return Draft(**found) if all(isinstance(value, str) for value in found.values()) else None


@dataclass(frozen=True, slots=True)
class Glance:
    """What one member of a draft would see; `trouble` where the draft is wrong."""

    seen: Seen | None = None
    which: Which = 0
    trouble: str = ""
    wording: Wording = field(default_factory=lambda: Wording(""))


def glance(
    connection: sa.Connection,
    settings: Settings,
    draft: Draft,
    which: Which,
    program: Program,
    language: str = "",
) -> Glance:
    """A look at one member; past the last, the first.

    It takes a moment whatever the audience's size; for the longest and the shortest text of 1,000,000
    members about three seconds, since all of them are compared.
    """
    said = wording(connection, program, language)
    try:
        asked = draft.asked(connection, settings)
        if isinstance(which, str):
            ends = extremes(connection, asked)
            return Glance(ends.longest if which == "longest" else ends.shortest, which, wording=said)
        seen = see(connection, asked, number=which)
        if seen is None and which:
            which, seen = 0, see(connection, asked)
    except PassbellError as error:
        return Glance(which=which, trouble=str(error), wording=said)
    return Glance(seen, which, wording=said)


def count(connection: sa.Connection, settings: Settings, draft: Draft) -> Preview:
    """The counts of a draft that is right."""
    return preview(connection, draft.asked(connection, settings))


def outlook(figures: Preview | None, program: Program) -> Content:
    """The counts in words; what waits, by the clock of the program."""
    if figures is None:
        return Content.styled("Put the sentence on the left right, and the counts come back.", "$quiet")
    told = "will get it" if figures.exact else "at most get it"
    if figures.to_send:
        told += f", taking about {words.duration(figures.eta_seconds)}"
    parts = [Content.styled(f"{figures.to_send:>9,}  {told}", "bold")]
    parts.append(figure_lines(waiting_lines(figures, program.time_zone), 46))
    if figures.skipped:
        parts.append(Content.styled(f"{figures.skipped:>9,}  are left out", "bold"))
        parts.append(figure_lines(skipped_lines(figures.skipped_by_reason, short=True), 46))
    return Content("\n").join(part for part in parts if part)


def freeze(desk: Desk, draft: Draft, progress: Progress) -> Plan:
    """Plan it: from then on its audience and its text stay as they are."""
    with desk.database.read() as connection:
        chosen = draft.chosen(connection)
    message = draft.message()
    return plan(
        desk.database,
        desk.settings,
        program=draft.program_id,
        chosen=chosen,
        text=draft.text,
        purpose=message.purpose,
        category=message.category,
        actor=desk.actor,
        progress=progress,
    )
