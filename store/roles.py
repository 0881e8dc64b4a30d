"""Who may do what: a viewer looks, an operator messages people, an admin changes what they work by."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most."""


def why_not(has: Role, needs: Role) -> str:
    """What stands in the way of an act that takes a role; "" where `has` is enough."""
    if ROLES.index(has) >= ROLES.index(needs):
        return ""
    if has == "viewer":
        return "This is read-only (--read-only, or access.role): nothing can be changed or sent from here."
    return f"This takes an {needs}, and access.role says {has}."
