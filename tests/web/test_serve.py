"""`passbell serve` as a process: TLS, what comes over a raw socket, its children, and how it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypercorn.asyncio import tcp_server
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from jobs.rehearsal.authority import PASS_TYPE, Authority
from store.database import Database
from store.errors import PassbellError
from store.settings import load
from tests.cli.conftest import COMMAND
from tests.web.seed import seed
from web import quirks
from web.serve import serve

PATH = f"/v1/passes/{PASS_TYPE}/S00000000"
KEY = f"ApplePass token-{0:026}"


@dataclass(frozen=True)
class Served:
    """A running `passbell serve`."""

    process: subprocess.Popen[str]
    url: str
    trust: ssl.SSLContext

    def connect(self, *protocols: str) -> ssl.SSLSocket:
        """A connection, speaking HTTP/1.1 unless other words are offered."""
        trust = self.trust
        trust.set_alpn_protocols(list(protocols or ("http/1.1",)))
        place = urlsplit(self.url)
        plain = socket.create_connection((place.hostname, place.port), timeout=30)
        return trust.wrap_socket(plain, server_hostname=place.hostname)

    def say(self, raw: bytes) -> bytes:
        """Everything that is answered to these bytes until the server closes."""
        with self.connect() as connection:
            heard = b""
            try:
                connection.sendall(raw)
                while part := connection.recv(65_536):
                    heard += part
            except (ConnectionError, ssl.SSLError):  # it closed while more was on its way to it
                pass
            return heard


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    command = [*COMMAND, "--home", str(home), "--set", "web.processes=2", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            assert told["mode"] == "REHEARSAL"
            root = (home / "rehearsal" / "authority" / "root.pem").read_text()
            yield Served(process, told["url"], ssl.create_default_context(cadata=root))
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def served_home(current_file: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one pass in its store."""
    home = tmp_path_factory.mktemp("served")
    shutil.copytree(authority.folder, home / "rehearsal" / "authority")
    shutil.copy(current_file, home / "passbell.db")
    database = Database(f"sqlite:///{home / 'passbell.db'}")
    seed(database, 1)
    database.close()
    return home


@pytest.fixture(scope="module")
def served(served_home: Path) -> Iterator[Served]:
    with serving(served_home) as served:
        yield served


def children(process: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_a_phone_is_answered_over_tls_and_nobody_else(served: Served) -> None:
    with served.connect("h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
    with httpx.Client(verify=served.trust, trust_env=False) as client:
        assert client.get(served.url + PATH, headers={"authorization": KEY}).status_code == 200
        assert client.post(f"{served.url}/v1/log", content=b"x" * 200_000).status_code == 413
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(served.url, trust_env=False, verify=ssl.create_default_context())
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(served.url.replace("https", "http"), trust_env=False)


def test_nobody_turns_a_connection_to_another_protocol(served: Served) -> None:
    settings = b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    upgrade = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n" + settings
    assert served.say(b"GET /x HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n").startswith(b"HTTP/1.1 404 ")
    assert not served.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)).startswith(bytes(3))
    words = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    words += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    assert served.say(b"GET / HTTP/1.1\r\nHost: x\r\n" + words + b"\r\n").startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\n12345", 400),
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345", 400),
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n12345", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /\x7f\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(
    served: Served, raw: bytes, status: int
) -> None:
    heard = served.say(raw)
    assert heard.startswith(b"HTTP/1.1 %d " % status)
    assert heard.count(b"HTTP/1.1 ") == 1


def test_headers_that_never_end_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quirks.Idleness, "seconds", 0.05)
    left, right = socket.socketpair()

    async def serve() -> None:
        config = Config()
        config.alpn_protocols = ["http/1.1"]
        reader, writer = await asyncio.open_connection(sock=right)
        loop = asyncio.get_running_loop()
        await TCPServer(None, loop, config, WorkerContext(None), {}, reader, writer)  # type: ignore[arg-type]

    monkeypatch.setattr(tcp_server, "AsyncioSingleTask", quirks.Idleness)
    with left:
        left.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        asyncio.run(serve())
        assert left.recv(1) == b""


def test_a_chunked_body_without_end_is_cut_off(served: Served) -> None:
    head = b"POST /v1/log HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    heard = served.say(
        head + b"4000\r\n" + b"x" * 0x4000 + b"\r\n" + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 7
    )
    assert heard == b"" or heard.startswith(b"HTTP/1.1 413 ")


def test_it_says_what_keeps_it_from_serving(served: Served, served_home: Path) -> None:
    port = urlsplit(served.url).port
    assert port is not None

    def refused(port: int, **flags: str) -> PassbellError:
        settings = load(served_home, {key.replace("__", "."): value for key, value in flags.items()})
        with pytest.raises(PassbellError) as told:
            serve(settings, host="127.0.0.1", port=port, ready=lambda _: None)
        return told.value

    told = refused(port)
    assert told.exit_code == 1
    assert str(told) == f"cannot listen on port {port} of 127.0.0.1: Address already in use"
    told = refused(0, apple__pass_type="pass.com.example")
    assert (told.exit_code, "web.url is not set" in str(told)) == (2, True)


def test_it_replaces_a_child_that_died_and_leaves_in_order(served: Served) -> None:
    """The last one here: it ends what all others share."""
    (first, second) = children(served.process)
    os.kill(first, signal.SIGKILL)
    while first in (now := children(served.process)) or len(now) < 2:
        os.sched_yield()
    # Whoever waits at the dead one's socket is answered by the one that takes its place.
    request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY}\r\n\r\n".encode()
    for _ in range(20):
        with served.connect() as connection:
            connection.settimeout(60)
            connection.sendall(request)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    with served.connect() as idle:  # who only keeps a connection open does not hold it up
        idle.sendall(b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(65_536).startswith(b"HTTP/1.1 404 ")
        served.process.send_signal(signal.SIGINT)
        assert idle.recv(1) == b""
    assert served.process.wait(30) == 0
    assert not Path(f"/proc/{second}").exists()
