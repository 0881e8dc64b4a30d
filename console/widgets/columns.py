"""The columns of a list of members, apart from their query: the first screen is drawn before it asks."""

from __future__ import annotations

from console.widgets.table import Column

MEMBER_COLUMNS = (
    Column("name", "MEMBER"),
    Column("external_id", "ID", 14),
    Column("tier", "TIER", 10),
    Column("points", "POINTS", 8, "right"),
    Column("pass", "PASS", 13, fields=("status", "opted_out", "passes")),
    Column("wallet", "WALLET", 14, from_width=86, fields=("passes",)),
    Column("email", "E-MAIL", 26, from_width=116),
)
