"""`passbell serve`: one process that keeps the port and its children, and the children that answer.

The parent opens a listening socket for each child and keeps it, so that what waits at a child's socket when
it dies is answered by the one that takes its place.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store import roles
from store.errors import PassbellError, UsageError
from store.settings import HOME_VARIABLE, Settings, as_environment
from web.counts import shared_counts

log = logging.getLogger("passbell")

BACKLOG = 2048
START_SECONDS = 60.0
"""How long a child may take until it answers."""
LEAVE_SECONDS = 15.0
"""How long children may take to answer what they have begun; then they are ended."""
DEATHS = 5
DEATHS_SECONDS = 60.0
"""So many children that die within so many seconds are no accident: everything ends, loudly."""


def web_url(settings: Settings, own: str) -> str:
    """What passes carry: `web.url`, or in a rehearsal our own address. Raises UsageError in LIVE without."""
    if settings.web.url:
        return settings.web.url
    if settings.live:
        raise UsageError(
            "web.url is not set: passes carry the address of this web face for ever, so say it first, "
            "as phones see it: web.url = https://passes.example.com"
        )
    return own


def tls_files(settings: Settings) -> tuple[str, str] | None:
    """Certificate chain and key to answer with; None: plain HTTP, for a proxy.

    A rehearsal without a certificate uses the one of its own authority, so that phones speak TLS.
    """
    web = settings.web
    if web.certificate:
        for name, path in {"web.certificate": web.certificate, "web.key": web.key or web.certificate}.items():
            if not os.access(Path(path).expanduser(), os.R_OK):
                raise UsageError(f"{name}: {path} cannot be read")
        certificate = str(Path(web.certificate).expanduser())
        return certificate, str(Path(web.key).expanduser()) if web.key else certificate
    if settings.live:
        return None
    from jobs.rehearsal.authority import ensure

    path = str(ensure(settings.home).server_path)
    return path, path


def serve(settings: Settings, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Answer until SIGTERM or Ctrl-C. `ready` is called with the address once every process answers.

    Raises PassbellError where the port is in use or processes die one after the other, UsageError where a
    setting forbids it, and Refused for a viewer: what phones and providers tell is written.
    """
    roles.check(settings.role, "serve")
    files = tls_files(settings)
    with ExitStack() as stack:
        stack.enter_context(shared_counts())
        sockets = _listen(host, port, settings.web.processes)
        for one in sockets:
            stack.callback(one.close)
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        own = f"{'https' if files else 'http'}://{shown}:{sockets[0].getsockname()[1]}"
        url = web_url(settings, own)
        family = _Family(settings, sockets, url, files)
        stack.callback(family.end)
        family.run(lambda: ready(own))


def _listen(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets of one port, among which the system shares out what comes."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise UsageError(f"web.host: {host} is no address of this machine: {error.strerror}") from None
    family, _, _, _, place = found[0]
    try:
        # Alone first: a shared port would also be shared with another `passbell serve`.
        with _socket(family) as probe:
            probe.bind(place)
            place = (place[0], probe.getsockname()[1], *place[2:])
        sockets = []
        for _ in range(count):
            one = _socket(family)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(place)
            one.listen(BACKLOG)
    except OSError as error:
        raise PassbellError(f"cannot listen on port {port} of {host}: {error.strerror}") from None
    return sockets


def _socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


@dataclass
class _Child:
    """A process that answers. Its pipe has a byte when it does, and ends when it does."""

    socket: socket.socket
    process: subprocess.Popen[bytes]
    pipe: int
    started: float
    answers: bool = False


class _Family:
    """The children, one for each socket."""

    def __init__(
        self, settings: Settings, sockets: list[socket.socket], url: str, files: tuple[str, str] | None
    ) -> None:
        self._settings, self._sockets, self._url, self._files = settings, sockets, url, files
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._deaths: list[float] = []
        self._asked_to_leave = False

    def run(self, ready: Callable[[], None]) -> None:
        """Until a signal comes."""
        heard, told = os.pipe()
        os.set_blocking(told, False)
        before = {number: signal.signal(number, self._leave) for number in (signal.SIGINT, signal.SIGTERM)}
        wakeup = signal.set_wakeup_fd(told)
        self._selector.register(heard, selectors.EVENT_READ)
        announced = False
        try:
            for one in self._sockets:
                self._start(one)
            while not self._asked_to_leave:
                for key, _ in self._selector.select(timeout=1):
                    child = self._children.get(key.fd)
                    if child is None:
                        os.read(heard, 4096)
                    elif os.read(key.fd, 1):
                        child.answers = True
                    else:
                        self._died(child)
                late = time.monotonic() - START_SECONDS
                if any(not one.answers and one.started < late for one in self._children.values()):
                    raise PassbellError(f"a web process did not answer within {START_SECONDS:g} s")
                if not announced and all(one.answers for one in self._children.values()):
                    announced = True
                    ready()
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(heard)
            os.close(told)

    def end(self) -> None:
        """Ask all to leave in order, and end who does not."""
        for child in self._children.values():
            child.process.terminate()
        until = time.monotonic() + LEAVE_SECONDS
        for child in self._children.values():
            try:
                child.process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                log.error("a web process did not leave within %g s and is ended", LEAVE_SECONDS)
                child.process.kill()
                child.process.wait()
            self._bury(child)
        self._children.clear()
        self._selector.close()

    def _start(self, listener: socket.socket) -> None:
        heard, said = os.pipe()
        settings = self._settings
        arguments = [str(listener.fileno()), str(said), *(self._files or ())]
        process = subprocess.Popen(
            [sys.executable, "-m", "web.child", *arguments],
            stdin=subprocess.PIPE,  # it ends when this does, even where we are killed
            pass_fds=(listener.fileno(), said),
            start_new_session=True,  # Ctrl-C is for us to pass on
            env={
                **os.environ,
                **as_environment(settings),
                HOME_VARIABLE: str(settings.home),
                "PASSBELL_WEB__URL": self._url,
            },
        )
        os.close(said)
        self._children[heard] = _Child(listener, process, heard, time.monotonic())
        self._selector.register(heard, selectors.EVENT_READ)

    def _died(self, child: _Child) -> None:
        code = child.process.wait()
        self._selector.unregister(child.pipe)
        del self._children[child.pipe]
        self._bury(child)
        if self._asked_to_leave:
            return
        now = time.monotonic()
        self._deaths = [at for at in self._deaths if at > now - DEATHS_SECONDS] + [now]
        if not child.answers or len(self._deaths) >= DEATHS:
            raise PassbellError(f"a web process ended with code {code}: the lines above say why")
        log.error("a web process ended with code %d: another one takes its place", code)
        self._start(child.socket)

    def _bury(self, child: _Child) -> None:
        os.close(child.pipe)
        if child.process.stdin is not None:
            child.process.stdin.close()

    def _leave(self, *_: Any) -> None:
        self._asked_to_leave = True
