"""One pass of the stand-in's world, and the class (program, campaign, production) that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobs.rehearsal.messages import Message
from jobs.rehearsal.shapes import BOARDING, COUPON, MEMBER, TICKET


@dataclass(frozen=True, eq=False)
class PassKind:
    """What differs between the four protocols: the message, and how its fields are called there."""

    name: str
    message: Message
    external: str
    metadata: str = "passMetaData"


MEMBERSHIP = PassKind("member", MEMBER, "externalId")
SINGLE_COUPON = PassKind("coupon", COUPON, "externalId")
EVENT_TICKET = PassKind("ticket", TICKET, "ticketNumber")
BOARDING_PASS = PassKind("boarding record", BOARDING, "", "metadata")


@dataclass(slots=True)
class Pass:
    """One pass: its message with only the fields that have a value."""

    kind: PassKind
    message: dict[str, Any]

    @property
    def id(self) -> str:
        identifier: str = self.message["id"]
        return identifier

    @property
    def metadata(self) -> dict[str, Any]:
        """Status, lifecycle events and the times that belong to them."""
        metadata: dict[str, Any] = self.message[self.kind.metadata]
        return metadata

    @property
    def values(self) -> dict[str, str]:
        """The free values that a design shows as `meta.<key>`. A write replaces the whole map."""
        if self.kind is BOARDING_PASS:
            return (self.message.get("additionalDataItems") or {}).get("items") or {}
        return self.message.get("metaData") or {}

    @property
    def opted_out(self) -> bool:
        return self.message.get("optOut") in (True, "ON")

    @property
    def installed(self) -> bool:
        return bool(self.metadata["status"] == "PASS_INSTALLED")

    @property
    def on_apple(self) -> bool:
        """Whether an Apple wallet holds the pass now: the last word of the cumulative events counts."""
        events: list[str] = self.metadata["lifecycleEvents"]
        last = [event for event in events if event in ("INSTALLED_APPLE", "UNINSTALLED_APPLE")][-1:]
        return self.installed and last == ["INSTALLED_APPLE"]


@dataclass(slots=True)
class PassClass:
    """A program, a campaign or a production: its own message, its groups (tiers, offers, ticket types), its
    passes in the order in which they were created."""

    kind: PassKind
    message: dict[str, Any]
    groups: list[dict[str, Any]]
    passes: list[Pass]
    rows: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [entry.message for entry in self.passes]
