"""The console in a real browser: a whole blast, mouse, clipboard, files, sizes, and every way to end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from console.browser.face import MOST_SESSIONS
from tests.bed.nursery import Nursery
from tests.browser.chromium import PATIENCE, Tab, browsing
from tests.browser.conftest import serving, words_of
from tests.engine.conftest import House

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
TEXT = "Two for one until six"
PICTURES = "BROWSER_PICTURES"
"""A folder, in the environment, that takes a picture of each step for people to look at."""


@pytest.fixture
def house(tmp_path: Path, nursery: Nursery) -> Iterator[House]:
    """A home with a stand-in and 60 members."""
    made = House(tmp_path, f"sqlite:///{tmp_path / 'passbell.db'}", {}, nursery, rehearsal__members="60")
    yield made
    made.close()


async def look(tab: Tab, name: str) -> None:
    """Keep a picture, where somebody wants to look."""
    if folder := os.environ.get(PICTURES):
        keep(Path(folder) / f"{name}.png", await tab.picture())


def keep(path: Path, picture: bytes) -> None:
    path.write_bytes(picture)


def width_of(text: str) -> int:
    """Columns that the console uses; the masthead uses all."""
    return max(map(len, text.splitlines()))


def surroundings(house: House) -> dict[str, str]:
    """The house's own, with a console that begins on its programs and wants every count typed."""
    more = {"PASSBELL_CONSOLE__START": "programs", "PASSBELL_CONSOLE__TYPE_COUNT_FROM": "1"}
    return house.surroundings() | more


async def test_a_blast_from_its_text_to_its_end(house: House, tmp_path: Path) -> None:
    """By keys and mouse in a browser: compose, plan, type the count, launch, finished. The worker is real."""
    with serving(tmp_path / "served.log", surroundings=surroundings(house)) as served:
        async with browsing(tmp_path / "profile") as browser:
            tab = await browser.open(served.url)
            await tab.until("Kaffeehaus")
            await look(tab, "programs")
            await tab.press("5")
            await tab.until("a key that needs no click", lambda text: "Kaffeehaus" not in text)
            await tab.click("Compose")
            await tab.until("Plan and launch")
            await tab.resize(720, 480)
            await tab.until("a smaller screen", lambda text: 60 < width_of(text) <= 80)
            await look(tab, "compose-small")
            await tab.resize(1280, 900)
            await tab.until("a wider screen", lambda text: "Two coffees" in text and width_of(text) > 120)
            await tab.click("Two coffees")
            await tab.press(*TEXT)
            await tab.until("it on the lock screen", lambda text: text.count(TEXT) >= 2)
            await look(tab, "compose")
            await tab.press("F7", "ctrl+c")
            await tab.copied(TEXT)
            await tab.press("ctrl+r")
            asked = await tab.until("to make sure")
            await look(tab, "launch")
            found = re.search(r"Type (\d+) to make sure", asked)
            assert found
            await tab.click("__")
            await tab.press(*found[1], "Enter")
            await tab.until(
                "the count in its field", lambda text: text.count(found[1]) > asked.count(found[1])
            )
            await tab.click(f"Launch to {found[1]}")
            await tab.until("its end", lambda text: "FINISHED" in text.upper())
            await look(tab, "finished")
            assert house.blast(1).state == "finished"
            assert house.nothing_lost(1).states["accepted"] == int(found[1])
            assert await tab.evaluate("document.title") == "REHEARSAL - passbell"
            (console,) = served.consoles()
            served.process.send_signal(signal.SIGINT)
            assert "The server has ended" in await tab.ended()
            served.process.wait(PATIENCE)
            assert words_of(console) == b""
            assert {urlsplit(url).netloc for url in tab.requests if not url.startswith("data:")} == {
                f"127.0.0.1:{served.port}"
            }
            assert tab.troubles == []


async def test_every_way_to_end(tmp_path: Path) -> None:
    """Killed, reloaded, closed, too many at once, the server gone: each ends its processes and says so."""
    with serving(
        tmp_path / "served.log", "--home", str(tmp_path), "--set", "console.start_worker=false"
    ) as served:
        async with browsing(tmp_path / "profile") as browser:
            tabs = [await browser.open(served.url)]
            await tabs[0].until("REHEARSAL")
            (killed,) = served.consoles()
            tabs += [await browser.open(served.root) for _ in range(MOST_SESSIONS - 1)]
            for tab in tabs:
                await tab.until("REHEARSAL")
            one_more = await browser.open(served.root)
            assert "tabs are open, and no more are allowed" in await one_more.ended()

            os.kill(killed, signal.SIGKILL)
            assert "The console was ended by signal 9" in await tabs[0].ended()
            await look(tabs[0], "killed")

            before = served.consoles()
            await tabs[1].close()
            await until(lambda: len(served.consoles()) == len(before) - 1)
            await one_more.go(served.root)  # this browser is signed in: it needs no new address
            await one_more.until("REHEARSAL")

            stranger = await browser.open(served.url, stranger=True)
            await stranger.says("This address was used already")

            orphans = served.consoles()
            assert len(orphans) == MOST_SESSIONS - 1
            served.process.kill()  # nothing of the server is left to end them
            assert "The connection to the console is lost" in await one_more.ended()
            await until(lambda: not any(words_of(pid) for pid in orphans))


async def test_whoever_listens_on_another_port_gets_the_cookie_and_nothing_by_it(tmp_path: Path) -> None:
    """A browser shows the cookies of a machine to all its ports, and so to other people's programs."""
    stolen: list[str] = []

    async def steal(request: web.Request) -> web.Response:
        stolen.append(request.headers.get("Cookie", ""))
        return web.Response(text="<p>harmless</p>", content_type="text/html")

    thief = web.Application()
    thief.router.add_get("/", steal)
    runner = web.AppRunner(thief)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    with serving(tmp_path / "served.log", "--set", "console.start_worker=false") as served:
        async with browsing(tmp_path / "profile") as browser, aiohttp.ClientSession() as session:
            tab = await browser.open(served.url)
            await tab.until("REHEARSAL")
            other = await browser.open(f"http://127.0.0.1:{runner.addresses[0][1]}/")
            await other.says("harmless")
            assert f"passbell-{served.port}=" in stolen[0]
            assert await other.evaluate("localStorage.length") == 0
            headers = {"Cookie": stolen[0], "Origin": served.root.rstrip("/")}
            async with session.get(served.root, headers=headers) as page:
                assert page.status == 200
                assert await tab.evaluate("localStorage.getItem('proof')") not in await page.text()
            before = served.consoles()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(served.root + "ws", headers=headers)
            assert refused.value.status == 403
            assert served.consoles() == before
            await tab.go(served.root)  # whose cookie it is goes on
            await tab.until("REHEARSAL")
            await tab.evaluate("localStorage.clear()")
            await tab.go(served.root)
            assert "Press Enter where `passbell console --web` runs" in await tab.ended()
    await runner.cleanup()


async def until(seen: Callable[[], bool]) -> None:
    """Wait for processes that are no children of ours: nobody tells when they end."""
    async with asyncio.timeout(PATIENCE):
        while not seen():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
