"""Templates: what is taken, and that every refusal names file, key and what to do."""

from __future__ import annotations

import copy
import json
import os
import re
import struct
import tomllib
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.passes import example, google_design, google_words, pkpass, strings, template
from jobs.passes.folder import read_folder
from jobs.passes.holder import Holder
from jobs.passes.template import Template
from store.errors import Refused, UsageError
from tests.passes import schema
from tests.passes.conftest import Change

ORGANISATION = 'organisation = "Kaffeehaus Linden"'
BARCODE = 'format = "qr"                   # qr | pdf417 | aztec | code128'


def refused(folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_folder(folder)
    return str(caught.value)


def test_the_example_is_in_order(folder: Path) -> None:
    found = read_folder(folder)
    assert (found.kind, found.style, found.google.type) == ("membership", "storeCard", "generic")
    assert found.colours["background"] == (0x2F, 0x4A, 0x36)
    assert found.message.change_message == "%@"
    assert found.names == {"points": True, "name": True, "external_id": False}
    assert found.missing({"external_id": "C1"}) == []
    assert found.missing({}) == ["external_id"]
    assert found.untaken() == []
    assert found.translation("Points", "de-AT") == "Punkte"
    with pytest.raises(Refused, match="not empty"):
        example.write(folder)


def test_a_template_reads_back_from_what_the_store_keeps(linden: Template) -> None:
    assert template.read(linden.table, linden.files) == linden


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kind = "membership"', 'kind = "card"', "`kind` is 'card': write one of membership, coupon"),
        ('kind = "membership"', "", "`kind` is missing"),
        ('kind = "membership"', 'kind = "flight"', "`transit_type` is missing: Apple requires it"),
        ('locale = "en"', 'transit_type = "air"', "`transit_type` has no meaning for style storeCard"),
        ('locale = "en"', 'locale = "English"', "`English` 'English' is no language"),
        ('locale = "en"', 'locale = "de"', "`strings.de` is the language of the texts themselves"),
        (ORGANISATION, 'organisation = " "', "`organisation` is empty: Apple requires it"),
        (ORGANISATION, "organisation = 1", "`organisation` is a number: write it as a text"),
        (ORGANISATION, 'organisation = "a\\u0000b"', "holds a control character, U\\+0000"),
        (ORGANISATION, ORGANISATION + '\nlogo_txt = "x"', "`logo_txt` is no key .* did you mean `logo_text`"),
        ('background = "#2f4a36"', 'background = "green"', "`colours.background` 'green' is no colour"),
        (
            'background = "#2f4a36"',
            'background = "rgb(1, 2, 256)"',
            "`colours.background` 'rgb\\(1, 2, 256\\)' is no colour",
        ),
        ('key = "holder"', 'key = "points"', "two fields have the key 'points'"),
        ('key = "holder"', 'key = "message"', "leave it out of \\[\\[fields\\]\\]"),
        ('key = "holder"', 'key = "a.b"', "`fields\\[2\\].key` 'a.b' is no key"),
        ('place = "header"', 'place = "middle"', "`fields\\[1\\].place` is 'middle'"),
        ("{points|0}", "{points", "`fields\\[1\\].value` the text has a lone {"),
        ("{points|0}", "{}", "braces without a field's name"),
        ('key = "holder"', 'key = "holder"\nchange_message = "now %@"', "is for \\[message\\] alone"),
        ('key = "holder"', 'key = "holder"\nalerts = true', "needs a change_message"),
        ('key = "holder"', 'key = "holder"\nalerts = true\nchange_message = "x"', "has to hold %@"),
        ('empty = "No', 'change_message = "News"\nempty = "No', "`message.change_message` has to hold %@"),
        (BARCODE, 'format = "ean"', "`barcode.format` is 'ean'"),
        ('value = "{external_id}"\nalt', 'value = ""\nalt', "`barcode.value` is empty"),
        ('"Points" = "Punkte"', '"Points" = "{points} Punkte"', "does not name the same fields"),
        ('"Points" = "Punkte"', '"Points" = 3', "`strings.de.Points` is a number"),
        ("[strings.de]", "[strings.xx_y]", "is no language"),
        ("[strings.de]", '[strings.fr]\n"Points" = "Points"\n[strings.de]', "`strings.fr` lacks 'Guest'"),
        ('type = "generic"', 'type = "loyalty"', "`google.logo` is missing: Google requires it of type"),
        ('type = "generic"', 'type = "card"', "`google.type` is 'card'"),
        ('type = "generic"', 'type = "transit"', "transit is for boarding passes"),
        ('type = "generic"', 'logo = "http://a.example/x.png"', "has to be an https address"),
        ('type = "generic"', 'title = "x"', "`google.title` is no key"),
        ('type = "generic"', 'type = "offer"\ntitle = "{name}"', "cannot name a member's field"),
        ('type = "generic"', 'type = "eventTicket"\nvenue_name = "x"', "go together"),
        ('type = "generic"', 'type = "eventTicket"\nstarts_at = "soon"', "write a time such as"),
        ('type = "generic"', 'type = "giftCard"\ncurrency = "euro"', "write a currency's code"),
        ("[[fields]]", "[fields]", "`fields` is no array of tables|not valid TOML"),
        ("[colours]", "colours = 1\n[colour]", "`colours` is a number: write a table"),
    ],
)
def test_a_refusal_names_file_key_and_what_to_do(changed: Change, old: str, new: str, told: str) -> None:
    folder = changed((old, new))
    sentence = refused(folder)
    assert str(folder / "template.toml") in sentence
    assert re.search(told, sentence), sentence


def test_a_translation_of_no_text_is_told(changed: Change) -> None:
    assert read_folder(changed(('label = "Points"', 'label = "Stars"'))).untaken() == ["Points"]


def test_google_shows_ten_text_modules(changed: Change) -> None:
    more = "".join(
        f'[[fields]]\nplace = "auxiliary"\nkey = "k{number}"\nvalue = "x"\n\n' for number in range(8)
    )
    told = refused(changed(("[message] ", more + "[message] ")))
    assert "11 fields, the message among them: Google shows 10" in told


def test_an_alerting_field_beside_the_message_has_to_be_asked_for(changed: Change) -> None:
    wanted = 'key = "points"\nalerts = true\nchange_message = "You have %@ points"'
    found = read_folder(changed(('key = "points"', wanted)))
    assert found.fields[0].change_message == "You have %@ points"


# The folder


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + struct.pack(">L", 13) + head + struct.pack(">L", zlib.crc32(head))
    return whole + b"\0\0\0\0IEND\xae\x42\x60\x82"


def test_files_that_have_no_part_in_a_pass_are_named(folder: Path) -> None:
    for name in ("notes.txt", ".DS_Store", "icon@4x.png", "ICON.PNG", "icon.png\n"):
        (folder / name).write_text("x")
        assert name in refused(folder)
        (folder / name).unlink()
    (folder / "more").mkdir()
    assert "more has no part in a pass" in refused(folder)
    (folder / "more").rmdir()
    (folder / "de_at.lproj").mkdir()
    assert "names no language" in refused(folder)


def test_nothing_outside_of_the_folder_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(29, 29))
    (folder / "strip.png").symlink_to(tmp_path / "secret.png")
    assert "is a symbolic link" in refused(folder)
    (folder / "strip.png").unlink()
    (folder / "de.lproj").symlink_to(tmp_path, target_is_directory=True)
    assert "is a symbolic link" in refused(folder)
    (folder / "de.lproj").unlink()
    os.mkfifo(folder / "strip.png")
    assert "is no plain file" in refused(folder)


def test_pictures_are_looked_at(folder: Path) -> None:
    icon = (folder / "icon.png").read_bytes()
    for content, told in (
        (b"GIF89a" + bytes(60), "is no PNG picture"),
        (icon[:40], "is a damaged PNG"),
        (icon[:20] + b"\xff" + icon[21:], "is a damaged PNG"),
        (png(0, 29), "without pixels"),
        (png(20, 29), "an icon has 29 x 29"),
        (png(4_000, 29), "3000 are allowed"),
        (icon[:-12] + bytes(2_000_001), "more than 2,000,000 bytes"),
    ):
        (folder / "icon.png").write_bytes(content)
        assert told in refused(folder)
    (folder / "icon.png").unlink()
    assert "icon.png is missing: Apple requires it" in refused(folder)
    (folder / "icon.png").write_bytes(icon)
    (folder / "background.png").write_bytes(png(180, 220))
    assert "a pass of style storeCard does not show it" in refused(folder)


def test_a_picture_that_is_never_shown_is_named(folder: Path) -> None:
    (folder / "de.lproj").mkdir()
    (folder / "de.lproj" / "logo.png").write_bytes(png(50, 50))
    assert "logo.png at the top wins" in refused(folder)
    for name in ("logo.png", "logo@2x.png"):
        (folder / name).unlink()
    assert "de.lproj/logo.png" in read_folder(folder).files


def test_a_folder_is_limited_as_a_whole(folder: Path) -> None:
    large = png(29, 29)[:-12] + bytes(1_999_000) + b"\0\0\0\0IEND\xae\x42\x60\x82"
    for name in ("icon@2x", "icon@3x", "logo", "logo@2x", "logo@3x", "strip"):
        (folder / f"{name}.png").write_bytes(large)
    assert "more than 10 MB in all" in refused(folder)


@pytest.mark.parametrize(
    "table",
    [
        b"a = " + b"[" * 90_000,
        b"a = " + b"{b=" * 60_000,
        b"a." * 90_000 + b"a=1",
        b'["a"' + b". 'a'" * 30_000 + b"]",
        b"a" * 190_000,
        b'"' * 190_000,
        b"x" * 300_000,
        b"\xff\xfe",
        b"",
    ],
    ids=lambda table: repr(table[:12]),
)
def test_a_table_that_is_none_ends_in_a_sentence(folder: Path, table: bytes) -> None:
    (folder / "template.toml").write_bytes(table)
    assert "template.toml" in refused(folder)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "is no folder" in refused(tmp_path / "nowhere")
    assert "template.toml is missing" in refused(tmp_path)


# pass.strings


def test_translations_may_stand_in_apples_files(changed: Change) -> None:
    folder = changed(("[strings.de]", "[strings.fr]"))
    (folder / "de.lproj").mkdir()
    table = read_folder_strings(folder)
    (folder / "de.lproj" / "pass.strings").write_bytes(strings.spell(table | {"Points": "Pünktchen"}))
    assert read_folder(folder).strings["de"]["Points"] == "Pünktchen"
    (folder / "de.lproj" / "pass.strings").write_text('/* a */ "Points" = "Punkte"; // b\n"Guest" "Gast";')
    assert "line 2 cannot be read" in refused(folder)
    (folder / "fr.lproj").mkdir()
    (folder / "fr.lproj" / "pass.strings").write_text('"Points" = "Points";')
    (folder / "de.lproj" / "pass.strings").unlink()
    assert "[strings.fr] stands in template.toml, too" in refused(folder)


def read_folder_strings(folder: Path) -> dict[str, str]:
    return dict(read_folder(folder).strings["fr"])


text = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=20)


@given(st.dictionaries(text, text, max_size=5))
def test_strings_are_read_as_they_were_spelled(table: dict[str, str]) -> None:
    spelled = strings.spell(table)
    assert strings.read(spelled, "x") == table
    assert all("".join(pair).isascii() for pair in table.items()) != spelled.startswith(b"\xff\xfe")


@given(st.binary(max_size=60) | text.map(str.encode))
def test_any_bytes_for_strings_end_in_a_table_or_a_sentence(content: bytes) -> None:
    try:
        found = strings.read(content, "here")
    except UsageError as error:
        told = str(error)
    else:
        told = "here: " + repr(found)
    assert told.startswith("here: ")


def test_the_documentation_works(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()
    table = page.partition("```toml\n")[2].partition("```")[0]
    (folder / "template.toml").write_text(table)
    assert [one.key for one in read_folder(folder).fields] == ["points"]
    for word in (*template.PLACES, *template.BARCODES, *template.TRANSIT, *template.ALL_STYLES):
        assert f"`{word}`" in page, word
    for type_, words in google_words.WORDS.items():
        for word in (type_, *words):
            assert f"`{word}`" in page, word


BASE = tomllib.loads(example.SAMPLE)
PLACES_IN_IT = [
    *((key,) for key in (*BASE, "style", "transit_type", "nobody")),
    *(("fields", number, key) for number in range(3) for key in ("place", "key", "label", "value", "alerts")),
    *(("google", key) for key in ("type", "logo", "hero", "header", "departure", "venue_name", "currency")),
    *(("barcode", key) for key in ("format", "value", "alt_text")),
    *(("message", key) for key in ("key", "label", "empty", "change_message")),
    *(("colours", key) for key in ("background", "grey")),
    *(("strings", "de"), ("strings", "de", "Points"), ("strings", "fr")),
]
wild = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["{name}", "{", "%@", "flight", "air", "train", "transit", "eventTicket", "qr", "de"])
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.tuples(st.sampled_from(PLACES_IN_IT), wild), min_size=1, max_size=3))
def test_any_table_ends_in_a_template_that_both_take_or_in_a_sentence(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    table: Any = copy.deepcopy(BASE)
    for (*path, last), value in changes:
        below = table
        for step in path:
            known = isinstance(below, dict | list) and (step in below or isinstance(below, list))
            below = below[step] if known and (not isinstance(step, int) or step < len(below)) else {}
        if isinstance(below, dict):
            below[last] = value
    holder = Holder("s1", "own-1", "C1", token="t" * 32, name="Ann", message="Hello")
    try:
        found = template.read(table, {})
    except UsageError as error:
        assert str(error).startswith("template.toml: `")  # noqa: PT017
        return
    json.dumps(dict(found.table), allow_nan=False)
    said = pkpass.content(found, holder, Whose("pass.a", "T"), "https://a.example")  # type: ignore[arg-type]
    assert [name for name in said if name in template.ALL_STYLES] == [found.style]
    keys = [one["key"] for place in said[found.style].values() if isinstance(place, list) for one in place]
    assert len(set(keys)) == len(keys)
    for path_, (kind, body) in (
        ("Class", google_design.class_body(found, "own-1", "3388")),
        ("Object", google_design.object_body(found, holder, "3388")),
    ):
        schema.check_request("POST", f"/walletobjects/v1/{kind}{path_}", body)


class Whose(NamedTuple):
    """Of an identity what stands in pass.json."""

    pass_type: str
    team: str
