"""What every channel promises: a parcel goes in, a typed result comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

Pace = Callable[[], AbstractAsyncContextManager[None]]
"""Entered around each request to a provider: waits for the account's next slot, gives it back at exit.

Entering raises Withdrawn where the request is no longer wanted."""


class Withdrawn(Exception):
    """The blast was paused or ended while a request waited for its slot. The request never left."""


class Outcome(StrEnum):
    """How one send ended, in the same words for every channel.

    accepted   the provider took it (which is not delivery)
    gone       permanent for this pass: deleted, invalidated, unknown to the provider
    skipped    a fresh look at the pass says that it may not be messaged; nothing was sent
    refused    our request is wrong, or the account is: the blast has to stop and say why
    throttled  the provider asks us to wait
    later      a passing fault: try again
    unknown    it may or may not have arrived: to be looked up before it is repeated
    """

    ACCEPTED = "accepted"
    GONE = "gone"
    SKIPPED = "skipped"
    REFUSED = "refused"
    THROTTLED = "throttled"
    LATER = "later"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one send, with its reason.

    reason  a short word that groups results: `not_found`, `opted_out`, `key_refused`, `quota_spent`
    detail  the reason in plain words, safe to show, without secrets
    code    the provider's own code, such as `HTTP 503` or `HTTP 400 / 3`
    wait    seconds the provider asked us to wait, where it did
    account the fault is of the whole account, not of this pass
    kept    the store has the text on the pass already
    """

    outcome: Outcome
    reason: str = ""
    detail: str = ""
    code: str = ""
    wait: float | None = None
    account: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to one pass, with all that a channel needs to address it.

    kind      membership | coupon | ticket | flight
    provider_id  the pass's id at the provider; empty for a flight known by its key fields only
    tier_id   the tier (membership), offer (coupon) or ticket type (ticket) whose design the pass has
    keys      key fields of a boarding record, as the provider spells them; empty otherwise
    again     an earlier try may have brought the text there already
    message_key  the key in the pass's free data that carries the message, without the `meta.` prefix
    why_not   the gate's reason against writing it: whether it is there is looked up, and nothing written
    to_opted_out  goes to those who opted out, too: a service message, where the settings say so
    delivery_id, pass_id  ours; 0 where the parcel is of no delivery
    title     who writes: the program's name
    """

    kind: str
    provider_id: str
    external_id: str
    program_id: str
    tier_id: str
    message_key: str
    text: str
    keys: Mapping[str, object] = field(default_factory=dict)
    again: bool = False
    why_not: str | None = None
    to_opted_out: bool = False
    delivery_id: int = 0
    pass_id: int = 0
    title: str = ""


class Channel(Protocol):
    """A way to passes. One instance an account, kept open, used from one event loop."""

    async def send(self, parcel: Parcel) -> Result:
        """Bring the text onto the pass. Never raises for what a provider or network does.

        Lets Withdrawn pass: nothing was written then.
        """
        ...

    async def opt_out(self, parcel: Parcel) -> Result:
        """Tell the provider that the holder wants no marketing; message and text play no part.

        accepted: it knows. Every other outcome as in `send`. Never raises for what a provider or network
        does.
        """
        ...

    async def check(self, kind: str, designs: Mapping[str, str], message_key: str) -> Result:
        """Whether designs still show a message: a provider may take one for a field that is not there.

        `designs` has a design's id at the provider and, in words, who has it (`holds.designs` finds
        them). accepted: no design is known to be mute. One that cannot be read is not held against it.
        refused: the first that is mute, as a fault of the whole account. Any other outcome says nothing
        about designs. Changes nothing, and never raises for what a provider or network does.
        """
        ...

    async def probe(self, kind: str = "", program_id: str = "") -> Result:
        """Ask the provider something that changes nothing: accepted where the account works.

        With a program: where that program may be written to, as far as the provider tells.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. In-flight sends must have ended."""
        ...
