"""The doors that PassKit does not have: looking at the stand-in's phones and counts, switching its faults."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.rehearsal.faults import Faults, read_settings
from jobs.rehearsal.journal import Journal
from jobs.rehearsal.passes import EVENT_TICKET, Pass
from jobs.rehearsal.passkit import PassKit
from jobs.rehearsal.phones import Phones, with_change_message
from jobs.rehearsal.shapes import PASS_STATUS
from jobs.rehearsal.stats import Stats
from store.errors import UsageError
from store.times import rfc3339

Endpoint = Callable[[Request], Awaitable[Response]]


class Control:
    """The routes under `/_rehearsal`. They need no token; the server listens on the loopback only."""

    def __init__(
        self, passkit: PassKit, phones: Phones, faults: Faults, stats: Stats, journal: Journal | None = None
    ) -> None:
        self.passkit = passkit
        self.world = passkit.world
        self.phones = phones
        self.faults = faults
        self.stats = stats
        self.journal = journal

    def routes(self) -> list[Route]:
        return [
            Route("/stats", self.get_stats, methods=["GET"]),
            Route("/reset-stats", self.reset_stats, methods=["POST"]),
            Route("/faults", self.get_faults, methods=["GET"]),
            Route("/faults", clear(self.put_faults), methods=["PUT"]),
            Route("/passes/{id}", self.get_pass, methods=["GET"]),
            Route("/passes/{id}", clear(self.put_pass), methods=["PUT"]),
            Route("/templates/{id}", clear(self.put_template), methods=["PUT"]),
        ]

    async def get_stats(self, _: Request) -> Response:
        stats, phones = self.stats, self.phones
        return JSONResponse({
            "requests": stats.requests,
            "by_status": dict(sorted(stats.by_status.items())),
            "changed_passes": len(phones.changed),
            "alerts": phones.alert_count,
            "alerted_twice": len(phones.alerted_twice),
            "duplicate_writes": phones.duplicate_writes,
            "sins": {"opted_out": phones.opted_out, "not_installed": phones.not_installed},
            "busiest_second": stats.busiest_second,
            "most_at_once": stats.most_at_once,
            "first_at": spelled(stats.first_at),
            "last_at": spelled(stats.last_at),
        })  # fmt: skip

    async def reset_stats(self, _: Request) -> Response:
        self.stats.reset()
        self.act("forget", "", {})
        return JSONResponse({})

    def act(self, door: str, identifier: str, wanted: dict[str, Any]) -> None:
        """Change the world or what is counted of it, and note it down."""
        with self.passkit.one_moment() as at:
            self.redo(door, identifier, wanted)
        if self.journal is not None:
            self.journal.note(door, json.dumps([identifier, wanted]), at=at)

    def redo(self, door: str, identifier: str, wanted: dict[str, Any]) -> None:
        """Make a change, or one that the journal holds once more."""
        if door == "forget":
            self.phones.forget()
        elif door == "pass":
            self.change_pass(self.world.passes[identifier], wanted)
        else:
            template = self.world.templates[identifier]["template"]
            template = with_change_message(template, wanted["change_message"])
            self.world.change_template(identifier, template, self.passkit.moment())

    async def get_faults(self, _: Request) -> Response:
        return JSONResponse(self.faults.as_json())

    async def put_faults(self, request: Request) -> Response:
        self.faults.settings = read_settings(await body_of(request))
        self.world.over_quota = self.faults.settings.quota_spent
        return JSONResponse(self.faults.as_json())

    async def get_pass(self, request: Request) -> Response:
        entry = self.world.passes.get(request.path_params["id"])
        return missing("pass") if entry is None else JSONResponse(self.seen(entry))

    async def put_pass(self, request: Request) -> Response:
        """Changes a pass as its holder would, behind everybody's back."""
        entry = self.world.passes.get(request.path_params["id"])
        if entry is None:
            return missing("pass")
        wanted = only(await body_of(request), "opt_out", "status")
        status, opted_out = wanted.get("status"), wanted.get("opt_out")
        if status not in (None, *PASS_STATUS) or opted_out not in (None, True, False):
            raise UsageError(f"opt_out takes true or false, status one of {', '.join(PASS_STATUS)}")
        self.act("pass", entry.id, wanted)
        return JSONResponse(self.seen(entry))

    def change_pass(self, entry: Pass, wanted: dict[str, Any]) -> None:
        status, opted_out = wanted.get("status"), wanted.get("opt_out")
        if opted_out is not None:
            toggle = "ON" if opted_out else "OFF"
            entry.message["optOut"] = toggle if entry.kind is EVENT_TICKET else opted_out
        moment = self.passkit.moment()
        if status is not None:
            change_status(entry, status)
        entry.metadata["lastUpdatedAt"] = moment
        if "updated" in entry.message:
            entry.message["updated"] = moment

    async def put_template(self, request: Request) -> Response:
        """Takes the message field away (null) or puts it back with a changeMessage of one's own."""
        identifier = request.path_params["id"]
        if identifier not in self.world.templates:
            return missing("template")
        wanted = only(await body_of(request), "change_message")
        text = wanted.get("change_message")
        if "change_message" not in wanted or not isinstance(text, str | None):
            raise UsageError("change_message takes a text or null")
        self.act("template", identifier, wanted)
        return JSONResponse({"change_message": text})

    def seen(self, entry: Pass) -> dict[str, Any]:
        return {
            "status": entry.metadata["status"],
            "opt_out": entry.opted_out,
            "on_apple": entry.on_apple,
            "shown": self.phones.shown(entry),
            "alerts": [alert._asdict() for alert in self.phones.alerts.get(entry.id, ())],
        }


def change_status(entry: Pass, status: str) -> None:
    """Sets the status, and adds the events that lead to it."""
    events: list[str] = entry.metadata["lifecycleEvents"]
    wallets = [wallet for wallet in ("APPLE", "GOOGLE", "ANDROID_OTHER") if f"INSTALLED_{wallet}" in events]
    more = {
        "PASS_ISSUED": [],
        "PASS_INSTALLED": [f"INSTALLED_{wallet}" for wallet in wallets or ["APPLE"]],
        "PASS_UNINSTALLED": [f"UNINSTALLED_{wallet}" for wallet in wallets],
        "PASS_INVALIDATED": ["INVALIDATE_REQUESTED", "INVALIDATE_CONFIRMED"],
    }[status]
    # Passes share these lists until one of them changes.
    entry.metadata.update(status=status, lifecycleEvents=[*events, *more])


def clear(endpoint: Endpoint) -> Endpoint:
    """Turns a wrong request into a 400 that says what is wrong."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except UsageError as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


async def body_of(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise UsageError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise UsageError("the body is not a JSON object")
    return body


def only(body: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in body:
        if name not in names:
            raise UsageError(f"unknown key {name!r}: known are {', '.join(names)}")
    return body


def missing(what: str) -> Response:
    return JSONResponse({"error": f"no such {what}"}, 404)


def spelled(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))
