"""The server behind `passbell console --web`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from string import Template
from typing import Any, TypeVar
from urllib.parse import quote

import textual_serve
from aiohttp import WSMsgType, web
from textual_serve.download_manager import DownloadManager

from console.browser.gate import SPOKEN, Gate, Key
from console.browser.session import Session
from console.plain import inert
from store.errors import PassbellError
from store.settings import HOME_VARIABLE, Settings, as_environment

log = logging.getLogger("passbell")

MOST_SESSIONS = 4
"""Tabs at once: each is a process of some 80 MB."""
TOO_MANY = f"{MOST_SESSIONS} tabs are open, and no more are allowed: close one, then reload this page."
ENDED = "The server has ended. Start `passbell console --web` again, and open the new address that it prints."
HEARTBEAT = 15.0
"""Seconds after which a browser that says nothing is asked whether it is there, so a lost one is noticed."""
LARGEST_SCREEN = 1000
"""Columns or lines that a browser may ask for."""
PAGE = Path(__file__).with_name("page")
TAKEN = Path(textual_serve.__file__).with_name("static")
STATIC = {
    "enter.js": PAGE / "enter.js",
    "page.css": PAGE / "page.css",
    "page.js": PAGE / "page.js",
    "textual.js": TAKEN / "js" / "textual.js",
    "xterm.css": TAKEN / "css" / "xterm.css",
    "mono.ttf": TAKEN / "fonts" / "RobotoMono-VariableFont_wght.ttf",
}
"""All the files there are, by the name they have under /static/."""
GUARDS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What the page may load: nothing from elsewhere. The terminal in it writes styles of its own."""

T = TypeVar("T", bound=web.StreamResponse)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Face:
    """Serves the console to browsers of this machine.

    load   reads the settings anew, for each page and each process: they say what is LIVE
    blast  the blast that each console opens at
    """

    def __init__(self, load: Callable[[], Settings], port: int, blast: int | None) -> None:
        self.gate = Gate(port)
        self._load = load
        self._blast = blast
        self._downloads = DownloadManager()
        self._open: set[web.WebSocketResponse] = set()

    def app(self) -> web.Application:
        """The routes, all of them behind the gate."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._page, allow_head=False)
        app.router.add_get("/ws", self._console, allow_head=False)
        app.router.add_get("/static/{name}", self._file, allow_head=False)
        app.router.add_get("/download/{key}", self._download, allow_head=False)
        app.on_shutdown.append(self._close_all)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nothing is answered, or even found, before it is known who asks."""
        wrong = self.gate.why_not_from(request.headers, socket=request.path == "/ws")
        token = request.query.get("token")
        if not wrong and request.path == "/" and request.method == "GET" and token is not None:
            if key := self.gate.exchange(token):
                return self._signed_in(request, key)
            if self.gate.why_not_in(request.headers):
                wrong = (
                    "This address was used already, or replaced by a newer one. Press Enter where "
                    "`passbell console --web` runs, and open the new address that it prints."
                )
        wrong = wrong or self.gate.why_not_in(request.headers)
        if request.path == "/ws":
            wrong = wrong or self.gate.why_no_console(request.headers)
        if wrong:
            return _sentence(request, wrong, 403)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            return _sentence(
                request, f"{error.reason}: open http://{request.host}/ for the console.", error.status
            )
        if not answer.prepared:
            _guarded(request, answer)
        return answer

    def _signed_in(self, request: web.Request, key: Key) -> web.Response:
        """The key, by a page that keeps the proof and goes on to the console.

        A redirect would carry on from whatever page the address was clicked on, and the cookie is not sent
        for any page but our own.
        """
        answer = web.Response(text=_page("enter.html", proof=key.proof), content_type="text/html")
        answer.set_cookie(self.gate.cookie, key.cookie, httponly=True, samesite="Strict", path="/")
        return _guarded(request, answer)

    async def _page(self, request: web.Request) -> web.Response:
        try:
            mode = (await asyncio.to_thread(self._load)).mode
        except PassbellError as error:
            return _sentence(request, str(error), 500)
        page = _page("index.html", mode=mode, socket=f"ws://{request.host}/ws")
        return web.Response(text=page, content_type="text/html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if (path := STATIC.get(request.match_info["name"])) is None:
            raise web.HTTPNotFound
        return _guarded(request, web.FileResponse(path))

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """A file that a console hands over: always to be kept, never to be shown, whatever it is."""
        key = request.match_info["key"]
        try:
            found = await self._downloads.get_download_metadata(key)
        except KeyError:
            raise web.HTTPNotFound from None
        answer = web.StreamResponse()
        answer.content_type = "application/octet-stream"
        answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.file_name)}"
        await _guarded(request, answer).prepare(request)
        async for chunk in self._downloads.download(key):
            await answer.write(chunk)
        await answer.write_eof()
        return answer

    async def _console(self, request: web.Request) -> web.WebSocketResponse:
        """One tab: a console as long as its websocket is open."""
        page = web.WebSocketResponse(heartbeat=HEARTBEAT, protocols=(SPOKEN,))
        await page.prepare(request)
        if len(self._open) >= MOST_SESSIONS:
            await _end(page, TOO_MANY)
            return page
        self._open.add(page)
        try:
            surroundings = self._surroundings(await asyncio.to_thread(self._load))
            await self._run(page, surroundings, request.query)
        except PassbellError as error:  # a setting that is wrong by now
            await _end(page, f"{error} Then reload this page.")
        finally:
            self._open.discard(page)
        return page

    async def _run(
        self, page: web.WebSocketResponse, surroundings: Mapping[str, str], asked: Mapping[str, str]
    ) -> None:
        session = Session(
            surroundings,
            self._blast,
            write_bytes=page.send_bytes,
            write_str=page.send_str,
            close=page.close,
            download_manager=self._downloads,
        )
        try:
            await session.start(_cells(asked.get("width"), 80), _cells(asked.get("height"), 24))
            await _listen(page, session)
        finally:
            await asyncio.shield(session.stop())

    def _surroundings(self, settings: Settings) -> Mapping[str, str]:
        return {
            **os.environ,
            **as_environment(settings),
            HOME_VARIABLE: str(settings.home),
            "PASSBELL_CONSOLE__START_WORKER": "false",  # the server has one, which outlives a tab
        }

    async def _close_all(self, _: web.Application) -> None:
        await asyncio.gather(*(_end(page, ENDED) for page in self._open))


def _page(name: str, **words: str) -> str:
    """A page of ours with the words in their places."""
    page = Template((PAGE / name).read_text("utf-8"))
    return page.substitute({place: escape(word) for place, word in words.items()})


async def _listen(page: web.WebSocketResponse, session: Session) -> None:
    """Hand on what the page says, until it has gone. What is not in its language ends the tab."""
    async for message in page:
        if message.type is not WSMsgType.TEXT:
            continue
        match json.loads(message.data):
            case ["stdin", str(typed)]:
                await session.send_bytes(typed.encode("utf-8", "replace"))
            case ["resize", {"width": width, "height": height}]:
                await session.set_terminal_size(_cells(width, 80), _cells(height, 24))
            case ["ping", str(sent)]:
                await page.send_str(json.dumps(["pong", sent]))
            case ["blur"]:
                await session.blur()
            case ["focus"]:
                await session.focus()


async def _end(page: web.WebSocketResponse, sentence: str) -> None:
    with suppress(ConnectionError):  # it has gone by itself
        await page.send_str(json.dumps(["ended", sentence]))
    await page.close()


def _cells(wanted: Any, default: int) -> int:
    try:
        return min(max(int(wanted), 1), LARGEST_SCREEN)
    except (TypeError, ValueError):
        return default


def _guarded(request: web.Request, answer: T) -> T:
    answer.headers.update(GUARDS)
    answer.headers["Content-Security-Policy"] = POLICY.format(host=request.host)
    return answer


def _sentence(request: web.Request, sentence: str, status: int) -> web.Response:
    return _guarded(request, web.Response(text=f"passbell: {inert(sentence)}\n", status=status))
