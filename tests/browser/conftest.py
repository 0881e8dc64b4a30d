"""`passbell console --web` as a process, and what a browser or somebody else may ask it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import COMMAND

PATIENCE = 60.0


@dataclass
class Served:
    """A running server. `url` is the address that it printed first."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def root(self) -> str:
        """Its address without a token."""
        return self.url.partition("?")[0]

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def enter(self) -> str:
        """Press Enter where it runs, and read the new address."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.url = self._address()
        return self.url

    def consoles(self) -> list[int]:
        """The processes behind its tabs, while it lives."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(one) for one in children if b"console.browser.child" in words_of(int(one))]

    def _address(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], self.log.read_text()
        url: str = json.loads(self.process.stdout.readline())["url"]
        return url


def words_of(pid: int) -> bytes:
    """What a process was started with; b"" where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@contextmanager
def serving(log: Path, *words: str, surroundings: Mapping[str, str] | None = None) -> Iterator[Served]:
    """The server while it is needed; it ends as by Ctrl-C, and has to take its consoles along."""
    command = [*COMMAND, *words, "console", "--web", "--port", "0", "--json"]
    around = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with (
        open(log, "ab") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**around, **(surroundings or {})},
        ) as process,
    ):
        served = Served(process, "", log)
        try:
            served.url = served._address()
            yield served
        finally:
            left = [] if process.poll() is not None else served.consoles()
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
    assert process.returncode in (0, -signal.SIGKILL), log.read_text()
    assert not any(words_of(pid) for pid in left)


@pytest.fixture
def anyio_backend() -> str:
    """The browser is driven on asyncio."""
    return "asyncio"
