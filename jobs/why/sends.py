"""What became of a delivery, and what it waits for: the ledger's side of a why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobs import moments
from store import deliveries as store
from store.ledger import WAITS, Blast
from store.schema import batches, deliveries, passes
from store.times import rfc3339

PHONE = {
    "alert": "the phone shows the text on its lock screen",
    "silent": "the pass changes without a sound (Google Wallet through PassKit)",
    "nothing": "the pass is not touched",
    "unproven": "the pass changes; whether the phone alerts is not known, for want of its wallet or design",
}
"""What a verdict means for the phone, while the message has not left."""

SHOWN = {
    "alert": "the phone will have shown the text on its lock screen",
    "silent": "the pass will have changed without a sound (Google Wallet through PassKit)",
    "unproven": "the pass will have changed; whether the phone alerted is not known",
}
"""The same once the provider has taken it."""
ACCEPTED_IS_NOT_DELIVERED = "the provider took it; nobody tells whether the phone was reached"


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery with its tries.

    frozen_text  what the plan has rendered for it; None: the blast's text as it stands
    decided      by whom a skipped one was: plan | claim | provider | operator; None for others
    tries        `at`, `batch`, `worker`, `outcome`, `reason`, `detail`, `code`; an accepted one is the last
    """

    row: Mapping[str, Any]
    due_at: datetime | None
    frozen_text: str | None
    decided: str | None
    worker: str | None
    claimed_at: datetime | None
    tries: list[dict[str, Any]]

    @property
    def state(self) -> str:
        """The delivery's state."""
        return str(self.row["state"])

    def phone(self) -> tuple[str, str]:
        """What the phone will have shown, or will show: the verdict, and the same in words."""
        verdict, reason = self.row["verdict"], self.row["reason"]
        if self.state == "accepted":
            return verdict, self._shown(verdict)
        if self.state == "failed" and reason == "unknown":
            return "unproven", "a try may have arrived: the phone may have shown the text"
        if self.state == "skipped" and reason == "same_text":
            return "silent", "the phone shows this very text already"
        if self.state not in ("pending", "sending"):
            return "nothing", PHONE["nothing"]
        return verdict, f"when it arrives, {PHONE[verdict]}"

    def _shown(self, verdict: str) -> str:
        """What became of an accepted one, by the last step that is known."""
        if self.row["fetched_at"] is not None:
            return f"a phone fetched the pass with the text at {_in_words(self.row['fetched_at'])}"
        if self.row["listed_at"] is not None:
            return f"a phone asked at {_in_words(self.row['listed_at'])}, and has not fetched the pass yet"
        if self.row["channel"] == "apple":
            return "Apple took the push; no phone has asked what has changed since"
        if self.row["has_users"] is False:
            return "Google took it; nobody had saved the pass"
        return f"{SHOWN.get(verdict, SHOWN['unproven'])}; {ACCEPTED_IS_NOT_DELIVERED}"

    def as_json(self) -> dict[str, Any]:
        """The delivery as `why` prints it."""
        told = {name: self.row[name] for name in ("id", "state", "reason", "detail", "code", "attempts")}
        verdict, phone = self.phone()
        return told | {
            "decided": self.decided,
            "due_at": rfc3339(self.due_at),
            **{name: self.row[name] for name in ("accepted_at", "listed_at", "fetched_at", "has_users")},
            "batch": self.row["batch"],
            "worker": self.worker,
            "claimed_at": rfc3339(self.claimed_at),
            "tries": self.tries,
            "verdict": verdict,
            "phone": phone,
        }


def read(connection: sa.Connection, blast_id: int, member_id: int) -> dict[int, Sent]:
    """A member's deliveries in a blast, by pass."""
    query = (
        sa.select(deliveries.c.id, deliveries.c.pass_id, deliveries.c.due_at, deliveries.c.text)
        .join(passes, passes.c.id == deliveries.c.pass_id)
        .where(deliveries.c.blast_id == blast_id, passes.c.member_id == member_id)
    )
    found = connection.execute(query).all()
    return {row.pass_id: _read(connection, row.id, row.due_at, row.text) for row in found}


def _read(
    connection: sa.Connection, delivery_id: int, due_at: datetime | None, frozen_text: str | None
) -> Sent:
    row, tried = store.get(connection, delivery_id)
    ids = {one.batch for one in tried} | ({row["batch"]} if row["batch"] else set())
    held = {
        batch.id: batch
        for batch in connection.execute(
            sa.select(batches.c.id, batches.c.worker, batches.c.claimed_at).where(batches.c.id.in_(ids))
        )
    }
    tries = [
        {
            "at": rfc3339(one.at),
            "batch": one.batch,
            "worker": held[one.batch].worker if one.batch in held else None,
            "outcome": one.outcome,
            "reason": one.reason,
            "detail": one.detail,
            "code": one.code,
        }
        for one in tried
    ]
    last = held.get(row["batch"])
    worker, claimed_at = (last.worker, last.claimed_at) if last is not None else (None, None)
    if row["state"] == "accepted":
        ended = {"at": row["accepted_at"], "batch": row["batch"], "worker": worker, "outcome": "accepted"}
        tries.append(ended | {"reason": row["reason"], "detail": row["detail"], "code": row["code"]})
    return Sent(row, due_at, frozen_text, _decided(row), worker, claimed_at, tries)


def _decided(row: Mapping[str, Any]) -> str | None:
    """Only the gate at a claim writes its words beside a reason; a plan writes the reason alone."""
    if row["state"] != "skipped":
        return None
    if row["reason"] == "cancelled":
        return "operator"
    if row["attempts"]:
        return "provider"
    return "claim" if row["detail"] else "plan"


def waits_for(blast: Blast, sent: Sent, at: datetime, zone: str | None) -> list[str]:
    """What a pending delivery waits for, the nearest to the operator's hand first; nothing for others."""
    if sent.state != "pending":
        return []
    told = of_blast(blast, at, zone)
    if sent.due_at is not None and sent.due_at > at:
        what = "the gate put it off until" if sent.row["reason"] in WAITS else "its next try is due at"
        told.append(f"{what} {moments.in_words(sent.due_at, zone)}")
    return told or ["it is due and waits for a worker to take it"]


def of_blast(blast: Blast, at: datetime, zone: str | None) -> list[str]:
    """What all deliveries of a blast wait for."""
    told = []
    match blast.state:
        case "planned":
            told.append(f"blast {blast.id} is planned and was not launched")
        case "scheduled" if blast.send_at is not None:
            told.append(f"blast {blast.id} starts at {moments.in_words(blast.send_at, zone)}")
        case "missed":
            told.append(f"blast {blast.id} missed its time and waits for an operator")
        case "paused":
            told.append(f"blast {blast.id} is paused")
        case "held":
            told.append(f"blast {blast.id} is held: {blast.hold_reason}")
    if blast.undo_left(at) and blast.sends_from is not None:
        told.append(f"the undo window is open until {moments.in_words(blast.sends_from, zone)}")
    return told


def _in_words(moment: str) -> str:
    """A moment of the ledger as every other one is told."""
    return moments.in_words(datetime.fromisoformat(moment), None)
