"""The root of all commands. A group's commands are imported when one of them is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from console.cli.lazy import LazyGroup
from console.cli.use import Use

EPILOG = """\b
Examples:
  passbell demo                       see everything, without an account
  passbell init && passbell doctor    begin with your own
  passbell --set passkit.concurrency=8 worker
  passbell --read-only                look at everything, change and send nothing

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 refused by a guard.
"""

COMMANDS = {
    "init": ("console.cli.setup:init", "Make the home folder, its settings file and the store."),
    "doctor": ("console.cli.setup:doctor", "Say what stands between a text and a lock screen."),
    "overview": ("console.cli.overview:overview", "Say how everything stands, and what needs you."),
    "keys": ("console.cli.keys:keys", "Keys of the console: list, set, restore."),
    "backup": ("console.cli.setup:backup", "Copy the store into a new file, while workers run."),
    "demo": ("console.cli.rehearsal:demo", "Show everything at work on made-up members; nothing is kept."),
    "drill": ("console.cli.rehearsal:drill", "Kill workers in mid-blast and show that nothing is lost."),
    "rehearse": ("console.cli.rehearsal:rehearse", "Run the stand-in PassKit in the foreground."),
    "console": ("console.cli.console:console", "Open the console, at a blast or in a browser."),
    "worker": ("console.cli.worker:worker", "Run a worker: it sends what is launched."),
    "serve": ("console.cli.serve:serve", "Run the web face: phones and providers call it."),
    "sync": ("console.cli.programs:sync", "Read programs and members from PassKit into the store."),
    "programs": (
        "console.cli.programs:programs",
        "Programs: list, show, create, fields, rules, reconcile, broadcast.",
    ),
    "templates": ("console.cli.templates:templates", "Templates of own passes: new, check, add, list, show."),
    "credentials": (
        "console.cli.credentials:credentials",
        "Credentials of own passes: add, list, remove.",
    ),
    "members": ("console.cli.members:members", "Members: list, show, import, imports, undo."),
    "passes": ("console.cli.passes:passes", "Own passes: issue, rehearse, show, link, list, void, events."),
    "audiences": ("console.cli.audiences:audiences", "Audiences: save, explain, combine, list, delete."),
    "consents": ("console.cli.consents:consents", "Consents: show, give, withdraw, import, token, redeem."),
    "preferences": ("console.cli.preferences:preferences", "Preferences of members: show, set."),
    "suppressions": (
        "console.cli.suppressions:suppressions",
        "Suppressions: list, add, remove, import, export.",
    ),
    "blasts": ("console.cli.blasts:blasts", "Blasts: plan, launch, watch, pause, resume, cancel, retry."),
    "why": ("console.cli.why:why", "Say why a member was messaged or not, step by step."),
    "audit": ("console.cli.audit:audit", "The audit: list, verify, export."),
}


def _flags(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    flags = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"write KEY=VALUE, such as passkit.concurrency=8, not {key!r}")
        flags[key.strip()] = value
    return flags


@click.group(cls=LazyGroup, lazy=COMMANDS, invoke_without_command=True, epilog=EPILOG)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of settings and databases.  [default: PASSBELL_HOME, else the user's data folder]",
)
@click.option(
    "--set",
    "flags",
    multiple=True,
    callback=_flags,
    metavar="KEY=VALUE",
    help="Any setting, over environment and file; repeatable.",
)
@click.option("--read-only", is_flag=True, help="Only look: nothing can be changed or sent.")
@click.version_option(package_name="passbell", message="passbell %(version)s")
@click.pass_context
def root(context: click.Context, home: Path | None, flags: dict[str, str], read_only: bool) -> None:
    """Messages on Apple and Google Wallet passes: choose who, see what the phone will say, launch, watch.

    Without a command, the console opens. While neither a PassKit key nor Apple or Google is set up,
    everything is a REHEARSAL.
    """
    use = context.ensure_object(Use)
    use.home, use.flags = home, flags | ({"access.read_only": "true"} if read_only else {})
    if context.invoked_subcommand is None:
        use.open_console()
