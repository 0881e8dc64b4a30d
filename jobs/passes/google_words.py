"""What a template's `[google]` says, checked against what Google requires of each type of pass.

Source of every rule: the field descriptions of the Wallet API's discovery document (walletobjects v1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from jobs.passes import table
from store import texts

if TYPE_CHECKING:
    from jobs.passes.table import Table
    from jobs.passes.template import PassField

TYPES = {"membership": "generic", "coupon": "offer", "ticket": "eventTicket", "flight": "generic"}
"""The type of each kind of program, where the template names none: those that need nothing more."""
MOST_MODULES = 10
"""Text modules that Google shows of a class, and as many of an object."""

WORDS = {
    "generic": ("header", "subheader"),
    "loyalty": ("program_name", "points_label"),
    "offer": ("title", "redemption"),
    "giftCard": ("currency",),
    "eventTicket": ("event_name", "venue_name", "venue_address", "starts_at"),
    "transit": ("origin", "destination", "departure"),
    "flight": ("carrier", "flight_number", "origin", "destination", "departure", "confirmation"),
}
"""What `[google]` may say of each type, beside `type`, `logo` and `hero`."""
REQUIRED = {
    "loyalty": ("logo",),
    "transit": ("logo", "origin", "departure"),
    "flight": ("carrier", "flight_number", "origin", "destination", "departure"),
}
PERSONAL = {
    "generic": ("header", "subheader"),
    "transit": ("origin", "destination", "departure"),
    "flight": ("confirmation",),
}
"""Those that stand on each pass, and so may name members' fields."""
FORMS = {
    "currency": (r"[A-Z]{3}", "a currency's code, such as EUR"),
    "redemption": (r"instore|online|both", "instore, online or both"),
    "carrier": (r"[A-Z0-9]{2}", "the airline's two characters at IATA, such as OS"),
    "flight_number": (r"[0-9]{1,4}", "the flight's number without the airline, such as 561"),
}
FLIGHT_FORMS = {
    "origin": (r"[A-Z]{3}", "the airport's three letters at IATA, such as VIE"),
    "destination": (r"[A-Z]{3}", "the airport's three letters at IATA, such as ZRH"),
}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
"""ISO 8601 in its extended form, as Google asks."""


@dataclass(frozen=True, slots=True)
class Google:
    """The part of a template that Google alone asks for.

    type   generic | loyalty | offer | giftCard | eventTicket | transit | flight
    logo, hero   https addresses of pictures: Google fetches them itself
    words  the other keys that were given; see WORDS
    """

    type: str
    logo: str | None
    hero: str | None
    words: Mapping[str, str]

    def written(self) -> list[str]:
        """The texts that may name members' fields."""
        return [self.words[key] for key in PERSONAL.get(self.type, ()) if key in self.words]


def read(found: Table, kind: str, transit_type: str | None) -> Google:
    """The table `[google]`. Raises UsageError for the first thing that is wrong."""
    type_ = found.one_of("type", WORDS, TYPES[kind])
    if type_ == "transit" and transit_type in (None, "air"):
        raise found.wrong("type", "transit is for boarding passes with a transit_type other than air")
    google = Google(
        type=type_,
        logo=_address(found, "logo"),
        hero=_address(found, "hero"),
        words=dict(_words(found, type_)),
    )
    for key in REQUIRED.get(type_, ()):
        if not found.given.get(key):
            raise found.wrong(key, f"is missing: Google requires it of type {type_}")
    if ("venue_name" in google.words) != ("venue_address" in google.words):
        raise found.wrong("venue_name", "and `venue_address` go together: Google requires both of a venue")
    found.done()
    return google


def check(google: Google, fields: Sequence[PassField], found: Table) -> None:
    """Refuse more text modules than Google shows."""
    common = [one.key for one in fields if is_common(one)]
    personal = len(fields) - len(common) + 1
    for count, what in ((len(common), "back fields that are the same for everybody"), (personal, "fields")):
        if count > MOST_MODULES:
            more = ", the message among them" if what == "fields" else ""
            raise found.wrong(
                "fields", f"{count} {what}{more}: Google shows {MOST_MODULES}, so leave some out"
            )


def is_common(one: PassField) -> bool:
    """Whether a field goes to the class: a back field that names no member's field."""
    return one.place == "back" and not texts.names_in(one.value)


def _words(found: Table, type_: str) -> Iterator[tuple[str, str]]:
    forms = FORMS | (FLIGHT_FORMS if type_ == "flight" else {})
    for key in WORDS[type_]:
        text = found.text(key, None)
        if text is None:
            continue
        text = text.strip() if "\n" not in text or key != "venue_address" else text
        table.line(found, key, text.replace("\n", " "))
        if key in PERSONAL.get(type_, ()):
            table.braces(found, key, text)
        elif texts.has_braces(text):
            raise found.wrong(key, "is the same for everybody: it cannot name a member's field")
        form, told = forms.get(key, ("", ""))
        if form and not re.fullmatch(form, text, re.ASCII):
            raise found.wrong(key, f"is {text!r}: write {told}")
        if key in ("starts_at", "departure") and not texts.has_braces(text):
            _time(found, key, text, with_zone=type_ != "flight")
        yield key, text


def _time(found: Table, key: str, text: str, *, with_zone: bool) -> None:
    try:
        at = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        at = None
    if at is None:
        raise found.wrong(key, f"is {text!r}: write a time such as 2027-03-01T19:30")
    if at.tzinfo is not None and not with_zone:
        raise found.wrong(key, "is the airport's own time: leave the offset out")


def _address(found: Table, key: str) -> str | None:
    text = found.text(key, None)
    if text is None:
        return None
    if not re.fullmatch(r"https://[!-~]{4,2000}", text):
        raise found.wrong(key, "has to be an https address of a picture: Google fetches it itself")
    return text
