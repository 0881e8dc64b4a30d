"""The decision in one sentence: what the ledger says, and where that is open, what the gate says now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs import moments
from jobs.engine.gate import REASONS
from jobs.why import sends
from jobs.why.asked import Asked
from jobs.why.facts import Data
from jobs.why.sends import PHONE, Sent
from store.ledger import WAITS, Blast
from store.times import rfc3339


@dataclass(frozen=True, slots=True)
class Decision:
    """What was, is or would be decided.

    word   a key of gate.REASONS where the gate decided; else accepted | sending | pending | failed |
           cancelled | held_out, the provider's reason, sends (nothing speaks against it), no_pass,
           not_in_audience, not_planned (a pass that the plan does not have)
    sends  whether the message has left, or leaves now or later
    until  where it waits: when it is asked for again
    """

    word: str
    sentence: str
    sends: bool
    until: datetime | None = None

    def as_json(self) -> Data:
        """The decision as the commands print it."""
        return {
            "word": self.word,
            "sentence": self.sentence,
            "sends": self.sends,
            "until": rfc3339(self.until),
        }


def phone(sent: Sent | None, asked: Asked) -> tuple[str, str]:
    """What the phone will show, or will have shown: the verdict, and the same in words."""
    if sent is not None:
        return sent.phone()
    verdict = asked.sent if asked.answer is None or asked.waits else "nothing"
    return verdict, PHONE[verdict]


def would(asked: Asked) -> Decision:
    """What would be decided about a message now."""
    if asked.answer is None:
        return Decision("sends", f"Would be messaged now: {PHONE[asked.sent]}", True)
    if asked.waits:
        sentence = f"Would wait{_until(asked.until, asked.zone)}: {asked.because()}"
        return Decision(asked.answer, sentence, True, asked.until)
    return Decision(asked.answer, f"Would not be messaged now: {asked.because()}", False)


def of_delivery(blast: Blast, sent: Sent, asked: Asked) -> Decision:
    """What the ledger says of a delivery."""
    match sent.state:
        case "accepted":
            taken = moments.in_words(datetime.fromisoformat(sent.row["accepted_at"]), asked.zone)
            return Decision("accepted", f"Messaged: accepted at {taken}; {sent.phone()[1]}", True)
        case "sending":
            return Decision(
                "sending", f"On its way: {sent.worker} took it in batch {sent.row['batch']}", True
            )
        case "failed":
            return _failed(sent)
        case "pending":
            return _pending(blast, sent, asked)
    return _skipped(sent, asked)


def _failed(sent: Sent) -> Decision:
    reason, count = sent.row["reason"], len(sent.tries)
    head = "Not known whether it was messaged" if reason == "unknown" else "Not messaged"
    told = sent.row["detail"] or str(reason).replace("_", " ")
    tries = f"{count} {'try' if count == 1 else 'tries'}"
    return Decision("failed", f"{head}: failed after {tries}: {told}", False)


def _pending(blast: Blast, sent: Sent, asked: Asked) -> Decision:
    if asked.answer is not None and not asked.waits:
        sentence = f"Will not be messaged, unless this changes: {asked.because()}"
        return Decision(asked.answer, sentence, False)
    due_at = sent.due_at if sent.due_at is not None and sent.due_at > asked.at else None
    put_off = sent.row["reason"] if sent.row["reason"] in WAITS and due_at is not None else None
    word = asked.answer or put_off
    if word is None:
        told = "; ".join(sends.waits_for(blast, sent, asked.at, asked.zone))
        return Decision("pending", f"Not sent yet: {told}", True, due_at)
    until = _later(asked.until, due_at if put_off else None)
    told = asked.because() or REASONS[word]
    first = "".join(f"; {one}" for one in sends.of_blast(blast, asked.at, asked.zone))
    return Decision(word, f"Waits{_until(until, asked.zone)}: {told}{first}", True, until)


def _later(*found: datetime | None) -> datetime | None:
    return max((one for one in found if one is not None), default=None)


def _skipped(sent: Sent, asked: Asked) -> Decision:
    word = sent.row["reason"] or sent.state
    told = sent.row["detail"] or REASONS.get(word) or word.replace("_", " ")
    if word in asked.checks and asked.checks[word].fails:
        told = asked.because(word)
    elif word in asked.checks and sent.decided != "provider":
        now = asked.because() or "the gate lets it through: plan anew"
        told += f"; asked now: {now}"
    if sent.decided == "provider":
        told += " (so the provider said, just before it was written)"
    return Decision(word, f"Not messaged: {told}", False)


def of_all(decisions: Sequence[Decision]) -> Decision:
    """The decision for a member: that of the pass that gets most of it."""
    if not decisions:
        return Decision("no_pass", "Would not be messaged now: the member has no pass", False)
    order = ("accepted", "sending", "pending", "sends")
    best = min(decisions, key=lambda one: order.index(one.word) if one.word in order else 5 - one.sends)
    if len(decisions) == 1:
        return best
    count = sum(one.sends for one in decisions)
    more = f"{count or 'none'} of {len(decisions)} passes {'get' if count > 1 else 'gets'} it"
    return Decision(best.word, f"{best.sentence} ({more})", best.sends, best.until)


def _until(moment: datetime | None, zone: str | None) -> str:
    return f" until {moments.in_words(moment, zone)}" if moment is not None else ""
