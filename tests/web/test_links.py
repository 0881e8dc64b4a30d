"""Download links: each caller gets what it can use, and nobody without the link anything."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa

from jobs.passes import issue
from jobs.passes.links import PATH, link_token
from jobs.rehearsal.authority import Authority
from store.programs import Program
from store.schema import issued, passes, programs
from store.times import now
from tests.web.callers import Web, enrol, open_web, own_program

IPHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15"}
ANDROID = {"User-Agent": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131"}
DESK = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def web(current_url: str, tmp_path: Path, authority: Authority) -> Iterator[Web]:
    web = open_web(current_url, tmp_path, authority)
    yield web
    web.close()


@pytest.fixture
def cafe(web: Web, tmp_path: Path) -> Program:
    program = own_program(web, tmp_path)
    enrol(web, program, "M1", name="Secret Name")
    with web.database.write() as connection:
        connection.execute(issued.update().values(placed_at=now()))
    return program


def path(web: Web, channel: str = "apple", *, hours: float = 1) -> str:
    with web.database.read() as connection:
        pass_id = connection.execute(sa.select(passes.c.id).where(passes.c.channel == channel)).scalar_one()
    return PATH + link_token(web.settings.consent_secret, pass_id, now() + timedelta(hours=hours))


def test_each_caller_gets_what_it_can_use(web: Web, cafe: Program) -> None:
    for wanted in (path(web), path(web, "google")):
        apple = web.call("GET", wanted, headers=IPHONE)
        assert (apple.status_code, apple.headers["content-type"]) == (200, "application/vnd.apple.pkpass")
        assert "pass.json" in zipfile.ZipFile(BytesIO(apple.content)).namelist()
        android = web.call("GET", wanted, headers=ANDROID)
        assert android.status_code == 302
        assert android.headers["location"].startswith(web.settings.google.save_url)
        page = web.call("GET", wanted, headers=DESK)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert web.call("GET", path(web) + "?as=apple", headers=ANDROID).content[:2] == b"PK"
    assert web.call("GET", path(web) + "?as=google", headers=IPHONE).status_code == 302


@one_store
def test_the_page(web: Web, cafe: Program) -> None:
    with web.database.write() as connection:
        connection.execute(programs.update().values(name="<img src=x onerror=alert(1)>\u202e"))
    text = web.call("GET", path(web), headers=DESK).text
    assert "?as=apple" in text
    assert "?as=google" in text
    assert "&lt;img" in text
    assert not re.search(r"<img|<script|style=|\u202e|Secret", text)
    svg = re.search(r"<svg.*</svg>", text, re.DOTALL)
    assert svg is not None
    ElementTree.fromstring(svg[0])


@one_store
def test_before_google_has_the_pass(web: Web, cafe: Program) -> None:
    with web.database.write() as connection:
        connection.execute(issued.update().values(placed_at=None))
    android = web.call("GET", path(web), headers=ANDROID)
    assert (android.status_code, "?as=google" in android.text) == (200, False)
    with web.database.write() as connection:
        connection.execute(passes.delete().where(passes.c.channel == "apple"))
    assert web.call("GET", path(web, "google"), headers=IPHONE).status_code == 503


@one_store
def test_links_that_lead_nowhere(web: Web, cafe: Program) -> None:
    good = path(web)
    assert web.call("GET", path(web, hours=-1)).status_code == 410
    for wrong in (good[:-1], good + "A", good[:-1] + "!", PATH + "%00", PATH + "A" * 40):
        assert web.call("GET", wrong).status_code == 404, wrong
    # The last characters carry the MAC, the first ones the pass: no other spelling means the same.
    assert web.call("GET", good[:-1] + ("A" if good[-1] != "A" else "B")).status_code == 404
    other = PATH + link_token(lambda: "another secret than ours", 1, now() + timedelta(hours=1))
    assert web.call("GET", other).status_code == 404
    stranger = PATH + link_token(web.settings.consent_secret, 10**6, now() + timedelta(hours=1))
    assert web.call("GET", stranger).status_code == 404
    assert web.call("POST", good).status_code == 405
    issue.void(web.database, cafe, "M1", actor="ann")
    assert web.call("GET", good, headers=IPHONE).status_code == 410
