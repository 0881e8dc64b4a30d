"""The web face: as an application in this process, and as `passbell serve` with real sockets."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.rehearsal.authority import Authority
from store.database import Database
from store.settings import Settings, load
from tests.web.seed import seed
from web.app import application


class Web:
    """The application, called request by request, as by one phone."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(settings.store_url)
        self.app: Any = application(settings, Database(settings.store_url))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="https://passes.example.com"
        )
        self.runner = asyncio.Runner()

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.runner.run(self.client.request(method, path, **options))

    def close(self) -> None:
        """End its threads and connections."""

        async def end() -> None:
            await self.client.aclose()
            told: list[dict[str, Any]] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

            async def receive() -> dict[str, Any]:
                return told.pop(0)

            async def send(_: dict[str, Any]) -> None:
                return

            await self.app({"type": "lifespan"}, receive, send)

        self.runner.run(end())
        self.runner.close()
        self.database.close()


@pytest.fixture
def home(tmp_path: Path, authority: Authority) -> Path:
    """A home with the rehearsal's authority, whose keys are slow to make."""
    folder = tmp_path / "home"
    shutil.copytree(authority.folder, folder / "rehearsal" / "authority")
    return folder


@pytest.fixture
def web(current_url: str, home: Path) -> Iterator[Web]:
    """The web face over a store with three passes: S00000000, S00000001, S00000002."""
    web = opened(current_url, home)
    seed(web.database, 3)
    yield web
    web.close()


def opened(store_url: str, home: Path, **flags: object) -> Web:
    """The web face with these settings; a key's dot is written as two underscores."""
    given = {"store.url": store_url, "web.url": "https://passes.example.com"}
    given |= {key.replace("__", "."): str(value) for key, value in flags.items()}
    return Web(load(home, given))
