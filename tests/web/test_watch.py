"""Health and metrics: what an operator's own machines ask, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from jobs.rehearsal.authority import PASS_TYPE, TEAM, Authority
from store import workers
from store.migrations import HEAD
from store.schema import blasts, deliveries, passes
from store.times import now
from store.workers import WorkerRow
from tests.web.callers import Web, enrol, open_web, own_program
from web.counts import FOLDER, place_of, shared_counts

ROOT = Path(__file__).parents[2]
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def web(current_url: str, tmp_path: Path, authority: Authority) -> Iterator[Web]:
    web = open_web(current_url, tmp_path, authority)
    yield web
    web.close()


def figures(web: Web) -> dict[tuple[str, str], float]:
    """Every sample, by its name and its labels' values."""
    answer = web.call("GET", "/metrics")
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[sample.name, ",".join(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


def test_health(web: Web) -> None:
    answer = web.call("GET", "/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "mode": "REHEARSAL",
        "store": "ok",
        "revision": HEAD,
        "workers": 0,
        "queue": "ok",
    }
    with web.database.write() as connection:
        worker = WorkerRow("w1", "rehearsal", "box", 1, "0", now(), now())
        workers.sign_on(connection, worker)
    assert web.call("GET", "/health").json()["workers"] == 1
    with web.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    answer = web.call("GET", "/health")
    assert (answer.status_code, answer.json()["store"]) == (503, "wrong revision")


@one_store
def test_health_without_a_store(web: Web, tmp_path: Path) -> None:
    web.database.close()
    file = Path(web.database.url.database or "")
    file.unlink()
    file.mkdir()
    answer = web.call("GET", "/health")
    assert (answer.status_code, answer.json()["store"]) == (503, "unavailable")
    assert str(tmp_path) not in answer.text


def test_metrics(web: Web, tmp_path: Path) -> None:
    program = own_program(web, tmp_path)
    enrol(web, program, "M1")
    with web.database.write() as connection:
        row: dict[str, Any] = {
            "account": "rehearsal",
            "program_id": program.id,
            "name": "x",
            "text": "x",
            "message_key": "m",
        }
        row |= {"audience": "all", "state": "running", "plan_hash": "h", "planned_at": now()}
        blast_id = connection.execute(blasts.insert().values(**row).returning(blasts.c.id)).scalar_one()
        for pass_id, state in zip(
            connection.scalars(sa.select(passes.c.id)).all(), ("accepted", "pending"), strict=True
        ):
            more = {"blast_id": blast_id, "pass_id": pass_id, "state": state, "verdict": "alert"}
            connection.execute(deliveries.insert().values(channel="apple", **more))
    web.call("GET", "/health")
    found = figures(web)
    assert found["passbell_blasts", "running"] == 1
    assert found["passbell_deliveries", "apple,pending"] == 1
    assert found["passbell_accepted_total", "apple"] == 1
    assert found["passbell_passes", "apple,issued"] == found["passbell_passes", "google,issued"] == 1
    assert (
        found["passbell_workers", ""],
        found["passbell_devices", ""],
        found["passbell_pushes_due", ""],
    ) == (0, 0, 0)
    assert found["passbell_web_requests_total", "GET,/health,200"] >= 1
    assert found["passbell_web_request_seconds_count", "/health"] >= 1


@one_store
def test_credentials(current_url: str, tmp_path: Path, authority: Authority) -> None:
    """Good ones with the time they have left; one that cannot be used shows as such."""
    own = {"apple.certificate": str(authority.client_path), "apple.pass_type": PASS_TYPE, "apple.team": TEAM}
    wwdr = {"apple.wwdr": str(authority.folder / "wwdr.pem"), "google.issuer": "3388000000000000001"}
    face = {"web.certificate": str(authority.server_path)}
    web = open_web(current_url, tmp_path, authority, **own, **wwdr, **face)
    found = figures(web)
    web.close()
    for name in ("apple", "apple wwdr", "web"):
        assert found["passbell_certificate_expires_seconds", name] > 86_400, name
    assert found["passbell_credential_usable", "apple"] == 1
    assert found["passbell_credential_usable", "google"] == 0


@one_store
def test_who_may_read_the_figures(web: Web, current_url: str, tmp_path: Path, authority: Authority) -> None:
    assert web.call("GET", "/metrics", client="::1").status_code == 200
    for client in ("192.0.2.1", "not an address"):
        assert web.call("GET", "/metrics", client=client).status_code == 403
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert web.call("GET", "/metrics", headers={name: "192.0.2.1"}).status_code == 403
    guarded = open_web(current_url, tmp_path, authority, **{"web.metrics_token": "a-long-token"})
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a-long-token"}):
        assert guarded.call("GET", "/metrics", headers=headers).status_code == 401
    right = {"Authorization": "Bearer a-long-token"}
    assert guarded.call("GET", "/metrics", headers=right, client="192.0.2.1").status_code == 200
    guarded.close()


def test_no_caller_makes_up_a_series() -> None:
    assert [place_of(path) for path in ("/v1/devices/a/registrations/b", "/get/token", "/health")] == [
        *("/v1/devices", "/get", "/health"),
    ]
    for path in ("/", "", "/v1", "/v1/other", "/gets/x", "//get", "/callbacks", "/../get"):
        assert place_of(path) == "other"


COUNT = """
import asyncio
from web.counts import Counted

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})

async def nothing(message):
    pass

asyncio.run(Counted(app)({"type": "http", "path": "/get/x", "method": "GET"}, None, nothing))
"""
READ = f"{COUNT}\nfrom web.counts import text\nprint(text().decode())"


def test_processes_count_together(tmp_path: Path) -> None:
    """One has counted and ended, another has counted and is asked."""
    with shared_counts():
        for script in (COUNT, READ):
            run = [sys.executable, "-c", script]
            said = subprocess.run(run, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert FOLDER not in os.environ
    assert 'passbell_web_requests_total{method="GET",route="/get",status="200"} 2.0' in said
