"""Lock screens drawn with cells: pure functions from words to lines, each of exactly so many cells.

A terminal and a phone may disagree on the width of what is combined: emoji of several parts, flags, signs
that a selector turns into emoji. Those are drawn by their first part, so that the frame holds everywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from textual.color import Color
from textual.content import Content
from textual.renderables.digits import DIGITS, DIGITS3X3

from console.phone_words import PHONES, Showing
from console.plain import inert
from console.plots import sign
from console.widgets.cells import fit, wrapped

WIDTH = 40
"""Cells of a line: about what an iPhone gives a notification at its usual text size."""
LINES = 4
MOST, LEAST = 50, 30
"""Cells of a whole phone."""
ICON = 5


_SELECTORS = frozenset("\ufe0e\ufe0f\u20e3")
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Appearance:
    """A phone's colours. They are the phone's and no theme's, and stand nowhere else."""

    frame: str
    wall: str
    clock: str
    card: str
    text: str
    quiet: str
    icon: str


DARK = Appearance("#4a4f5a", "#10151f", "#eef1f6", "#2b313d", "#f4f6f9", "#9aa3b2", "#3d6b52")
LIGHT = Appearance("#8d97a6", "#c9d8e6", "#16202c", "#f7f9fb", "#15191f", "#5d6774", "#3d6b52")


def lock_screen_lines(text: str, width: int = WIDTH, lines: int = LINES) -> list[str]:
    """The text as the lock screen breaks it, at most `lines` of at most `width` cells, the last one cut.

    Right-to-left paragraphs stand at the right. The text is made inert, and what is combined is simplified.
    """
    broken: list[str] = []
    for paragraph in text.strip().split("\n"):
        rtl = from_the_right(paragraph)
        for line in wrapped(drawable(inert(paragraph)), width):
            if len(broken) == lines:
                broken[-1] = _aligned(_cut(broken[-1].strip(), width), width, rtl)
                return broken
            broken.append(_aligned(line, width, rtl))
    return broken


def drawable(text: str) -> str:
    """The text with what is combined drawn by its first part: every terminal gives it these cells."""
    if text.isascii():
        return text
    drawn: list[str] = []
    joined = False
    for character in unicodedata.normalize("NFC", text):
        code, kind = ord(character), unicodedata.category(character)
        if character == _JOINER:
            joined = True
            continue
        if joined and kind[0] == "L" and drawn and unicodedata.category(drawn[-1])[0] in "LM":
            drawn.append(_JOINER)  # between letters it chooses their shapes
        elif joined and kind == "So":
            joined = False
            continue
        joined = False
        if 0x1F1E6 <= code <= 0x1F1FF:  # half a flag: its letter
            drawn.append(chr(code - 0x1F1E6 + ord("A")))
        elif kind[0] == "M" and not (drawn and unicodedata.category(drawn[-1])[0] in "LMN"):
            continue  # a mark on nothing would sit on the frame
        elif character not in _SELECTORS and not 0x1F3FB <= code <= 0x1F3FF and not 0xE0000 <= code < 0xE0080:
            drawn.append(character)
    return "".join(drawn)


def from_the_right(paragraph: str) -> bool:
    """Whether its first letter with a direction belongs to a script that is read from the right."""
    strong = (unicodedata.bidirectional(character) for character in paragraph)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def has_right_to_left(text: str) -> bool:
    """Whether some of it is read from the right."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def head_lines(clock: str, day: str, *, large: bool) -> list[str]:
    """Day and time as they stand on top of a lock screen; `large`: in digits of three lines."""
    if not large or sign("block").isascii():
        return [day, clock]
    places = [3 * DIGITS.index(character) for character in clock]
    return [day, *("".join(DIGITS3X3[place + line].ljust(3) for place in places) for line in range(3))]


def phone(
    shown: Showing, width: int, look: Appearance, head: Sequence[str] = (), height: int = 0
) -> list[Content]:
    """One phone of at least `height` lines: the frame, what its lock screen shows, and the pass below it.

    `head` is the day and, under it, the time.
    """
    inner = width - 2
    styles = (look.quiet, *[f"bold {look.clock}"] * len(head))
    body = [_wall("", inner, look)] * (len(head) > 2)
    body += [_wall(line, inner, look, style) for line, style in zip(head, styles, strict=False)]
    body += [_wall("", inner, look)] * bool(head)
    body += _card(shown, inner, look) if shown.alert != "none" else _dark(inner, look)
    if shown.wallet == "google" and shown.on_pass:
        body += [_wall("", inner, look)] * bool(head)
        body += _on_the_pass(shown.on_pass, inner, look)
    body += [_wall("", inner, look)] * max(bool(head), height - 2 - len(body))
    side = (sign("side"), look.frame)
    framed = [Content.assemble(side, line, side) for line in body]
    return [_top(shown, inner, look), *framed, _bottom(inner, look)]


def _top(shown: Showing, inner: int, look: Appearance) -> Content:
    whose = {
        True: f"{sign('full')} holds the pass",
        False: f"{sign('empty')} pass not here",
        None: "? pass perhaps here",
    }
    name = f" {PHONES[shown.wallet]} "
    is_theirs = shown.mine is not None or shown.on_pass
    room = inner - 2 - cell_len(name)
    mine = whose[shown.mine] if cell_len(whose[shown.mine]) <= room - 2 else fit(whose[shown.mine], room - 2)
    told = f" {mine} " if is_theirs else " "
    line = sign("light") * (room - cell_len(told))
    parts = (sign("top_left") + sign("light"), (name, "bold $text"), (told, "$quiet"), line + sign("light"))
    return Content.assemble(*((one, look.frame) if isinstance(one, str) else one for one in parts)) + (
        Content.styled(sign("top_right"), look.frame)
    )


def _bottom(inner: int, look: Appearance) -> Content:
    line = sign("light") * inner
    return Content.styled(sign("bottom_left") + line + sign("bottom_right"), look.frame)


def _wall(text: str, inner: int, look: Appearance, style: str = "") -> Content:
    """A line of the wallpaper, its text in the middle."""
    text = fit(text, inner) if cell_len(text) > inner else text
    left = (inner - cell_len(text)) // 2
    line = " " * left + text + " " * (inner - left - cell_len(text))
    return Content.styled(line, f"{style or look.quiet} on {look.wall}")


def _card(shown: Showing, inner: int, look: Appearance) -> Iterator[Content]:
    """The notification: an icon, whose it is, and the text as far as a lock screen shows it."""
    room = inner - 5 - ICON
    if shown.alert == "worded":
        block = sign("thin")
        lines = [" ".join((block * 9, block * 4, block * 6))[:room], f"{block * 5} {block * 7}"]
    else:
        most = -(-WIDTH * LINES // room)  # as much of the text as on a phone, whose lines are longer
        lines = lock_screen_lines(shown.text, room, most) if shown.text else [sign("more")]
    style = look.quiet if shown.alert == "worded" else look.text
    on_card = f"on {look.card}"
    title = fit(drawable(inert(shown.title, WIDTH * 2)), room - 4)
    rows = [
        Content.assemble((title, f"bold {look.text} {on_card}"), (" now", f"{look.quiet} {on_card}")),
        *(Content.styled(fit(line, room), f"{style} {on_card}") for line in lines),
    ]
    blank = Content.styled(" " * room, on_card)
    rows += [blank] * (3 - len(rows))
    beside = [Content.styled(" " * ICON, on_card)] * (len(rows) - 3)
    wall, card = (" ", f"on {look.wall}"), (" ", on_card)
    edge = f"{look.card} on {look.wall}"
    yield Content.styled(" " + sign("lower") * (inner - 2) + " ", edge)
    for row, icon in zip(rows, [*_icon(shown, look), *beside], strict=True):
        yield Content.assemble(wall, card, icon, card, row, card, wall)
    yield Content.styled(" " + sign("upper") * (inner - 2) + " ", edge)


def _icon(shown: Showing, look: Appearance) -> list[Content]:
    """A square of the pass's colour in which its icon would be, with the title's first letter."""
    letter = drawable(inert(shown.title.strip(), 4)).strip()[:1].upper()
    colour = Color.parse(look.icon) if shown.colour is None else Color(*shown.colour)
    edge = f"{colour.hex6} on {look.card}"
    return [
        Content.styled(sign("lower") * ICON, edge),
        Content.styled(fit("  " + letter, ICON), f"bold {colour.get_contrast_text(1).hex6} on {colour.hex6}"),
        Content.styled(sign("upper") * ICON, edge),
    ]


def _dark(inner: int, look: Appearance) -> list[Content]:
    return [_wall("", inner, look), _wall("no alert", inner, look), _wall("", inner, look)]


def _on_the_pass(text: str, inner: int, look: Appearance) -> Iterator[Content]:
    """What a pass says of the text once it is opened, which is where Google's phones show it."""
    rule = f" {sign('light') * 2} on the pass "
    yield Content.styled(rule + sign("light") * (inner - len(rule) - 1) + " ", f"{look.quiet} on {look.wall}")
    for line in lock_screen_lines(text, inner - 4, 3):
        yield Content.styled("  " + fit(line, inner - 4) + "  ", f"{look.clock} on {look.wall}")


def _cut(line: str, width: int) -> str:
    pieces = chop_cells(line, width - 1) or [""]
    return pieces[0].rstrip() + sign("more")


def _aligned(line: str, width: int, rtl: bool) -> str:
    return " " * (width - cell_len(line)) + line if rtl else line
