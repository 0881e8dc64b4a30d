"""The guide: its pages of keys and settings are true, each picture is shown and drawn, each link leads on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.make_pictures import FOLDER, SCENES
from docs.make_reference import PAGES

ROOT = Path(__file__).parents[1]
GUIDE = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"^ *```.*?^ *```$|^    .*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
LARGEST = 100_000
"""Bytes of a picture."""


def titles(page: Path) -> set[str]:
    """What links may lead to in a page."""
    found = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in found}


def links(page: Path) -> list[tuple[str, str]]:
    return LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_made_has_not_fallen_behind(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "say `make reference`"


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: str(page.name))
def test_each_link_leads_somewhere(page: Path) -> None:
    for _, target in links(page):
        path, _, title = target.partition("#")
        if path.startswith("https:"):
            continue
        aim = (page.parent / path).resolve() if path else page
        assert aim.is_relative_to(ROOT), target
        assert aim.is_file(), target
        assert not title or title in titles(aim), target


def test_each_picture_is_drawn_and_shown() -> None:
    shown = {
        (page.parent / target).resolve() for page in GUIDE for sign, target in links(page) if sign == "!"
    }
    assert {path.name for path in shown} == {f"{name}.svg" for name in SCENES}
    assert shown == set(FOLDER.iterdir())


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_is_small_and_asks_nobody_for_anything(name: str) -> None:
    drawn = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert len(drawn.encode()) < LARGEST
    assert set(re.findall(r"https?://[^\"'\s)]+", drawn)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }
    assert "url(http" not in drawn
    assert "DejaVu Sans Mono" in drawn
