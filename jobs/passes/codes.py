"""QR codes of download links: as PNG and SVG for print, and as text for a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import UsageError

if TYPE_CHECKING:
    import segno

QUIET = 4
"""Modules of light around a code (ISO/IEC 18004, 9.1)."""
SCALE = 8
"""Pixels of a module: a code as long as a link is some 400 wide."""
BLACK_ON_WHITE, PLAIN = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
"""The two colours are of the fixed part of the palette, which themes leave alone."""
KINDS = ("png", "svg")


def png(text: str) -> bytes:
    """The code as a PNG."""
    return _written(text, "png")


def svg(text: str) -> bytes:
    """The code as an SVG document."""
    return _written(text, "svg")


def terminal(text: str, *, colours: bool = True) -> str:
    """The code as lines of half blocks, two rows of modules each.

    With `colours` it is black on white whatever the terminal's theme is. Without, light is what is printed:
    right where the background is dark; most readers also take it the other way round. A text of up to 106
    bytes fits 80 columns and 23 lines.
    """
    rows = [list(map(bool, row)) for row in _made(text).matrix_iter(border=QUIET)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    glyphs = " ▄▀█" if colours else "█▀▄ "
    lines = [
        "".join(glyphs[2 * upper + lower] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    ]
    return "\n".join(f"{BLACK_ON_WHITE}{line}{PLAIN}" if colours else line for line in lines)


def kind_of(path: Path) -> str:
    """png or svg, by the file's name. Raises UsageError for any other."""
    if (kind := path.suffix.removeprefix(".").lower()) in KINDS:
        return kind
    raise UsageError(f"a QR code is written as .png or .svg, not as {path.name}")


def image(text: str, kind: str) -> bytes:
    """The code in one of KINDS."""
    return png(text) if kind == "png" else svg(text)


def _made(text: str) -> segno.QRCode:
    import segno

    # Level L: what is read from a screen or clean paper is not damaged, and a small code fits a terminal.
    return segno.make_qr(text, error="l", boost_error=False)


def _written(text: str, kind: str) -> bytes:
    out = io.BytesIO()
    _made(text).save(out, kind=kind, scale=SCALE, border=QUIET)
    return out.getvalue()
