"""The one table of what keys do: bindings, footer, help and command palette are all made from it.

A screen takes `BINDINGS = bindings("blast")` and has a method for each of its actions, named after the part
behind the dot: `blast.pause` is `action_pause`.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType

SCOPES = {
    "app": "Everywhere",
    "table": "In a list",
    "programs": "Programs",
    "fields": "Fields of a program",
    "imports": "Imports of a program",
    "import_file": "A file to import",
    "target": "A column of a file",
    "member": "A member",
    "audiences": "Audiences",
    "build": "Build an audience",
    "clauses": "Rows of a condition",
    "clause": "A row of a condition",
    "preset": "An audience to begin with",
    "compose": "Compose",
    "launch": "Launch",
    "blasts": "Blasts",
    "blast": "A blast",
    "delivery": "A delivery",
    "why": "Why",
    "audit": "Audit",
    "entry": "An audit entry",
    "retry": "A retry",
    "ask": "A question",
    "form": "Questions on one page",
    "help": "Help",
}
"""Where an action is at hand, with the heading that help gives it."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a key does.

    id      `scope.verb`; also the id under which a key can be changed
    key     as Textual names it; several are parted by commas, the first is the one shown
    words   two or three words for footer and palette
    scope   one of SCOPES
    danger  messages people, or cannot be undone
    meaning the sentence that help shows
    footer  whether the footer names it
    """

    id: str
    key: str
    words: str
    scope: str
    danger: bool = False
    meaning: str = ""
    footer: bool = True

    @property
    def verb(self) -> str:
        """The name of the method behind it, without `action_`."""
        return self.id.partition(".")[2]


ACTIONS = (
    Action("app.programs", "1", "Programs", "app", meaning="Programs and their members", footer=False),
    Action("app.audiences", "2", "Audiences", "app", meaning="Who a message goes to", footer=False),
    Action(
        "app.compose", "3", "Compose", "app", meaning="Write a message and see the lock screen", footer=False
    ),
    Action(
        "app.blasts",
        "4",
        "Blasts",
        "app",
        meaning="What was planned, is running and has been sent",
        footer=False,
    ),
    Action("app.audit", "5", "Audit", "app", meaning="Who did what, and when", footer=False),
    Action("app.help", "question_mark", "Help", "app", meaning="This page"),
    Action(
        "app.command_palette",
        "ctrl+p",
        "Find",
        "app",
        meaning="Find a screen, program, blast or theme",
        footer=False,
    ),
    Action(
        "app.leave",
        "q,ctrl+q",
        "Quit",
        "app",
        meaning="Leave; asks first while a blast depends on this console",
    ),
    Action("table.cursor_up", "up,k", "Up", "table", meaning="One row up", footer=False),
    Action("table.cursor_down", "down,j", "Down", "table", meaning="One row down", footer=False),
    Action("table.page_up", "pageup,ctrl+b", "Page up", "table", meaning="One page up", footer=False),
    Action("table.page_down", "pagedown,ctrl+f", "Page down", "table", meaning="One page down", footer=False),
    Action("table.first", "home,g", "First", "table", meaning="The first row", footer=False),
    Action("table.last", "end,G", "Last", "table", meaning="The last row", footer=False),
    Action("table.select", "enter", "Open", "table", meaning="Open the row", footer=False),
    Action(
        "programs.filter",
        "slash",
        "Filter",
        "programs",
        meaning="Show only the members that match",
        footer=False,
    ),
    Action("programs.sync", "s", "Sync", "programs", meaning="Read the chosen program from PassKit again"),
    Action(
        "programs.sync_all",
        "S",
        "Sync all",
        "programs",
        meaning="Read every program from PassKit again",
        footer=False,
    ),
    Action("programs.stop", "x", "Stop sync", "programs", meaning="Stop a sync; the next goes on from there"),
    Action("programs.message", "m", "Message", "programs", meaning="Write a message to the chosen program"),
    Action(
        "programs.fields", "f", "Fields", "programs", meaning="What is known of members, and how many have it"
    ),
    Action(
        "programs.rules",
        "r",
        "Rules",
        "programs",
        danger=True,
        meaning="What the program allows: quiet hours, limits",
    ),
    Action(
        "programs.imports", "i", "Import", "programs", meaning="Add to members from a file, or undo an import"
    ),
    Action(
        "programs.why",
        "w",
        "Why",
        "programs",
        meaning="Why the member under the cursor is messaged or not",
        footer=False,
    ),
    Action(
        "programs.back",
        "escape",
        "Back",
        "programs",
        meaning="Out of the filter, then to the list",
        footer=False,
    ),
    Action(
        "fields.count", "c", "Count again", "fields", meaning="Count who has a value, and which are common"
    ),
    Action("fields.back", "escape", "Back", "fields", meaning="Back to the programs"),
    Action("imports.new", "n", "New", "imports", meaning="Name a file to import"),
    Action(
        "imports.undo",
        "u",
        "Undo",
        "imports",
        danger=True,
        meaning="Make members what they were before the import",
    ),
    Action("imports.back", "escape", "Back", "imports", meaning="Back to the programs; stops an undo"),
    Action("import_file.run", "i", "Import", "import_file", meaning="Import the file, after asking"),
    Action(
        "import_file.forget",
        "f",
        "Forget",
        "import_file",
        meaning="Guess anew what columns become, whatever was said before",
    ),
    Action(
        "import_file.rejects",
        "w",
        "Rejects",
        "import_file",
        meaning="Write the rejected lines with their reasons into a file",
    ),
    Action(
        "import_file.back",
        "escape,ctrl+c",
        "Back",
        "import_file",
        meaning="Stop an import with nothing changed; else back",
    ),
    Action("target.use", "ctrl+s", "Use", "target", meaning="Let the column become what is written"),
    Action("target.close", "escape", "Cancel", "target", meaning="Leave the column as it was"),
    Action("member.close", "escape,q", "Close", "member", meaning="Back to the members"),
    Action("member.why", "w", "Why", "member", meaning="Why the member is messaged or not, step by step"),
    Action("member.give", "g", "Consent", "member", danger=True, meaning="Record that the member consented"),
    Action("member.withdraw", "x", "Withdraw", "member", meaning="Record that the member withdrew consent"),
    Action(
        "member.suppress",
        "s",
        "Suppress",
        "member",
        danger=True,
        meaning="Send this person no more messages",
    ),
    Action("member.lift", "l", "Lift", "member", danger=True, meaning="Take a suppression back"),
    Action(
        "member.wishes",
        "p",
        "Preferences",
        "member",
        meaning="What the member asked for: quiet hours, limits",
    ),
    Action("audiences.build", "n", "New", "audiences", meaning="Build an audience"),
    Action("audiences.edit", "e", "Edit", "audiences", meaning="Change who is in the audience"),
    Action("audiences.message", "m", "Message", "audiences", meaning="Write a message to this audience"),
    Action("audiences.delete", "d", "Delete", "audiences", danger=True, meaning="Delete the audience"),
    Action(
        "audiences.why",
        "w",
        "Why",
        "audiences",
        meaning="Why the member under the cursor is messaged or not",
        footer=False,
    ),
    Action("audiences.back", "escape", "Back", "audiences", meaning="Back to the list", footer=False),
    Action("build.save", "ctrl+s", "Save", "build", meaning="Save the audience under its name"),
    Action("build.close", "escape", "Back", "build", meaning="Back without saving"),
    Action(
        "build.preset",
        "ctrl+t",
        "Preset",
        "build",
        meaning="Take one of the audiences every shop asks for",
    ),
    Action("clauses.add", "a", "Add", "clauses", meaning="One more row, below this one"),
    Action("clauses.group", "b", "Group", "clauses", meaning="This and one more, in a group of their own"),
    Action("clauses.join", "o", "All/any", "clauses", meaning="All of these have to hold, or any of them"),
    Action("clauses.negate", "n", "Not", "clauses", meaning="Those of whom this is not so"),
    Action("clauses.remove", "x,delete", "Drop", "clauses", meaning="Take the row or group out"),
    Action("clause.use", "ctrl+s", "Use", "clause", meaning="Put the row into the condition"),
    Action("clause.close", "escape", "Cancel", "clause", meaning="Leave the row as it was"),
    Action("preset.close", "escape", "Cancel", "preset", meaning="Begin without one"),
    Action(
        "compose.plan", "ctrl+r", "Plan", "compose", meaning="Freeze audience and text, then ask to launch"
    ),
    Action("compose.next", "n", "Next member", "compose", meaning="Preview with the next member"),
    Action("compose.previous", "p", "Previous", "compose", meaning="Preview with the member before"),
    Action(
        "compose.back", "escape", "Leave field", "compose", meaning="Leave the field: keys are keys again"
    ),
    Action(
        "launch.replan",
        "ctrl+r",
        "Plan anew",
        "launch",
        meaning="Where a plan no longer holds: plan it again, and look at the new count",
    ),
    Action("launch.page_up", "pageup", "Page up", "launch", meaning="The facts, a page up", footer=False),
    Action(
        "launch.page_down", "pagedown", "Page down", "launch", meaning="The facts, a page down", footer=False
    ),
    Action("launch.cancel", "escape", "Cancel", "launch", meaning="Back; nothing is sent, the plan is kept"),
    Action("blasts.compose", "n", "New", "blasts", meaning="Write a new message"),
    Action("blast.pause", "p", "Pause", "blast", meaning="Stop sending; what is in flight still arrives"),
    Action("blast.resume", "r", "Resume", "blast", danger=True, meaning="Go on after a pause or a hold"),
    Action(
        "blast.cancel",
        "x",
        "Cancel",
        "blast",
        danger=True,
        meaning="End the blast for good; at once while no message has left",
    ),
    Action("blast.retry", "t", "Retry", "blast", danger=True, meaning="Try failed deliveries again"),
    Action(
        "blast.rate",
        "e",
        "Rate",
        "blast",
        meaning="Change how many requests a second it makes, and how many at once",
        footer=False,
    ),
    Action(
        "blast.urgent",
        "u",
        "Urgent",
        "blast",
        meaning="Let it go before other blasts, or no longer",
        footer=False,
    ),
    Action(
        "blast.launch",
        "l",
        "Launch",
        "blast",
        danger=True,
        meaning="Launch it now or at a time, after asking",
    ),
    Action(
        "blast.batches",
        "b",
        "Batches",
        "blast",
        meaning="Its batches, those with failures first",
        footer=False,
    ),
    Action(
        "blast.deliveries",
        "d",
        "Deliveries",
        "blast",
        meaning="Its deliveries, one for each pass",
        footer=False,
    ),
    Action(
        "blast.filter",
        "slash",
        "Filter",
        "blast",
        meaning="Show deliveries of one state or reason",
        footer=False,
    ),
    Action(
        "blast.fetched",
        "f",
        "Late",
        "blast",
        meaning="Deliveries that no phone has fetched yet, then those that one has, then all",
    ),
    Action(
        "blast.nudge",
        "n",
        "Nudge",
        "blast",
        meaning="Write to those whose phone has not fetched it",
    ),
    Action("blast.back", "escape", "Back", "blast", meaning="Back to the blasts"),
    Action("retry.up", "up,k", "Up", "retry", meaning="The choice above, whatever has the focus"),
    Action("retry.down", "down,j", "Down", "retry", meaning="The choice below, whatever has the focus"),
    Action("delivery.why", "w", "Why", "delivery", meaning="Why it was sent or not, step by step"),
    Action("delivery.close", "escape,q", "Close", "delivery", meaning="Back to the deliveries"),
    Action(
        "why.purpose", "s", "Purpose", "why", meaning="Ask for a service message, then for marketing again"
    ),
    Action("why.back", "escape", "Back", "why", meaning="Back to where it was asked"),
    Action("audit.verify", "v", "Verify", "audit", meaning="Check that no entry was changed or taken out"),
    Action("entry.close", "escape,q", "Close", "entry", meaning="Back to the audit"),
    Action("help.close", "escape,q,question_mark", "Close", "help", meaning="Back to the screen"),
    Action("ask.cancel", "escape", "Cancel", "ask", meaning="No; nothing is done"),
    Action("form.do", "ctrl+s", "Do it", "form", meaning="Do what the page asks about"),
    Action("form.cancel", "escape", "Cancel", "form", meaning="Leave it as it is"),
)


def of_scope(scope: str) -> list[Action]:
    """The scope's actions, in the order of the table."""
    return [action for action in ACTIONS if action.scope == scope]


def bindings(scope: str) -> list[BindingType]:
    """The scope's keys, for a screen's, a widget's or the app's BINDINGS."""
    return [
        Binding(
            key,
            action.verb,
            action.words,
            show=action.footer and place == 0,
            tooltip=action.meaning,
            id=action.id if place == 0 else None,
        )
        for action in of_scope(scope)
        for place, key in enumerate(action.key.split(","))
    ]
