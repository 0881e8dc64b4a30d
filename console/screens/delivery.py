"""One delivery: its pass, its text, how it stands, and each of its tries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Label, Static

from console import words
from console.actions import bindings
from console.plain import inert
from console.screens.drawn import Window
from console.screens.why import WhyScreen
from console.widgets.figures import OWN, fact_lines
from console.widgets.parts import Parts
from store.deliveries import Attempt
from store.ledger import Blast

WIDTH = 68
"""Cells of the facts, so that they fit the smallest terminal."""


class DeliveryScreen(Window[None]):
    """What the ledger knows of one delivery."""

    BINDINGS = bindings("delivery")
    CSS = """
    DeliveryScreen {
        & > #delivery {
            width: 76; max-width: 96%; height: auto; max-height: 90%;
            padding: 1 2 0 2; background: $surface; border: round $primary;
        }
        & Label { text-style: bold; }
        & #facts { margin: 0 0 1 0; }
        & Parts { margin: 1 0 0 0; }
    }
    """

    def __init__(self, blast: Blast, delivery: dict[str, Any], tried: Sequence[Attempt]) -> None:
        super().__init__()
        self.blast, self.delivery, self.tried = blast, delivery, tried

    def compose(self) -> ComposeResult:
        """The facts and the tries."""
        row = self.delivery
        with VerticalScroll(id="delivery"):
            yield Label(inert(row["name"] or row["member"], 60), markup=False)
            yield Static(self._facts(), id="facts", markup=False)
            yield Label(f"Tries: {row['attempts']}", markup=False)
            yield Static(self._tries(), markup=False)
            yield Parts("delivery", {"why": "why", "close": "close"})

    def _facts(self) -> Content:
        row = self.delivery
        state = row["state"].replace("_", " ")
        why = row["detail"] or (words.reason(row["reason"]) if row["reason"] else "")
        facts = {
            "Member": row["member"],
            "Pass": f"{row['pass']} ({row['channel']})",
            "State": state + (f": {why}" if why else ""),
            "Code": row["code"],
            "Phone": self._phone() if row["state"] != "failed" else None,
            "Batch": row["batch"] and str(row["batch"]),
            "Accepted": _moment(row["accepted_at"]),
            **self._reached(),
            "Next try": _moment(row["due_at"]) if row["state"] == "pending" else None,
            "Text": row["text"],
        }
        return Content("\n").join(fact_lines({name: fact or "" for name, fact in facts.items()}, WIDTH))

    def _reached(self) -> dict[str, str | None]:
        """What is known of the phone, once a pass of our own was accepted."""
        row = self.delivery
        if row["state"] != "accepted" or row["channel"] not in ("apple", "google"):
            return {}
        if row["channel"] == "google":
            held = {True: "by somebody", False: "by nobody: it was saved to no phone", None: "not known yet"}
            return {"Held": held[row["has_users"]]}
        return {
            "Asked": _moment(row["listed_at"]) or "the phone has not asked for changes yet",
            "Fetched": _moment(row["fetched_at"]) or "no phone has fetched the pass with this text yet",
        }

    def _phone(self) -> str:
        """What the phone does, as far as that can be known."""
        row, verdict = self.delivery, self._verdict()
        if verdict == "alert" and row["channel"] == "apple" and row["fetched_at"] is None:
            return "shows the text on its lock screen once it has fetched the pass"
        return OWN[verdict] if row["channel"] != "passkit" and verdict in OWN else words.VERDICTS[verdict]

    def _verdict(self) -> str:
        """What the phone does; what was planned for it does not hold for a pass that was skipped since."""
        skipped = self.delivery["state"] == "skipped" and self.delivery["reason"] != "same_text"
        return "nothing" if skipped else str(self.delivery["verdict"])

    def _tries(self) -> Content:
        """Each try that did not end accepted; the one that did is the delivery's own state."""
        lines = []
        for one in self.tried:
            why = one.detail or (words.reason(one.reason) if one.reason else "")
            told = f"{one.outcome}: {why}" if why else one.outcome
            code = f"  {inert(one.code, 40)}" if one.code else ""
            at = f"{one.at:%Y-%m-%d %H:%M:%S}  "
            lines.append(Content.assemble((at, "$quiet"), inert(told, 300), (code, "$quiet")))
        if self.delivery["state"] == "accepted":
            lines.append(Content.styled("accepted", "$text-success"))
        none = "Not tried." if self.delivery["state"] == "skipped" else "Not tried yet."
        return Content("\n").join(lines) if lines else Content.styled(none, "$quiet")

    def action_why(self) -> None:
        """The whole decision, step by step."""
        self.app.push_screen(WhyScreen(self.blast.program_id, self.delivery["member"], self.blast.id))

    def action_close(self) -> None:
        """Back to the list."""
        self.dismiss()


def _moment(at: str | None) -> str | None:
    """A moment of the ledger to the second: `2026-11-21 20:21:53 UTC`."""
    return f"{at[:19].replace('T', ' ')} UTC" if at else None
