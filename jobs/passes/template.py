"""Templates: how the passes of a program look, for Apple and for Google. Read strictly, kept as JSON.

A template is one table (`template.toml`, see jobs/passes/folder.py) and its images. Every refusal names
the file, the key and what to do. Texts may name members' fields as the texts of blasts do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.passes import google_words, table
from jobs.passes.google_words import Google
from jobs.passes.table import Table
from store import texts
from store.times import rfc3339

if TYPE_CHECKING:
    from store.templates import Stored

STYLES = {
    "membership": "storeCard",
    "coupon": "coupon",
    "ticket": "eventTicket",
    "flight": "boardingPass",
}
"""The Apple style of each kind of program, where the template names none."""
ALL_STYLES = ("storeCard", "generic", "coupon", "eventTicket", "boardingPass")
PLACES = ("header", "primary", "secondary", "auxiliary", "back")
TRANSIT = {"air": "Air", "boat": "Boat", "bus": "Bus", "train": "Train", "generic": "Generic"}
"""Apple's PKTransitType of each word."""
BARCODES = ("qr", "pdf417", "aztec", "code128")
ALIGNMENTS = ("left", "center", "right", "natural")

CHANGED = "%@"
"""What Apple replaces by the new value; without it a phone may stay silent (Apple, PassFieldContent)."""
FIELD_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""Google refuses other characters in the id of a text module, so a key is good for both."""
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?", re.ASCII)
MOST_FIELDS = 40
TABLE = "template.toml"

_HEX = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.ASCII | re.IGNORECASE)
_RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", re.ASCII)

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PassField:
    """A field of the pass. `label` and `value` may be keys of the strings; `value` may name members' fields.

    change_message  with `%@` for the new value: a phone shows it when the value changes
    """

    place: str
    key: str
    label: str
    value: str
    change_message: str | None = None
    alignment: str | None = None


@dataclass(frozen=True, slots=True)
class MessageField:
    """The back field that carries blasts: there is exactly one. `empty` stands in it before the first."""

    key: str = "message"
    label: str = "Latest message"
    empty: str = "No message yet"
    change_message: str = CHANGED


@dataclass(frozen=True, slots=True)
class Barcode:
    """What the pass shows to a scanner."""

    format: str
    value: str
    alt_text: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was found in order.

    kind      membership | coupon | ticket | flight
    style     Apple's: storeCard | generic | coupon | eventTicket | boardingPass
    locale    the language of the texts themselves
    strings   language to the translation of each text
    files     images by their names in the pass: `icon@2x.png`, `de.lproj/logo.png`
    table     the whole as it was read, for the store
    """

    kind: str
    style: str
    organisation: str
    description: str
    logo_text: str | None
    colours: Mapping[str, Colour]
    fields: tuple[PassField, ...]
    message: MessageField
    barcode: Barcode | None
    transit_type: str | None
    locale: str
    strings: Mapping[str, Mapping[str, str]]
    google: Google
    files: Mapping[str, bytes] = field(repr=False)
    table: Mapping[str, Any] = field(repr=False)

    @property
    def names(self) -> dict[str, bool]:
        """Members' fields that the passes show, each with whether one without it still gets a pass."""
        found: dict[str, bool] = {}
        written = [one.value for one in self.fields]
        if self.barcode is not None:
            written += [self.barcode.value, self.barcode.alt_text or ""]
        for text in (*written, *self.google.written()):
            for name, instead in texts.names_in(text).items():
                found[name] = instead and found.get(name, True)
        return found

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """Fields without which this member's pass would have a gap, by name: issue none then.

        Once issued, a pass is served whatever becomes of its member: the gap stays empty.
        """
        names = self.names
        return sorted(name for name in names if not names[name] and not texts.spell(values.get(name)))

    def untaken(self) -> list[str]:
        """Translated texts that stand nowhere in the template: mistyped, or left over."""
        shown = {self.message.label, self.message.empty, self.message.change_message, self.organisation}
        shown |= {self.description, self.logo_text or "", *self.google.words.values()}
        for one in self.fields:
            shown |= {one.label, one.value, one.change_message or ""}
        return sorted({text for table in self.strings.values() for text in table} - shown)

    def translation(self, text: str, locale: str | None) -> str:
        """The text in a language, its general form (`de` for `de-AT`), or as it stands."""
        wanted = (locale or "").replace("_", "-")
        for language in (wanted, wanted.partition("-")[0]):
            if language in self.strings:
                return self.strings[language].get(text, text)
        return text

    def as_json(self) -> dict[str, Any]:
        """What `templates check` prints."""
        return {
            "kind": self.kind,
            "style": self.style,
            "google_type": self.google.type,
            "organisation": self.organisation,
            "fields": [one.key for one in self.fields],
            "message_key": self.message.key,
            "names": sorted(self.names),
            "locales": [self.locale, *self.strings],
            "untaken": self.untaken(),
            "files": {name: len(content) for name, content in sorted(self.files.items())},
        }


def read(given: Mapping[str, Any], files: Mapping[str, bytes], where: str = TABLE) -> Template:
    """The template of a table and its images. Raises UsageError for the first thing that is wrong."""
    found = Table(given, where)
    kind = found.one_of("kind", STYLES)
    style = found.one_of("style", ALL_STYLES, STYLES[kind])
    organisation = _plain(found, "organisation", 100)
    description = _plain(found, "description", 300)
    message = _message(found.table("message"))
    fields = tuple(_field(one) for one in found.tables("fields"))
    transit = found.one_of("transit_type", TRANSIT, None)
    if (style == "boardingPass") != (transit is not None):
        what = "is missing: Apple requires it" if transit is None else "has no meaning"
        raise found.wrong("transit_type", f"{what} for style {style}; it is one of {', '.join(TRANSIT)}")
    template = Template(
        kind=kind,
        style=style,
        organisation=organisation,
        description=description,
        logo_text=_plain(found, "logo_text", 100, required=False),
        colours=_colours(found.table("colours")),
        fields=fields,
        message=message,
        barcode=_barcode(found.table("barcode")),
        transit_type=transit,
        locale=_language(found, found.text("locale", "en") or "en"),
        strings=_strings(found.table("strings")),
        google=google_words.read(found.table("google"), kind, transit),
        files=dict(files),
        table=dict(given),
    )
    found.done()
    _together(template, found)
    return template


def of(stored: Stored) -> Template:
    """The template that the store keeps."""
    when = f"template {stored.version} of {stored.program_id}, made at {rfc3339(stored.at)}"
    return read(stored.design, stored.files, when)


def _together(template: Template, found: Table) -> None:
    """What no single key can tell."""
    keys = [one.key for one in template.fields] + [template.message.key]
    for key in keys:
        if keys.count(key) > 1:
            told = f"two fields have the key {key!r}: Apple wants each to be unique in the pass"
            if key == template.message.key:
                told += "; the field of [message] is added by itself, so leave it out of [[fields]]"
            raise found.wrong("fields", told)
    if len(template.fields) > MOST_FIELDS:
        raise found.wrong("fields", f"{len(template.fields)} fields: {MOST_FIELDS} are allowed")
    alike = {frozenset(strings) for strings in template.strings.values()}
    if len(alike) > 1:
        every = frozenset().union(*alike)
        language, lacks = next(
            (language, text)
            for language, strings in template.strings.items()
            for text in sorted(every - strings.keys())
        )
        raise found.wrong(f"strings.{language}", f"lacks {lacks!r}, which another language has: translate it")
    if template.locale in template.strings:
        raise found.wrong(
            f"strings.{template.locale}", "is the language of the texts themselves: leave it out"
        )
    google_words.check(template.google, template.fields, found)


def _field(one: Table) -> PassField:
    place = one.one_of("place", PLACES)
    key = one.text("key")
    if not FIELD_KEY.fullmatch(key):
        raise one.wrong("key", f"{key!r} is no key: up to 64 letters, digits, `_` and `-`")
    change = one.text("change_message", None)
    alerts = one.flag("alerts")
    if change is not None and not alerts:
        raise one.wrong(
            "change_message",
            "is for [message] alone, since a phone shows one a change: leave it out, or say `alerts = true`",
        )
    if alerts and change is None:
        raise one.wrong("alerts", f"needs a change_message, such as `You have {CHANGED} points`")
    found = PassField(
        place=place,
        key=key,
        label=table.line(one, "label", one.text("label", "") or ""),
        value=table.pattern(one, "value", one.text("value")),
        change_message=None if change is None else _change_message(one, change),
        alignment=one.one_of("alignment", ALIGNMENTS, None),
    )
    one.done()
    return found


def _message(found: Table) -> MessageField:
    standard = MessageField()
    key = found.text("key", standard.key) or ""
    if not FIELD_KEY.fullmatch(key):
        raise found.wrong("key", f"{key!r} is no key: up to 64 letters, digits, `_` and `-`")
    message = MessageField(
        key=key,
        label=table.line(found, "label", found.text("label", standard.label) or ""),
        empty=table.line(found, "empty", found.text("empty", standard.empty) or ""),
        change_message=_change_message(found, found.text("change_message", CHANGED) or ""),
    )
    found.done()
    return message


def _change_message(found: Table, text: str) -> str:
    if CHANGED not in text:
        raise found.wrong("change_message", f"has to hold {CHANGED}: phones put the new value there")
    return table.line(found, "change_message", text)


def _barcode(found: Table) -> Barcode | None:
    if not found.given:
        return None
    alt_text = found.text("alt_text", None)
    barcode = Barcode(
        format=found.one_of("format", BARCODES),
        value=table.pattern(found, "value", found.text("value")),
        alt_text=None if alt_text is None else table.pattern(found, "alt_text", alt_text),
    )
    if not barcode.value:
        raise found.wrong(
            "value", "is empty: a scanner would read nothing; `{external_id}` is the member's id"
        )
    found.done()
    return barcode


def _colours(found: Table) -> dict[str, Colour]:
    colours = {}
    for name in ("background", "foreground", "label"):
        text = found.text(name, None)
        if text is None:
            continue
        match = _HEX.fullmatch(text.strip())
        parts = [int(part, 16) for part in match.groups()] if match else []
        if match is None and (match := _RGB.fullmatch(text.strip())):
            parts = [int(part) for part in match.groups()]
        if not parts or max(parts) > 255:
            raise found.wrong(name, f"{text!r} is no colour: write `#2f4a36` or `rgb(47, 74, 54)`")
        colours[name] = (parts[0], parts[1], parts[2])
    found.done()
    return colours


def _strings(found: Table) -> dict[str, dict[str, str]]:
    strings = {}
    for language in sorted(found.given):
        _language(found, language)
        texts_ = found.table(language)
        strings[language] = {
            table.clean(texts_, text, text, table.LONGEST_TEXT): table.clean(
                texts_, text, texts_.text(text), table.LONGEST_TEXT
            )
            for text in sorted(texts_.given)
        }
        for text, translated in strings[language].items():
            lacks = texts.names_in(text).keys() ^ texts.names_in(translated).keys()
            if lacks:
                raise texts_.wrong(
                    text, f"does not name the same fields as its text: {', '.join(sorted(lacks))}"
                )
            table.braces(texts_, text, translated)
    return strings


def _language(found: Table, language: str) -> str:
    if not LANGUAGE.fullmatch(language):
        raise found.wrong(language, f"{language!r} is no language: write it as `de`, `de-AT` or `zh-Hans`")
    return language


def _plain(found: Table, key: str, most: int, required: bool = True) -> Any:
    text = found.text(key) if required else found.text(key, None)
    if text is None:
        return None
    if required and not text.strip():
        raise found.wrong(key, "is empty: Apple requires it")
    return table.line(found, key, text, most)
