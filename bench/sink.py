"""A static sink in PassKit's place: nginx that answers every read with the same member and takes every write.

It costs next to nothing, so that what is measured is the client and the engine. It keeps nothing and
refuses nothing; what is true of PassKit is shown by the stand-in, not here.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEMBER = {
    "id": "$id",
    "externalId": "M0000001",
    "programId": "P",
    "tierId": "gold",
    "status": "ACTIVE",
    "passStatus": "PASS_INSTALLED",
    "person": {"displayName": "Anna Lind", "emailAddress": "anna@example.com"},
    "metaData": {"zip": "12345", "city": "Wien", "latestOffer": "an older offer"},
    "passMetaData": {"status": "PASS_INSTALLED"},
}
FIELD = {
    "uniqueName": "meta.latestOffer",
    "appleWalletFieldRenderOptions": {"changeMessage": "%@"},
}
CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format moments '$msec';
  access_log {folder}/access.log moments;
  keepalive_requests 100000000;
  default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location ~ ^/members/member/id/(?<id>.+)$ {{ return 200 '{member}'; }}
    location = /members/member {{ return 200 '{{"id":"x"}}'; }}
    location /template/ {{ return 200 '{template}'; }}
    location / {{ return 200 '{{}}'; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Sink:
    """A running sink. Its log has the moment of every request, in Unix seconds with milliseconds."""

    url: str
    log: Path

    def moments(self) -> list[float]:
        """When each request was answered."""
        return [float(line) for line in self.log.read_text().splitlines()]


@contextmanager
def sink() -> Iterator[Sink]:
    """Run nginx on a free port until the block ends."""
    template = json.dumps({"template": {"data": {"dataFields": [FIELD]}}})

    def config(folder: Path, port: int) -> str:
        return CONFIG.format(folder=folder, port=port, member=json.dumps(MEMBER), template=template)

    with running(config) as (port, log):
        yield Sink(f"http://127.0.0.1:{port}", log)


@contextmanager
def running(config: Callable[[Path, int], str]) -> Iterator[tuple[int, Path]]:
    """nginx under the config for a folder and a port, until the block ends: its port and its access log."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        sys.exit("this needs nginx (Debian: apt install nginx-light): it is the static sink")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(config(folder, port))
        server = subprocess.Popen(
            [nginx, "-c", folder / "nginx.conf", "-e", folder / "error.log"], stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port, server)
            yield port, folder / "access.log"
        finally:
            server.terminate()
            server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            sys.exit("nginx did not start")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("nginx does not answer")
