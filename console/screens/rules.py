"""What a program allows: its rules as a page of questions, each with what the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from console.screens.form import Form, Question
from console.wishes import DEFAULT, rule, rule_in_words
from jobs import rules as verbs
from store import rules
from store.programs import Program
from store.roles import needs
from store.rules import Rules

if TYPE_CHECKING:
    from console.app import Console
    from store.sections import GateSettings

WORDS = {
    "consent": "Marketing needs",
    "quiet_hours": "Quiet hours",
    "most_a_day": "Most a day",
    "most_a_week": "Most a week",
    "pass_interval_minutes": "Minutes between",
    "pass_most_a_day": "To a pass, a day",
    "pass_most_a_month": "To a pass, in 30 days",
}
ACT = "program.rules"
CONSENT = {"unless_withdrawn": "no withdrawal", "given": "consent that was given"}
SENTENCE = (
    "Quiet hours are read by the member's clock: 21:00-08:00, or none. 0 is no limit. An empty field, or "
    "default, is as the settings have it. Blasts that run are asked by the new rules at once; those that "
    "are planned have to be planned anew."
)


async def form(app: Console, program: Program) -> Form[Rules]:
    """The page, filled with the program's own rules as they are now. It gives the rules that hold then."""
    own = await app.read(lambda connection: rules.own(connection, program.id))
    desk = app.desk
    before = {name: rule_in_words(name, own) for name in WORDS}

    def change(answers: Mapping[str, str]) -> Rules:
        changes: dict[str, Any] = {}
        for name, text in answers.items():
            given = text.strip() or DEFAULT
            if given != (before[name] or DEFAULT):
                changes |= rule(name, given, WORDS[name])
        return verbs.change(desk.database, desk.settings, program.id, changes, actor=desk.actor)

    title = f"{desk.settings.mode}: what {program.name} allows"
    questions = [_question(name, before[name], desk.settings.gate) for name in WORDS]
    return Form(title, questions, SENTENCE, change, yes="Set", closed=app.why_no_role(needs(ACT)))


def _question(name: str, answer: str, gate: GateSettings) -> Question:
    settings = getattr(gate, name)
    if name == "consent":
        choices = [(DEFAULT, f"as the settings say: {CONSENT[settings]}"), *CONSENT.items()]
        return Question(name, WORDS[name], answer or DEFAULT, choices)
    told = f"{settings:g}" if isinstance(settings, int | float) else settings or "none"
    limit = "no limit" if told == "0" else told
    return Question(name, WORDS[name], answer, hint=DEFAULT, note=f"settings: {limit}")
