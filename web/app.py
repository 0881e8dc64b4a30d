"""All routes under one roof: Apple's five by hand, since phones come by the thousand; others by Starlette."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from store.database import Database
from store.settings import Settings
from web import callbacks, events, links, opt_out, watch
from web.apple import Apple
from web.counts import Counted
from web.face import Face
from web.limits import Guard


def application(settings: Settings, database: Database) -> ASGIApp:
    """The web face as one ASGI application. It closes the database when the server ends."""
    face = Face(settings, database)
    return Counted(Guard(Dispatch(face), face), urlsplit(face.url).path)


def routes(face: Face) -> list[BaseRoute]:
    """Everything but Apple's five."""
    return [
        *links.routes(face),
        *opt_out.routes(face),
        *callbacks.routes(face),
        *events.routes(face),
        *watch.routes(face),
    ]


class Dispatch:
    """Finds the route. Where `web.url` has a path, requests may come with it or without it."""

    def __init__(self, face: Face) -> None:
        self._apple = Apple(face)
        self._others = Router(routes(face), default=_nothing, redirect_slashes=False)
        self._prefix = urlsplit(face.url).path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and scope["path"].startswith(f"{self._prefix}/"):
            raw = scope["raw_path"].removeprefix(self._prefix.encode())
            scope = {**scope, "path": scope["path"].removeprefix(self._prefix), "raw_path": raw}
        handler = self._apple.handler(scope)
        if handler is not None:
            await handler(scope, receive, send)
            return
        scope["app"] = self  # lets Starlette raise its own refusals, which the guard puts into words
        await self._others(scope, receive, send)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404, "there is nothing here")
