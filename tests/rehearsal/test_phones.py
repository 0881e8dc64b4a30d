from __future__ import annotations

from typing import Any

import pytest

from jobs.rehearsal.passes import BOARDING_PASS, EVENT_TICKET, MEMBERSHIP, SINGLE_COUPON, Pass, PassKind
from tests.rehearsal.conftest import Client

ROUTES = {
    MEMBERSHIP: "/members/member",
    SINGLE_COUPON: "/coupon/singleUse/coupon",
    EVENT_TICKET: "/eventTickets/ticket",
    BOARDING_PASS: "/flights/boardingRecord",
}


def on_apple(entry: Pass) -> bool:
    return entry.on_apple and not entry.opted_out


def message(passkit: Client, entry: Pass, text: str) -> None:
    values = entry.values | {"latestOffer": text}
    if entry.kind is BOARDING_PASS:
        keys: dict[str, Any] = {name: entry.message[name] for name in ("ticketNumber", "ticketLeg")}
        passkit.put(ROUTES[entry.kind], keys | {"additionalDataItems": {"items": values}})
    else:
        passkit.put(ROUTES[entry.kind], {"id": entry.id, "metaData": values})


def alerts(passkit: Client, entry: Pass) -> list[str]:
    return [alert["text"] for alert in passkit.control("GET", f"passes/{entry.id}")["alerts"]]


def counts(passkit: Client) -> tuple[int, int, int, int]:
    stats = passkit.control("GET", "stats")
    return stats["changed_passes"], stats["alerts"], stats["alerted_twice"], stats["duplicate_writes"]


@pytest.mark.parametrize("kind", ROUTES, ids=lambda kind: str(kind.name))
def test_alert_where_the_text_changes(passkit: Client, kind: PassKind) -> None:
    entry = passkit.pick(kind, where=on_apple)
    message(passkit, entry, "Hallo")
    assert alerts(passkit, entry) == ["Hallo"]
    message(passkit, entry, "Hallo")
    assert alerts(passkit, entry) == ["Hallo"]
    assert counts(passkit) == (1, 1, 0, 1)
    assert passkit.control("GET", f"passes/{entry.id}")["shown"]["meta.latestOffer"] == "Hallo"


def test_the_same_text_again_after_another_is_told(passkit: Client) -> None:
    entry = passkit.pick(where=on_apple)
    for text in ("Eins", "Zwei", "Eins"):
        message(passkit, entry, text)
    assert counts(passkit) == (1, 3, 1, 0)
    assert passkit.control("POST", "reset-stats") == {}
    assert counts(passkit) == (0, 0, 0, 0)
    assert passkit.control("GET", "stats")["requests"] == 0


def test_google_shows_nothing(passkit: Client) -> None:
    entry = passkit.pick(where=lambda entry: entry.installed and not entry.on_apple and not entry.opted_out)
    message(passkit, entry, "Hallo")
    assert counts(passkit) == (1, 0, 0, 0)
    assert passkit.control("GET", "stats")["sins"] == {"opted_out": 0, "not_installed": 0}


def test_sins(passkit: Client) -> None:
    message(passkit, passkit.pick(where=lambda entry: entry.opted_out and entry.installed), "Hallo")
    message(passkit, passkit.pick(where=lambda entry: not entry.installed and not entry.opted_out), "Hallo")
    assert passkit.control("GET", "stats")["sins"] == {"opted_out": 1, "not_installed": 1}


def test_points_alone_are_no_message(passkit: Client) -> None:
    entry = passkit.pick(where=lambda entry: entry.opted_out)
    passkit.put("/members/member", {"id": entry.id, "points": 77})
    assert counts(passkit) == (0, 0, 0, 0)
    assert passkit.control("GET", "stats")["sins"] == {"opted_out": 0, "not_installed": 0}


@pytest.mark.parametrize(
    ("change_message", "expected"), [(None, []), ("News!", []), ("News: %@", ["News: Hallo"])]
)
def test_without_its_sign_the_design_is_silent(
    passkit: Client, change_message: str | None, expected: list[str]
) -> None:
    entry = passkit.pick(where=on_apple)
    template = passkit.world.template_of(entry)
    passkit.control("PUT", f"templates/{template}", {"change_message": change_message})
    fields = passkit.call("GET", f"/template/data/{template}").json()["template"]["data"]["dataFields"]
    assert any(field["uniqueName"] == "meta.latestOffer" for field in fields) == (change_message is not None)
    message(passkit, entry, "Hallo")
    assert alerts(passkit, entry) == expected


def test_changed_behind_the_back(passkit: Client) -> None:
    entry = passkit.pick(where=on_apple)
    untouched = passkit.pick(where=lambda other: on_apple(other) and other.id != entry.id)
    seen = passkit.control("PUT", f"passes/{entry.id}", {"status": "PASS_UNINSTALLED", "opt_out": True})
    assert (seen["status"], seen["opt_out"], seen["on_apple"]) == ("PASS_UNINSTALLED", True, False)
    read = passkit.call("GET", f"/members/member/id/{entry.id}").json()
    assert (read["optOut"], read["passMetaData"]["status"]) == (True, "PASS_UNINSTALLED")
    assert read["passMetaData"]["lifecycleEvents"][-1] == "UNINSTALLED_APPLE"
    assert passkit.control("PUT", f"passes/{entry.id}", {"status": "PASS_INSTALLED"})["on_apple"]
    assert passkit.control("GET", f"passes/{untouched.id}")["on_apple"]


def test_a_new_default_text_alerts_the_whole_design(passkit: Client) -> None:
    entry = passkit.pick(where=on_apple)
    identifier = passkit.world.template_of(entry)
    template = passkit.call("GET", f"/template/data/{identifier}").json()["template"]
    info = next(field for field in template["data"]["dataFields"] if field["uniqueName"] == "universal.info")
    info["defaultValue"] = "Closed on Monday"
    revised = passkit.call("PUT", "/template", template).json()
    assert revised["revision"] == template["revision"] + 1
    wearers = [
        other for other in passkit.world.passes.values() if passkit.world.template_of(other) == identifier
    ]
    assert passkit.control("GET", "stats")["alerts"] == sum(other.on_apple for other in wearers)
    assert alerts(passkit, entry) == ["Closed on Monday"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("passes/nobody", {"opt_out": True}, 404),
        ("passes/PASS", {"opt_out": "yes"}, 400),
        ("passes/PASS", {"status": "PASS_LOST"}, 400),
        ("passes/PASS", {"color": "red"}, 400),
        ("templates/nothing", {"change_message": ""}, 404),
        ("templates/TEMPLATE", {}, 400),
        ("templates/TEMPLATE", {"change_message": 5}, 400),
    ],
)
def test_wrong_control(passkit: Client, path: str, body: dict[str, Any], status: int) -> None:
    entry = passkit.pick()
    path = path.replace("PASS", entry.id).replace("TEMPLATE", passkit.world.template_of(entry))
    answer = passkit.http.put(f"/_rehearsal/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
