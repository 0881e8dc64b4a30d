"""For those who watch over passbell: `/health` for a load balancer, `/metrics` for Prometheus.

What the store knows is counted when it is asked for, at most once in `FRESH_SECONDS` in each process; what
only web processes know, their requests, stands in web/counts.py.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.x509 import load_pem_x509_certificates
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.passes import credentials
from store import workers
from store.database import Database
from store.errors import PassbellError
from store.migrations import HEAD, revision
from store.schema import blasts, deliveries, devices, opt_outs_due, passes, programs, pushes_due
from store.settings import Settings
from store.times import now
from web import counts

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from web.face import Face

FRESH_SECONDS = 10.0
"""A store with millions of deliveries takes a second to count; who asks more often gets the same figures."""


def routes(face: Face) -> list[BaseRoute]:
    """`/health` and `/metrics`."""
    figures = _Figures(face.settings, face.database)

    async def health(_: Request) -> Response:
        status, told = await face.off_loop(lambda: look(face.settings, face.database))
        return JSONResponse(told, status)

    async def metrics(request: Request) -> Response:
        _check(request, face.settings)
        text, kind = await face.off_loop(lambda: _text(figures))
        return Response(text, headers={"Content-Type": kind})

    return [Route("/health", health, methods=["GET"]), Route("/metrics", metrics, methods=["GET"])]


def look(settings: Settings, database: Database) -> tuple[int, dict[str, Any]]:
    """An HTTP status and what it means. Only the store decides: without it no phone can be answered.

    Without a worker nothing is sent, and without the queue a worker wakes a second later; passes are served
    all the same, so neither takes this process out of a load balancer's hands.
    """
    told: dict[str, Any] = {"status": "ok", "mode": settings.mode}
    try:
        at = revision(database)
        told["store"] = "ok" if at == HEAD else "wrong revision"
        told["revision"] = at
        if at == HEAD:
            with database.read() as connection:
                told["workers"] = len(workers.alive(connection, settings.account))
    except PassbellError:  # its text names the store's address, which is nobody's business here
        told["store"] = "unavailable"
    if told["store"] != "ok":
        return 503, told | {"status": "unavailable"}
    told["queue"] = _queue(settings)
    return 200, told


def _queue(settings: Settings) -> str:
    from jobs.queue import open_queue

    try:
        queue = open_queue(settings)
        try:
            queue.pending_count()
        finally:
            queue.storage.close()
    except Exception:  # each kind of queue has its driver's own errors; `passbell doctor` tells them
        return "unavailable"
    return "ok"


def _check(request: Request, settings: Settings) -> None:
    """Raises HTTPException for a caller who may not read the figures."""
    token = settings.web.metrics_token.get_secret_value()
    if token:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        return
    # What a proxy says of its callers is no proof here: behind one, everybody comes from this machine.
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    host = request.client.host if request.client else ""
    if forwarded or settings.web.behind_proxy or not _loopback(host):
        raise HTTPException(403, "only callers on this machine may read this: set web.metrics_token")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(figures: _Figures) -> tuple[bytes, str]:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

    known = CollectorRegistry()
    known.register(figures)
    return counts.text() + generate_latest(known), CONTENT_TYPE_PLAIN_0_0_4


class _Figures:
    """What the store knows, as Prometheus asks for it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._read_at = float("-inf")
        self._kept: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """The figures, not older than FRESH_SECONDS."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._kept = [*self._count(), *self._credentials(now())]
            self._read_at = time.monotonic()
        return self._kept

    def describe(self) -> list[Metric]:
        """Nothing: a registry that asks would have the store counted twice."""
        return []

    def _count(self) -> Iterator[Metric]:
        account = self._settings.account
        mine = sa.select(programs.c.id).where(programs.c.account == account)
        with self._database.read() as connection:
            yield _gauge(
                "passbell_blasts",
                "Blasts by state.",
                ("state",),
                connection.execute(
                    sa.select(blasts.c.state, sa.func.count())
                    .where(blasts.c.account == account)
                    .group_by(blasts.c.state)
                ),
            )
            rows = connection.execute(
                sa.select(deliveries.c.channel, deliveries.c.state, sa.func.count())
                .where(deliveries.c.blast_id.in_(sa.select(blasts.c.id).where(blasts.c.account == account)))
                .group_by(deliveries.c.channel, deliveries.c.state)
            ).all()
            yield _gauge("passbell_deliveries", "Deliveries by state.", ("channel", "state"), rows)
            accepted = [(channel, count) for channel, state, count in rows if state == "accepted"]
            yield _counter("passbell_accepted", "Messages that providers took.", ("channel",), accepted)
            yield _gauge(
                "passbell_passes",
                "Passes by status.",
                ("channel", "status"),
                connection.execute(
                    sa.select(passes.c.channel, passes.c.status, sa.func.count())
                    .where(passes.c.program_id.in_(mine))
                    .group_by(passes.c.channel, passes.c.status)
                ),
            )
            for name, told, query in (
                ("devices", "Devices that hold an Apple pass of ours.", sa.select(devices)),
                (
                    "pushes_due",
                    "Passes that changed, and whose phones are still to be told.",
                    sa.select(pushes_due).where(pushes_due.c.due_at.is_not(None)),
                ),
                (
                    "opt_outs_due",
                    "Withdrawals that PassKit is still to be told.",
                    sa.select(opt_outs_due).where(opt_outs_due.c.due_at.is_not(None)),
                ),
            ):
                count = connection.scalar(sa.select(sa.func.count()).select_from(query.subquery()))
                yield _gauge(f"passbell_{name}", told, (), [(count,)])
            alive = len(workers.alive(connection, account))
            yield _gauge("passbell_workers", "Workers that are alive.", (), [(alive,)])

    def _credentials(self, at: datetime) -> Iterator[Metric]:
        """Certificates and keys, ours and the web face's own; one that has expired is below zero."""
        found = list(credentials.states(self._settings, self._database))
        until = [(one.name, one.expires_at) for one in found if one.expires_at is not None]
        if path := self._settings.web.certificate:
            chain = load_pem_x509_certificates(Path(path).expanduser().read_bytes())
            until.append(("web", chain[0].not_valid_after_utc))
        yield _gauge(
            "passbell_certificate_expires_seconds",
            "Seconds until a certificate expires.",
            ("name",),
            [(name, (moment - at).total_seconds()) for name, moment in until],
        )
        yield _gauge(
            "passbell_credential_usable",
            "1 where a certificate or key can be used, 0 where not: passbell doctor says why.",
            ("name",),
            [(one.name, one.level(at) != "fail") for one in found],
        )


def _gauge(name: str, told: str, labels: tuple[str, ...], rows: Iterable[Any]) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(name, told, labels=labels), rows)


def _counter(name: str, told: str, labels: tuple[str, ...], rows: Iterable[Any]) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    return _filled(CounterMetricFamily(name, told, labels=labels), rows)


def _filled(family: Any, rows: Iterable[Any]) -> Metric:
    """Rows are the labels' values, and the figure at their end."""
    for *values, figure in rows:
        family.add_metric([str(value) for value in values], float(figure or 0))
    found: Metric = family
    return found
