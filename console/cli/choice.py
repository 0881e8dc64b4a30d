"""Who is meant: --audience, --all, --where, --preset, --file or --of-blast, of which one is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.output import LARGEST, Progress, note
from console.desk import Desk
from console.words import figures
from store import audiences, past, presets
from store.audiences import Audience, Selection
from store.errors import UsageError

if TYPE_CHECKING:
    from jobs.intake.files import IdReport


NAMES = ("audience", "everybody", "where", "preset", "file", "rejects", "of_blast", "fetched")
"""What `choose` is asked with."""


def choice_options(*, saved: bool) -> Callable[[Any], Any]:
    """The options, given to the command as one `who` for `choose`; `saved` adds --audience and --of-blast."""
    options = [
        click.option("--all", "everybody", is_flag=True, help="All active members."),
        click.option("--where", metavar="EXPR", help='Members that fit, such as "points > 500".'),
        click.option(
            "--preset",
            metavar="NAME",
            help="slumber, whale, local=90210 ...: see `passbell audiences presets`.",
        ),
        click.option(
            "--file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="CSV, JSON or NDJSON with members' external ids.",
        ),
        click.option(
            "--rejects",
            type=click.Path(path_type=Path),
            metavar="OUT",
            help="With --file: write the lines that matched nobody there.",
        ),
    ]
    if saved:
        options.insert(0, click.option("--audience", metavar="NAME", help="A saved audience."))
        options += [
            click.option(
                "--of-blast", type=click.IntRange(1, LARGEST), metavar="ID", help="Those who got that blast."
            ),
            click.option(
                "--fetched",
                type=click.Choice(["yes", "no"]),
                help="With --of-blast: those whose phone has fetched it, or has not: a nudge.",
            ),
        ]

    def add(command: Any) -> Any:
        @wraps(command)
        def gathered(*given: Any, **named: Any) -> Any:
            who = {name: named.pop(name) for name in NAMES if name in named}
            return command(*given, who=who, **named)

        for option in reversed(options):
            gathered = option(gathered)
        return gathered

    return add


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who is meant, and how the file was read that says so."""

    who: Audience | Selection
    file: IdReport | None = None

    def file_as_json(self) -> dict[str, Any] | None:
        """How the file was read, as the commands print it; None without a file."""
        return None if self.file is None else self.file.as_json()

    def file_in_words(self) -> str:
        """`invited.csv: 4,100 matched, 3 unknown`."""
        if self.file is None:
            return ""
        counts = {name: getattr(self.file, name) for name in ("matched", "unknown", "duplicate", "bad")}
        return f"{self.file.path}: {figures(counts)}, by its column {self.file.column}"


def choose(
    desk: Desk,
    program_id: str,
    *,
    audience: str | None = None,
    everybody: bool,
    where: str | None,
    preset: str | None = None,
    file: Path | None,
    rejects: Path | None,
    of_blast: int | None = None,
    fetched: str | None = None,
) -> Chosen:
    """Take the one choice that was given. Raises UsageError for none, several, or a wrong one."""
    given = {
        "--audience": audience,
        "--all": everybody or None,
        "--where": where,
        "--preset": preset,
        "--file": file,
        "--of-blast": of_blast,
    }
    named = [option for option, value in given.items() if value is not None]
    if len(named) != 1:
        told = f"{' and '.join(named)} were" if named else "none was"
        raise UsageError(f"say with exactly one option who is meant, such as --all or --where: {told} given")
    if rejects is not None and file is None:
        raise UsageError("--rejects goes with --file only")
    if fetched is not None and of_blast is None:
        raise UsageError("--fetched goes with --of-blast: whose message is meant?")
    if of_blast is not None:
        return Chosen(_of_blast(desk, program_id, of_blast, fetched))
    if audience is not None:
        with desk.database.read() as connection:
            return Chosen(audiences.by_name(connection, program_id, audience))
    if preset is not None:
        return Chosen(presets.chosen(preset))
    if file is not None:
        return _from_file(desk, program_id, file, rejects)
    return Chosen(Selection("where", where) if where is not None else Selection("all"))


def _of_blast(desk: Desk, program_id: str, blast_id: int, fetched: str | None) -> Selection:
    with desk.database.read() as connection:
        known = past.blast_ids(connection, program_id, by_id=True)
    if known.get(str(blast_id)) != [blast_id]:
        raise UsageError(f"blast {blast_id} is none of this program, or another is called so")
    return Selection("where", presets.of_blast(blast_id, None if fetched is None else fetched == "yes"))


def _from_file(desk: Desk, program_id: str, file: Path, rejects: Path | None) -> Chosen:
    from jobs.intake.files import match_ids

    with Progress() as bar:
        found = match_ids(
            desk.database,
            program_id,
            file,
            home=desk.settings.home,
            progress=lambda rows: bar.show(file.name, rows),
        )
    for remark in found.notes:
        note(f"{file}: {remark}")
    if rejects is not None:
        found.write_rejects(rejects)
        note(f"the lines that matched nobody are in {rejects}")
    return Chosen(Selection("file", found.name, found.member_ids), found)
