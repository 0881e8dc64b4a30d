"""What the phone will do with a message that the gate lets through, and what its member's text is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from store import texts
from store.ledger import WAITS
from store.schema import passes, tiers


def when_sent() -> sa.ColumnElement[str]:
    """What the phone will do if the pass is messaged: alert | silent | unproven. For queries of `ask`.

    Through PassKit, Google Wallet updates a pass without a word on the lock screen (PassKit's help
    centre). Where the wallet, the pass's state or the design could not be read, it is unproven. Our own
    Apple passes always alert, since a template without the message's field is not taken; what Google's
    phones show of a message is Google's affair (Google Wallet, "Trigger push notifications"): unproven.
    """
    wallets = sa.cast(passes.c.wallets, sa.Text)
    known = sa.and_(passes.c.status == "installed", tiers.c.message_field_state == "ok")
    return sa.case(
        (passes.c.channel == "google", "unproven"),
        (sa.and_(passes.c.channel == "apple", passes.c.status == "installed"), "alert"),
        (sa.and_(known, wallets.contains('"apple"')), "alert"),
        (sa.and_(known, wallets != "[]"), "silent"),
        else_="unproven",
    )


def verdict(answer: sa.ColumnElement[str | None], sent: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """What the phone will do: alert | silent | unproven | nothing. From the gate's answer and `when_sent`."""
    return sa.case(
        (answer == "same_text", "silent"),
        (answer.not_in(WAITS), "nothing"),
        else_=sent,
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
