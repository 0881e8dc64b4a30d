"""Themes of our own beside Textual's, what keeps every theme readable, and which one a person sees.

The palette's choice is remembered until the setting `console.theme` is changed: then the setting counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.color import Color
from textual.theme import Theme

from console.keymap import keyed
from console.plain import inert

if TYPE_CHECKING:
    from console.app import Console

KEY = "theme"
"""The name under which the palette's choice is remembered."""
TEXT = 4.5
"""The contrast that WCAG 2 (AA) asks of text on its ground."""
SEEN = 1.4
"""The contrast below which a dividing line is no longer seen by everybody."""

THEMES = (
    Theme(
        name="passbell-light",
        primary="#0b5394",
        secondary="#3d5a80",
        accent="#8a3d00",
        warning="#8a5300",
        error="#b3203a",
        success="#1c7a3d",
        foreground="#1d2329",
        background="#fbfbf9",
        surface="#f2f3f1",
        panel="#e6e9ec",
        dark=False,
        variables={
            "quiet": "#51585f",
            "text-disabled": "#51585f",
            "primary-muted": "#e4edf6",
            "block-cursor-blurred-background": "#e4edf6",
            "block-cursor-background": "#c9dff5",
            "block-cursor-foreground": "#0b2239",
            "button-color-foreground": "#ffffff",
        },
    ),
    Theme(
        name="passbell-high-contrast",
        primary="#7cc4ff",
        secondary="#b8dcff",
        accent="#ffd75f",
        warning="#ffd000",
        error="#ff8a8a",
        success="#5df08a",
        foreground="#ffffff",
        background="#000000",
        surface="#1c1c1c",
        panel="#262626",
        boost="#3a3a3a",
        variables={
            "quiet": "#d0d0d0",
            "text-disabled": "#d0d0d0",
            "primary-muted": "#12304a",
            "block-cursor-blurred-background": "#12304a",
            "line": "#b0b0b0",
            "rest": "#b0b0b0",
            "block-cursor-background": "#0a4aa8",
            "block-cursor-foreground": "#ffffff",
            "button-color-foreground": "#000000",
            "border-blurred": "#b0b0b0",
        },
    ),
    Theme(
        name="passbell-high-contrast-light",
        primary="#00338a",
        secondary="#002a70",
        accent="#6a1b7a",
        warning="#6b3a00",
        error="#a00020",
        success="#00561f",
        foreground="#000000",
        background="#ffffff",
        surface="#f0f0f0",
        panel="#e6e6e6",
        boost="#d2d2d2",
        dark=False,
        variables={
            "quiet": "#303030",
            "text-disabled": "#303030",
            "primary-muted": "#dce6f5",
            "block-cursor-blurred-background": "#dce6f5",
            "line": "#505050",
            "rest": "#505050",
            "block-cursor-background": "#a9ccff",
            "block-cursor-foreground": "#000000",
            "button-color-foreground": "#ffffff",
            "border-blurred": "#505050",
        },
    ),
)
"""Ours. Textual's `ansi-dark` and `ansi-light` take the terminal's own colours."""

WORDS = ("text-primary", "text-success", "text-warning", "text-error", "text-accent")
GROUNDS = ("background", "surface", "panel")


LINES = {"line": "panel-lighten-1", "rest": "surface-lighten-2"}
"""Of dividing lines and of what is left of a bar: Textual's shade, where it is seen on the theme's ground."""


def completed(variables: dict[str, str]) -> dict[str, str]:
    """A theme's variables and more: `$quiet`, a paler shade of its text, `$line` and `$rest`, and the
    colours of words that stand on `$success` and on `$error`.

    `$text-muted` is no colour but a rule, which text with styles of its own cannot follow.
    """
    text, ground = Color.parse(variables["foreground"]), Color.parse(variables["background"])
    if text.ansi is not None or ground.ansi is not None:
        words_on = {"on-success": "ansi_black", "on-error": "ansi_bright_white"}
        return dict.fromkeys(("quiet", *LINES), "ansi_bright_black") | words_on | variables
    grounds = [ground + Color.parse(variables[name]) for name in GROUNDS]
    ours = {"quiet": _apart(ground, text, 0.62, TEXT, (ground,))}
    ours |= {f"on-{name}": _readable_on(Color.parse(variables[name])) for name in ("success", "error")}
    for name, shade in LINES.items():
        seen = contrast(Color.parse(variables[shade]), ground) >= SEEN
        ours[name] = variables[shade] if seen else _apart(ground, text, 0.3, SEEN, (ground,))
    words = {name: _apart(Color.parse(variables[name]), text, 0.0, TEXT, grounds) for name in WORDS}
    return ours | variables | words


def contrast(one: Color, other: Color) -> float:
    """How far two colours are apart in lightness, as WCAG 2 has it: 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _readable_on(ground: Color) -> str:
    """Black or white, whichever is further apart from a ground."""
    return max(("#ffffff", "#000000"), key=lambda name: contrast(Color.parse(name), ground))


def _apart(start: Color, text: Color, share: float, least: float, grounds: Iterable[Color]) -> str:
    """A blend towards the text, no paler than `share` of it, that is so far apart from all grounds."""
    blends = (start.blend(text, step / 50) for step in range(round(share * 50), 51))
    return next(
        (one.hex6 for one in blends if all(contrast(one, ground) >= least for ground in grounds)), text.hex6
    )


def _luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def begin(app: Console) -> None:
    """Take the theme that was chosen last, or else the setting's; tell a name that no theme has."""
    wanted = app.desk.settings.console.theme
    if wanted not in app.available_themes:
        near = difflib.get_close_matches(wanted, app.available_themes, n=1, cutoff=0.4)
        said = (
            f" Did you mean {near[0]}?"
            if near
            else keyed(" The palette (<app.command_palette>, theme) lists them.")
        )
        app.notify(
            f"console.theme: there is no theme {inert(repr(wanted), 60)}.{said}",
            severity="warning",
            markup=False,
        )
        wanted = app.theme
    kept = app.memory.get(KEY)
    if isinstance(kept, list) and len(kept) == 2 and kept[0] == wanted and kept[1] in app.available_themes:
        wanted = kept[1]
    app.theme = wanted


def choose(app: Console, name: str) -> None:
    """Take a theme, and again in the next sitting."""
    app.theme = name
    setting = app.desk.settings.console.theme
    app.memory.put(KEY, None if name == setting else [setting, name])
