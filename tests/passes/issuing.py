"""`passbell` on a home with a program of our own, and a stand-in Google that the test can look into."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.rehearsal.authority import GOOGLE_ISSUER, Authority
from jobs.rehearsal.google import Faults, Google
from jobs.rehearsal.google_server import serving
from store.database import Database
from store.settings import Settings, load
from tests.cli.conftest import Done, run


@dataclass
class Shop:
    """A home, its store, and Google."""

    home: Path
    url: str
    google: Google
    capsys: Any
    program: str = ""

    def __call__(self, *arguments: object) -> Done:
        self.capsys.readouterr()
        flags = ("--set", f"store.url={self.url}", "--set", "google.rate_per_second=1000")
        code = run("--home", self.home, *flags, *arguments)
        told = self.capsys.readouterr()
        return Done(code, told.out, told.err)

    def passes(self, verb: str, *arguments: object) -> Any:
        """What `passbell passes VERB Linden ... --json` prints."""
        done = self("passes", verb, "Linden", *arguments, "--json")
        assert done.code == 0, done.err
        return done.json

    @property
    def settings(self) -> Settings:
        return load(self.home, {"store.url": self.url})

    @property
    def objects(self) -> dict[str, Any]:
        """What Google has, by serial."""
        kept = self.google.world.kept["genericObject"]
        return {name.partition(".")[2]: body for name, body in kept.items()}

    def faults(self, **wanted: Any) -> None:
        self.google.faults = replace(Faults(rate=10_000), **wanted)

    def file(self, text: str) -> Path:
        path = self.home / "members.csv"
        path.write_text(text, encoding="utf-8")
        return path

    @contextmanager
    def store(self) -> Iterator[Database]:
        database = Database(self.url)
        yield database
        database.close()


@contextmanager
def answering(made: Authority) -> Iterator[tuple[Google, str]]:
    """A stand-in Google in a thread, and its URL."""
    account = json.loads(made.service_account.read_text())
    google = Google(account, GOOGLE_ISSUER, made.google_root)
    loop, ready, urls = asyncio.new_event_loop(), threading.Event(), list[str]()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(google) as url:
            urls.append(url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield google, urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def open_home(home: Path, made: Authority, google_url: str) -> None:
    """A home that knows the authority and the stand-in."""
    home.mkdir()
    shutil.copytree(made.folder, home / "rehearsal" / "authority")
    note = {"apns": "https://127.0.0.1:9", "google": google_url, "control": f"{google_url}/_rehearsal"}
    (home / "rehearsal-wallets.json").write_text(json.dumps(note))
