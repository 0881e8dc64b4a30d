"""Passes as phones get them: read, filled and signed off the event loop, and kept for the next who asks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from jobs.passes import holders, template
from jobs.passes.credentials import AppleIdentity, apple_identity
from jobs.passes.holders import Held
from jobs.passes.pkpass import Blank, build
from jobs.passes.signing import Signer
from store import templates
from store.issued import Issued

if TYPE_CHECKING:
    from web.face import Face

KEPT_BYTES = 64 * 1024 * 1024
"""Signed passes that one process keeps."""
BLANKS = 50
"""Templates that one process keeps, with their pictures."""


@dataclass(frozen=True, slots=True)
class Served:
    """A .pkpass, and which state of the pass it shows."""

    content: bytes
    tag: int
    changed_at: datetime


_State = tuple[Held, int]
_Key = tuple[int, int, int, bool]


class Pkpasses:
    """Each state of a pass is signed once, whoever asks for it at the same time. Used from one event loop."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._read = face.gathered_read(_states)
        self._signed: OrderedDict[_Key, Served] = OrderedDict()
        self._size = 0
        self._signing: dict[_Key, asyncio.Task[Served]] = {}
        self._blanks: OrderedDict[tuple[str, int], Blank] = OrderedDict()
        self._opening = asyncio.Lock()
        self._signs_with: tuple[AppleIdentity, Signer] | None = None

    async def of(self, found: Issued) -> Served:
        """The pass as it is now: its text, tag and Last-Modified belong together.

        Raises LookupError where it was deleted a moment ago, UsageError where its program has no template.
        """
        state: _State | None = await self._read(found.pass_id)
        if state is None:
            raise LookupError(f"pass {found.pass_id} is gone")
        held, version = state
        key = (found.pass_id, held.tag, version, held.holder.voided)
        if key in self._signed:
            self._signed.move_to_end(key)
            return self._signed[key]
        task = self._signing.get(key)
        if task is None:
            task = self._signing[key] = asyncio.create_task(self._sign(key, held))
            task.add_done_callback(lambda _: self._signing.pop(key))
        # Who goes away does not take the signature from the others that wait for it.
        return await asyncio.shield(task)

    async def _sign(self, key: _Key, held: Held) -> Served:
        async with self._opening:  # reading a key costs as much as a hundred signatures: once is enough
            if self._signs_with is None:
                identity = await self._face.off_loop(
                    lambda: apple_identity(self._face.settings, self._face.database)
                )
                self._signs_with = identity, Signer(identity)
        identity, signer = self._signs_with
        blank = await self._blank(held.holder.program_id, key[2])
        url = self._face.url
        content = await self._face.compute(lambda: build(blank, held.holder, identity, signer, url))
        served = Served(content, held.tag, held.changed_at)
        self._signed[key] = served
        self._size += len(content)
        while self._size > KEPT_BYTES:
            _, oldest = self._signed.popitem(last=False)
            self._size -= len(oldest.content)
        return served

    async def _blank(self, program_id: str, version: int) -> Blank:
        found = self._blanks.get((program_id, version))
        if found is None:
            stored = await self._face.read(lambda connection: templates.get(connection, program_id, version))
            found = self._blanks[program_id, version] = Blank(template.of(stored))
            if len(self._blanks) > BLANKS:
                self._blanks.popitem(last=False)
        return found


def _states(connection: sa.Connection, pass_ids: Sequence[int]) -> list[_State | None]:
    """Each pass with its template's version. What a pass shows and its tag are read in one statement."""
    found = {one.pass_id: one for one in holders.read(connection, sorted(set(pass_ids)))}
    ids = {one.holder.program_id for one in found.values()}
    # After the passes: a template that changes between the two gives them a tag above the one read here.
    versions = {id_: templates.newest_version(connection, id_) or 0 for id_ in ids}
    held = [found.get(pass_id) for pass_id in pass_ids]
    return [None if one is None else (one, versions[one.holder.program_id]) for one in held]
