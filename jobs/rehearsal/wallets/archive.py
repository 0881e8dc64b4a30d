"""A pass as a phone reads it: the .pkpass opened, verified, and what of it may be shown."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobs.rehearsal.wallets.signature import Unsigned, check

STYLES = ("boardingPass", "coupon", "eventTicket", "generic", "storeCard")
PLACES = ("headerFields", "primaryFields", "secondaryFields", "auxiliaryFields", "backFields")
REQUIRED = ("passTypeIdentifier", "teamIdentifier", "serialNumber", "organizationName", "description")
LARGEST = 10 * 1024 * 1024
"""Bytes of one file in an archive that are read."""
TRANSLATION = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=\s*"((?:[^"\\]|\\.)*)"\s*;')


class Field(NamedTuple):
    """A field of a pass: its value, and what is said when that changes."""

    value: str
    change_message: str


@dataclass(frozen=True, slots=True)
class Card:
    """A verified pass.

    fields  by key, in the order in which they stand in the file
    """

    pass_type: str
    serial: str
    token: str
    web_url: str
    voided: bool
    fields: Mapping[str, Field]


def read(archive: bytes, *, root_pem: bytes, language: str = "en") -> Card:
    """Open and verify an archive. Raises Unsigned where a phone would refuse it, and says why."""
    files = opened(archive)
    for name in ("pass.json", "icon.png", "manifest.json", "signature"):
        if name not in files:
            raise Unsigned(f"{name} is missing")
    signer = check(files["manifest.json"], files["signature"], root_pem=root_pem)
    compare(files)
    content = json_object(files["pass.json"], "pass.json")
    for name in REQUIRED:
        if not isinstance(content.get(name), str) or not content[name]:
            raise Unsigned(f"pass.json has no {name}")
    if content.get("formatVersion") != 1:
        raise Unsigned("pass.json has another formatVersion than 1")
    if signer != (content["passTypeIdentifier"], content["teamIdentifier"]):
        raise Unsigned("pass.json names another pass type or team than the certificate")
    words = translations(files.get(f"{language}.lproj/pass.strings", b""))
    return Card(
        pass_type=content["passTypeIdentifier"],
        serial=content["serialNumber"],
        token=str(content.get("authenticationToken", "")),
        web_url=str(content.get("webServiceURL", "")),
        voided=content.get("voided") is True,
        fields=fields_of(content, words),
    )


def message(before: Card, after: Card) -> str | None:
    """What the lock screen says of a change: of the first field that changed and has a changeMessage, that
    with `%@` replaced by the new value. None where it says nothing. (Apple, PassFieldContent; of several
    changed fields the first one's: an Apple engineer, forum thread 797708.)"""
    for key, field in after.fields.items():
        old = before.fields.get(key)
        if old is not None and field.value != old.value and field.value and "%@" in field.change_message:
            return field.change_message.replace("%@", field.value)
    return None


def opened(archive: bytes) -> dict[str, bytes]:
    """The files by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as found:
            entries = [entry for entry in found.infolist() if not entry.is_dir()]
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names) or any(entry.file_size > LARGEST for entry in entries):
                raise Unsigned("the archive holds a file twice, or one that is far too large")
            return {entry.filename: found.read(entry) for entry in entries}
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise Unsigned(f"it is no archive: {error}") from error


def compare(files: Mapping[str, bytes]) -> None:
    """The manifest names every file with its SHA-1, and none that is missing."""
    manifest = json_object(files["manifest.json"], "manifest.json")
    present = files.keys() - {"manifest.json", "signature"}
    if manifest.keys() != present:
        raise Unsigned(f"manifest and files differ: {', '.join(sorted(manifest.keys() ^ present))}")
    for name in present:
        if hashlib.sha1(files[name], usedforsecurity=False).hexdigest() != manifest[name]:
            raise Unsigned(f"{name} is not what the manifest says")


def fields_of(content: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Field]:
    """All fields of the style, translated where the pass brings words for it."""
    styles = [name for name in STYLES if name in content]
    if len(styles) != 1 or not isinstance(content[styles[0]], dict):
        raise Unsigned("pass.json has not exactly one style")
    found: dict[str, Field] = {}
    for place, fields in content[styles[0]].items():
        for field in fields if place in PLACES else ():
            if not isinstance(field.get("key"), str) or "value" not in field or field["key"] in found:
                raise Unsigned(f"a field of {place} has no key or no value, or its key is there twice")
            value, change = str(field["value"]), str(field.get("changeMessage", ""))
            found[field["key"]] = Field(words.get(value, value), words.get(change, change))
    return found


def translations(strings: bytes) -> dict[str, str]:
    """The words of a `pass.strings` file, in UTF-16 with its mark or in UTF-8."""
    wide = strings[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = strings.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    return {unescaped(key): unescaped(word) for key, word in TRANSLATION.findall(text)}


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)


def json_object(text: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Unsigned(f"{name} is not JSON") from error
    if not isinstance(found, dict):
        raise Unsigned(f"{name} is no JSON object")
    return found
