"""The stand-in as a neighbour: found where it runs, started where it does not."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from store.errors import PassbellError, UsageError
from store.settings import Settings

IDLE_EXIT = 900.0
"""Seconds without a request after which a stand-in that was started by itself ends."""


def address(settings: Settings) -> str:
    """The URL of this home's stand-in; starts one in the background if none answers.

    A `passkit.base_url` that is a URL names one that somebody else runs. Raises PassbellError where
    none can be started.
    """
    if "://" in settings.passkit.base_url:
        return _loopback_only(settings.passkit.base_url)
    with _alone(settings.home):
        found = running(settings)
        return found or _start(settings)


def running(settings: Settings) -> str | None:
    """The URL of the stand-in that this home knows of, if it answers."""
    try:
        url = str(json.loads(_note(settings.home).read_text())["url"])
        httpx.get(f"{url}/_rehearsal/stats", timeout=5, trust_env=False).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url


def write_note(home: Path, url: str) -> None:
    """Let other commands of this home find the stand-in."""
    _note(home).write_text(json.dumps({"url": url, "pid": os.getpid()}))


def remove_note(home: Path) -> None:
    """The stand-in ends: take away its note, if it is its own."""
    try:
        if json.loads(_note(home).read_text())["pid"] == os.getpid():
            _note(home).unlink()
    except (OSError, ValueError, KeyError):
        return


def stop(settings: Settings) -> None:
    """End the stand-in that this home knows of."""
    try:
        os.kill(int(json.loads(_note(settings.home).read_text())["pid"]), 15)
    except (OSError, ValueError, KeyError):
        return


def _note(home: Path) -> Path:
    return home / "rehearsal.json"


def _loopback_only(url: str) -> str:
    host = httpx.URL(url).host
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"passkit.base_url is {url} and no passkit.api_key is set: a rehearsal only talks to this machine"
        )
    return url.rstrip("/")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    with open(home / "rehearsal.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(settings: Settings) -> str:
    _note(settings.home).unlink(missing_ok=True)
    rehearsal, log = settings.rehearsal, settings.home / "rehearsal.log"
    with open(log, "ab") as file:
        ended = subprocess.run(
            [
                sys.executable,
                *("-m", "jobs.rehearsal", "--home", str(settings.home)),
                *("--port", str(rehearsal.port), "--members", str(rehearsal.members)),
                *("--seed", str(rehearsal.seed), "--idle-exit", str(IDLE_EXIT)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        )
    found = running(settings) if ended.returncode == 0 else None
    if found is None:
        raise PassbellError(f"the stand-in PassKit could not be started: {log} says why")
    return found
