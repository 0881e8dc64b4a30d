"""What phones show of a text: what is ours to word, what is the design's, and what is Google's alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jobs.passes import template as design
from jobs.passes.template import CHANGED
from store import templates
from store.errors import UsageError
from store.programs import Program

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Wording:
    """What stands around a text on a lock screen, in one language of the pass.

    title           over the text: the organisation's name where it is known, else the program's
    change_message  the design's words around the text, with `%@` in its place
    known           whether both were read from the design; PassKit keeps them to itself
    language        the phone's, of `languages`; the text itself is never translated
    languages       those that the design speaks, its own first; empty where it is not known
    background      the pass's colour, if its design names one
    """

    title: str
    change_message: str = CHANGED
    known: bool = False
    language: str = ""
    languages: tuple[str, ...] = ()
    background: Colour | None = None

    def around(self, text: str) -> str:
        """The text as an iPhone words it: Apple puts it where the change message has `%@`."""
        return self.change_message.replace(CHANGED, text)

    def as_json(self) -> dict[str, Any]:
        """The wording as the commands print it; null what the design keeps to itself."""
        return {
            "title": self.title if self.known else None,
            "change_message": self.change_message if self.known else None,
            "language": self.language or None,
            "languages": list(self.languages),
        }


def wording(connection: sa.Connection, program: Program, language: str = "") -> Wording:
    """The wording of a program's passes on a phone that speaks a language, else the design's own.

    A translation stands in for each text of the pass that it names (Apple, "Creating the source for a
    pass"). The phone chooses the language by its own settings, not by what we know of its holder.
    """
    if not program.own:
        return Wording(program.name)
    try:
        found = design.of(templates.newest(connection, program.id))
    except UsageError:  # no design yet, or one of an older make: nothing is known, as with PassKit
        return Wording(program.name)
    languages = (found.locale, *sorted(found.strings))
    chosen = language if language in languages else found.locale
    return Wording(
        found.translation(found.organisation, chosen),
        found.translation(found.message.change_message, chosen),
        known=True,
        language=chosen,
        languages=languages,
        background=found.colours.get("background"),
    )
