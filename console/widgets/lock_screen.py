"""What a lock screen would show: the pass's program, and as much of the text as fits four lines."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len, chop_cells
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from console import words
from console.plain import inert
from console.widgets.cells import fit, wrapped
from jobs.preview import Seen

WIDTH = 40
"""Cells of a line: about what an iPhone gives a notification at its usual text size."""
LINES = 4

SENTENCES = {
    "alert": "Apple Wallet: the phone shows this, unless its owner switched that off.",
    "silent": "Google Wallet: the pass changes, and the lock screen stays dark.",
    "unproven": "Whether this phone alerts cannot be known: its wallet or design could not be read.",
    "nothing": "This member gets nothing.",
}
"""What is certain of one phone, by verdict."""

GOOGLE = "Google Wallet words its own alert, or gives none. The pass itself will say:"
"""Of our own passes there: "the lock-screen text is controlled by Google Wallet" (Google Wallet, "Trigger
push notifications")."""


def lock_screen_lines(text: str, width: int = WIDTH, lines: int = LINES) -> list[str]:
    """The text as the lock screen breaks it, at most `lines` of at most `width` cells, the last one cut.

    Right-to-left paragraphs stand at the right. The text is made inert.
    """
    broken: list[str] = []
    for paragraph in text.strip().split("\n"):
        rtl = _reads_from_the_right(paragraph)
        for line in wrapped(inert(paragraph), width):
            if len(broken) == lines:
                broken[-1] = _aligned(_cut(broken[-1].strip(), width), width, rtl)
                return broken
            broken.append(_aligned(line, width, rtl))
    return broken


def _cut(line: str, width: int) -> str:
    pieces = chop_cells(line, width - 1) or [""]
    return pieces[0].rstrip() + "…"


def _aligned(line: str, width: int, rtl: bool) -> str:
    return " " * (width - cell_len(line)) + line if rtl else line


def _reads_from_the_right(paragraph: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in paragraph)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def told(seen: Seen | None) -> str:
    """One sentence on what is certain."""
    if seen is None:
        return "Nobody in this audience can be messaged."
    if seen.reason is not None:
        return f"Nothing is sent to this member: {words.reason(seen.reason)}."
    if seen.channel == "google":
        return "\n".join([GOOGLE, *lock_screen_lines(seen.text)])
    return SENTENCES[seen.verdict]


class LockScreen(Vertical):
    """The preview of one member's lock screen, and below it what is certain. Dim where no phone lights up."""

    DEFAULT_CSS = """
    LockScreen {
        width: 46; height: auto;
        & > #notice {
            width: 46; height: 7; padding: 0 2; border: round $secondary; background: $panel;
        }
        & #sender { text-style: bold; height: 1; color: $text; }
        & #said { height: 4; color: $text; }
        & > #told { height: auto; padding: 0 1; color: $text-muted; }
        &.-dark > #notice { border: round $surface-lighten-2; background: $surface; }
        &.-dark #sender, &.-dark #said { color: $text-disabled; }
    }
    """

    def compose(self) -> ComposeResult:
        """The notice and the sentence."""
        with Vertical(id="notice"):
            yield Static(id="sender", markup=False)
            yield Static(id="said", markup=False)
        yield Static(id="told", markup=False)

    def show(self, program: str, seen: Seen | None, *, sentence: str | None = None) -> None:
        """Show what a member would see; `sentence` stands in for what is certain."""
        self.query_one("#sender", Static).update("▣ " + fit(inert(program, WIDTH * 2), WIDTH - 2).rstrip())
        # What an alert of Google's says is not ours to promise.
        said = lock_screen_lines(seen.text) if seen and seen.channel != "google" else []
        self.query_one("#said", Static).update("\n".join(said) if any(said) else "…")
        self.query_one("#told", Static).update(sentence or told(seen))
        self.set_class(seen is None or seen.verdict != "alert", "-dark")
