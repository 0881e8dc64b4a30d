"""A static sink in APNs's place: nginx over HTTP/2 and TLS that answers 200 to every push.

It asks for the pass certificate as APNs does, echoes the `apns-id`, and looks at nothing else, so that what
is measured is the client and the engine. What is true of APNs is shown by the stand-in, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.sink import Sink, running
from jobs.rehearsal.authority import Authority

STREAMS = 1_000
"""Streams at once on one connection, as seen of APNs."""
CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format moments '$msec';
  access_log {folder}/access.log moments buffer=64k flush=1s;
  keepalive_requests 100000000; keepalive_timeout 1h;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    http2_max_concurrent_streams {streams};
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    ssl_client_certificate {folder}/authorities.pem; ssl_verify_client on; ssl_verify_depth 2;
    location / {{ add_header apns-id $http_apns_id; return 200; }}
  }}
}}
"""


@contextmanager
def push_sink(authority: Authority) -> Iterator[Sink]:
    """Run nginx on a free port until the block ends. Its log is whole a second after the last push."""

    def config(folder: Path, port: int) -> str:
        (folder / "server.pem").write_bytes(authority.server_pem)
        (folder / "authorities.pem").write_bytes(authority.root_pem + authority.wwdr_pem)
        return CONFIG.format(folder=folder, port=port, streams=STREAMS)

    with running(config) as (port, log):
        yield Sink(f"https://127.0.0.1:{port}", log)
