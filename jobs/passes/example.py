"""A template to begin with: a small working one, with pictures that are drawn here."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from store.errors import PassbellError, Refused

SAMPLE = """\
# How the passes of a program look. Texts in values may name members' fields, as blasts do: {name},
# {first_name}, {external_id}, {tier}, {points}, any attribute; {first_name|friend} has a word instead.

kind = "membership"             # membership | coupon | ticket | flight
# style = "storeCard"           # Apple's: storeCard | generic | coupon | eventTicket | boardingPass
organisation = "Kaffeehaus Linden"  # the title of every message on a lock screen
description = "Loyalty card of Kaffeehaus Linden"
logo_text = "Kaffeehaus Linden"
locale = "en"                   # the language of the texts in this file

[colours]                       # "#2f4a36" or "rgb(47, 74, 54)"
background = "#2f4a36"
foreground = "#ffffff"
label = "#cfe0d4"

[[fields]]                      # place: header | primary | secondary | auxiliary | back
place = "header"
key = "points"
label = "Points"
value = "{points|0}"

[[fields]]
place = "secondary"
key = "holder"
label = "Guest"
value = "{name|Guest of the house}"

[[fields]]
place = "back"
key = "terms"
label = "Terms"
value = "One point for each cup. The tenth cup is on us."

[message]                       # the field that carries blasts; it stands on the back by itself
label = "Latest message"
empty = "No message yet"

[barcode]
format = "qr"                   # qr | pdf417 | aztec | code128
value = "{external_id}"
alt_text = "{external_id}"

[google]
type = "generic"                # generic | loyalty | offer | giftCard | eventTicket | transit | flight
# logo = "https://..."          # Google fetches pictures itself; loyalty and transit require one

[strings.de]                    # the texts above in other languages; or a file de.lproj/pass.strings
"Points" = "Punkte"
"Guest" = "Gast"
"Terms" = "Bedingungen"
"One point for each cup. The tenth cup is on us." = "Ein Punkt je Tasse. Die zehnte geht auf uns."
"Latest message" = "Neueste Nachricht"
"No message yet" = "Noch keine Nachricht"
"""
ICON = 29
"""Pixels of Apple's icon at the first of its three scales."""
_GROUND, _CUP = (0x2F, 0x4A, 0x36), (0xFF, 0xFF, 0xFF)


def write(folder: Path) -> list[Path]:
    """Write the example into a folder that does not exist or is empty. Returns the files.

    Raises Refused where something is there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Refused(f"{folder} is not empty: name a new folder")
        files = {"template.toml": SAMPLE.encode()}
        files |= {
            f"icon{mark}.png": picture(ICON * scale) for mark, scale in (("", 1), ("@2x", 2), ("@3x", 3))
        }
        files |= {f"logo{mark}.png": picture(50 * scale) for mark, scale in (("", 1), ("@2x", 2))}
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise PassbellError(f"cannot write {folder}: {error.strerror}") from None
    return [folder / name for name in files]


def picture(size: int) -> bytes:
    """A square PNG of a cup: a disc on the card's ground."""
    middle, radius = (size - 1) / 2, size * 0.36
    lines = []
    for y in range(size):
        dots = (_CUP if (x - middle) ** 2 + (y - middle) ** 2 <= radius**2 else _GROUND for x in range(size))
        lines.append(b"\0" + b"".join(map(bytes, dots)))
    head = struct.pack(">2L5B", size, size, 8, 2, 0, 0, 0)  # 8 bits for each of red, green and blue
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    sum_ = zlib.crc32(kind + content)
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", sum_)
