from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.rehearsal.server import serve
from jobs.rehearsal.stats import Stats
from jobs.rehearsal.world import World
from store.errors import PassbellError
from tests.rehearsal.conftest import Client, signed

PROGRAM = """
from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET
from jobs.rehearsal.server import run
from jobs.rehearsal.world import World
run(World(1, 20), port=0, api_key=REHEARSAL_KEY, api_secret=REHEARSAL_SECRET,
    ready=lambda url: print(url, flush=True), idle_exit={idle_exit})
"""


def process(idle_exit: float | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(idle_exit=idle_exit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PassbellError, match=rf"^port {port} on 127\.0\.0\.1 is in use: "):
            asyncio.run(serve(World(1, 1), port=port, api_key="k", api_secret="s"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_at_once_though_requests_hang(number: signal.Signals) -> None:
    with process() as child:
        assert child.stdout is not None
        assert child.stderr is not None
        url = child.stdout.readline().strip()
        failure: list[httpx.HTTPError] = []

        def hang() -> None:
            try:
                httpx.get(f"{url}/user/profile", headers={"authorization": signed()}, trust_env=False)
            except httpx.HTTPError as error:
                failure.append(error)

        with httpx.Client(base_url=url, trust_env=False) as client:
            client.put("/_rehearsal/faults", json={"hang": 1})
            hanging = threading.Thread(target=hang)
            hanging.start()
            seen = (client.get("/_rehearsal/stats").json()["by_status"] for _ in range(5000))
            assert any(by_status == {"hung": 1} for by_status in seen)
            child.send_signal(number)
            assert child.wait(10) == 0  # the hanging request, which would wait longer, is cut off
        hanging.join(10)
        assert failure
        assert child.stderr.read() == ""


def test_idle_exit_ends_it() -> None:
    with process(idle_exit=0.2) as child:
        assert child.wait(10) == 0
        assert child.stderr is not None
        assert child.stderr.read() == ""


def test_only_the_loopback(passkit: Client) -> None:
    assert passkit.url.startswith("http://127.0.0.1:")


def test_region_in_the_profile(rehearse: Callable[..., Client]) -> None:
    passkit = rehearse(World(1, 10, region="pub2"))
    assert passkit.call("GET", "/user/profile").json()["regionId"] == "pub2"


def test_stats_count_requests_with_a_token(passkit: Client) -> None:
    for _ in range(5):
        passkit.call("GET", "/user/profile")
    passkit.http.get("/user/profile")
    stats = passkit.control("GET", "stats")
    assert stats["requests"] == 6
    assert stats["by_status"] == {"200": 5, "401": 1}
    assert 1 <= stats["busiest_second"] <= 5
    assert stats["first_at"] <= stats["last_at"]
    assert stats["last_at"].endswith("Z")


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_busiest_second_is_the_fullest_window(moments: list[float]) -> None:
    moments.sort()
    stats = Stats()
    for moment in moments:
        stats.arrived(moment, moment)
    fullest = max(sum(1 for other in moments if moment - 1.0 < other <= moment) for moment in moments)
    assert stats.busiest_second == fullest


def test_a_large_list_does_not_keep_others_waiting(rehearse: Callable[..., Client]) -> None:
    passkit = rehearse(World(1, 5000))
    headers = {"authorization": signed()}
    path = f"/members/member/list/{passkit.program}"
    with (
        passkit.http.stream("POST", path, headers=headers, json={"filters": {"limit": -1}}) as answer,
        httpx.Client(base_url=passkit.url, trust_env=False) as other,
    ):
        lines = answer.iter_lines()
        next(lines)
        assert other.get("/user/profile", headers=headers).status_code == 200
        assert sum(1 for _ in lines) == 4999


def test_a_client_that_leaves_a_list_harms_nobody(rehearse: Callable[..., Client]) -> None:
    passkit = rehearse(World(1, 5000))
    path = f"/members/member/list/{passkit.program}"
    with passkit.http.stream(
        "POST", path, headers={"authorization": signed()}, json={"filters": {"limit": -1}}
    ) as answer:
        next(answer.iter_lines())
    assert passkit.call("GET", "/user/profile").status_code == 200
