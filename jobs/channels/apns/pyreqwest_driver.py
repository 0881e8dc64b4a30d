"""pyreqwest as carrier: HTTP/2 on a thread of its own outside Python's lock."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobs.channels.apns.line import BODY, QUIET_SECONDS, Answer, Line, read_answer
from jobs.channels.wire import broken_in_reqwest
from store.errors import UsageError

if TYPE_CHECKING:
    from pyreqwest.client import Client


_LETTING_GO = 0.05


class PyreqwestCarrier:
    """One client a connection: a client multiplexes all its requests over one.

    pyreqwest 0.15 keeps the stream of a cancelled request until the request's own deadline.
    """

    def __init__(self, line: Line) -> None:
        from pyreqwest import exceptions

        self._clients = [_client(line) for _ in range(line.connections)]
        self._loads = [0] * line.connections
        self._errors: Any = exceptions
        self._url = line.url.rstrip("/")

    async def push(self, path: str, headers: dict[str, str]) -> Answer:
        """See Carrier."""
        loads = self._loads
        place = loads.index(min(loads))
        loads[place] += 1
        try:
            request = self._clients[place].post(self._url + path).headers(headers).body_bytes(BODY)
            answer = await request.build().send()
            status, apns_id = answer.status, answer.headers.get("apns-id") or ""
            if status == 200:  # with nothing to read: Apple's yes has no body
                return Answer(status, "", None, apns_id)
            return read_answer(status, apns_id, bytes(await answer.bytes()))
        except self._errors.RequestError as error:
            raise broken_in_reqwest(error) from error
        finally:
            loads[place] -= 1

    async def close(self) -> None:
        """See Carrier."""
        for client in self._clients:
            await client.close()
        self._clients.clear()
        # Its thread lets go of what was Python's a moment later. An interpreter that ends in that moment is
        # aborted: seen with pyreqwest 0.15.1 in one exit of five right after the last answer.
        await asyncio.sleep(_LETTING_GO)


def _client(line: Line) -> Client:
    from pyreqwest.client import ClientBuilder
    from pyreqwest.exceptions import PyreqwestError

    builder = (
        ClientBuilder()
        .user_agent("passbell")
        .http2_prior_knowledge()
        .https_only(True)
        .min_tls_version("TLSv1.2")
        .follow_redirects(False)
        .referer(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .timeout(timedelta(seconds=line.timeout))
        .connect_timeout(timedelta(seconds=line.connect_seconds))
        .pool_idle_timeout(None)
        .http2_keep_alive_interval(timedelta(seconds=QUIET_SECONDS))
        .http2_keep_alive_timeout(timedelta(seconds=line.timeout))
        .http2_keep_alive_while_idle(True)
    )
    try:
        if line.client_pem:
            builder = builder.identity_pem(line.client_pem)
        if line.ca_pem:
            builder = builder.add_root_certificate_pem(line.ca_pem)
        return (builder.no_proxy() if line.here else builder).build()
    except (PyreqwestError, ValueError) as error:
        raise UsageError(f"the certificate and key for pushes are not fit for use: {error}") from error
