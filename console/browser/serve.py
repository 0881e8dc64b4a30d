"""`passbell console --web` from its first line to its last."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

from console.browser.face import Face
from console.browser.gate import HOST
from console.browser.session import PATIENCE
from console.desk import Desk
from jobs.worker_child import start_if_none
from store.errors import PassbellError

log = logging.getLogger("passbell")

LOOK_SECONDS = 20.0
"""How often it is looked whether a worker is alive."""


def serve(desk: Desk, *, port: int, blast: int | None, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; then the consoles leave, and our worker settles what is in flight.

    port   0 takes any free one
    blast  the blast that consoles open at
    ready  is called with an address that works once, and again with a new one for each line on our input

    Raises PassbellError where the port is in use.
    """
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, port))
        except OSError as error:
            raise PassbellError(f"cannot listen at {HOST}:{port}: {error.strerror} (see --port)") from None
        face = Face(desk.load, door.getsockname()[1], blast)
        asyncio.run(_serve(desk, face, door, lambda: ready(face.gate.new_address())))


async def _serve(desk: Desk, face: Face, door: socket.socket, tell: Callable[[], None]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(face.app(), access_log=None, shutdown_timeout=3 * PATIENCE)
    await runner.setup()
    await web.SockSite(runner, door).start()
    keeper = asyncio.create_task(_keep_worker(desk))
    try:
        tell()
        _listen_for_lines(loop, tell)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((stopped, keeper), return_when=asyncio.FIRST_COMPLETED)
        if keeper.done():
            await keeper  # it never ends well: its error is ours
    finally:
        keeper.cancel()
        await runner.cleanup()


async def _keep_worker(desk: Desk) -> None:
    """See to it that a worker is alive, one for all tabs: closing a tab stops no blast."""
    ours: subprocess.Popen[bytes] | None = None
    try:
        while True:
            if ours is None or ours.poll() is not None:
                ours = await asyncio.to_thread(_start_worker, desk)
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        if ours is not None and ours.stdin is not None:
            ours.stdin.close()  # it settles what is in flight and ends


def _start_worker(desk: Desk) -> subprocess.Popen[bytes] | None:
    try:
        settings = desk.load()
        if settings.console.start_worker and settings.role != "viewer":
            return start_if_none(settings, desk.database)
    except PassbellError as error:  # a setting or the store, which may be well again when we look next
        log.warning("no worker can be started: %s", error)
    return None


def _listen_for_lines(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    """Tell a new address for each line on standard input, as long as there is one to read."""
    signal.signal(
        signal.SIGTTIN, signal.SIG_IGN
    )  # in the background (`&`) reading fails, and does not stop us

    def heard() -> None:
        line = b""
        with suppress(OSError):
            line = os.read(0, 1024)
        if line:
            tell()
        else:
            loop.remove_reader(0)

    with suppress(PermissionError):  # a file or /dev/null: nobody types there
        if sys.stdin is not None:
            loop.add_reader(0, heard)
