"""The lock screens of one member, an iPhone's and an Android's, and below them what is certain of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from unicodedata import normalize

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from console.phone_words import PHONES, Showing
from console.plain import inert
from console.widgets.cells import wrapped
from console.widgets.phone import DARK, LEAST, LIGHT, MOST, drawable, has_right_to_left, head_lines, phone

GAP = 2
TALL = 32
"""Lines of a terminal in which a phone also shows day and time."""
LARGE = 40
"""And in which the time is as large as on a phone."""

COMBINED = "Combined emoji and flags are drawn by their parts here; a phone draws them whole."
RIGHT = "Right-to-left: a phone orders the letters; a terminal may show them the other way round."


class LockScreen(Vertical):
    """Two phones side by side; where there is room for one only, the one that was asked for."""

    DEFAULT_CSS = """
    LockScreen {
        width: 1fr; height: auto;
        & > #phones { width: 1fr; height: auto; }
        & > #told { width: 1fr; height: auto; padding: 0 1; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: Sequence[Showing] = ()
        self._clock, self._day = "", ""
        self.dark = True
        """The phones' appearance, whatever the console's theme is."""
        self.in_front = "apple"
        """The wallet whose phone is seen where there is room for one only."""

    def compose(self) -> ComposeResult:
        """The phones, and what is certain of them."""
        yield Static(id="phones", markup=False)
        yield Static(id="told", markup=False)

    def show(self, shown: Sequence[Showing], *, clock: str, day: str) -> None:
        """Show what a member's phones would show, at a time of day."""
        self._shown, self._clock, self._day = shown, clock, day
        self.draw()

    @property
    def has_both(self) -> bool:
        """Whether there is room for two phones."""
        return self.size.width >= 2 * LEAST + GAP

    def on_resize(self, event: Resize) -> None:
        """Draw in the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw the phones that there is room for, of one height."""
        if not self._shown or self.size.width < LEAST:
            return
        seen = [one for one in self._shown if self.has_both or one.wallet == self.in_front]
        width = min(MOST, (self.size.width - GAP * (len(seen) - 1)) // len(seen))
        look = DARK if self.dark else LIGHT
        lines = self.screen.size.height
        head = head_lines(self._clock, self._day, large=lines >= LARGE) if lines >= TALL else []
        height = max(len(phone(one, width, look, head)) for one in seen)
        drawn = [phone(one, width, look, head, height) for one in seen]
        gap = Content(" " * GAP)
        self.query_one("#phones", Static).update(
            Content("\n").join(gap.join(lines) for lines in zip(*drawn, strict=True))
        )
        self.query_one("#told", Static).update(self._told(seen))

    def _told(self, seen: Sequence[Showing]) -> Content:
        """What is certain of each phone that is seen."""
        width = max(self.size.width - 2, LEAST)
        sentences = [f"{PHONES[one.wallet]}: {one.told}" for one in seen]
        if len({one.told for one in seen}) == 1:
            sentences = [seen[0].told]
        return Content("\n".join(line for one in sentences for line in wrapped(inert(one), width)))


def of_the_drawing(shown: Iterable[Showing]) -> Iterator[str]:
    """In what the picture differs from a phone, where a text holds what terminals treat unlike."""
    texts = [inert(one.on_pass) for one in shown]
    if any(drawable(text) != normalize("NFC", text) for text in texts):
        yield COMBINED
    if any(map(has_right_to_left, texts)):
        yield RIGHT
