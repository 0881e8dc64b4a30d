"""The stand-in Google refuses what Google refuses, and does what is hard on clients."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest

from jobs.callbacks.google import Callback, Keys, verify
from jobs.channels import google_api
from jobs.channels.google_errors import GoogleError
from jobs.rehearsal.authority import GOOGLE_ISSUER, Authority
from jobs.rehearsal.google import GRANT, SCOPE, trimmed
from jobs.rehearsal.google_schema import schema, schema_name
from jobs.rehearsal.google_world import RESOURCES
from store.times import now
from tests.channels.conftest import Request, answer, serving
from tests.channels.googles import CLASS, PASS, Bed, add_pass, standing, text
from tests.passes.schema import document, required

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def standing_in(
    authority: Authority,
) -> AsyncIterator[tuple[Bed, google_api.Google, httpx.AsyncClient]]:
    async with (
        standing(authority, unchecked=True) as bed,
        httpx.AsyncClient(base_url=bed.account.base_url, trust_env=False) as http,
    ):
        client = bed.client()
        yield bed, client, http
        await client.close()


async def refusal(call: Any) -> tuple[int | None, str]:
    with pytest.raises(GoogleError) as found:
        await call
    return found.value.status, found.value.reason


# The schema


def compact() -> dict[str, Any]:
    """The published document, cut down to what the stand-in takes: what google_schema.json has to be."""
    found: dict[str, Any] = {}

    def spelled(rule: dict[str, Any]) -> Any:
        if "$ref" in rule:
            take(rule["$ref"])
            return f"@{rule['$ref']}"
        if rule["type"] == "array":
            return [spelled(rule["items"])]
        return "|".join(rule["enum"]) if "enum" in rule else rule["type"]

    def take(name: str) -> None:
        if name not in found:
            found[name] = {}
            properties = document()["schemas"][name]["properties"]
            found[name] |= {field: spelled(rule) for field, rule in properties.items()}

    for name in (*map(schema_name, RESOURCES), "AddMessageRequest"):
        take(name)
    return {"fields": found, "required": {name: list(required(name)) for name in found if required(name)}}


def test_what_the_stand_in_takes_is_what_google_publishes() -> None:
    assert schema() == compact()


async def test_unknown_fields_and_enums_are_refused(authority: Authority) -> None:
    async with standing_in(authority) as (_, client, _http):
        for resource in RESOURCES:
            bodies: tuple[dict[str, Any], ...] = (
                {"nosuch": 1},
                {"messages": [{"messageType": "SHOUT"}]},
                {"textModulesData": {}},
            )
            for body in bodies:
                call = client.insert(resource, {"id": f"{GOOGLE_ISSUER}.x"} | body)
                assert await refusal(call) == (400, "invalid")


async def test_a_message_of_another_shape_is_refused(authority: Authority) -> None:
    async with standing_in(authority) as (bed, client, _):
        interval = {"start": {"date": "2026-01-01T00:00:00Z"}, "end": {"date": "2026-01-01T00:00:00"}}
        for message in (
            {},
            {"title": "x"},
            {"body": 7},
            {"messageType": "TEXT_AND_NOTIFY!"},
            {"messageType": "EXPIRATION_NOTIFICATION"},
            {"displayInterval": {"end": "2026-01-01"}},
            {"displayInterval": {"end": {"date": "soon"}}},
            {"displayInterval": interval},
        ):
            assert await refusal(client.add_message("genericObject", PASS, message)) == (400, "invalid")
        assert "messages" not in bed.kept


# What it does


async def test_messages_are_never_told_apart_and_alert_three_times_a_day(authority: Authority) -> None:
    async with standing_in(authority) as (bed, client, _):
        loud = {"id": "m", "body": "Zopf", "messageType": "TEXT_AND_NOTIFY"}
        for _ in range(3):
            await client.add_message("genericObject", PASS, loud)
        with pytest.raises(GoogleError) as found:
            await client.add_message("genericObject", PASS, loud)
        assert (found.value.kind, found.value.label) == ("alerts_spent", "HTTP 403 / quotaExceeded")
        await client.add_message("genericObject", PASS, {"id": "m", "body": "quiet"})
        world = bed.google.world
        assert [one["id"] for one in bed.kept["messages"]] == ["m"] * 4
        assert (len(world.alerts), world.told[PASS, "Zopf"], world.sins["over_budget"]) == (3, 3, 1)
        bed.clock.ahead += 86_401
        bed.google._tokens = dict.fromkeys(bed.google._tokens, float("inf"))
        await client.add_message("genericObject", PASS, loud)
        assert len(world.alerts) == 4


async def test_a_class_message_reaches_all_who_have_a_pass_of_it(authority: Authority) -> None:
    async with standing_in(authority) as (bed, client, _):
        add_pass(bed.google, f"{GOOGLE_ISSUER}.other")
        add_pass(bed.google, f"{GOOGLE_ISSUER}.nobody", saved=False)
        await client.add_message("genericClass", CLASS, {"body": "x", "messageType": "TEXT_AND_NOTIFY"})
        assert {alert.object_id for alert in bed.google.world.alerts} == {PASS, f"{GOOGLE_ISSUER}.other"}


async def test_the_eleventh_message_and_a_patch_that_alerts(authority: Authority) -> None:
    async with standing_in(authority) as (bed, client, _):
        for number in range(11):
            await client.add_message("genericObject", PASS, {"id": f"m{number}", "body": "x"})
        assert [one["id"] for one in bed.kept["messages"]] == [f"m{number}" for number in range(1, 11)]
        bed.faults(eleventh="reject")
        assert await refusal(client.add_message("genericObject", PASS, {"body": "x"})) == (400, "invalid")
        loud = {"id": "p", "body": "x", "messageType": "TEXT_AND_NOTIFY"}
        await client.patch("genericObject", PASS, {"messages": [loud]})
        assert len(bed.google.world.alerts) == 1
        assert bed.google.world.sins["eleventh_message"] == 2


async def test_a_patch_replaces_arrays_and_keeps_what_it_does_not_name(authority: Authority) -> None:
    async with standing_in(authority) as (bed, client, _):
        await client.patch("genericObject", PASS, {"textModulesData": [{"id": "a"}, {"id": "b"}]})
        await client.patch("genericObject", PASS, {"textModulesData": [{"id": "b"}], "hasUsers": False})
        found = await client.get("genericObject", PASS)
        assert (found["textModulesData"], found["hasUsers"]) == ([{"id": "b"}], True)
        assert found["cardTitle"] == text("Café")
        assert bed.google.world.sins["text_modules_lost"] == 1


async def test_a_reviewed_class_has_to_ask_again(authority: Authority) -> None:
    async with standing_in(authority) as (_, client, _http):
        made = {
            "id": f"{GOOGLE_ISSUER}.L",
            "issuerName": "x",
            "programName": "x",
            "reviewStatus": "UNDER_REVIEW",
        }
        made["programLogo"] = {"sourceUri": {"uri": "https://example.com/a.png"}}  # type: ignore[assignment]
        await client.insert("loyaltyClass", made)
        call = client.patch("loyaltyClass", made["id"], {"programName": "y"})
        assert await refusal(call) == (400, "invalid")
        await client.patch("loyaltyClass", made["id"], {"programName": "y", "reviewStatus": "UNDER_REVIEW"})


async def test_who_may_and_how_fast(authority: Authority) -> None:
    async with standing_in(authority) as (bed, client, http):
        assert await refusal(client.get("genericObject", "1.x")) == (403, "permissionDenied")
        assert await refusal(client.insert("genericObject", {})) == (400, "invalid")
        body = {"id": f"{GOOGLE_ISSUER}.y", "classId": f"{GOOGLE_ISSUER}.none"}
        body |= {"cardTitle": text("x"), "header": text("y")}
        assert await refusal(client.insert("genericObject", body)) == (404, "classNotFound")
        assert (await http.get(f"/walletobjects/v1/genericObject/{PASS}")).status_code == 401
        assert (await http.delete(f"/walletobjects/v1/genericObject/{PASS}")).status_code in (401, 405)
        bed.faults(rate=2)
        bed.google._arrivals.clear()
        statuses = [(await http.get(f"/walletobjects/v1/genericObject/{PASS}")).status_code for _ in range(3)]
        assert statuses == [401, 401, 403]
        assert bed.google.world.sins["too_fast"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody@example.com"},
        {"aud": "https://example.com/token"},
        {"scope": "https://www.googleapis.com/auth/cloud-platform"},
        {"exp": int(time.time()) + 7_200},
        {"exp": int(time.time()) - 10},
        {"iat": None},
    ],
)
async def test_a_token_is_for_an_assertion_that_is_right(
    change: dict[str, Any], authority: Authority
) -> None:
    async with standing_in(authority) as (bed, _, http):
        info, at = bed.account.info, int(time.time())
        right = {"iss": info["client_email"], "aud": bed.account.token_url, "scope": SCOPE}
        claims = right | {"iat": at, "exp": at + 3_600}

        async def ask(told: dict[str, Any], key: str = info["private_key"]) -> int:
            said = {name: value for name, value in told.items() if value is not None}
            form = {"grant_type": GRANT, "assertion": jwt.encode(said, key, "RS256")}
            return (await http.post("/token", data=form)).status_code

        assert (await ask(claims), await ask(claims | change)) == (200, 400)


# Phones


async def test_saving_and_removing_with_their_callbacks(authority: Authority) -> None:
    heard: list[Callback] = []

    def hear(request: Request) -> bytes:
        heard.append(verify(request.body, keys, GOOGLE_ISSUER, now()))
        return answer({})

    async with standing_in(authority) as (bed, client, http), serving(hear) as ours:
        keys = Keys(lambda: json.dumps(bed.google.signer.published(now().timestamp())).encode())
        fresh = f"{GOOGLE_ISSUER}.fresh"
        add_pass(bed.google, fresh, saved=False)
        token = google_api.save_link(bed.account.info, "", [("generic", fresh)])
        told = await http.post("/_rehearsal/save", json={"jwt": token, "callback": f"{ours.url}/hear"})
        assert told.json() == {"objects": [fresh], "callbacks": [200]}
        assert (await client.get("genericObject", fresh))["hasUsers"] is True
        await client.patch("genericClass", CLASS, {"callbackOptions": {"url": f"{ours.url}/hear"}})
        await http.post("/_rehearsal/remove", json={"object_id": fresh})
        assert (await client.get("genericObject", fresh))["hasUsers"] is False
        assert (await http.get(f"/gp/v/save/{token}")).status_code == 200
        assert [(one.event, one.object_id, one.class_id) for one in heard] == [
            ("save", fresh, CLASS),
            ("del", fresh, CLASS),
            ("save", fresh, CLASS),
        ]
        assert (await http.get("/gp/m/issuer/keys")).json()["keys"][1]["protocolVersion"] == "ECv2SigningOnly"


async def test_a_save_link_that_is_wrong_saves_nothing(authority: Authority) -> None:
    async with standing_in(authority) as (bed, _, http):
        info = bed.account.info
        right = {"iss": info["client_email"], "aud": "google", "typ": "savetowallet", "iat": int(time.time())}
        right["payload"] = {"genericObjects": [{"id": PASS}]}
        wrong: Iterator[dict[str, Any]] = iter(
            [
                {"iss": "x"},
                {"aud": "x"},
                {"typ": "x"},
                {"iat": "now"},
                {"iat": int(time.time()) + 3_600},
                {"payload": {"genericObjects": [{"id": f"{GOOGLE_ISSUER}.none"}]}},
                {"payload": {"genericObjects": [{"id": PASS}] * 60}},
            ]
        )
        users = bed.google.world.users[PASS]
        for change in wrong:
            token = jwt.encode(right | change, info["private_key"], "RS256")
            assert (await http.post("/_rehearsal/save", json={"jwt": token})).status_code == 400, change
        assert bed.google.world.users[PASS] == users


async def test_its_figures_and_its_switches(authority: Authority) -> None:
    async with standing_in(authority) as (bed, client, http):
        loud = {"body": "Zopf", "messageType": "TEXT_AND_NOTIFY"}
        for _ in range(2):
            await client.add_message("genericObject", PASS, loud)
        told = (await http.get("/_rehearsal/stats")).json()
        assert (told["alerts"], told["alerted_twice"], told["users"]) == (2, 1, 1)
        assert told["messages"] == {PASS: 2}
        assert told["by_call"] == {"POST genericObject/addMessage": 2}
        assert (await http.put("/_rehearsal/faults", json={"nosuch": 1})).status_code == 400
        assert (
            await http.put("/_rehearsal/faults", json={"hang": 0.7, "drop_after": 0.7})
        ).status_code == 400
        assert (await http.put("/_rehearsal/faults", json={"invited": False})).status_code == 200
        assert await refusal(client.get("genericObject", PASS)) == (403, "permissionDenied")
        await http.put("/_rehearsal/faults", json={})
        await http.post("/_rehearsal/expire-tokens")
        await client.get("genericObject", PASS)
        assert bed.google.stats.tokens == 2


def test_what_fields_leaves() -> None:
    page = {"resources": [{"id": "1", "state": "ACTIVE", "more": 1}], "pagination": {"nextPageToken": "2"}}
    assert trimmed(page, "resources(id,state),pagination") == {
        "resources": [{"id": "1", "state": "ACTIVE"}],
        "pagination": {"nextPageToken": "2"},
    }
    assert trimmed({"resource": {"id": "1", "b": 2}}, "resource(id,hasUsers)") == {"resource": {"id": "1"}}
