"""A .pkpass: what Apple is given. A zip of pass.json, pictures, translations, manifest and signature.

Everything that passes of one template have in common (pictures, their hashes, their places in the zip) is
made once, in a `Blank`; a pass adds pass.json, the manifest and the signature. Moments in the zip are fixed,
so the same content gives the same bytes but for the signature.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable
from datetime import UTC
from typing import TYPE_CHECKING, Any

from jobs.passes import strings
from jobs.passes.holder import Holder, filled
from jobs.passes.template import PLACES, TRANSIT, Colour, Template

if TYPE_CHECKING:
    from jobs.passes.credentials import AppleIdentity
    from jobs.passes.signing import Signer

MEDIA_TYPE = "application/vnd.apple.pkpass"
FORMATS = {
    "qr": "PKBarcodeFormatQR",
    "pdf417": "PKBarcodeFormatPDF417",
    "aztec": "PKBarcodeFormatAztec",
    "code128": "PKBarcodeFormatCode128",
}
ALIGNMENTS = {
    "left": "PKTextAlignmentLeft",
    "center": "PKTextAlignmentCenter",
    "right": "PKTextAlignmentRight",
    "natural": "PKTextAlignmentNatural",
}

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_DATE = (1 << 5) | 1  # 1 January 1980: zip knows no earlier day


class Blank:
    """What all passes of one template share, ready to be completed. May be shared between threads."""

    def __init__(self, template: Template) -> None:
        self.template = template
        files = dict(template.files)
        for language, table in template.strings.items():
            files[f"{language}.lproj/pass.strings"] = strings.spell(table)
        named = sorted(files.items())
        self._zip = _Zip()
        for name, content in named:
            self._zip.add(name, content)
        self._hashes = "".join(f"{json.dumps(name)}:{json.dumps(_sha1(content))}," for name, content in named)

    def complete(self, pass_json: bytes, signer: Signer) -> bytes:
        """The .pkpass with this pass.json."""
        manifest = f'{{{self._hashes}"pass.json":"{_sha1(pass_json)}"}}'.encode()
        whole = self._zip.copy()
        whole.add("pass.json", pass_json, squeeze=True)
        whole.add("manifest.json", manifest, squeeze=True)
        whole.add("signature", signer.sign(manifest))
        return whole.closed()


def build(blank: Blank, holder: Holder, identity: AppleIdentity, signer: Signer, web_url: str) -> bytes:
    """The signed .pkpass of one holder."""
    said = content(blank.template, holder, identity, web_url)
    return blank.complete(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(), signer)


def content(template: Template, holder: Holder, identity: AppleIdentity, web_url: str) -> dict[str, Any]:
    """pass.json (Apple, Pass). `web_url` is the base that phones append `/v1/...` to."""
    values = holder.values

    def text(given: str) -> str:
        return filled(template, given, values, holder.locale)

    said: dict[str, Any] = {
        "formatVersion": 1,
        "passTypeIdentifier": identity.pass_type,
        "teamIdentifier": identity.team,
        "serialNumber": holder.serial,
        "organizationName": template.organisation,
        "description": template.description,
        "webServiceURL": web_url,
        "authenticationToken": holder.token,
    }
    if template.logo_text is not None:
        said["logoText"] = template.logo_text
    said |= {f"{name}Color": _rgb(colour) for name, colour in template.colours.items()}
    if holder.expires_at is not None:
        said["expirationDate"] = holder.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if holder.voided:
        said["voided"] = True
    if template.barcode is not None and (value := text(template.barcode.value)):
        latin = all(ord(character) < 256 for character in value)
        said["barcodes"] = [
            {
                "format": FORMATS[template.barcode.format],
                "message": value,
                "messageEncoding": "iso-8859-1" if latin else "utf-8",
            }
        ]
        if template.barcode.alt_text is not None:
            said["barcodes"][0]["altText"] = text(template.barcode.alt_text)
    said[template.style] = _places(template, holder, text)
    return said


def _places(template: Template, holder: Holder, text: Any) -> dict[str, Any]:
    places: dict[str, Any] = {f"{place}Fields": [] for place in PLACES}
    # First of its place: of several changes phones may show the first (Apple's forum, thread 797708).
    places["backFields"].append(
        {
            "key": template.message.key,
            "label": template.message.label,
            "value": template.message.empty if holder.message is None else holder.message,
            "changeMessage": template.message.change_message,
        }
    )
    for one in template.fields:
        said = {"key": one.key, "label": one.label, "value": text(one.value)}
        if one.change_message is not None:
            said["changeMessage"] = one.change_message
        if one.alignment is not None:
            said["textAlignment"] = ALIGNMENTS[one.alignment]
        places[f"{one.place}Fields"].append(said)
    if template.transit_type is not None:
        places["transitType"] = f"PKTransitType{TRANSIT[template.transit_type]}"
    return {name: found for name, found in places.items() if found}


class _Zip:
    """A zip in the making. Copies are cheap, so that a beginning can be shared.

    Written by hand, since zipfile cannot take over what is packed already.
    """

    def __init__(self, body: Iterable[bytes] = (), index: Iterable[bytes] = (), size: int = 0) -> None:
        self._body, self._index, self._size = [*body], [*index], size

    def copy(self) -> _Zip:
        """The same, to be continued on its own."""
        return _Zip([b"".join(self._body)], self._index, self._size)

    def add(self, name: str, content: bytes, *, squeeze: bool = False) -> None:
        """One file more. PNG pictures are packed already; `squeeze` is for texts."""
        packed, method = content, 0
        if squeeze:
            packer = zlib.compressobj(1, zlib.DEFLATED, -15)
            packed, method = packer.compress(content) + packer.flush(), 8
        spelled = name.encode()
        sums = (zlib.crc32(content), len(packed), len(content), len(spelled))
        flags = 0 if name.isascii() else 0x800
        local = _LOCAL.pack(b"PK\3\4", 20, flags, method, 0, _DATE, *sums, 0)
        mode = 0o100644 << 16
        self._index.append(
            _CENTRAL.pack(b"PK\1\2", 0x314, 20, flags, method, 0, _DATE, *sums, 0, 0, 0, 0, mode, self._size)
            + spelled
        )
        self._body += (local, spelled, packed)
        self._size += len(local) + len(spelled) + len(packed)

    def closed(self) -> bytes:
        """The whole zip."""
        index = b"".join(self._index)
        count = len(self._index)
        end = _END.pack(b"PK\5\6", 0, 0, count, count, len(index), self._size, 0)
        return b"".join((*self._body, index, end))


def _sha1(content: bytes) -> str:
    # Apple's manifest holds SHA-1; the signature over it is of SHA-256.
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _rgb(colour: Colour) -> str:
    return "rgb({}, {}, {})".format(*colour)
