"""What a phone of each kind shows of a text, in words: what is certain, and what its maker words itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from console import words
from jobs.phones import Colour, Wording
from jobs.preview import Seen

PHONES = {"apple": "iPhone", "google": "Android"}
"""The phone that each wallet is on."""

NOBODY = "Nobody in this audience can be messaged. Choose another; the counts say why."
SAME = "The pass shows this very text already: the phone stays silent."
SHOWN = "The phone shows this, unless its owner switched that off."
WOULD = "An iPhone would show this; this member's pass is in no Apple Wallet."
UNKNOWN = "Whether this phone alerts cannot be known: its wallet or design could not be read."
SILENT = "The pass changes, and the lock screen stays dark."
WORDED = "Google Wallet words its own alert, or gives none. The pass itself says the text."
"""Of our own passes there: "the lock-screen text is controlled by Google Wallet" (Google Wallet, "Trigger
push notifications")."""


@dataclass(frozen=True, slots=True)
class Showing:
    """What one member's phone shows.

    wallet  apple | google
    mine    whether the member's pass is in that wallet; None where it is not known
    alert   text: the lock screen shows `text`; worded: by Google, if at all; none: it stays dark
    title   what stands over the text
    text    as the lock screen words it; "" where it shows none of it
    on_pass the text that the pass itself says
    told    what is certain, in a sentence
    colour  the pass's own, if it is known
    """

    wallet: str
    mine: bool | None
    alert: Literal["text", "worded", "none"]
    title: str
    text: str
    on_pass: str
    told: str
    colour: Colour | None = None

    def as_json(self) -> dict[str, Any]:
        """The phone as the commands print it."""
        return {
            "phone": PHONES[self.wallet],
            "holds_the_pass": self.mine,
            "alert": self.alert,
            "title": self.title,
            "text": self.text or None,
            "on_pass": self.on_pass or None,
            "told": self.told,
        }


def showing(wallet: str, seen: Seen | None, wording: Wording, *, own: bool) -> Showing:
    """What a member's phone of that kind shows; `own`: of a pass that we issue. Without a member: nothing."""
    mine = seen.holds(wallet) if seen is not None else None
    if seen is None or seen.reason is not None:
        shown = seen.text if seen is not None and seen.reason == "same_text" else ""
        return Showing(wallet, mine, "none", wording.title, "", shown, _why_none(seen))
    if wallet == "apple":
        told = WOULD if mine is False else UNKNOWN if seen.verdict == "unproven" else SHOWN
        text = wording.around(seen.text)
        return Showing(wallet, mine, "text", wording.title, text, seen.text, told, wording.background)
    if own:
        return Showing(wallet, mine, "worded", "Google Wallet", "", seen.text, WORDED)
    return Showing(wallet, mine, "none", wording.title, "", seen.text, SILENT)


def _why_none(seen: Seen | None) -> str:
    if seen is None:
        return NOBODY
    if seen.reason == "same_text":
        return SAME
    return f"Nothing is sent to this member: {words.reason(seen.reason or '')}."


def notes(seen: Seen | None, wording: Wording) -> Iterator[str]:
    """What else is to be known of the picture: what stands in for something, and what is not translated."""
    if seen is None:
        return
    if seen.waits is not None:
        yield f"Not now: {words.reason(seen.waits)}."
    if not wording.known:
        yield (
            "The program's name stands in for the organisation's, which is the title on a phone; "
            "the design's own words around the text are not known here."
        )
    elif len(wording.languages) > 1:
        yield (
            f"A phone that speaks {wording.language}: title and words around the text as the design "
            "translates them. The text itself is the same in every language."
        )
