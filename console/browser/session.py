"""One tab: the process behind it, from the first picture to the last."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from textual_serve.app_service import AppService

from console.plain import inert_lines

log = logging.getLogger("passbell")

PATIENCE = 5.0
"""Seconds that a console is given to leave by itself, and as many again to obey a signal."""
LEFT = "You have left the console. Reload this page for a new one."
GREETING = b"__GANGLION__\n"
"""What Textual's web driver says first."""


class Session(AppService):
    """Runs a console without a shell, passes on what it draws, and sees to its end.

    surroundings  its whole environment
    blast         the blast to open at
    """

    def __init__(self, surroundings: Mapping[str, str], blast: int | None, **named: Any) -> None:
        super().__init__("passbell console", **named)
        self._surroundings = surroundings
        self._words = [] if blast is None else [str(blast)]

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "console.browser.child", *self._words),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,  # Ctrl-C is for the server, which asks its consoles to leave
            env={
                **self._surroundings,
                "TEXTUAL_DRIVER": "console.browser.driver:BrowserDriver",
                "TEXTUAL_COLOR_SYSTEM": "truecolor",
                "COLUMNS": str(width),
                "ROWS": str(height),
            },
        )
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Pass on packets until the process ends; then tell the page why, and close it."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        complaint = asyncio.create_task(process.stderr.read())
        with suppress(asyncio.IncompleteReadError):
            if await process.stdout.readline() == GREETING:
                while True:
                    await self._pass_on(process.stdout)
        code = await process.wait()
        words = (await complaint).decode("utf-8", "replace").strip()
        if words:
            log.warning("a console in the browser: %s", inert_lines(words))
        with suppress(ConnectionError):  # the page has gone
            await self.remote_write_str(json.dumps(["ended", _why(code, words)]))
            await self.remote_close()

    async def _pass_on(self, stdout: asyncio.StreamReader) -> None:
        head = await stdout.readexactly(5)
        payload = await stdout.readexactly(int.from_bytes(head[1:], "big"))
        with suppress(
            ConnectionError
        ):  # the page has gone: read on, or the console could not write and leave
            match head[:1]:
                case b"D":
                    await self.on_data(payload)
                case b"P":
                    await self.on_packed(payload)
                case b"M" if json.loads(payload)["type"] != "exit":  # its end says so as well, and why
                    await self.on_meta(payload)

    async def stop(self) -> None:
        """Ask the console to leave, then tell it, then end it. Returns when the process is gone."""
        if self._task is None:
            return
        task, self._task = self._task, None
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        process = self._process
        assert process is not None
        await self.send_meta({"type": "quit"})
        for insist in (process.terminate, process.kill):
            try:
                await asyncio.wait_for(process.wait(), PATIENCE)
                break
            except TimeoutError:
                with suppress(ProcessLookupError):  # it has ended in this moment
                    insist()
        await task


def _why(code: int, words: str) -> str:
    if code == 0:
        return LEFT
    if words:
        return f"{words.removeprefix('passbell: ')} Then reload this page."
    how = f"by signal {-code}" if code < 0 else f"with code {code}"
    return f"The console was ended {how}. No blast is harmed: reload this page for a new one."
