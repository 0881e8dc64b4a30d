"""What each check of the gate saw of one pass, as plain values; and why it decided, in one clause.

Nothing here decides: the gate does. This is what lies beside its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from jobs import moments
from jobs.engine.gate import GOOGLE_ALERTS_A_DAY, REASONS, Message
from jobs.engine.verdicts import own_text
from store import consents, preferences, suppressions, texts, zones
from store import rules as program_rules
from store.consents import Consent
from store.members import Member, Pass
from store.preferences import Preferences
from store.programs import Program
from store.rules import Rules
from store.suppressions import Suppression
from store.times import rfc3339

Data = dict[str, Any]
"""What one check saw: JSON's types and moments as RFC 3339."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a member and its program at one moment, the same for all of the member's passes.

    own          the program's own rules, None where the settings' holds; see store/rules.py
    consent      the newest record of the message's purpose
    suppressed   entries that mean the member and have not expired
    """

    program: Program
    member: Member
    message: Message
    at: datetime
    rules: Rules
    own: Mapping[str, Any]
    preferences: Preferences
    consent: Consent | None
    suppressed: list[Suppression]


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a blast as one pass gets it.

    personal  rendered for this member; otherwise the same for all
    frozen    whether a plan has rendered it already
    own       None where it could not be rendered
    why_not   no_value | too_long | same_text; None: nothing speaks against it
    trouble   the missing field, or the number of characters that are too many
    """

    template: str
    personal: bool
    own: str | None
    why_not: str | None
    frozen: bool = False
    trouble: str | None = None

    def as_json(self) -> Data:
        """The text as the commands print it."""
        return {
            "text": self.own,
            "template": self.template,
            "variant": "rendered for this member" if self.personal else "one text for all",
            "why_not": self.why_not,
            "trouble": self.trouble,
        }


def read(
    connection: sa.Connection, program: Program, member: Member, message: Message, rules: Rules, at: datetime
) -> Facts:
    """Read what the checks are about."""
    return Facts(
        program,
        member,
        message,
        at,
        rules,
        program_rules.own(connection, program.id),
        preferences.get(connection, member.id),
        consents.latest_of(connection, [member.id], message.purpose).get(member.id),
        [one for one in suppressions.of_member(connection, member.id) if one.in_force(at)],
    )


def text_for(template: str, frozen: str | None, member: Member, held: Pass) -> Text:
    """What this pass would show: `frozen` is what a plan has rendered for it already."""
    personal = texts.has_braces(template)
    if frozen is not None or not personal:
        own = frozen if frozen is not None else template
        why_not = "same_text" if own == held.shown_text else None
        return Text(template, personal, own, why_not, frozen=frozen is not None)
    row = {
        "name": member.name,
        "attributes": member.attributes,
        "external_id": member.external_id,
        "tier_id": member.tier_id,
        "points": member.points,
        "shown_text": held.shown_text,
    }
    own, why_not = own_text(template, row)
    if why_not in (None, "same_text"):
        return Text(template, personal, own, why_not)
    return Text(template, personal, None, why_not, trouble=_trouble(template, row))


def _trouble(template: str, row: Mapping[str, Any]) -> str | None:
    """The field that is missing, or the number of characters."""
    try:
        texts.render(template, texts.values_of(row))
    except (texts.MissingValue, texts.TooLong) as error:
        return str(error)
    return None


def seen(facts: Facts, held: Pass, figures: Mapping[str, Any], text: Text | None) -> dict[str, Data]:
    """What each check saw, by its word. `figures` are the gate's own; see Gate.figures."""
    member, rules = facts.member, facts.rules
    consent = {
        "purpose": facts.message.purpose,
        "record": facts.consent.as_json() if facts.consent is not None else None,
        "rule": rules.consent,
    }
    hours = _hours(facts)
    # A template of our own without the message's field is not taken.
    design = rules.designs.get(member.tier_id or "") if held.channel == "passkit" else "ok"
    return {
        "program_inactive": {"status": list(facts.program.status)},
        "inactive": {"status": member.status, "expires_at": rfc3339(member.expires_at)},
        "gone": {"status": held.status},
        "not_installed": {"status": held.status, "wallets": list(held.wallets)},
        "no_message_field": {"tier": member.tier_id, "design": design},
        "opted_out": {"opted_out": member.opted_out, "synced_at": rfc3339(member.synced_at)},
        "suppressed": {"entries": [_entry(one) for one in facts.suppressed]},
        "withdrawn": consent,
        "no_consent": consent,
        "declined": {"category": facts.message.category, "declined": list(facts.preferences.declined)},
        "unknown_time_zone": hours,
        "quiet_hours": hours,
        "frequency_cap": {
            "in_24_hours": figures["to_member_in_24_hours"],
            "in_7_days": figures["to_member_in_7_days"],
            **_limit(facts, "most_a_day"),
            **_limit(facts, "most_a_week"),
        },
        "too_soon": {
            "last_message": rfc3339(figures["last_to_pass"]),
            **_limit(facts, "pass_interval_minutes"),
        },
        "attention_budget": {
            "in_24_hours": figures["to_pass_in_24_hours"],
            "in_30_days": figures["to_pass_in_30_days"],
            **_limit(facts, "pass_most_a_day"),
            **_limit(facts, "pass_most_a_month"),
            "google_a_day": GOOGLE_ALERTS_A_DAY if held.channel == "google" else None,
        },
        **_of_text(held, text),
    }


def _of_text(held: Pass, text: Text | None) -> dict[str, Data]:
    if text is None:
        return {"no_value": {}, "too_long": {}, "same_text": {"shown_text": held.shown_text}}
    missing = text.trouble if text.why_not == "no_value" else None
    length = len(text.own) if text.own is not None else None
    if text.why_not == "too_long":
        length = int(text.trouble or 0)
    return {
        "no_value": {"template": text.template, "missing": missing},
        "too_long": {"length": length, "limit": texts.LIMIT},
        "same_text": {
            "text": text.own,
            "shown_text": held.shown_text,
            "shown_at": rfc3339(held.shown_at),
        },
    }


def _entry(one: Suppression) -> Data:
    """An entry without its hash, which tells people nothing."""
    return {
        "id": one.id,
        "kind": one.kind,
        "reason": one.reason,
        "program": one.scope or None,
        "expires_at": rfc3339(one.expires_at),
    }


def _hours(facts: Facts) -> Data:
    """Quiet hours and wall clock, each with who said so: member, program or settings."""
    own, rules = facts.preferences.quiet_hours, facts.rules
    hours = own or ("-".join(rules.quiet) if rules.quiet else None)
    set_by = "member" if own else "program" if facts.own["quiet_from"] is not None else "settings"
    zone = zones.first_known(facts.member.time_zone, rules.time_zone)
    named_by = None
    if zone is not None:
        named_by = "program" if zones.known(facts.program.time_zone) else "settings"
        named_by = "member" if zones.known(facts.member.time_zone) else named_by
    return {
        "quiet_hours": hours if hours and len(set(hours.split("-"))) > 1 else None,
        "quiet_hours_set_by": set_by,
        "time_zone": zone.key if zone is not None else None,
        "time_zone_named_by": named_by,
        "members_time_zone": facts.member.time_zone,
        "local_time": f"{facts.at.astimezone(zone):%Y-%m-%d %H:%M}" if zone is not None else None,
    }


def _limit(facts: Facts, name: str) -> Data:
    """A limit with who set it; 0: there is none."""
    own = getattr(facts.preferences, name, None)
    if own is not None:
        return {name: own, f"{name}_set_by": "member"}
    set_by = "program" if facts.own[name] is not None else "settings"
    return {name: getattr(facts.rules, name), f"{name}_set_by": set_by}


def clause(word: str, data: Data, zone: str | None) -> str:
    """Why a check that fails does, with what it saw: `withdrew consent to marketing on 2026-11-20 ...`.

    What it saw may be older than the answer by an instant; where the two disagree, the reason stands alone.
    """
    match word:
        case "program_inactive" | "inactive" | "gone" | "not_installed":
            status = data["status"] if isinstance(data["status"], str) else ", ".join(data["status"])
            return f"{REASONS[word]} ({status})"
        case "no_message_field":
            return f"the design of tier {data['tier']} has no message field that makes a phone alert"
        case "suppressed" if data["entries"]:
            one = data["entries"][0]
            until = f"until {_moment(one['expires_at'], zone)}" if one["expires_at"] else "for good"
            return f"on the suppression list by {one['kind'].replace('_', ' ')}, {until}: {one['reason']}"
        case "withdrawn" if data["record"]:
            record = data["record"]
            told = f"on {record['at'][:10]} (source {record['source']})"
            return f"withdrew consent to {data['purpose']} {told}"
        case "no_consent":
            return f"never consented to {data['purpose']}, and the rules ask for it"
        case "declined":
            return f"does not want messages of the category {data['category']}"
        case "unknown_time_zone":
            return f"{REASONS[word]} ({data['quiet_hours']}, {whose(data['quiet_hours_set_by'])})"
        case "quiet_hours":
            return (
                f"it is {data['local_time'][-5:]} in {data['time_zone']}, within "
                f"{whose(data['quiet_hours_set_by'])} quiet hours {data['quiet_hours']}"
            )
        case "frequency_cap":
            limits = (("most_a_day", "in_24_hours"), ("most_a_week", "in_7_days"))
            return f"has had {over}" if (over := _over(data, *limits)) else REASONS[word]
        case "too_soon" if data["last_message"]:
            last = _moment(data["last_message"], zone)
            return f"the pass was messaged at {last}: {data['pass_interval_minutes']:g} minutes have to pass"
        case "attention_budget":
            budgets = (("google_a_day", "in_24_hours"), ("pass_most_a_day", "in_24_hours"))
            over = _over(data, *budgets, ("pass_most_a_month", "in_30_days"))
            return f"the pass has had {over}" if over else REASONS[word]
        case "no_value":
            return f"the text names {{{data['missing']}}}, which this member does not have"
        case "too_long":
            return f"{REASONS[word]} ({data['length']} characters of {data['limit']})"
    return REASONS[word]


def whose(set_by: str) -> str:
    """`the member's`, `the settings'`."""
    return "the settings'" if set_by == "settings" else f"the {set_by}'s"


def _over(data: Data, *limits: tuple[str, str]) -> str | None:
    """`2 messages in 24 hours, and 2 is the most (the member's limit)`: the first limit that is reached."""
    for most, counted in limits:
        if data[most] and data[counted] >= data[most]:
            set_by = data.get(f"{most}_set_by")
            limit = f"{whose(set_by)} limit" if set_by else "Google's limit"
            had, span = data[counted], counted.removeprefix("in_").replace("_", " ")
            return f"{had} message{'s' * (had != 1)} in {span}, and {data[most]} is the most ({limit})"
    return None


def _moment(text: str, zone: str | None) -> str:
    return moments.in_words(datetime.fromisoformat(text), zone)
