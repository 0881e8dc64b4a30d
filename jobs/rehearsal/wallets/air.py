"""The network between phones and the web face: TLS, connections shared by all phones, requests that fail."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import Any, Protocol

import httpx

from jobs.channels.wire import Answer

AT_ONCE = 32
"""Requests of all phones together that are under way: more only wait in the web face's line."""
TIMEOUT = 15.0
"""Seconds for one request."""
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


class Lost(Exception):
    """A request without a whole answer."""


class Air(Protocol):
    """Carries requests. Used from one event loop."""

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """One request and its answer, redirects followed as a browser does. Raises Lost."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def open_air(root_pem: bytes) -> Air:
    """The fastest that is installed, which trusts nobody but this authority."""
    return HttpxAir(root_pem) if find_spec("pyreqwest") is None else ReqwestAir(root_pem)


class ReqwestAir:
    """pyreqwest: four times as quick as httpx here."""

    def __init__(self, root_pem: bytes) -> None:
        from pyreqwest import exceptions
        from pyreqwest.client import ClientBuilder

        self._errors: Any = exceptions
        self._room = asyncio.Semaphore(AT_ONCE)
        self._client = (
            ClientBuilder()
            .add_root_certificate_pem(root_pem)
            .default_headers({"user-agent": AGENT})
            .no_proxy()
            .timeout(timedelta(seconds=TIMEOUT))
            .build()
        )

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """See Air."""
        builder = self._client.request(method, url).headers(dict(headers))
        if body is not None:
            builder = builder.body_bytes(body)
        try:
            async with self._room:
                answer = await builder.build().send()
                return Answer(answer.status, answer.headers, bytes(await answer.bytes()))
        except self._errors.RequestError as error:
            raise Lost(str(error)) from error

    async def close(self) -> None:
        """See Air."""
        await self._client.close()


class HttpxAir:
    """Pure Python."""

    def __init__(self, root_pem: bytes) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(cadata=root_pem.decode()),
            headers={"user-agent": AGENT},
            follow_redirects=True,
            timeout=TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
        )

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """See Air."""
        try:
            async with self._room:
                answer = await self._client.request(method, url, headers=dict(headers), content=body)
        except httpx.HTTPError as error:
            raise Lost(f"{type(error).__name__} {error}") from error
        return Answer(answer.status_code, answer.headers, answer.content)

    async def close(self) -> None:
        """See Air."""
        await self._client.aclose()
