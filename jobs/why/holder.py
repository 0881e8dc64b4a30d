"""Why a holder was messaged or not, or would be: the whole decision, step by step. Nothing is written.

The gate is the only judge: each of its checks is asked for the member's own passes by the gate's own SQL
(asked.py), and what it saw is laid beside it (facts.py). What was decided earlier, and what became of it, is
the ledger's (sends.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from jobs.engine.gate import Gate, Message
from jobs.plans import checked_purpose
from jobs.why import audience as audiences
from jobs.why import decision as decisions
from jobs.why import facts as known
from jobs.why import sends
from jobs.why.asked import Asked, ask
from jobs.why.audience import InAudience
from jobs.why.decision import Decision
from jobs.why.facts import Data, Facts, Text
from jobs.why.sends import Sent
from store import ledger, members, preferences, programs, rules
from store.errors import UsageError
from store.ledger import Blast
from store.members import Member, Pass
from store.programs import Program
from store.settings import Settings
from store.times import now, rfc3339


@dataclass(frozen=True, slots=True)
class PassStep:
    """One pass: what the gate says now, the text, and the delivery with what it waits for.

    phone  the verdict, and what the phone will show or will have shown in words
    """

    held: Pass
    decision: Decision
    asked: Asked
    text: Text | None
    sent: Sent | None
    waits: list[str]
    phone: tuple[str, str]

    def as_json(self) -> Data:
        """The pass as the commands print it."""
        return {
            "pass": self.held.provider_id,
            "channel": self.held.channel,
            "status": self.held.status,
            "wallets": list(self.held.wallets),
            "decision": self.decision.as_json(),
            "checks": [one.as_json() for one in self.asked.checks.values()],
            "text": self.text.as_json() if self.text is not None else None,
            "waits_for": self.waits,
            "phone": {"verdict": self.phone[0], "words": self.phone[1]},
            "delivery": self.sent.as_json() if self.sent is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Why:
    """The whole decision for one holder.

    at             the moment that the gate was asked for: now, or when a blast is to start
    audience       of a blast; None without one
    rules_changed  how the program's rules differ from those of the plan, in words
    """

    program: Program
    member: Member
    blast: Blast | None
    message: Message
    at: datetime
    decision: Decision
    audience: InAudience | None
    rules_changed: list[str]
    passes: list[PassStep]

    def as_json(self) -> Data:
        """What `why --json` prints, always with these keys; None where there is no blast.

        program, member, blast, blast_state, purpose, category, at; decision {word, sentence, sends, until};
        audience {words, planned, now, join, clauses [{text, words, holds}], note}; rules_changed [words];
        passes [{pass, channel, status, wallets, decision, checks [{check, words, result, fails, data}],
        text {text, template, variant, why_not, trouble}, waits_for [words], phone {verdict, words},
        delivery {id, state, reason, detail, code, attempts, decided, due_at, accepted_at, batch, worker,
        claimed_at, tries [{at, batch, worker, outcome, reason, detail, code}], verdict, phone}}].
        """
        return {
            "program": self.program.id,
            "member": self.member.external_id,
            "blast": self.blast.id if self.blast is not None else None,
            "blast_state": self.blast.state if self.blast is not None else None,
            "purpose": self.message.purpose,
            "category": self.message.category,
            "at": rfc3339(self.at),
            "decision": self.decision.as_json(),
            "audience": self.audience.as_json() if self.audience is not None else None,
            "rules_changed": self.rules_changed,
            "passes": [one.as_json() for one in self.passes],
        }


def why(
    connection: sa.Connection,
    settings: Settings,
    program_id: str,
    external_id: str,
    blast_id: int | None = None,
    at: datetime | None = None,
    *,
    purpose: str = "marketing",
    category: str | None = None,
) -> Why:
    """The decision of a blast for one member; without one, of a message that would be sent now.

    `purpose` and `category` are of a message without a blast. Raises UsageError for an unknown program,
    member, blast or purpose, and for a blast of another program.
    """
    program = programs.get(connection, program_id, settings.account)
    member = members.get(connection, program.id, external_id)
    asked_at = at or now()
    blast = _blast(connection, program, blast_id)
    if blast is None:
        fit = preferences.category(category) if category is not None else None
        message = Message(checked_purpose(purpose), fit)
    else:
        message = Message(blast.purpose, blast.category, blast.id)
        if blast.state in ("planned", "scheduled") and blast.send_at is not None:
            asked_at = max(asked_at, blast.send_at)
    gate = Gate(connection, settings.gate, program.id, message, at=asked_at, member_id=member.id)
    facts = known.read(connection, program, member, message, gate.rules, asked_at)
    sent = sends.read(connection, blast.id, member.id) if blast is not None else {}
    steps = [_pass(connection, gate, facts, held, blast, sent.get(held.id)) for held in member.passes]
    if blast is None:
        decision = decisions.of_all([step.decision for step in steps])
        return Why(program, member, None, message, asked_at, decision, None, [], steps)
    audience = audiences.look(connection, blast, member, asked_at, planned=bool(sent))
    if sent:
        decision = decisions.of_all([step.decision for step in steps])
    else:
        told = f"not in the audience of blast {blast.id} when it was planned; {audience.in_words()}"
        decision = Decision("not_in_audience", f"Not messaged: {told}", False)
    changed = rules.differences(blast.rules or {}, gate.rules.as_json())
    return Why(program, member, blast, message, asked_at, decision, audience, changed, steps)


def _blast(connection: sa.Connection, program: Program, blast_id: int | None) -> Blast | None:
    if blast_id is None:
        return None
    blast = ledger.get(connection, blast_id)
    if blast.program_id != program.id:
        raise UsageError(f"blast {blast_id} is of the program {blast.program_id}, not of {program.id}")
    return blast


def _pass(
    connection: sa.Connection, gate: Gate, facts: Facts, held: Pass, blast: Blast | None, sent: Sent | None
) -> PassStep:
    text, waits = None, []
    if blast is not None:
        frozen = sent.frozen_text if sent is not None else None
        text = known.text_for(blast.text, frozen, facts.member, held)
    tried = sent is not None and bool(sent.row["attempts"])
    asked = ask(connection, gate, facts, held, text, tried=tried)
    if blast is None:
        decision = decisions.would(asked)
    elif sent is None:
        decision = Decision(
            "not_planned", f"Not messaged: the plan of blast {blast.id} lacks this pass", False
        )
    else:
        waits = sends.waits_for(blast, sent, gate.at, asked.zone)
        decision = decisions.of_delivery(blast, sent, asked)
    return PassStep(held, decision, asked, text, sent, waits, decisions.phone(sent, asked))
