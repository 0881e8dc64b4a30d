"""A database server that lives in a folder of its own and never outlives the test process."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypedDict

import pytest

# Runs the server and waits for one word on stdin: the signal to end it with. The end of stdin, which also
# comes when the test process is killed, ends the server at once and removes its folder.
WATCHER = """
folder=$1 abrupt=$2; shift 2
"$@" >>server.log 2>&1 &
read -r signal
kill -s "${signal:-$abrupt}" $!; wait $!
[ -n "$signal" ] || rm -rf "$folder"
"""

START_SECONDS = 30.0


@dataclass
class Server:
    """A server that tests may end and start again; its data stay in `folder` until `close`.

    `gentle` and `abrupt` are the signals of an orderly end and of a crash.
    """

    url: str
    command: Sequence[str]
    folder: Path
    answers: Callable[[str], bool]
    gentle: str
    abrupt: str
    _watcher: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the server unless it runs, and return when it answers."""
        if self._watcher is not None:
            return
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "sh", str(self.folder), self.abrupt, *self.command],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the shell's own word that a server was killed
            text=True,
            cwd=self.folder,
            start_new_session=True,  # Ctrl-C is for the tests; the server ends after them
            **account(),
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers(self.url):
            if time.monotonic() > deadline:
                log = (self.folder / "server.log").read_text(errors="replace")
                self.close()
                pytest.fail(f"{self.command[0]} does not answer after {START_SECONDS:g} s:\n{log[-2000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server in good order."""
        self._end(self.gentle)

    def kill(self) -> None:
        """End the server as a crash would: clients are cut off, nothing is written down."""
        self._end(self.abrupt)

    def close(self) -> None:
        """End the server for good and remove its folder."""
        self._end("")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, signal: str) -> None:
        if self._watcher is not None:
            self._watcher.communicate(f"{signal}\n" if signal else None)
            self._watcher = None


class Account(TypedDict, total=False):
    """The arguments of subprocess that name an account."""

    user: int
    group: int
    extra_groups: list[int]


def account() -> Account:
    """The account that servers run as: `nobody` for root, whom Postgres refuses, or else one's own."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def hand_over(path: Path) -> None:
    """Give a file or folder to the account that servers run as."""
    owner = account()
    if owner:
        os.chown(path, owner["user"], owner["group"])


def runs(binary: Path) -> bool:
    """Whether the account that servers run as can run this binary here."""
    try:
        return (
            subprocess.run([binary, "--version"], capture_output=True, cwd="/", **account()).returncode == 0
        )
    except OSError:
        return False


def server_folder() -> Path:
    """A new folder under /tmp, where every account gets in and a socket's path stays short enough."""
    folder = Path(tempfile.mkdtemp(prefix="passbell-", dir="/tmp"))
    hand_over(folder)
    return folder


def no_server(reason: str) -> NoReturn:
    """Skip with the reason; under CI=true fail, so that a whole suite is never silently left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
