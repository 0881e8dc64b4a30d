"""A plan before its launch: what stands in its way, and its figures."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from console import words
from console.plain import inert
from console.widgets.cells import wrapped
from console.widgets.figures import (
    ROOM,
    fact_lines,
    figure_lines,
    messaged_lines,
    messaged_of,
    skipped_lines,
    waiting_lines,
)
from jobs.plans import Plan
from jobs.readiness import Blocker
from store.ledger import Blast
from store.programs import Program
from store.rules import service_skips
from store.settings import Settings
from store.times import now


def blocker_lines(found: Sequence[Blocker], width: int) -> Content:
    """One after the other, those that stop the launch marked by a word."""
    lines = []
    for one in found:
        word, style = ("STOP", "bold $text-error") if one.stops else ("MIND", "bold $text-warning")
        told = f"\n{'':6}".join(wrapped(inert(one.sentence, 400), width - 6))
        lines.append(Content.assemble((f"{word}  ", style), told))
    return Content("\n").join(lines)


def plan_figures(planned: Plan, program: Program, width: int) -> Content:
    """What phones will do, who is left out, and what differs from the plan before, numbers first."""
    tally, count = planned.tally, planned.tally.states["pending"]
    messages = "message" if count == 1 else "messages"
    time = words.duration(planned.eta_seconds)
    messaged = messaged_lines(messaged_of(tally), own=program.own)
    told = [*messaged, *waiting_lines(tally, program.time_zone)]
    parts = [
        Content.styled(f"{count:>9,}  {messages} will be sent, taking about {time}", "bold"),
        figure_lines(told, width),
    ]
    if skipped := tally.counts["skipped"]:
        parts.append(Content.styled(f"\n{skipped:>9,}  passes are left out", "bold"))
        parts.append(figure_lines(skipped_lines(tally.skipped_by_reason), width))
    if (found := planned.difference) is not None:
        ago = words.duration((now() - found.planned_at).total_seconds())
        against = f"Against blast {found.previous}, planned {ago} ago"
        lines = [(number, told, "$quiet") for number, told in words.difference(found)]
        same = "" if lines else ": the same passes, the same answers"
        hanging = f"\n{'':{ROOM + 2}}".join(wrapped(against + same, width - ROOM - 2))
        parts.append(Content.styled(f"\n{'':{ROOM + 2}}{hanging}", "bold"))
        parts.append(figure_lines(lines, width))
    return Content("\n").join(part for part in parts if part)


def plan_facts(
    planned: Plan, program: Program, settings: Settings, before: Blast | None, width: int
) -> Content:
    """Where it goes, to whom and what it says; `before` is the blast that it was planned anew from."""
    blast, account = planned.blast, str(settings.account)
    if program.own:
        account += f", {words.own_account(settings, planned.tally.open_on)}"
    elif settings.live:
        account += f", PassKit {settings.passkit.base_url}"
    skips = service_skips(settings.gate) if blast.purpose == "service" else ()
    over = f": passes over {', '.join(skips).replace('_', ' ')}" if skips else ""
    facts = {
        "Blast": "" if before is None else f"{blast.id}, planned anew from {before.id}",
        "Program": program.name[:200],
        "Account": account,
        "Audience": blast.audience[:300],
        "Purpose": words.purpose(blast) + over,
        "Text": blast.text,
    }
    return Content("\n").join(fact_lines(facts, width))
