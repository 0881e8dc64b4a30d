"""Rules of a program and preferences of a member: how people write them, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from store.errors import UsageError
from store.preferences import Preferences
from store.rules import NO_QUIET_HOURS, Rules
from store.sections import read_quiet_hours

DEFAULT = "default"
"""What takes a rule or wish back: the settings' or the program's holds again."""

_TOLD = {"waiting": "not told yet", "cannot": "cannot be told"}
"""PassKit, of a withdrawal that it does not know; see store/opt_outs.py."""


def rule(name: str, text: str, called: str) -> dict[str, Any]:
    """What a rule is changed to, by the names of `store.rules.OWN`; `quiet_hours` stands for its two.

    `called` is the rule's name in an error. Raises UsageError for what cannot be read.
    """
    text = text.strip()
    if name == "quiet_hours":
        return dict(zip(("quiet_from", "quiet_to"), _hours(text), strict=True))
    if text == DEFAULT:
        return {name: None}
    if name == "consent":
        return {name: text}
    try:
        return {name: float(text) if name == "pass_interval_minutes" else int(text)}
    except ValueError:
        raise UsageError(f"{called} takes a number or default, not {text[:40]!r}") from None


def rule_in_words(name: str, own: Mapping[str, Any]) -> str:
    """A program's own rule as it is written; empty where it has none."""
    if name == "quiet_hours":
        hours = own["quiet_from"], own["quiet_to"]
        return "" if hours[0] is None else "none" if hours[0] == hours[1] else "-".join(hours)
    return "" if own[name] is None else f"{own[name]:g}" if name != "consent" else own[name]


def rules_in_words(held: Rules) -> list[str]:
    """What a program allows, without the limits that it has not: `quiet 21:00-08:00`, `2 a day`."""
    told = ["only with consent" if held.consent == "given" else "unless withdrawn"]
    told.append(f"quiet {'-'.join(held.quiet)}" if held.quiet else "no quiet hours")
    for count, span in ((held.most_a_day, "a day"), (held.most_a_week, "a week")):
        told += [f"{count:,} {span}"] if count else []
    if held.pass_interval_minutes:
        told.append(f"{held.pass_interval_minutes:g} min apart")
    for count, span in ((held.pass_most_a_day, "a day"), (held.pass_most_a_month, "in 30 days")):
        told += [f"{count:,} {span} to a pass"] if count else []
    return told


def wish(name: str, text: str, called: str) -> Any:
    """What a preference is changed to, by the names of `Preferences`, but `declined`; None: taken back.

    `called` is its name in an error. Raises UsageError for what is no number where one is wanted.
    """
    text = text.strip()
    if text == DEFAULT:
        return None
    if name == "quiet_hours":
        return "-".join(NO_QUIET_HOURS) if text == "none" else text
    if name in ("most_a_day", "most_a_week"):
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise UsageError(f"{called} takes a number, or default")
        return int(text)
    return text


def wish_in_words(name: str, asked: Preferences) -> str:
    """One preference as it is written; empty where nothing was asked for."""
    value = getattr(asked, name)
    if name == "declined":
        return ", ".join(value)
    if name == "quiet_hours" and value is not None and value[:5] == value[6:]:
        return "none"
    return "" if value is None else str(value)


def preferences_in_words(asked: Preferences) -> dict[str, object]:
    """Preferences as facts, one a line."""
    hours = wish_in_words("quiet_hours", asked)
    return {
        "declined": wish_in_words("declined", asked) or "nothing",
        "quiet hours": "none at all" if hours == "none" else hours or "as the program has them",
        "most a day": asked.most_a_day or "as the program has it",
        "most a week": asked.most_a_week or "as the program has it",
        "language": asked.language,
        "time zone": asked.time_zone,
    }


def untold_in_words(untold: Mapping[str, Any]) -> str:
    """How the telling of a withdrawal stands, as `opt_outs.state` has it."""
    why = f" ({untold['attempts']} tries): {untold['detail']}" if untold["detail"] else ""
    return f"PassKit {_TOLD[untold['state']]}{why}"


def _hours(text: str) -> tuple[str | None, str | None]:
    if text == DEFAULT:
        return None, None
    if text == "none":
        return NO_QUIET_HOURS
    try:
        return read_quiet_hours(text) or (None, None)
    except ValueError:
        raise UsageError(f"quiet hours are written 21:00-08:00, none or default, not {text[:40]!r}") from None
