"""Passes as phones get them: read, filled and signed off the event loop, and kept for the next who asks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from jobs.gather import Gathered
from jobs.passes import holders, template
from jobs.passes.credentials import AppleIdentity, apple_identity
from jobs.passes.holders import Held
from jobs.passes.pkpass import Blank, build
from jobs.passes.signing import Signer
from store import arrivals, templates

if TYPE_CHECKING:
    from web.face import Face

KEPT_BYTES = 64 * 1024 * 1024
"""Signed passes that one process keeps."""
BLANKS = 50
"""Templates that one process keeps, with their pictures."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A pass as it is now, with its template's version.

    awaited  a message is on it that nobody has fetched yet
    """

    held: Held
    version: int
    awaited: bool


_Key = tuple[int, int, int, bool]


class Pkpasses:
    """Each state of a pass is signed once, whoever asks for it at the same time. Used from one event loop."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self.standing = face.gathered_read(_standing)
        """How the pass with a serial is; None: there is no such pass."""
        self._signed: OrderedDict[_Key, bytes] = OrderedDict()
        self._size = 0
        self._signing: dict[_Key, asyncio.Task[bytes]] = {}
        self._blanks: OrderedDict[tuple[str, int], Blank] = OrderedDict()
        self._made = Gathered(_each, face.compute)
        self._opening = asyncio.Lock()
        self._signs_with: tuple[AppleIdentity, Signer] | None = None

    async def of(self, standing: Standing) -> bytes:
        """The .pkpass of a pass as it stood.

        Raises UsageError where its program has no template.
        """
        held = standing.held
        key = (held.pass_id, held.tag, standing.version, held.holder.voided)
        if key in self._signed:
            self._signed.move_to_end(key)
            return self._signed[key]
        task = self._signing.get(key)
        if task is None:
            task = self._signing[key] = asyncio.create_task(self._sign(key, held))
            task.add_done_callback(lambda _: self._signing.pop(key))
        # Who goes away does not take the signature from the others that wait for it.
        return await asyncio.shield(task)

    async def _sign(self, key: _Key, held: Held) -> bytes:
        async with self._opening:  # reading a key costs as much as a hundred signatures: once is enough
            if self._signs_with is None:
                identity = await self._face.off_loop(
                    lambda: apple_identity(self._face.settings, self._face.database)
                )
                self._signs_with = identity, Signer(identity)
        identity, signer = self._signs_with
        blank = await self._blank(held.holder.program_id, key[2])
        url = self._face.url
        made = await self._made(lambda: build(blank, held.holder, identity, signer, url))
        if isinstance(made, Exception):
            raise made
        content = made
        self._signed[key] = content
        self._size += len(content)
        while self._size > KEPT_BYTES:
            _, oldest = self._signed.popitem(last=False)
            self._size -= len(oldest)
        return content

    async def _blank(self, program_id: str, version: int) -> Blank:
        found = self._blanks.get((program_id, version))
        if found is None:
            stored = await self._face.read(lambda connection: templates.get(connection, program_id, version))
            found = self._blanks[program_id, version] = Blank(template.of(stored))
            if len(self._blanks) > BLANKS:
                self._blanks.popitem(last=False)
        return found


def _each(makers: Sequence[Callable[[], bytes]]) -> list[bytes | Exception]:
    """Passes one after the other: a thread for each costs a third of what it does there."""
    made: list[bytes | Exception] = []
    for make in makers:
        try:
            made.append(make())
        except Exception as error:  # its own caller gets it, and no other
            made.append(error)
    return made


def _standing(connection: sa.Connection, serials: Sequence[str]) -> list[Standing | None]:
    """Each pass as it is. What a pass shows and its tag are read in one statement."""
    found = holders.by_serials(connection, set(serials))
    # After the passes: a template that changes between the two gives them a tag above the one read here, and
    # a message that is on one of them is in the store by now.
    ids = {one.holder.program_id for one in found.values()}
    versions = {id_: templates.newest_version(connection, id_) or 0 for id_ in ids}
    awaited = arrivals.awaited(connection, [one.pass_id for one in found.values()]) if found else set()
    standing = {
        serial: Standing(one, versions[one.holder.program_id], one.pass_id in awaited)
        for serial, one in found.items()
    }
    return [standing.get(serial) for serial in serials]
