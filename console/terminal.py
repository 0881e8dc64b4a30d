"""What every drawn line goes through: nothing in it is obeyed, and a terminal may lack signs or colours.

Widgets of Textual draw borders, scrollbars, arrows and what stands in a field by themselves: a filter over
all lines is the one place that catches them as well as ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import ANSIToTruecolor, DimFilter, LineFilter
from textual.scrollbar import ScrollBar, ScrollBarRender

from console import plots
from console.plain import REORDERING

_HORIZONTAL, _VERTICAL = "─━┄┅┈┉╌╍═╴╶╸╺╼╾▔", "│┃┆┇┊┋╎╏║╵╷╹╻╽╿▏▎▍▌▐▕▊▉▋"
_CORNERS = "".join(map(chr, range(0x2500, 0x2580))) + "▖▗▘▙▚▛▜▝▞▟"
_OTHERS = (
    {"◌": "?", "»": ">", "▁": "_", "▂": "_", "▃": "=", "▅": "=", "▆": "#", "▇": "#"}
    | dict.fromkeys("▶▸►", ">")
    | dict.fromkeys("▼▾⏷", "v")
    | dict.fromkeys("▲▴⏶", "^")
    | dict.fromkeys("“”", '"')
    | dict.fromkeys("•⭘", "o")
)
ASCII = str.maketrans(
    dict.fromkeys(_CORNERS, "+")
    | dict.fromkeys(_HORIZONTAL, "-")
    | dict.fromkeys(_VERTICAL, "|")
    | _OTHERS
    | {sign: plots.PLAIN[name] for name, sign in plots.SIGNS.items()}
)
"""Every sign of Textual's and ours, and what stands for it, of the same width."""

DEFAULT = Style.from_color(RichColor.parse("default"), RichColor.parse("default"))

MUTE = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *map(ord, REORDERING)), "\u200b")
"""What a terminal or an eye obeys, and a sign of no width, as they have none, that does nothing."""


class Mute(LineFilter):
    """No line has a control character: what we show was spelled out before, a field shows what was pasted."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line with what would be obeyed taken out."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [segment._replace(text=segment.text.translate(MUTE)) for segment in segments]


class Ascii(LineFilter):
    """ASCII in place of signs. Letters of every script stay: they are outside text."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line with its signs replaced."""
        return [
            segment if segment.text.isascii() else segment._replace(text=segment.text.translate(ASCII))
            for segment in segments
        ]


class Colourless(LineFilter):
    """No colours, for NO_COLOR. What stands out by its ground, as a cursor's row does, is reversed."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The line in the terminal's own two colours."""
        ground = background.rich_color
        return [
            segment if segment.style is None else segment._replace(style=_colourless(segment.style, ground))
            for segment in segments
        ]


def _colourless(style: Style, ground: RichColor) -> Style:
    stands_out = style.bgcolor is not None and not style.bgcolor.is_default and style.bgcolor != ground
    return style + DEFAULT + Style(reverse=True) if stands_out else style + DEFAULT


class WholeCells(ScrollBarRender):
    """A scrollbar whose handle begins and ends with a cell: parts of a cell would take signs."""

    VERTICAL_BARS = HORIZONTAL_BARS = [" "]


_MUTE, _ASCII, _COLOURLESS = Mute(), Ascii(), Colourless()


def use_ascii(on: bool) -> None:
    """Draw with ASCII only from now on, or with the house's signs again."""
    plots.use_ascii(on)
    ScrollBar.renderer = WholeCells if on else ScrollBarRender


def filters(
    usual: Sequence[LineFilter], *, without_colours: bool, few_colours: bool = False
) -> Sequence[LineFilter]:
    """The filters that every line goes through; `usual` are Textual's, shades of grey among them.

    A terminal of 16 colours dims by itself: the nearest of them to a paler shade may be the ground's own.
    """
    if without_colours:
        usual = [_COLOURLESS]
    elif few_colours:
        usual = [one for one in usual if not isinstance(one, ANSIToTruecolor | DimFilter)]
    return [_MUTE, *usual, _ASCII] if plots.is_ascii() else [_MUTE, *usual]
