"""A stage for demo and drill: a home made for the occasion, with a stand-in PassKit and workers in it.

What passes of our own need besides stands in jobs/house.py.

Nothing of the user's is touched: the home is removed afterwards, and no key, file or variable of theirs is
looked at.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from jobs import worker_child
from jobs.account import reading
from jobs.intake.sync import Progress
from jobs.intake.sync import sync as read_everything
from jobs.rehearsal import standing
from store.database import Database
from store.settings import PREFIX, Settings, load

END_SECONDS = 5.0


@contextmanager
def set_up(*, members: int, rate: float, **more: str) -> Iterator[Settings]:
    """A home in which everything is made up, with its stand-in running; both are gone afterwards.

    Until then the environment holds no setting of the user's, and SIGTERM and SIGHUP end all in order.
    `more` are settings with `__` for the point: `engine__max_attempts="3"`.
    """
    flags = {
        "passkit.rate_per_second": str(rate),
        "passkit.concurrency": "32",
        "console.start_worker": "false",  # there is one already, whose end is waited for
        "rehearsal.port": str(free_port()),
        "rehearsal.members": str(members),
        # The web face needs its port only once it is started.
        "web.port": str(port := free_port()),
        "web.url": f"https://127.0.0.1:{port}",
        "web.processes": "1",
        # All phones are at one address, and some ask often.
        "web.address_per_minute": "10000000",
        "web.device_per_minute": "10000",
    } | {name.replace("__", "."): value for name, value in more.items()}
    with _no_settings(), _orderly_end(), _home() as home:
        settings = load(home, flags)
        with _stand_in(settings):
            yield settings


@contextmanager
def worker(settings: Settings) -> Iterator[None]:
    """A worker on this stage; it has ended before the home is taken away."""
    child = worker_child.start(settings)
    try:
        yield
    finally:
        end(child)


def sync(database: Database, settings: Settings, progress: Callable[[Progress], None]) -> int:
    """Read everything from the stand-in; returns how many records that were."""

    async def run() -> int:
        async with reading(settings, database) as client:
            report = await read_everything(database, client, settings, progress=progress, actor="rehearsal")
        return sum(one.read for one in report.programs)

    return asyncio.run(run())


@contextmanager
def _no_settings() -> Iterator[None]:
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    try:
        yield
    finally:
        os.environ.update(taken)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Turn the signals that would leave children behind into an exit that unwinds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="passbell-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stand_in(settings: Settings) -> Iterator[None]:
    try:
        standing.address(settings)
        yield
    finally:
        standing.stop(settings)
        deadline = time.monotonic() + END_SECONDS
        while standing.running(settings) is not None and time.monotonic() < deadline:
            time.sleep(0.02)


def free_port() -> int:
    """A port that is free now, so that the user's own stand-in keeps its usual one."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port


def end(child: subprocess.Popen[bytes]) -> None:
    """End a worker in order, or else at once."""
    if child.stdin is not None:
        child.stdin.close()
    child.terminate()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def control(settings: Settings, method: str, door: str, body: object = None) -> Any:
    """Use one of the doors that PassKit does not have."""
    url = f"{standing.address(settings)}/_rehearsal/{door}"
    answer = httpx.request(method, url, json=body, timeout=10, trust_env=False)
    return answer.raise_for_status().json()
