"""The stand-ins for APNs and Google as a process of its own: found, started once, controlled, ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.rehearsal import standing
from jobs.rehearsal.standing import Wallets
from store.settings import Settings, load


class Doors:
    """The control of one home's stand-ins."""

    def __init__(self, found: Wallets) -> None:
        self.found = found
        self.client = httpx.Client(verify=found.trust, trust_env=False, timeout=10)

    def call(self, method: str, door: str, body: Any = None) -> httpx.Response:
        return self.client.request(method, f"{self.found.control_url}/{door}", json=body)

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "stats").json()
        return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    return load(home)


@pytest.fixture(scope="module")
def doors(settings: Settings) -> Iterator[Doors]:
    found = Doors(standing.wallets(settings))
    yield found
    found.client.close()
    standing.stop(settings, standing.WALLETS)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "waited 20 s in vain"
        time.sleep(0.02)  # between two looks at another process


def test_they_are_started_once_and_found_by_others(doors: Doors, settings: Settings) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: standing.wallets(settings), range(4)))
    assert found == {doors.found}
    assert standing.running(settings) is None, "the stand-in PassKit is another one"
    assert oct((settings.home / "rehearsal").stat().st_mode)[-3:] == "700"


def test_who_does_not_know_the_authority_trusts_nobody_here(doors: Doors) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{doors.found.google_url}/gp/m/issuer/keys", trust_env=False)


@pytest.mark.parametrize(
    ("method", "door", "body", "why"),
    [
        ("PUT", "faults", {"word": "BadLuck"}, "unknown fault 'BadLuck' of APNs"),
        ("PUT", "faults", {"evry": 3}, "unknown setting 'evry'"),
        ("POST", "phones", {"links": "https"}, "links takes a list"),
        ("POST", "phones", {"links": [7]}, "links takes a list"),
        ("POST", "phones", {"links": ["x"], "shares": {"android": 1}}, "unknown kind of phone 'android'"),
        ("POST", "phones", {"links": ["x"], "shares": {"online": 0}}, "not all 0"),
        ("POST", "phones", {"phones": 3}, "unknown key 'phones'"),
        ("PUT", "phones", {"away_seconds": [5, 1]}, "away_seconds takes"),
    ],
)
def test_a_wrong_wish_is_told_what_is_wrong(
    doors: Doors, method: str, door: str, body: dict[str, Any], why: str
) -> None:
    answer = doors.call(method, door, body)
    assert answer.status_code == 400
    assert why in answer.json()["error"]


def test_faults_are_those_that_were_named_last(doors: Doors) -> None:
    assert doors.call("PUT", "faults", {"every": 3, "word": "reset"}).json()["every"] == 3
    assert doors.call("PUT", "faults", {}).json()["every"] == 0
    assert doors.call("GET", "faults").json()["word"] == ""


def test_phones_that_cannot_get_their_pass_say_so(doors: Doors) -> None:
    nowhere = "https://127.0.0.1:1/v1/passes/none"
    answer = doors.call("POST", "phones", {"save_links": ["https://pay.google.com/gp/v/save/forged"]})
    assert (answer.status_code, answer.json()) == (202, {"phones": 1})
    until(lambda: doors.stats()["trouble"] == {"save: 400": 1})
    doors.call("POST", "reset-stats")
    assert doors.stats()["trouble"] == {}
    # Its own keys answer 200, and are no pass.
    doors.call("POST", "phones", {"links": [f"{doors.found.google_url}/gp/m/issuer/keys"]})
    until(lambda: doors.stats()["signature_failures"] == 1)
    doors.call("POST", "phones", {"links": [nowhere]})
    assert doors.stats()["busy"] == 1, "it tries again and again"
    assert (doors.stats()["phones"], doors.stats()["registered"]) == (2, 0)
    assert doors.call("GET", "passes/unknown").status_code == 404
    assert doors.call("GET", "alerts").json() == {}


def test_a_signal_ends_them_in_order_and_others_take_their_place(tmp_path: Path) -> None:
    settings = load(tmp_path)
    first = standing.wallets(settings)
    note = tmp_path / f"{standing.WALLETS}.json"
    standing.stop(settings, standing.WALLETS)
    until(lambda: not note.exists())
    assert standing.running_wallets(settings) is None
    idle = standing.wallets(settings, idle_exit=1.5)
    assert idle.google_url != first.google_url
    until(lambda: not note.exists())
    assert (tmp_path / "rehearsal.log").read_text() == ""
    assert os.path.exists(tmp_path / "rehearsal" / "authority"), "the authority stays, since passes do"
