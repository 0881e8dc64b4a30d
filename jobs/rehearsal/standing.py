"""The stand-ins as neighbours: found where they run, started where they do not.

`address` is that of the stand-in PassKit; `wallets` are the stand-ins of passes of our own.
"""

from __future__ import annotations

import fcntl
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from jobs.rehearsal import authority
from store.errors import PassbellError, Refused, UsageError
from store.settings import Settings

T = TypeVar("T")

IDLE_EXIT = 900.0
"""Seconds without a request after which a stand-in that was started by itself ends."""

PASSKIT, WALLETS = "rehearsal", "rehearsal-wallets"
"""The names of the notes in the home that say where a stand-in is."""


def address(settings: Settings) -> str:
    """The URL of this home's stand-in; starts one in the background if none answers.

    A `passkit.base_url` that is a URL names one that somebody else runs. Raises PassbellError where
    none can be started.
    """
    if "://" in settings.passkit.base_url:
        return _loopback_only(settings.passkit.base_url)
    rehearsal = settings.rehearsal
    return _neighbour(
        *(settings, running, PASSKIT, "the stand-in PassKit"),
        *("jobs.rehearsal", "--port", str(rehearsal.port), "--members", str(rehearsal.members)),
        *("--seed", str(rehearsal.seed), "--idle-exit", str(IDLE_EXIT)),
    )


def running(settings: Settings) -> str | None:
    """The URL of the stand-in that this home knows of, if it answers."""
    try:
        url = str(json.loads(_note(settings.home, PASSKIT).read_text())["url"])
        httpx.get(f"{url}/_rehearsal/stats", timeout=5, trust_env=False).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url


@dataclass(frozen=True, slots=True)
class Wallets:
    """Where the stand-ins for APNs and Google are, and the doors that neither has.

    root_pem  the certificate of the authority that signed theirs, to trust instead of the system's
    """

    apns_url: str
    google_url: str
    control_url: str
    root_pem: bytes

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client of theirs verifies with."""
        return ssl.create_default_context(cadata=self.root_pem.decode())


def wallets(settings: Settings, *, idle_exit: float = IDLE_EXIT) -> Wallets:
    """This home's stand-ins for APNs and Google, and its phones; started in the background if none answers.

    What they know (phones, registrations, what was shown, Google's objects) lives as long as their process.
    Raises PassbellError where none can be started.
    """
    rehearsal = settings.rehearsal
    return _neighbour(
        *(settings, running_wallets, WALLETS, "the stand-ins for APNs and Google"),
        *("jobs.rehearsal.wallets", "--port", str(rehearsal.wallets_port), "--seed", str(rehearsal.seed)),
        *("--idle-exit", str(idle_exit)),
    )


def running_wallets(settings: Settings) -> Wallets | None:
    """The stand-ins for APNs and Google that this home knows of, if they answer."""
    try:
        note = json.loads(_note(settings.home, WALLETS).read_text())
        root = authority.ensure(settings.home).root_pem
        found = Wallets(str(note["apns"]), str(note["google"]), str(note["control"]), root)
        httpx.get(
            f"{found.control_url}/stats", timeout=5, trust_env=False, verify=found.trust
        ).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return found


def write_note(home: Path, url: str) -> None:
    """Let other commands of this home find the stand-in PassKit."""
    leave_note(home, PASSKIT, url=url)


def leave_note(home: Path, name: str, **addresses: str) -> None:
    """Let other commands of this home find a stand-in that runs in this process."""
    draft = _note(home, name).with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({**addresses, "pid": os.getpid()}))
    draft.replace(_note(home, name))


def remove_note(home: Path, name: str = PASSKIT) -> None:
    """The stand-in ends: take away its note, if it is its own."""
    try:
        if json.loads(_note(home, name).read_text())["pid"] == os.getpid():
            _note(home, name).unlink()
    except (OSError, ValueError, KeyError):
        return


def stop(settings: Settings, name: str = PASSKIT) -> None:
    """End the stand-in that this home knows of."""
    try:
        os.kill(int(json.loads(_note(settings.home, name).read_text())["pid"]), 15)
    except (OSError, ValueError, KeyError):
        return


def _note(home: Path, name: str) -> Path:
    return home / f"{name}.json"


def _log(settings: Settings) -> Path:
    return settings.home / "rehearsal.log"


def _loopback_only(url: str) -> str:
    host = httpx.URL(url).host
    if host not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"passkit.base_url is {url} and no passkit.api_key is set: a rehearsal only talks to this machine"
        )
    return url.rstrip("/")


def _neighbour(
    settings: Settings, find: Callable[[Settings], T | None], note: str, who: str, module: str, *flags: str
) -> T:
    """What `find` finds, started where it runs not yet. A viewer starts nothing, and leaves no file."""
    if settings.role == "viewer":
        if (found := find(settings)) is not None:
            return found
        raise Refused("no stand-in is running, and this is read-only: `passbell rehearse` would start one")
    with _alone(settings.home):
        found = find(settings)
        if found is None:
            _note(settings.home, note).unlink(missing_ok=True)
            _start(settings, module, "--home", str(settings.home), *flags)
            found = find(settings)
    if found is None:
        raise PassbellError(f"{who} could not be started: {_log(settings)} says why")
    return found


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    with open(home / "rehearsal.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(settings: Settings, module: str, *flags: str) -> None:
    """Run a stand-in that goes into the background once it listens, or ends and has said why in the log."""
    with open(_log(settings), "ab") as file:
        subprocess.run(
            [sys.executable, "-m", module, *flags],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        )
