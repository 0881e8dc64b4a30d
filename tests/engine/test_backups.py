"""Backup and restore as docs/operations.md tells them: copied in mid-blast, and nobody alerted twice."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from console.cli import main
from jobs import blasts
from store import workers
from store.database import Database
from tests.bed.postgres import execute
from tests.bed.servers import Server
from tests.engine.conftest import PATIENCE, House


def passbell(house: House, *words: object) -> int:
    """A command, as an operator gives it, on the house's settings."""
    flags = [part for key, value in house.settings._flags.items() for part in ("--set", f"{key}={value}")]
    with pytest.raises(SystemExit) as ending:
        main(["--home", str(house.settings.home), *flags, *map(str, words)])
    return int(ending.value.code or 0)


def stop(house: House) -> None:
    worker = house.workers[-1]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0


def back_up(house: House, to: Path, request: pytest.FixtureRequest) -> None:
    if house.database.dialect == "sqlite":
        assert passbell(house, "backup", to) == 0
        assert to.stat().st_mode & 0o777 == 0o600
        assert passbell(house, "backup", to) == 3  # it overwrites nothing
        return
    assert passbell(house, "backup", to) == 2
    assert not to.exists()
    options = ("--format=custom", f"--file={to}", f"--dbname={house.settings.store_url}")
    subprocess.run([tool(request, "pg_dump"), *options], check=True)


def restore(house: House, backup: Path, request: pytest.FixtureRequest) -> None:
    """Put it where the store was; the house and its workers find it under the same URL."""
    url = house.database.url
    house.database.close()
    if house.database.dialect == "sqlite":
        for file in house.settings.home.glob("passbell.db*"):
            file.rename(house.settings.home / f"broken-{file.name}")
        backup.rename(str(url.database))
    else:
        server: Server = request.getfixturevalue("postgres_server")
        execute(server, f"DROP DATABASE {url.database} WITH (FORCE)")
        execute(server, f"CREATE DATABASE {url.database}")
        options = ("--no-owner", "--exit-on-error", f"--dbname={house.settings.store_url}")
        subprocess.run([tool(request, "pg_restore"), *options, backup], check=True)
    house.database = Database(house.settings.store_url)


def tool(request: pytest.FixtureRequest, name: str) -> str:
    """A program that came with the server, so that both are of one version."""
    server: Server = request.getfixturevalue("postgres_server")
    return str(Path(server.command[0]).with_name(name))


def a_worker_is_alive(house: House) -> bool:
    """Not one of the backup's: those are no more."""
    with house.database.read() as connection:
        return any(row.pid == house.workers[-1].pid for row in workers.alive(connection, "rehearsal"))


def test_a_backup_of_mid_blast_is_restored_and_nobody_is_alerted_twice(
    build: Callable[..., House],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    house = build(passkit__rate_per_second="110")
    blast_id = house.launch()
    house.start_worker()
    house.wait_for_accepted(blast_id, 5)
    back_up(house, tmp_path / "one.backup", request)
    house.wait_for_state(blast_id, "finished")
    stop(house)
    accepted = house.nothing_lost(blast_id).states["accepted"]

    restore(house, tmp_path / "one.backup", request)
    assert house.blast(blast_id).state == "running"
    assert 5 <= house.tally(blast_id).states["accepted"] < accepted
    assert passbell(house, "audit", "verify") == 0
    assert passbell(house, "blasts", "pause", blast_id) == 0
    if house.database.dialect == "postgresql":
        return  # what follows is the ledger's part and the channel's, the same on both
    assert passbell(house, "sync") == 0
    house.start_worker()
    house.wait("the new worker is alive", lambda: a_worker_is_alive(house))
    assert house.blast(blast_id).state == "paused"
    alerts = house.stats["alerts"]

    house.say(blasts.resume, blast_id, ring=lambda _: None)
    house.wait_for_state(blast_id, "finished")
    assert house.nothing_lost(blast_id).states["accepted"] == accepted
    assert house.stats["alerts"] == alerts
