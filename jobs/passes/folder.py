"""Reading a template's folder: `template.toml`, images, and `xx.lproj/` with their translations.

The folder may come from anybody. Nothing outside of it is read: no symbolic link is followed, every file
is opened once and read up to its limit, and a file that has no part in a pass is named, not skipped.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.passes import strings
from jobs.passes.template import LANGUAGE, TABLE, Template, read
from store.errors import UsageError

LARGEST_FILE = 2_000_000
LARGEST_FOLDER = 10_000_000
LARGEST_TABLE = 200_000
"""Bytes."""
WIDEST = 3_000
"""Pixels. Apple's largest picture is 1,125 wide; a phone has to unpack what a small file promises."""
SMALLEST_ICON = 29
"""Pixels of `icon.png`: Apple's icon is 29 points (Human Interface Guidelines, Wallet)."""

PICTURES = {
    "icon": None,
    "logo": None,
    "strip": ("storeCard", "coupon", "eventTicket"),
    "thumbnail": ("generic", "eventTicket"),
    "background": ("eventTicket",),
    "footer": ("boardingPass",),
}
"""Pictures of a pass, each with the styles that show it; None: all (Apple, Pass design and creation)."""
_PICTURE = re.compile(rf"({'|'.join(PICTURES)})(@[23]x)?\.png", re.ASCII)
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){24}""", re.ASCII)
"""A key that no template has. The time that tomllib takes grows with the square of a key's parts."""
_PNG = b"\x89PNG\r\n\x1a\n"


def read_folder(path: Path) -> Template:
    """The template in a folder. Raises UsageError that names file, key and what to do."""
    if not path.is_dir():
        raise UsageError(f"{path} is no folder: `passbell templates new {path}` writes one")
    contents: dict[str, bytes] = {}
    for name, content in _files(path):
        contents[name] = content
        if sum(map(len, contents.values())) > LARGEST_FOLDER:
            raise UsageError(
                f"{path}: more than {LARGEST_FOLDER // 1_000_000} MB in all: make the pictures smaller"
            )
    if TABLE not in contents:
        raise UsageError(f"{path / TABLE} is missing: `passbell templates new FOLDER` writes an example")
    given = _table(contents.pop(TABLE), path / TABLE)
    _add_strings(given, contents, path)
    template = read(given, contents, str(path / TABLE))
    _check_pictures(template, path)
    return template


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as its name in the pass and its content, in the order of names."""
    for entry in _entries(path):
        if entry.name.endswith(".lproj") and entry.is_dir(follow_symlinks=False):
            if not LANGUAGE.fullmatch(entry.name.removesuffix(".lproj")):
                raise UsageError(f"{entry.path} names no language: write `de.lproj`, `de-AT.lproj` or such")
            for below in _entries(Path(entry.path)):
                if below.name != "pass.strings" and not _PICTURE.fullmatch(below.name):
                    raise _stray(below.path)
                yield f"{entry.name}/{below.name}", _content(below.path)
        elif entry.name == TABLE or _PICTURE.fullmatch(entry.name):
            yield entry.name, _content(entry.path)
        else:
            raise _stray(entry.path)


def _entries(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    for entry in entries:
        if entry.is_symlink():
            raise UsageError(f"{entry.path} is a symbolic link: put the file itself there")
    return entries


def _stray(path: str) -> UsageError:
    pictures = ", ".join(f"{name}.png" for name in PICTURES)
    return UsageError(
        f"{path} has no part in a pass: take it out. There are {TABLE}, {pictures} (also @2x and @3x), "
        "and folders such as de.lproj with pass.strings and pictures"
    )


def _content(path: str) -> bytes:
    """A plain file's content. A name changed to a link in the meantime is not followed."""
    largest = LARGEST_TABLE if path.endswith((".toml", ".strings")) else LARGEST_FILE
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise UsageError(f"{path} is no plain file: take it out")
            content = opened.read(largest + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > largest:
        raise UsageError(f"{path} has more than {largest:,} bytes: make it smaller")
    return content


def _table(content: bytes, where: Path) -> dict[str, Any]:
    try:
        text = content.decode("utf-8")
        if _DOTTED.search(text):
            raise UsageError(f"{where} has a name of very many parts with dots between: write it otherwise")
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{where} is nested too deeply for a template: take tables and arrays out") from None


def _add_strings(given: dict[str, Any], contents: dict[str, bytes], path: Path) -> None:
    """Put each `pass.strings` among the strings of the table."""
    for name in [name for name in contents if name.endswith("/pass.strings")]:
        language = name.partition(".lproj/")[0]
        tables = given.setdefault("strings", {})
        if not isinstance(tables, dict) or language in tables:
            raise UsageError(f"{path / name}: [strings.{language}] stands in {TABLE}, too: keep one of them")
        tables[language] = strings.read(contents.pop(name), str(path / name))


def _check_pictures(template: Template, path: Path) -> None:
    if "icon.png" not in template.files:
        raise UsageError(
            f"{path / 'icon.png'} is missing: Apple requires it, and it stands beside each message"
        )
    for name, content in template.files.items():
        bare = name.rpartition("/")[2]
        if name != bare and bare in template.files:
            raise UsageError(
                f"{path / name} is never shown: {bare} at the top wins over it; take one of them out"
            )
        styles = PICTURES[bare.partition(".")[0].partition("@")[0]]
        if styles is not None and template.style not in styles:
            raise UsageError(
                f"{path / name}: a pass of style {template.style} does not show it: take it out, or set "
                f"`style` to one of {', '.join(styles)}"
            )
        width, height = size_of(content, str(path / name))
        if max(width, height) > WIDEST:
            raise UsageError(f"{path / name} is {width} x {height} pixels: {WIDEST} are allowed")
        if bare == "icon.png" and min(width, height) < SMALLEST_ICON:
            raise UsageError(
                f"{path / name} is {width} x {height} pixels: an icon has {SMALLEST_ICON} x {SMALLEST_ICON}"
            )


def size_of(content: bytes, where: str) -> tuple[int, int]:
    """Width and height of a PNG. Raises UsageError for what is none, or is cut off."""
    head = content[8:33]
    if not content.startswith(_PNG) or len(head) < 25 or head[:8] != b"\0\0\0\rIHDR":
        raise UsageError(f"{where} is no PNG picture: save it as one")
    if zlib.crc32(head[4:21]) != struct.unpack(">I", head[21:25])[0] or b"IEND" not in content[-12:]:
        raise UsageError(f"{where} is a damaged PNG picture: save it anew")
    width, height = struct.unpack(">II", head[8:16])
    if not width or not height:
        raise UsageError(f"{where} is a PNG picture without pixels: save it anew")
    return width, height
