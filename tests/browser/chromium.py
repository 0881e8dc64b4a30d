"""A real Chromium without a window, driven by its DevTools protocol over aiohttp's websockets."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.bed.servers import no_server

PATIENCE = 30.0
QUIETLY = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, for whom Chromium has no sandbox
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
    "--remote-debugging-port=0",
)
KEEP_TERMINAL = """
Object.defineProperty(Object.prototype, "terminal", {
  configurable: true,
  get() { return undefined; },
  set(value) {
    Object.defineProperty(this, "terminal", { value, writable: true, configurable: true, enumerable: true });
    if (value && value.buffer) window.terminalOnScreen = value;
  },
});
"""
"""The page's script keeps its xterm.js to itself and draws on a canvas: take hold of it as it is made."""
READ_CELLS = """
(() => {
  const screen = window.terminalOnScreen;
  if (!screen) return [];
  const cells = (line) => Array.from({ length: screen.cols }, (_, column) => {
    const cell = line.getCell(column);
    return cell.getWidth() === 0 ? "\\u0000" : cell.getChars() || " ";
  });
  return Array.from({ length: screen.rows }, (_, row) => cells(screen.buffer.active.getLine(row)));
})()
"""
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "F7": (118, "")}


def chromium() -> str:
    """Where it is. Without it a test is skipped on a person's machine, and fails where all have to run."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or no_server("chromium is not installed: nothing else shows the console in a browser")


class Refused(Exception):
    """What Chromium would not do, and why."""


class Tab:
    """One page. `requests` are the addresses it asked for, `troubles` what went wrong in it."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self._session = session
        self._target = target
        self.requests: list[str] = []
        self.troubles: list[str] = []

    def hear(self, method: str, news: dict[str, Any]) -> None:
        """Take down what the page does."""
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(news["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(news["url"])
            case "Runtime.exceptionThrown":
                self.troubles.append(str(news["exceptionDetails"]))
            case "Log.entryAdded" if news["entry"]["level"] == "error":
                self.troubles.append(f"{news['entry']['text']} {news['entry'].get('url')}")

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._browser.call(method, session=self._session, **parameters)

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        """What the script comes to; None where the page was left for another meanwhile."""
        try:
            found = await self.call(
                "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
            )
        except Refused:
            return None
        return found["result"].get("value")

    async def lines(self) -> list[list[str]]:
        """The cells of the terminal, as xterm.js has them; a wide character is followed by a NUL."""
        found: list[list[str]] = await self.evaluate(READ_CELLS) or []
        return found

    async def text(self) -> str:
        return "\n".join("".join(line).replace("\0", "").rstrip() for line in await self.lines())

    async def until(self, what: str, seen: Callable[[str], bool] | None = None) -> str:
        """Wait until the terminal shows these words, or something else is seen in its text."""
        text = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    text = await self.text()
                    if seen(text) if seen else what in text:
                        return text
                    await asyncio.sleep(0.1)
        pytest.fail(f"waited in vain for {what!r}; the browser shows:\n{text}\n{self.troubles}")

    async def says(self, words: str) -> None:
        """Wait for a page without a terminal that says so."""
        await self._until(f"document.body?.innerText.includes({json.dumps(words)})")

    async def ended(self) -> str:
        """Wait for the page to say that its console has ended, and return the sentence."""
        sentence: str = await self._until(
            "document.body?.classList.contains('-closed') && document.getElementById('ended').innerText"
        )
        return sentence

    async def _until(self, script: str) -> Any:
        async with asyncio.timeout(PATIENCE):
            while True:
                if found := await self.evaluate(script):
                    return found
                await asyncio.sleep(0.05)

    async def press(self, *keys: str) -> None:
        """Press named keys (`Enter`), letters, and letters with `ctrl+` before them."""
        for key in keys:
            ctrl, _, name = key.rpartition("ctrl+")
            name, control = name or key, bool(ctrl or key.startswith("ctrl+"))
            code, text = KEYS.get(name, (ord(name.upper()[0]), "" if control else name))
            more = {"key": name, "windowsVirtualKeyCode": code, "modifiers": 2 if control else 0}
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **more)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **more)

    async def click(self, words: str) -> None:
        """Click the first place that shows these words with the mouse, once they stay where they are."""
        place, before = await self._place(words), None
        async with asyncio.timeout(PATIENCE):
            while place is None or place != before:
                await asyncio.sleep(0.25)
                place, before = await self._place(words), place
        x, y = place
        for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
            await self.call(
                "Input.dispatchMouseEvent",
                type=kind, x=x, y=y, button="left" if kind != "mouseMoved" else "none",
                buttons=buttons, clickCount=1,
            )  # fmt: skip

    async def _place(self, words: str) -> tuple[float, float] | None:
        """Where the middle of these words is on the page, in pixels."""
        left, top, width, height = await self.evaluate(
            "(() => { const at = document.querySelector('.xterm-screen').getBoundingClientRect();"
            "return [at.left, at.top, at.width, at.height]; })()"
        )
        lines = await self.lines()
        for row, line in enumerate(lines):
            column = "".join(line).find(words)
            if column >= 0:
                across = (column + len(words) // 2 + 0.5) / len(line)
                return left + across * width, top + (row + 0.5) / len(lines) * height
        return None

    async def copied(self, text: str) -> None:
        """Wait until this is in the clipboard."""
        wanted = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        await self._browser.call("Browser.grantPermissions", permissions=wanted)
        await self.call("Page.bringToFront")
        await self._until(f"navigator.clipboard.readText().then(text => text === {json.dumps(text)})")

    async def resize(self, width: int, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def picture(self) -> bytes:
        """What it looks like, as PNG."""
        await self.call("Page.bringToFront")  # what lies behind is not drawn
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])

    async def close(self) -> None:
        await self._browser.call("Target.closeTarget", targetId=self._target)


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def listen(self) -> None:
        async for message in self._socket:
            news = message.json()
            if "id" in news:
                self._waiting.pop(news["id"]).set_result(news)
            elif tab := self._tabs.get(news.get("sessionId", "")):
                tab.hear(news["method"], news["params"])

    async def call(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        order = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(order | ({"sessionId": session} if session else {}))
        found = await asyncio.wait_for(answer, PATIENCE)
        if "error" in found:
            raise Refused(f"{method}: {found['error']}")
        result: dict[str, Any] = found["result"]
        return result

    async def open(self, url: str, *, width: int = 1000, height: int = 700, stranger: bool = False) -> Tab:
        """A tab that has begun to load this page; a stranger's has no cookies but those it gets."""
        apart = await self.call("Target.createBrowserContext") if stranger else {}
        target = (await self.call("Target.createTarget", url="about:blank", **apart))["targetId"]
        attached = await self.call("Target.attachToTarget", targetId=target, flatten=True)
        tab = self._tabs[attached["sessionId"]] = Tab(self, attached["sessionId"], target)
        for domain in ("Page", "Network", "Runtime", "Log"):
            await tab.call(f"{domain}.enable")
        await tab.call("Page.addScriptToEvaluateOnNewDocument", source=KEEP_TERMINAL)
        await tab.resize(width, height)
        await tab.go(url)
        return tab


@asynccontextmanager
async def browsing(profile: Path) -> AsyncIterator[Browser]:
    """A Chromium while it is needed. It is ended with all its processes."""
    command = [chromium(), *QUIETLY, f"--user-data-dir={profile}", "about:blank"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=DEVNULL, stderr=PIPE, start_new_session=True
    )
    assert process.stderr is not None
    try:
        address = ""
        async with asyncio.timeout(PATIENCE):
            while not address:
                line = (await process.stderr.readline()).decode()
                assert line, "chromium has ended"
                address = line.partition("DevTools listening on ")[2].strip()
        rest = asyncio.create_task(process.stderr.read())
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=0) as socket,
        ):
            browser = Browser(socket)
            listening = asyncio.create_task(browser.listen())
            yield browser
            listening.cancel()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    await rest
