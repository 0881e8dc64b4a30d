"""The holder of one pass, as templates see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.passes.template import Template
from store import texts


@dataclass(frozen=True, slots=True)
class Holder:
    """One pass's own part: who holds it, and the message that is on it now.

    serial      of both channels' passes, unique in the store; a part of addresses
    token       authenticationToken of an Apple pass; of no meaning at Google
    message     None: none came yet
    voided      the pass is shown as no longer good
    """

    serial: str
    program_id: str
    external_id: str
    token: str = field(default="", repr=False)
    name: str = ""
    points: float | None = None
    tier: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None
    locale: str | None = None
    expires_at: datetime | None = None
    voided: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """What a text may name, as in blasts."""
        return texts.values_of(
            {
                "name": self.name,
                "external_id": self.external_id,
                "tier_id": self.tier,
                "points": self.points,
                "attributes": self.attributes,
            }
        )


def filled(template: Template, text: str, values: Mapping[str, Any], locale: str | None) -> str:
    """A text of the template with a member's values, in a language if it is translated.

    Empty where a value is missing or is too long: a pass that was issued is served whatever becomes of
    its member, since its phone would else miss the message, too.
    """
    if not texts.has_braces(text):
        return text
    try:
        return texts.render(template.translation(text, locale), values)
    except (texts.MissingValue, texts.TooLong):
        return ""
