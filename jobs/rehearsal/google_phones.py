"""What phones do with Google's passes: save links opened, passes removed, and the callbacks of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.rehearsal.google_callbacks import Signer
from jobs.rehearsal.google_world import RESOURCES, World

LONGEST_JWT = 1_800


@dataclass(slots=True)
class Phones:
    """The routes that are no part of the API.

    email, public_key  of the service account, which signs save links
    callbacks          how many were sent
    """

    world: World
    signer: Signer
    email: str
    public_key: Any
    callbacks: int = 0

    def routes(self) -> list[Route]:
        """Where they are reached."""
        return [
            Route("/gp/m/issuer/keys", self.keys),
            Route("/gp/v/save/{jwt}", self.open_link),
            Route("/_rehearsal/save", self.save, methods=["POST"]),
            Route("/_rehearsal/remove", self.remove, methods=["POST"]),
        ]

    async def keys(self, _: Request) -> Response:
        """The root keys of callbacks."""
        return JSONResponse(self.signer.published(self.world.clock()))

    async def open_link(self, request: Request) -> Response:
        """A save link is opened on a phone, and the pass saved."""
        return await self._saved(request.path_params["jwt"], None)

    async def save(self, request: Request) -> Response:
        """The same by JSON: {"jwt", "callback"}; without a callback's URL, the class's own is called."""
        told = await request.json()
        return await self._saved(str(told["jwt"]), told.get("callback"))

    async def remove(self, request: Request) -> Response:
        """A user removes a pass: {"object_id", "callback"}."""
        told = await request.json()
        resource = self._resource_of(str(told["object_id"]))
        if resource is None:
            return JSONResponse({"error": "no such object"}, 404)
        self.world.remove(resource, told["object_id"])
        return JSONResponse(
            {"callbacks": [await self._call(resource, told["object_id"], "del", told.get("callback"))]}
        )

    async def _saved(self, token: str, callback: str | None) -> Response:
        try:
            objects = self._referenced(token)
        except (jwt.PyJWTError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        statuses = []
        for resource, identifier in objects:
            self.world.save(resource, identifier)
            statuses.append(await self._call(resource, identifier, "save", callback))
        return JSONResponse({"objects": [identifier for _, identifier in objects], "callbacks": statuses})

    def _referenced(self, token: str) -> list[tuple[str, str]]:
        """(resource, id) of what a save JWT refers to. Raises for everything that Google would not take."""
        if len(token) > LONGEST_JWT:
            raise ValueError(f"the JWT has {len(token)} characters: {LONGEST_JWT} are safe")
        options: Any = {"verify_iat": False, "require": ["iss", "aud", "iat"]}
        claims = jwt.decode(token, self.public_key, ["RS256"], audience="google", options=options)
        if claims["iss"] != self.email or claims.get("typ") != "savetowallet":
            raise ValueError("iss or typ is wrong")
        if not isinstance(claims["iat"], int) or claims["iat"] > self.world.clock() + 300:
            raise ValueError("iat has to be the present, in whole seconds")
        found = []
        for name, entries in claims["payload"].items():
            for entry in entries:
                resource = name.removesuffix("s")
                if resource not in RESOURCES or entry["id"] not in self.world.kept[resource]:
                    raise ValueError(f"there is no {resource} {entry['id']}")
                found.append((resource, str(entry["id"])))
        return found

    def _resource_of(self, identifier: str) -> str | None:
        objects = (one for one in RESOURCES if one.endswith("Object"))
        return next((one for one in objects if identifier in self.world.kept[one]), None)

    async def _call(self, resource: str, identifier: str, event: str, url: str | None) -> int | None:
        """Send the callback; its answer's status, None where the class wants none."""
        class_id = self.world.kept[resource][identifier]["classId"]
        design = self.world.kept[resource.replace("Object", "Class")][class_id]
        url = url or design.get("callbackOptions", {}).get("url")
        if not url:
            return None
        body = self.signer.signed(class_id, identifier, event, self.world.clock())
        self.callbacks += 1
        async with httpx.AsyncClient(timeout=10, trust_env=False, verify=False) as client:
            answer = await client.post(url, content=body, headers={"content-type": "application/json"})
        return answer.status_code
