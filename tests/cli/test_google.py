"""`programs reconcile` and `programs broadcast`, as people run them, against a stand-in by its address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jobs.rehearsal.authority import GOOGLE_ISSUER, Authority
from store.schema import passes, programs
from tests.channels.googles import Bed, open_own_store, standing
from tests.cli.conftest import run

pytestmark = pytest.mark.anyio
Passbell = Callable[..., Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def desk(
    home: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[tuple[Bed, Passbell]]:
    """A stand-in in the place of Google, and `passbell` with an account there."""
    database = open_own_store(f"sqlite:///{home / 'passbell.db'}")
    with database.write() as connection:
        connection.execute(programs.update().values(account="live"))
        connection.execute(passes.update().values(status="issued"))
    database.close()
    async with standing(authority) as bed:
        key = home / "account.json"
        key.write_text(json.dumps({**bed.account.info, "token_uri": bed.account.token_url}))
        settings = {"issuer": GOOGLE_ISSUER, "base_url": bed.account.base_url, "service_account": str(key)}
        flags = [word for name, one in settings.items() for word in ("--set", f"google.{name}={one}")]

        async def passbell(*words: str) -> tuple[int, str, str]:
            code = await asyncio.to_thread(run, "--home", home, *flags, *words)
            return code, *capsys.readouterr()

        yield bed, passbell


async def test_reconcile(tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    async with desk(tmp_path, authority, capsys) as (_, passbell):
        code, out, err = await passbell("programs", "reconcile", "Café", "--json")
        assert code == 0, err
        told = json.loads(out)
        assert (told["read"], told["installed"], told["mode"]) == (1, 1, "LIVE")
        code, out, _err = await passbell("programs", "reconcile", "P1")
        assert code == 0
        assert "LIVE: Café" in out


async def test_broadcast_asks_for_the_count(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path, authority, capsys) as (bed, passbell):
        words = ("programs", "broadcast", "P1", "--text", "We open at 10")
        code, out, err = await passbell(*words)
        assert code == 0
        assert "opted out" in err
        assert "--expect 1" in err
        assert not bed.google.world.alerts
        code, _, err = await passbell(*words, "--expect", "2", "--json")
        assert code == 3
        code, out, err = await passbell(*words, "--expect", "1", "--json")
        assert code == 0, err
        told = json.loads(out)
        assert (told["sent"], told["passes"], told["estimated_reach"]) == (True, 1, 0)
        assert len(bed.google.world.alerts) == 1
        code, _, err = await passbell(*words, "--expect", "1")
        assert code == 3
        assert "very text" in err
