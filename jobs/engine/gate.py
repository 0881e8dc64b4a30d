"""The gate: the one place that decides whether a pass may be messaged, in one order.

The plan asks it for every pass at once, as an SQL expression; the channel's fresh look at the pass,
just before it is written, asks the provider the same questions again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from store import texts
from store.programs import INACTIVE
from store.schema import members, passes, tiers

REASONS = {
    "opted_out": "opted out of messages",
    "inactive": "the membership has expired or was deleted",
    "not_installed": "the pass is in no wallet: never added, removed, or its updates are switched off",
    "gone": "the provider no longer knows the pass",
    "no_message_field": "the pass's design has no message field that makes a phone alert",
    "no_value": "the text names a field that this member does not have, and gives no word to use instead",
    "too_long": "the text with this member's values is over the limit",
    "same_text": "the pass shows this very text already: a phone stays silent",
}
"""Why a pass is skipped, in the order in which the gate asks."""


def reason(text: str | None) -> sa.ColumnElement[str | None]:
    """The first reason against messaging a pass, NULL where there is none.

    For queries that join passes, members and (outer) tiers. `text` is None where it differs by member;
    the caller then compares the rendered text itself. A pass whose state is not known (a boarding
    record from a file) is let through: the channel's own look decides.
    """
    clauses = [
        (members.c.opted_out, "opted_out"),
        (members.c.status.in_(INACTIVE), "inactive"),
        (passes.c.status == "gone", "gone"),
        (passes.c.status.not_in(("installed", "unknown")), "not_installed"),
        (
            tiers.c.message_field_state.in_(("no_field", "no_change_message", "no_placeholder")),
            "no_message_field",
        ),
    ]
    if text is not None:
        clauses.append((passes.c.shown_text == text, "same_text"))
    return sa.case(*((condition, sa.literal(word)) for condition, word in clauses), else_=sa.null())


def verdict(why_not: sa.ColumnElement[str | None]) -> sa.ColumnElement[str]:
    """What the phone will do: alert | silent | nothing | unproven.

    Through PassKit, Google Wallet updates a pass without a word on the lock screen (PassKit's help
    centre). Where the wallet, the pass's state or the design could not be read, it is unproven.
    """
    wallets = sa.cast(passes.c.wallets, sa.Text)
    known = sa.and_(passes.c.status == "installed", tiers.c.message_field_state == "ok")
    return sa.case(
        (why_not == "same_text", "silent"),
        (why_not.is_not(None), "nothing"),
        (sa.and_(known, wallets.contains('"apple"')), "alert"),
        (sa.and_(known, wallets != "[]"), "silent"),
        else_="unproven",
    )


def ask(
    program_id: str, who: sa.ColumnElement[bool], *columns: sa.ColumnElement[Any] | sa.Table
) -> sa.Select[Any]:
    """The passes of an audience, joined as `reason` and `verdict` want them."""
    tier = sa.and_(tiers.c.program_id == members.c.program_id, tiers.c.id == members.c.tier_id)
    return (
        sa.select(*columns)
        .select_from(passes)
        .join(members, members.c.id == passes.c.member_id)
        .outerjoin(tiers, tier)
        .where(members.c.program_id == program_id, who)
    )


def own_text(text: str, member: Mapping[str, Any]) -> tuple[str, str | None]:
    """The text as this member would get it, and the reason against sending it, if there is one.

    `member` has the columns of `members` that a text may name, and `shown_text` of the pass.
    """
    own = text
    if texts.has_braces(text):
        try:
            own = texts.render(text, texts.values_of(member))
        except texts.MissingValue:
            return text, "no_value"
        except texts.TooLong:
            return text, "too_long"
    return own, "same_text" if own and own == member["shown_text"] else None
