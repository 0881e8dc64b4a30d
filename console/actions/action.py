"""What an action is: one thing that a key, a line of the palette, or the footer does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Footer = Literal["always", "free", "never"]
"""Whether the footer names an action: always, only while nothing stands in its way, never."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done.

    id       `scope.verb`; `[console.keys]` changes a key by it
    key      the default, as Textual names it; several are parted by commas, the first is the one shown
    words    one to three words for footer and palette
    meaning  the sentence that help and palette show
    role     the least that whoever acts has to be; the verbs behind it check that by themselves
    guard    the method of its owner that says what stands in its way, "" for nothing
    danger   messages people, or cannot be undone
    footer   whether the footer names it
    """

    id: str
    key: str
    words: str
    meaning: str
    role: Literal["viewer", "operator", "admin"] = "viewer"
    guard: str = ""
    danger: bool = False
    footer: Footer = "always"

    @property
    def scope(self) -> str:
        """Where it is at hand."""
        return self.id.partition(".")[0]

    @property
    def verb(self) -> str:
        """The name of the method behind it, without `action_`."""
        return self.id.partition(".")[2]

    @property
    def keys(self) -> tuple[str, ...]:
        """Its default keys."""
        return tuple(self.key.split(","))
