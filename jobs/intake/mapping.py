"""What each column of a file becomes: said by the operator, as it was last time, or guessed.

A target is `external_id`, `time_zone`, `locale`, the name of an attribute, or `-` for a column that is left
out. An attribute is a text, as it stands in the file, unless the target says otherwise (`visits:number`,
`vip:boolean`) or the program has it as a number or a boolean already; a leading zero is never eaten. In a
program of our own nobody else decides on members, and `name`, `points` and the like are targets, too.

PassKit's exports spell columns with dots (`person.externalId`, `meta.zip`), JSON ones nest them. PassKit says
the keys of its CSV in https://help.passkit.com, article 5865748. What Pass2U's export calls its columns is
documented nowhere that we found: OF_PASS2U is what programs that use its API name, and partly a guess. Ids
are found by their values, and the operator has the last word.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jobs.intake import flights
from jobs.intake.files import pick_id_column
from jobs.intake.flights import letters
from jobs.intake.kinds import TAKE, WORDS, Take, plain
from jobs.intake.rows import Row, Table
from store.database import Database
from store.errors import UsageError
from store.fields import BUILT_IN, fields_of
from store.imports import OWN_COLUMNS

EXTERNAL_ID = "external_id"
TIME_ZONE = "time_zone"
LOCALE = "locale"
NOTHING = "-"
PASSENGER = "name"
"""What a boarding record's passenger column becomes."""

LONGEST_NAME = 64
LIMITS = f"1 to {LONGEST_NAME} printable characters without double quotes"
SHOWN = 5
SAMPLED_ROWS = 200
EXACT = {"timezone": TIME_ZONE, "locale": LOCALE}
LIKELY = {"tz": TIME_ZONE, "iana": TIME_ZONE, "lang": LOCALE, "language": LOCALE, "sprache": LOCALE}
"""Names, in letters only, of columns that hold zones and locales for sure, and if their values say so."""

FREE_DATA = ("meta", "metaData")
PROVIDERS = ("person", "members", "coupons", "tickets", "eventTickets", "passOverrides", "passMetaData")
"""First parts of PassKit's dotted columns: a pass's free data, and what PassKit itself decides."""

OF_OWN = {
    **dict.fromkeys(("name", "fullname", "displayname"), "name"),
    **dict.fromkeys(("email", "mail", "emailaddress"), "email"),
    **dict.fromkeys(("phone", "phonenumber", "mobile", "mobilenumber"), "phone"),
    **dict.fromkeys(("tier", "tierid"), "tier_id"),
    **dict.fromkeys(("points", "pointsbalance"), "points"),
    **dict.fromkeys(("birthday", "birthdate", "dateofbirth"), "birthday"),
    "secondarypoints": "secondary_points",
    "tierpoints": "tier_points",
}
"""Names, in letters only, of columns that are a member's own in a program of ours."""

ALSO_BUILT_IN = {"optout", "tierid", "pointsbalance", "expirydate", "imported", "attributes"}
"""Other spellings, in letters only, of what belongs to the provider or to us."""
OF_PASSKIT = {
    *("id", "programid", "campaignid", "offerid", "groupingidentifier", "groupingid", "created", "updated"),
    *("profileimage", "operation", "notes", "passstatus", "currenttierawarded", "currenttierexpires"),
    *("redemptiondetails", "validatedetails"),
}
OF_PASS2U = {"passid", "modelid", "barcodemessage", "createdtime", "expirationdate", "voided", "source"}
"""Their own bookkeeping, left out of a file that is one of their exports."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Column to target, in the file's order; the columns left out are explained in `notes`."""

    targets: dict[str, str]
    notes: list[str]

    @property
    def id_column(self) -> str:
        """The column of external ids; empty for boarding records."""
        return next((column for column, target in self.targets.items() if target == EXTERNAL_ID), "")

    @property
    def names(self) -> list[str]:
        """What the kept columns become, without the kinds."""
        return [split(self.targets[column])[0] for column in self.kept]

    @property
    def kept(self) -> list[str]:
        """The columns whose cells are kept."""
        others = (NOTHING, EXTERNAL_ID if self.id_column else PASSENGER)
        return [column for column, target in self.targets.items() if target not in others]

    def reader(self) -> Callable[[Row], list[Any]]:
        """Gives a row's cells of the kept columns; raises ValueError in words for one that cannot be used."""
        kept = self.kept
        checked = [
            (number, column, TAKE[what], WORDS[what])
            for number, column in enumerate(kept)
            if (what := _checked_as(self.targets[column])) is not None
        ]

        def read(row: Row) -> list[Any]:
            values = row.values
            cells = [plain(values.get(column, "")) for column in kept]
            for number, column, take, word in checked:
                if (cell := cells[number]) is None:
                    cells[number] = "" if self.targets[column] in TAKE else None
                elif cell != "" and (taken := take(cell)) is None:
                    raise ValueError(f"{shown(column)[:40]}: {str(cell)[:40]!r} is no {word}")
                elif cell != "":
                    cells[number] = taken
            return cells

        return read


def map_columns(
    database: Database,
    program_id: str,
    table: Table,
    *,
    flight: bool,
    own: bool = False,
    chosen: Mapping[str, str],
    remembered: Mapping[str, str],
    message_field: str | None = None,
) -> Columns:
    """Decide what each column becomes: as `chosen`, else as `remembered`, else by its name and values.

    `own`: the program is one of our own. Raises UsageError for a choice that cannot be, and for a file in
    which no column holds ids.
    """
    columns = table.columns
    chosen = _checked(table, chosen, flight, own)
    known = {column: target for column, target in remembered.items() if column in columns}
    with database.read() as connection:
        fields = fields_of(connection, program_id)
    attributes = {field.column: field.type for field in fields.values() if field.source == "attribute"}
    guess = _Guess(table, message_field, attributes, OF_OWN if own else {})
    id_column = ""
    if not flight:
        said = [column for column, target in (known | chosen).items() if target == EXTERNAL_ID]
        first = [column for column in said if column in chosen] or said
        id_column = first[0] if first else pick_id_column(database, program_id, table, leave_out=chosen)
        guess.targets[id_column] = EXTERNAL_ID
    targets: dict[str, str] = {}
    taken: dict[str, str] = {}
    for layer in (chosen, known, {column: guess(column, flight) for column in columns}):
        for column in columns:
            if column in targets or column not in layer:
                continue
            target = layer[column]
            name = split(target)[0]
            several = target == NOTHING or (flight and target == PASSENGER)
            if not several and taken.setdefault(name, column) != column:
                guess.leave_out(column, f"{shown(taken[name])} already is the {shown(name)}")
                target = NOTHING
            targets[column] = target
    return Columns(
        {column: targets[column] for column in columns},
        guess.notes([column for column, target in targets.items() if target == NOTHING]),
    )


class _Guess:
    """What columns become by their names and values, and why some are left out."""

    def __init__(
        self,
        table: Table,
        message_field: str | None,
        attributes: Mapping[str, str],
        own: Mapping[str, str],
    ) -> None:
        """`attributes` are those that the program has, with their kinds; `own` what else a file may fill."""
        self._table = table
        self._own = own
        self._attributes = attributes
        self._message_field = message_field
        spelled = {letters(column) for column in table.columns}
        roots = {
            column.removeprefix("result.").partition(".")[0] for column in table.columns if "." in column
        }
        self._bookkeeping: set[str] = set()
        if roots & {*FREE_DATA, *PROVIDERS}:
            self._bookkeeping |= OF_PASSKIT
        if "passid" in spelled and spelled & {"modelid", "barcodemessage"}:
            self._bookkeeping |= OF_PASS2U
        self.targets: dict[str, str] = {}
        self._why: dict[str, str] = {}

    def __call__(self, column: str, flight: bool) -> str:
        if column in self.targets:
            return self.targets[column]
        name = column.removeprefix("result.")
        spelled = letters(name)
        if flight and spelled in flights.PASSENGER:
            return PASSENGER
        root, _, rest = name.partition(".")
        if (target := self._own.get(letters(rest) if root in PROVIDERS else spelled)) is not None:
            return target
        if root in FREE_DATA and rest:
            if f"meta.{rest}" == self._message_field:
                return self.leave_out(column, "it holds the message")
            name, spelled = rest, letters(rest)
        elif spelled in EXACT:
            return EXACT[spelled]
        elif spelled in LIKELY and self._fits(column, TAKE[LIKELY[spelled]]):
            return LIKELY[spelled]
        elif rest and root in PROVIDERS:
            return self.leave_out(column, "the provider decides on them")
        if spelled in OURS or spelled in self._bookkeeping:
            return self.leave_out(column, "the provider decides on them")
        if not is_name(name):
            return self.leave_out(column, f"an attribute's name has {LIMITS}")
        return self._as_known(column, name)

    def _as_known(self, column: str, name: str) -> str:
        """The attribute as the program spells it, and of the kind that it has there, if the values fit."""
        alike = [known for known in self._attributes if known.casefold() == name.casefold()]
        if name not in self._attributes and len(alike) == 1 and alike[0] not in self._table.columns:
            name = alike[0]
        kind = self._attributes.get(name, "")
        return f"{name}:{kind}" if kind in KINDS and self._fits(column, TAKE[kind]) else name

    def leave_out(self, column: str, why: str) -> str:
        """Remember why a column becomes nothing."""
        self._why[column] = why
        return NOTHING

    def notes(self, left_out: list[str]) -> list[str]:
        """In words which columns are left out and why, those that the operator left out excepted."""
        reasons: dict[str, list[str]] = {}
        for column in left_out:
            if why := self._why.get(column):
                reasons.setdefault(why, []).append(shown(column) or "(empty)")
        return [
            f"ignored, because {why}: {', '.join(names if why in ALL_SHOWN else names[:SHOWN])}"
            for why, names in reasons.items()
        ]

    def _fits(self, column: str, take: Take) -> bool:
        rows = islice(self._table.rows(), SAMPLED_ROWS)
        values = {plain(row.values.get(column)) for row in rows if not row.problem} - {"", None}
        return bool(values) and all(take(value) is not None for value in values)


def _checked(table: Table, chosen: Mapping[str, str], flight: bool, own: bool) -> dict[str, str]:
    """The operator's choices, each for a column as the file spells it."""
    found: dict[str, str] = {}
    for given, target in chosen.items():
        column = _column(table, given)
        target = {letters(name): name for name in (EXTERNAL_ID, TIME_ZONE, LOCALE)}.get(
            letters(target), target
        )
        if flight and (target == EXTERNAL_ID or letters(column) in flights.PASSENGER):
            raise UsageError(f"{shown(column)}: boarding records are known by their key fields and passenger")
        if own:
            target = OF_OWN.get(letters(target), target)
        name = split(target)[0]
        if target not in (EXTERNAL_ID, TIME_ZONE, LOCALE, NOTHING) and not (own and target in OWN_COLUMNS):
            if letters(name) in OURS:
                raise UsageError(
                    f"{shown(column)} cannot become {shown(name)}: the provider decides on that; "
                    f"choose another name, or {NOTHING} to leave it out"
                )
            if not is_name(name):
                raise UsageError(f"{shown(column)}: an attribute's name has {LIMITS}")
        twin = next((one for one, other in found.items() if split(other)[0] == name != NOTHING), None)
        if twin is not None and twin != column:
            raise UsageError(f"{shown(twin)} and {shown(column)} cannot both become {shown(target)}")
        found[column] = target
    return found


def _column(table: Table, given: str) -> str:
    if given in table.columns:
        return given
    alike = [column for column in table.columns if column.casefold() == given.casefold()]
    if len(alike) == 1:
        return alike[0]
    near = alike or difflib.get_close_matches(given, table.columns, n=3)
    hint = (
        f"did you mean {' or '.join(map(shown, near))}?"
        if near
        else "its columns are " + ", ".join(map(shown, table.columns[:6])) + " ..." * (len(table.columns) > 6)
    )
    raise UsageError(f"{table.path} has no column {shown(given)}; {hint}")


def split(target: str) -> tuple[str, str]:
    """An attribute's name and its kind: `visits:number`; a text where none is said."""
    name, colon, kind = target.rpartition(":")
    return (name, kind) if colon and name and kind in (*KINDS, "text") else (target, "text")


def _checked_as(target: str) -> str | None:
    """What its cells have to be, a key of TAKE; None where every cell will do."""
    kind = split(target)[1]
    return target if target in TAKE else kind if kind in KINDS else None


def is_name(name: str) -> bool:
    """Whether an attribute can be called so: a predicate has to be able to spell it."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and '"' not in name


def shown(name: str) -> str:
    """A column's name for people."""
    return "".join(c if c.isprintable() else "?" for c in name[:LONGEST_NAME])


KINDS = ("number", "boolean")
"""Kinds of attribute beside text."""
OURS = {letters(name) for name in BUILT_IN} | ALSO_BUILT_IN
ALL_SHOWN = ("the provider decides on them",)
