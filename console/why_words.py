"""A why in words, step by step, the same for the command and the screen. Nothing here is inert yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console import words
from console.plain import inert
from jobs import moments

if TYPE_CHECKING:
    from jobs.why.asked import Check
    from jobs.why.holder import PassStep, Why

NAMES = {
    "program_inactive": "program",
    "inactive": "membership",
    "gone": "pass known",
    "not_installed": "installed",
    "no_message_field": "design",
    "opted_out": "opt-out",
    "suppressed": "suppressed",
    "withdrawn": "withdrawal",
    "no_consent": "consent",
    "declined": "category",
    "unknown_time_zone": "time zone",
    "quiet_hours": "quiet hours",
    "frequency_cap": "frequency",
    "too_soon": "interval",
    "attention_budget": "budget",
    "no_value": "fields",
    "too_long": "length",
    "same_text": "same text",
}
"""What each check looks at; its reason in the ledger is what it finds wrong."""


LONGEST = 60
"""Characters of a name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One fact or check. `mark` is a check's result, or yes | no | unknown of a clause; empty for a fact."""

    name: str
    told: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a heading."""

    title: str
    lines: list[Line]


def heading(found: Why) -> str:
    """`Café: M-0004 (Ann Lee), blast 5 (Happy hour), marketing`."""
    told = f"{inert(found.program.name, LONGEST)}: {found.member.external_id}"
    told += f" ({inert(found.member.name, LONGEST)})" if found.member.name else ""
    if found.blast is not None:
        told += f", blast {found.blast.id} ({inert(found.blast.name, LONGEST)})"
    category = f", category {found.message.category}" if found.message.category else ""
    return f"{told}, {found.message.purpose}{category}"


def sections(found: Why) -> list[Section]:
    """All steps, in the order in which they are taken."""
    steps = [_audience(found)] if found.audience is not None else []
    for step in found.passes:
        steps += _pass(found, step)
    return steps


def _audience(found: Why) -> Section:
    audience = found.audience
    assert audience is not None
    lines = [Line("audience", audience.words)]
    planned = "a delivery was planned" if audience.planned else "no delivery was planned"
    lines.append(Line("in the plan", planned, _yes(audience.planned)))
    lines.append(Line("in it now", "if it were planned now", _yes(audience.now)))
    for text, meaning, holds in audience.clauses:
        name = "clause" if len(audience.clauses) == 1 else f"{audience.join} clause"
        lines.append(Line(name, f"{text}: {meaning}", _yes(holds)))
    if audience.note:
        lines.append(Line("note", audience.note))
    return Section("Audience", lines)


def _pass(found: Why, step: PassStep) -> list[Section]:
    zone = found.program.time_zone
    wallets = ", ".join(step.held.wallets) or "no wallet known"
    lines = [Line("pass", f"{step.held.provider_id} ({step.held.channel}): {step.held.status}, {wallets}")]
    if len(found.passes) > 1:
        lines.append(Line("decision", step.decision.sentence))
    checks = [_check(check, zone) for check in step.asked.checks.values()]
    if found.rules_changed:
        checks.insert(0, Line("rules", f"not those of the plan: {'; '.join(found.rules_changed)}"))
    asked = f"Gate, asked for {moments.in_words(found.at.replace(microsecond=0), zone)}"
    told = [Section("Pass", lines), Section(asked, checks)]
    message = []
    if step.text is not None:
        variant = "rendered for this member" if step.text.personal else "one text for all"
        message.append(Line("text", step.text.own or f"cannot be rendered: {step.text.template}"))
        message.append(Line("variant", variant))
    message += [Line("waits for", one) for one in step.waits]
    if step.sent is not None:
        message += _delivery(step, zone)
    message.append(Line("phone", f"{step.phone[0]}: {step.phone[1]}"))
    return [*told, Section("Message", message)]


def _delivery(step: PassStep, zone: str | None) -> list[Line]:
    sent = step.sent
    assert sent is not None
    why = sent.row["detail"] or (words.reason(sent.row["reason"]) if sent.row["reason"] else "")
    by = {"plan": "at the plan", "claim": "when its turn came", "provider": "by the provider"}
    decided = f" ({by[sent.decided]})" if sent.decided in by else ""
    lines = [Line("delivery", sent.state.replace("_", " ") + decided + (f": {why}" if why else ""))]
    for one in sent.tries:
        told = f"{_moment(one['at'], zone)}: {one['outcome']}"
        said = one["detail"] or (words.reason(one["reason"]) if one["reason"] else "")
        told += (f", {said}" if said else "") + (f" [{one['code']}]" if one["code"] else "")
        lines.append(Line("try", f"{told} (batch {one['batch']}, worker {one['worker']})"))
    return lines


def _check(check: Check, zone: str | None) -> Line:
    told = saw(check, zone)
    if check.result == "not_reached" and check.fails:
        told += "; would fail too"
    return Line(NAMES[check.word], told, check.result)


def saw(check: Check, zone: str | None) -> str:
    """What a check saw, in a few words."""
    data = check.data
    match check.word:
        case "program_inactive":
            return ", ".join(data["status"]) or "no status"
        case "inactive" | "gone":
            return str(data["status"])
        case "not_installed":
            return f"{data['status']}, in {', '.join(data['wallets']) or 'no wallet that is known'}"
        case "no_message_field":
            return f"tier {data['tier'] or '-'} {words.FIELD_STATES[data['design'] or 'unknown']}"
        case "opted_out":
            return "has opted out" if data["opted_out"] else "has not opted out"
        case "suppressed":
            return "; ".join(_entry(one, zone) for one in data["entries"]) or "on no list"
        case "withdrawn":
            return _consent(data)
        case "no_consent":
            return f"{_consent(data)}; rule: {data['rule']}"
        case "declined":
            return f"{data['category'] or 'of none'}; declined: {', '.join(data['declined']) or 'none'}"
        case "unknown_time_zone":
            return _zone(data)
        case "quiet_hours" if data["quiet_hours"]:
            hours = f"{data['quiet_hours']}, by the {data['quiet_hours_set_by']}"
            return f"{hours}; it is {data['local_time'][-5:]} there" if data["local_time"] else hours
        case "quiet_hours":
            return "none"
        case "frequency_cap":
            day = f"{data['in_24_hours']} in 24 h ({_most(data, 'most_a_day')})"
            return f"{day}, {data['in_7_days']} in 7 days ({_most(data, 'most_a_week')})"
        case "too_soon":
            last = data["last_message"]
            told = f"last at {_moment(last, zone)}" if last else "no other message in 30 days"
            minutes = f"{data['pass_interval_minutes']:g} min apart"
            return f"{told}; {minutes}, by the {data['pass_interval_minutes_set_by']}"
        case "attention_budget":
            day = f"{data['in_24_hours']} in 24 h ({_most(data, 'pass_most_a_day')})"
            google = f", Google alerts for {data['google_a_day']}" if data["google_a_day"] else ""
            return f"{day}{google}, {data['in_30_days']} in 30 days ({_most(data, 'pass_most_a_month')})"
        case "no_value" if data:
            return f"{{{data['missing']}}} is missing" if data["missing"] else "none is missing"
        case "too_long" if data and data["length"] is not None:
            return f"{data['length']} of {data['limit']} characters"
        case "same_text":
            return f"the pass shows: {data['shown_text']}" if data["shown_text"] else "no message is shown"
    return "no text"


def _entry(one: dict[str, Any], zone: str | None) -> str:
    until = f"until {_moment(one['expires_at'], zone)}" if one["expires_at"] else "for good"
    return f"{one['kind'].replace('_', ' ')}, {until}: {one['reason']}"


def _consent(data: dict[str, Any]) -> str:
    record = data["record"]
    if record is None:
        return f"nothing said of {data['purpose']}"
    wording = f", wording {record['wording']}" if record["wording"] else ""
    said = "given" if record["given"] else "withdrawn"
    return f"{data['purpose']} {said} on {record['at'][:10]} (source {record['source']}{wording})"


def _zone(data: dict[str, Any]) -> str:
    named = data["members_time_zone"]
    odd = f"; the member's {named} is none" if named and data["time_zone_named_by"] != "member" else ""
    if data["time_zone"] is None:
        return f"none is known{odd}"
    return f"{data['time_zone']}, named by the {data['time_zone_named_by']}{odd}"


def _most(data: dict[str, Any], name: str) -> str:
    return f"at most {data[name]}, by the {data[f'{name}_set_by']}" if data[name] else "no limit"


def _moment(text: str, zone: str | None) -> str:
    local, _ = moments.zone_of(zone)
    return f"{datetime.fromisoformat(text).astimezone(local):%Y-%m-%d %H:%M:%S}"


def _yes(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "no"
