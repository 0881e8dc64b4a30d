"""Doors that neither Apple nor Google has: adding phones, looking at what they showed, switching faults."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.rehearsal.apns import Apns
from jobs.rehearsal.apns import Stats as Pushes
from jobs.rehearsal.control import body_of, clear, missing, only
from jobs.rehearsal.google import Google
from jobs.rehearsal.wallets.crowd import SHARES, Crowd
from store.errors import UsageError


class Control:
    """The routes under `/_wallets`. They need no token; the server listens on the loopback only.

    Google's stand-in has doors of its own under `/_rehearsal`.
    """

    def __init__(self, crowd: Crowd, apns: Apns, google: Google, google_url: str) -> None:
        self._crowd, self._apns, self._google = crowd, apns, google
        self._google_url = google_url

    def routes(self) -> list[Route]:
        return [
            Route("/stats", self.get_stats, methods=["GET"]),
            Route("/reset-stats", self.reset_stats, methods=["POST"]),
            Route("/faults", self.get_faults, methods=["GET"]),
            Route("/faults", clear(self.put_faults), methods=["PUT"]),
            Route("/phones", clear(self.add_phones), methods=["POST"]),
            Route("/phones", clear(self.put_phones), methods=["PUT"]),
            Route("/alerts", self.get_alerts, methods=["GET"]),
            Route("/passes/{serial}", self.get_pass, methods=["GET"]),
        ]

    async def get_stats(self, _: Request) -> Response:
        """Of the iPhones (see Crowd.stats), and what APNs and Google have seen."""
        world = self._google.world
        google = {
            "saved": sum(count > 0 for count in world.users.values()),
            "alerts": len(world.alerts),
            "alerted_twice": sum(count > 1 for count in world.told.values()),
        }
        return JSONResponse({**self._crowd.stats(), "apns": self._apns.stats.as_json(), "google": google})

    async def reset_stats(self, _: Request) -> Response:
        self._crowd.reset()
        self._apns.stats = Pushes()
        self._google.world.alerts.clear()
        self._google.world.told.clear()
        return JSONResponse({})

    async def get_faults(self, _: Request) -> Response:
        return JSONResponse(self._apns.faults.as_json())

    async def put_faults(self, request: Request) -> Response:
        """Of APNs; what is not named is off."""
        wanted = await body_of(request)
        self._apns.faults.clear()
        self._apns.faults.set(**wanted)
        return JSONResponse(self._apns.faults.as_json())

    async def add_phones(self, request: Request) -> Response:
        """iPhones: `links`, a download link for each, or a list of them for one with several passes, and
        `shares` of each kind. Android phones: `save_links`. They add their passes in the background: while
        they do, the stats say `busy`."""
        wanted = only(await body_of(request), "links", "shares", "save_links")
        given, saved = wanted.get("links", []), wanted.get("save_links", [])
        if not isinstance(given, list) or not texts(saved):
            raise UsageError("links takes a list of download links, or of lists of them; save_links a list")
        mine = [[entry] if isinstance(entry, str) else entry for entry in given]
        if not all(map(texts, mine)):
            raise UsageError("links takes a list of download links, or of lists of them")
        self._crowd.add(mine, wanted.get("shares", SHARES))
        for link in saved:
            self._crowd.save(f"{self._google_url}/gp/v/save/{link.rpartition('/')[2]}")
        return JSONResponse({"phones": len(mine) + len(saved)}, 202)

    async def put_phones(self, request: Request) -> Response:
        """`online` true brings back all phones that are away; false lets those that tend to it go again.
        `away_seconds`: [from, to], how long they stay away after the first push that missed them."""
        wanted = only(await body_of(request), "online", "away_seconds")
        if "away_seconds" in wanted:
            self._crowd.away_seconds = span(wanted["away_seconds"])
        if "online" in wanted:
            if wanted["online"]:
                self._crowd.come_back()
            else:
                self._crowd.go_away()
        return JSONResponse({})

    async def get_alerts(self, _: Request) -> Response:
        """What was shown, by serial."""
        alerts = self._crowd.records.alerts
        return JSONResponse(
            {serial: [alert.as_json() for alert in shown] for serial, shown in alerts.items()}
        )

    async def get_pass(self, request: Request) -> Response:
        found = self._crowd.pass_on_phones(request.path_params["serial"])
        return missing("pass on any phone") if found is None else JSONResponse(found)


def texts(given: Any) -> bool:
    """Whether this is a list of texts."""
    return isinstance(given, list) and all(isinstance(entry, str) for entry in given)


def span(given: Any) -> tuple[float, float]:
    match given:
        case [int() | float() as low, int() | float() as high] if 0 <= low <= high:
            return low, high
    raise UsageError("away_seconds takes [from, to] in seconds")
