"""What a scope is: a screen, a window or a part of one, where some actions are at hand."""

from __future__ import annotations

from dataclasses import dataclass

IN_WINDOWS = ("app.help", "app.jump", "app.command_palette")
"""What is at hand in windows beside what is their own."""
ASIDE = ("app.command_palette",)
"""The same in windows that are about what is under them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where actions are at hand.

    id       what stands before the dot in its actions' ids
    heading  what help calls it
    window   while it is open, neither the screen under it nor the app has its keys
    beside   a window's: the actions of the app that are at hand all the same
    within   a part's: the scopes that are at hand together with it
    fields   whether it has text fields, where a letter is a letter
    """

    id: str
    heading: str
    window: bool = False
    beside: tuple[str, ...] = IN_WINDOWS
    within: tuple[str, ...] = ()
    fields: bool = False


ALL = (
    Scope("app", "Everywhere"),
    Scope("table", "In a list"),
    Scope("filter", "A filter of a column", window=True, fields=True),
    Scope("columns", "The columns of a list", window=True),
    Scope("export", "An export", window=True, fields=True),
    Scope("home", "Home"),
    Scope("programs", "Programs"),
    Scope("fields", "Fields of a program"),
    Scope("imports", "Imports of a program"),
    Scope("import_file", "A file to import", fields=True),
    Scope("target", "A column of a file", window=True, fields=True),
    Scope("member", "A member", window=True),
    Scope("audiences", "Audiences"),
    Scope("build", "Build an audience", fields=True),
    Scope("clauses", "Rows of a condition", within=("build",)),
    Scope("clause", "A row of a condition", window=True, fields=True),
    Scope("preset", "An audience to begin with", window=True),
    Scope("compose", "Compose", fields=True),
    Scope("earlier", "Earlier texts", window=True),
    Scope("verdict", "Members of a verdict"),
    Scope("launch", "Launch", window=True, fields=True),
    Scope("blasts", "Blasts"),
    Scope("blast", "A blast"),
    Scope("incident", "A report", window=True),
    Scope("delivery", "A delivery", window=True),
    Scope("why", "Why"),
    Scope("audit", "Audit"),
    Scope("entry", "An audit entry", window=True),
    Scope("retry", "A retry", window=True, beside=(), within=("ask",)),
    Scope("ask", "A question", window=True),
    Scope("form", "Questions on one page", window=True, fields=True),
    Scope("help", "Help", window=True, beside=ASIDE),
    Scope("keys", "Keys of your own", window=True, beside=ASIDE),
    Scope("capture", "A key to be pressed", window=True, beside=()),  # it takes every key for an answer
    Scope("jump", "Jump", window=True, beside=ASIDE),
)
"""In the order of help."""
