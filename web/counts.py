"""Requests counted by all processes of one `passbell serve` together, for `/metrics`.

prometheus-client's own multiprocess mode: each process counts in a file of a folder that they share, and the
files are summed up when somebody asks. A process alone counts for itself.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client looks here when it is first imported."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

PLACES = (
    "/v1/devices", "/v1/passes", "/v1/log", "/v1/events", "/callbacks/google", "/callbacks/passkit", "/get",
    "/u", "/health", "/metrics",
)  # fmt: skip
"""What requests are counted under; all else is `other`, so that no caller can make up a new series."""
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


@contextmanager
def shared_counts() -> Iterator[None]:
    """Processes that start meanwhile count their requests together. For `passbell serve`."""
    with tempfile.TemporaryDirectory(prefix="passbell-metrics-") as folder:
        before = os.environ.get(FOLDER)
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[FOLDER]
            else:
                os.environ[FOLDER] = before


class Counted:
    """Around everything: counts each request, how it was answered, and how long that took."""

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        """`prefix` is the path of `web.url`, which requests may come with."""
        self._app, self._prefix = app, prefix.rstrip("/")
        self._requests = _Requests.one()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), "broken"

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            place = place_of(scope["path"].removeprefix(self._prefix))
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._requests.note(place, method, status, time.perf_counter() - begun)


def place_of(path: str) -> str:
    """What a request for this path is counted under."""
    parts = path.split("/", 3)
    for length in (3, 2):
        if (place := "/".join(parts[:length])) in PLACES:
            return place
    return "other"


class _Requests:
    """A process's count of its requests. There is one, as its file is the process's."""

    _one: _Requests | None = None

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry: CollectorRegistry = CollectorRegistry()
        self._count = Counter(
            "passbell_web_requests",
            "Requests answered, by route, method and HTTP status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "passbell_web_request_seconds",
            "From a request's first byte to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        # Looking a series up costs as much as counting in it. There are only so many: see PLACES.
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    @classmethod
    def one(cls) -> _Requests:
        """The process's."""
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def note(self, route: str, method: str, status: str, seconds: float) -> None:
        """One request was answered."""
        known = self._known.get((route, method, status))
        if known is None:
            known = self._count.labels(route, method, status), self._seconds.labels(route)
            self._known[route, method, status] = known
        count, time_taken = known
        count.inc()
        time_taken.observe(seconds)


def text() -> bytes:
    """The counts in Prometheus's text format."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    folder = os.environ.get(FOLDER)
    if not folder:
        return generate_latest(_Requests.one().registry)
    shared = CollectorRegistry()
    MultiProcessCollector(shared, folder)  # type: ignore[no-untyped-call]
    return generate_latest(shared)
