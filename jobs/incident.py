"""What happened to a blast, as one page of Markdown for a ticket or a chat: when, to how many, why, who.

Everything is read from the ledger and the audit. What others wrote (names, texts, a provider's answers)
stands in code spans and does nothing there, neither in Markdown nor in a terminal.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs.engine.gate import REASONS
from jobs.moments import in_words
from store import audit, deliveries, ledger, programs, throughput, workers
from store.audit import Entry
from store.deliveries import Batch, Failure
from store.errors import PassbellError, UsageError
from store.ledger import Blast, Tally
from store.programs import Program
from store.throughput import Throughput
from store.times import now, rfc3339

LONGEST = 400
"""Characters of what others wrote, each."""
MOST_ACTS = 200
MOST_BATCHES = 10
JOINERS = "\u200c\u200d"
"""Characters without a width that letters and emoji are made with."""
DID = {
    "plan": "planned it",
    "schedule": "scheduled it",
    "launch": "launched it",
    "started": "started it at its time",
    "missed": "found that it had missed its time",
    "held": "held it",
    "resumed": "found the provider well again and let it go on",
    "running": "let it go on",
    "paused": "paused it",
    "cancelled": "cancelled it",
    "retry": "tried failed ones again",
    "rate": "changed its rate",
    "concurrency": "changed how many are sent at once",
    "urgent": "changed whether it is urgent",
}
"""What the audit's acts on a blast mean."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which nothing was sent, for a provider's reason. `until` is None while it lasts."""

    since: datetime
    until: datetime | None
    reason: str
    ended_by: str

    def as_json(self) -> dict[str, Any]:
        """The hold as the command prints it."""
        ends = {"since": rfc3339(self.since), "until": rfc3339(self.until)}
        return ends | {"reason": self.reason, "ended_by": self.ended_by}


@dataclass(frozen=True, slots=True)
class Incident:
    """A blast at one moment, with its past. `acts` are the newest of the audit, the oldest of them first."""

    at: datetime
    blast: Blast
    program: Program
    tally: Tally
    failures: Sequence[Failure]
    batches: Sequence[Batch]
    pace: Throughput
    acts: Sequence[Entry]
    holds: Sequence[Hold]
    workers: int

    def as_json(self) -> dict[str, Any]:
        """The same for scripts."""
        return {
            "at": rfc3339(self.at),
            "blast": ledger.as_json(self.blast, self.tally),
            "program": {"id": self.program.id, "name": self.program.name, "zone": self.program.time_zone},
            "failures": [
                {"reason": one.reason, "code": one.code, "count": one.count, "detail": one.detail}
                for one in self.failures
            ],
            "worst_batches": [
                {"id": one.id, "size": one.size, "failed": one.failed, "claimed_at": rfc3339(one.claimed_at)}
                for one in self.batches
            ],
            "latency": self.pace.as_json()["latency"],
            "holds": [hold.as_json() for hold in self.holds],
            "acts": [entry.as_json() for entry in self.acts],
            "open": list(still_open(self)),
            "workers": self.workers,
        }


def look(connection: sa.Connection, account: str, blast_id: int) -> Incident:
    """Read what happened to a blast. Raises UsageError where there is no such blast."""
    blast = ledger.get(connection, blast_id)
    acts = audit.of_subject(connection, str(blast_id), "blast.", limit=MOST_ACTS)
    batches = deliveries.batch_page(connection, blast_id, limit=MOST_BATCHES)
    return Incident(
        now(),
        blast,
        programs.get(connection, blast.program_id, blast.account),
        ledger.tally(connection, blast_id),
        deliveries.failures(connection, blast_id),
        [batch for batch in batches if batch.failed],
        throughput.throughput(connection, blast_id),
        acts,
        holds_in(acts),
        len(workers.alive(connection, account)),
    )


def holds_in(acts: Sequence[Entry]) -> list[Hold]:
    """The holds that the audit tells of, the oldest first; any act on its state ends one."""
    found: list[Hold] = []
    for entry in acts:
        act = entry.act.partition(".")[2]
        if act in ("held", "resumed", "running", "paused", "cancelled"):
            if found and found[-1].until is None:
                found[-1] = Hold(found[-1].since, entry.at, found[-1].reason, entry.actor)
            if act == "held":
                found.append(Hold(entry.at, None, str(entry.details.get("reason") or ""), ""))
    return found


def still_open(found: Incident) -> Iterator[str]:
    """What is not over, and what to do about it, a sentence each."""
    blast, states = found.blast, found.tally.states
    if blast.state == "held":
        by_itself = (
            "It goes on by itself once that has passed." if blast.probe_at else "It waits for a person."
        )
        yield f"It is held. {by_itself} `passbell blasts resume {blast.id}` goes on at once."
    elif blast.state == "paused":
        yield f"It is paused: `passbell blasts resume {blast.id}` goes on."
    elif blast.state == "missed":
        yield "It missed its time and nothing was sent: launch it with `--now` or `--at`, or cancel it."
    if waiting := found.tally.open:
        yield f"{_passes(waiting)} have not come to an end: {states['sending']:,} are on their way."
        if not found.workers:
            yield "No worker is alive, so nothing is sent: `passbell worker` starts one."
    if failed := states["failed"]:
        told = f"{_passes(failed)} failed and did not get it"
        again = f"`passbell blasts retry {blast.id}` tries them again"
        yield f"{told}: {again}." if blast.state != "cancelled" else f"{told}; the blast was cancelled."


# Markdown


def markdown(found: Incident) -> str:
    """The page. It ends with a line break."""
    blast, zone = found.blast, found.program.time_zone
    parts = [
        f"# Blast {blast.id}: {code(blast.name)}",
        f"As of {in_words(found.at, zone)}. Account: **{blast.account.upper()}**. State: **{blast.state}**.",
        "\n".join(_facts(found)),
        "## To how many",
        _table(("State", "Passes"), [("planned", found.tally.planned), *found.tally.states.items()]),
        "## What failed",
        "\n".join(_failed(found)) or "Nothing.",
        "## Holds",
        "\n".join(_hold(hold, zone, found.at) for hold in found.holds) or "None.",
        "## Who did what",
        "\n".join(_act(entry, zone) for entry in found.acts) or "Nothing is in the audit.",
        "## Still open",
        "\n".join(f"- {sentence}" for sentence in still_open(found)) or "Nothing.",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(found: Incident) -> Iterator[str]:
    blast, zone, late = found.blast, found.program.time_zone, found.pace.latency
    yield f"- Program: {code(found.program.name)}"
    yield f"- Audience: {code(blast.audience)}"
    yield f"- Text: {code(blast.text)}"
    for word, moment in (
        ("Planned", blast.planned_at),
        ("Planned for", blast.send_at),
        ("Started", blast.started_at),
        ("Ended", blast.finished_at),
    ):
        if moment is not None:
            yield f"- {word}: {in_words(moment, zone)}"
    if late is not None:
        took = ", ".join(f"{name} {value:.1f} s" for name, value in _percentiles(late).items())
        yield (
            f"- Pace: at most {found.pace.fastest:,.1f} passes a second; from a batch's claim to its last "
            f"answer {took} ({late.batches:,} newest batches)"
        )


def _percentiles(late: throughput.Latency) -> dict[str, float]:
    return {"p50": late.p50, "p95": late.p95, "p99": late.p99}


def _failed(found: Incident) -> Iterator[str]:
    for one in found.failures:
        known = REASONS.get(one.reason, "")
        said = f": {code(one.detail)}" if one.detail else f": {known}" if known else ""
        given = f", provider's code {code(one.code)}" if one.code else ""
        yield f"- {_passes(one.count)}, {code(one.reason)}{given}{said}"
    if found.batches:
        worst = ", ".join(f"{one.id} ({one.failed:,} of {one.size:,})" for one in found.batches)
        yield f"- Batches in which most failed: {worst}"


def _hold(hold: Hold, zone: str | None, at: datetime) -> str:
    lasted = str(timedelta(seconds=round(((hold.until or at) - hold.since).total_seconds())))
    if hold.until is None:
        until = f"and still ({lasted})"
    else:
        until = f"until {in_words(hold.until, zone)} ({lasted}), ended by {code(hold.ended_by)}"
    return f"- From {in_words(hold.since, zone)} {until}: {code(hold.reason)}"


def _act(entry: Entry, zone: str | None) -> str:
    act = entry.act.partition(".")[2]
    did = DID.get(act) or code(entry.act)
    told = f" {code(_details(entry.details))}" if entry.details else ""
    return f"- {in_words(entry.at, zone)}: {code(entry.actor)} {did}{told}"


def _details(details: Mapping[str, Any]) -> str:
    """The details but for what stands elsewhere on the page, and what nobody reads."""
    left = {name: value for name, value in details.items() if name not in ("text", "hash", "rules")}
    return json.dumps(left, ensure_ascii=False)


def _passes(count: int) -> str:
    return f"{count:,} pass" if count == 1 else f"{count:,} passes"


def _table(titles: tuple[str, str], rows: Sequence[tuple[str, int]]) -> str:
    lines = [f"| {titles[0]} | {titles[1]} |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {word.replace('_', ' ')} | {count:,} |" for word, count in rows)])


def code(text: str) -> str:
    """What others wrote as a code span of one line, whatever it holds; `(empty)` where there is nothing."""
    text = " ".join(text[: LONGEST + 1].split())
    if not text:
        return "(empty)"
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    text = "".join(one if one.isprintable() or one in JOINERS else _spelled(one) for one in text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, room = "`" * (longest + 1), " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{room}{text}{room}{fence}"


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def save(text: str, path: Path) -> Path:
    """Write the page to a file of its owner's (0600). Raises UsageError where it exists already."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already: give another name, no file is overwritten") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise PassbellError(f"cannot write {path}: {why}") from None
    return path
