"""A process that answers, started by `web/serve.py`: `python -m web.child SOCKET PIPE [CERTIFICATE KEY]`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import ssl
import sys
from typing import Any, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config, Sockets
from hypercorn.typing import ASGIFramework

from jobs.worker_log import set_up_log
from store.database import Database
from store.errors import PassbellError
from store.settings import Settings, load
from web.app import application
from web.limits import HEADER_BYTES
from web.quirks import Idleness, install

IDLE_SECONDS = 20.0
"""How long a connection may be idle or take for its headers: who sends these a byte at a time is cut off."""
IDLE_SECONDS_OF_PROXIES = 90.0
"""A proxy that keeps connections open must not find them closed: its own limit is 60 s as a rule."""
HANDSHAKE_SECONDS = 10.0
GRACE_SECONDS = 5.0

log = logging.getLogger("passbell")


class _Config(Config):
    """Hypercorn's settings for a socket that is open already."""

    def __init__(self, listener: socket.socket, files: tuple[str, str] | None) -> None:
        self._listener = listener
        if files:
            self.certfile, self.keyfile = files
        self.alpn_protocols = ["http/1.1"]  # see web/quirks.py
        self.accesslog = None
        self.errorlog = logging.getLogger("hypercorn.error")
        self.loglevel = "WARNING"
        self.include_server_header = False
        self.backlog = 100
        self.keep_alive_max_requests = 100_000
        self.ssl_handshake_timeout = HANDSHAKE_SECONDS
        self.graceful_timeout = GRACE_SECONDS
        self.h11_max_incomplete_size = HEADER_BYTES

    def create_sockets(self) -> Sockets:
        return Sockets([self._listener], [], []) if self.ssl_enabled else Sockets([], [self._listener], [])


async def answer(
    settings: Settings, listener: socket.socket, pipe: int, files: tuple[str, str] | None
) -> None:
    """Until a signal comes, or until the parent is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(0, stop.set)
    loop.set_exception_handler(_tell)
    app = application(settings, Database(settings.store_url, settings.role))
    gc.collect()
    gc.freeze()
    os.write(pipe, b"1")
    install(IDLE_SECONDS_OF_PROXIES if settings.web.behind_proxy else IDLE_SECONDS)

    async def stopped() -> None:
        await stop.wait()
        Idleness.leave()

    framework = cast(ASGIFramework, app)  # the same protocol, in each library's own words
    await serve(framework, _Config(listener, files), shutdown_trigger=stopped, mode="asgi")


def _tell(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What went wrong outside of any request. Callers that break off in mid-word are nobody's trouble."""
    error = context.get("exception")
    if not isinstance(error, (ssl.SSLError, ConnectionError)):
        log.error("%s", context["message"], exc_info=error)


def main() -> None:
    """What it cannot work with stands in its log, in one line; the exit code says so, too."""
    set_up_log()
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.setblocking(False)
    files = (sys.argv[3], sys.argv[4]) if len(sys.argv) > 3 else None
    try:
        asyncio.run(answer(load(), listener, int(sys.argv[2]), files))
    except ssl.SSLError as error:
        log.error("web.certificate and web.key cannot be used: %s", error.reason)
        sys.exit(1)
    except PassbellError as error:
        log.error("no web process can run here: %s", error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
