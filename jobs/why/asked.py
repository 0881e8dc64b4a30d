"""The gate asked about one pass, each check by itself. What its SQL says is the result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from jobs.engine.gate import REASONS, Gate
from jobs.engine.verdicts import when_sent
from jobs.why.facts import Data, Facts, Text, clause, seen
from store.ledger import WAITS
from store.members import Pass
from store.schema import members, passes

TEXT_CHECKS = ("no_value", "too_long", "same_text")
"""Checks that need a text; without a blast there is none."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate, asked now.

    result  passes | fails | waits | passed_over (a service message) | not_reached (an earlier one decided)
            | not_asked (there is no text, or it may have arrived and is looked up)
    fails   whether it fails by itself, reached or not
    """

    word: str
    result: str
    fails: bool
    data: Data

    def as_json(self) -> Data:
        """The check as the commands print it."""
        return {
            "check": self.word,
            "words": REASONS[self.word],
            "result": self.result,
            "fails": self.fails,
            "data": self.data,
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What the gate says of one pass.

    answer  the deciding check, as a plan or a claim would write it; None: nothing speaks against it
    until   of an answer that waits: when it is asked again
    sent    what the phone does if it is messaged; see verdicts.when_sent
    at      the moment that it was asked for
    """

    at: datetime
    answer: str | None
    until: datetime | None
    sent: str
    checks: dict[str, Check]
    zone: str | None

    @property
    def waits(self) -> bool:
        """Whether the answer is to wait."""
        return self.answer in WAITS

    def because(self, word: str | None = None) -> str:
        """Why a check fails, the deciding one where none is named: in a clause, with what it saw."""
        found = word or self.answer
        return clause(found, self.checks[found].data, self.zone) if found is not None else ""


def ask(
    connection: sa.Connection, gate: Gate, facts: Facts, held: Pass, text: Text | None, *, tried: bool
) -> Asked:
    """Ask the gate. One that was tried may have arrived: as at a claim, its text is no reason any more."""
    asked_text = None if tried else text
    conditions = {word: found for word in REASONS if (found := gate.condition(word)) is not None}
    columns = {
        **{f"fails_{word}": sa.case((condition, 1), else_=0) for word, condition in conditions.items()},
        **gate.figures(),
        "answer": gate.answer(asked_text.own if asked_text is not None else None),
        "until": gate.until(),
        "sent": when_sent(),
    }
    mine = sa.and_(members.c.id == facts.member.id, passes.c.id == held.id)
    query = gate.ask(mine, *(column.label(name) for name, column in columns.items()))
    row = dict(connection.execute(query).mappings().one())
    why_not = asked_text.why_not if asked_text is not None else None
    answer: str | None = row["answer"]
    if asked_text is not None and asked_text.personal and not asked_text.frozen and answer in (None, *WAITS):
        # A plan renders what is put off, too: what cannot be rendered is not waited for.
        answer = answer if answer in WAITS and why_not == "same_text" else why_not or answer
    data, reached = seen(facts, held, row, text), True
    checks: dict[str, Check] = {}
    for word in REASONS:
        fails = word == why_not or bool(row.get(f"fails_{word}"))
        not_asked = word in TEXT_CHECKS and asked_text is None
        result = _result(
            word, word == answer or (fails and reached), reached, word in gate.passed_over, not_asked
        )
        checks[word] = Check(word, result, fails, data[word])
        reached = reached and word != answer
    until = row["until"] if answer in WAITS else None
    return Asked(gate.at, answer, until, row["sent"], checks, facts.program.time_zone)


def _result(word: str, fails: bool, reached: bool, passed_over: bool, not_asked: bool) -> str:
    if fails:
        return "waits" if word in WAITS else "fails"
    if passed_over:
        return "passed_over"
    if not_asked:
        return "not_asked"
    return "passes" if reached else "not_reached"
