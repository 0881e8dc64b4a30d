"""Whether a member is in a blast's audience: at the plan and now, and by which clause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from jobs.why.facts import Data
from store import audiences, explain
from store.errors import UsageError
from store.ledger import Blast
from store.members import Member
from store.schema import members


@dataclass(frozen=True, slots=True)
class InAudience:
    """Whether the member is in a blast's audience.

    words    the audience, as it was planned
    planned  whether the plan has a delivery for the member
    now      whether it would have one if it were made now; None: that cannot be told
    join     and | or, between the clauses
    clauses  text, words, and whether it holds (None: the member lacks what it asks for)
    note     what else has to be said; empty: nothing
    """

    words: str
    planned: bool
    now: bool | None
    join: str = "and"
    clauses: tuple[tuple[str, str, bool | None], ...] = ()
    note: str = ""

    def as_json(self) -> Data:
        """The step as the commands print it."""
        clauses = [{"text": text, "words": words, "holds": holds} for text, words, holds in self.clauses]
        return {
            "words": self.words,
            "planned": self.planned,
            "now": self.now,
            "join": self.join,
            "clauses": clauses,
            "note": self.note or None,
        }

    def in_words(self) -> str:
        """How it is now, for a member whom the plan lacks."""
        if self.now is None:
            return self.note
        if self.now:
            return "it is now: plan anew"
        missed = [f"{text} ({words})" for text, words, holds in self.clauses if not holds]
        told = missed[0] if missed and self.join == "and" else " nor ".join(missed)
        return f"nor is it now, since this is not so: {told}" if told else "nor is it now"


def look(
    connection: sa.Connection, blast: Blast, member: Member, at: datetime, *, planned: bool
) -> InAudience:
    """Ask the audience that the blast was planned with. One that was deleted, or reads wrong, is noted."""
    words = blast.audience
    try:
        chosen = audiences.of_blast(connection, blast)
        meant = audiences.condition(connection, blast.program_id, chosen, at)
    except UsageError as error:
        return InAudience(words, planned, None, note=str(error))
    one = sa.select(sa.case((meant, 1), else_=0)).where(members.c.id == member.id)
    now = bool(connection.execute(one).scalar_one())
    if chosen.kind == "where":
        expression = chosen.expression or ""
        join, _ = explain.clauses(expression)
        found = explain.evaluate(connection, blast.program_id, member.id, expression, at)
        return InAudience(words, planned, now, join, tuple(found))
    if chosen.kind == "all":
        told = f"the membership has not ended: {member.status}"
        return InAudience(words, planned, now, clauses=(("all", told, now),))
    return InAudience(words, planned, now, note="a list of members, as it was read from a file")
