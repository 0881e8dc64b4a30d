"""Who may do what: a viewer looks, an operator messages people, an admin changes what they work by."""

from __future__ import annotations

from typing import Literal, get_args

from store.errors import Refused

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most."""

ACTS: dict[str, Role] = {
    "audience.delete": "operator",
    "audience.save": "operator",
    "backup": "operator",
    "blast.cancelled": "operator",
    "blast.concurrency": "operator",
    "blast.held": "operator",
    "blast.launch": "operator",
    "blast.missed": "operator",
    "blast.paused": "operator",
    "blast.plan": "operator",
    "blast.rate": "operator",
    "blast.resumed": "operator",
    "blast.retry": "operator",
    "blast.running": "operator",
    "blast.schedule": "operator",
    "blast.started": "operator",
    "blast.urgent": "operator",
    "consent.give": "operator",
    "consent.token": "operator",
    "consent.withdraw": "operator",
    "consents.import": "operator",
    "credential.add": "admin",
    "credential.remove": "admin",
    "events.take": "operator",
    "google.broadcast": "admin",
    "google.reconcile": "operator",
    "init": "admin",
    "list.export": "operator",
    "member.change": "operator",
    "member.enrol": "operator",
    "members.import": "operator",
    "members.undo": "operator",
    "passes.issue": "operator",
    "passes.link": "operator",
    "passes.rehearse": "operator",
    "passes.void": "operator",
    "preferences.set": "operator",
    "program.create": "admin",
    "program.rules": "admin",
    "rehearse": "operator",
    "serve": "operator",
    "suppression.add": "operator",
    "suppression.export": "operator",
    "suppression.import": "operator",
    "suppression.remove": "admin",
    "sync": "operator",
    "template.add": "admin",
    "worker": "operator",
    "write": "operator",
}
"""The least role for each act, under its name in the audit; and for what is done without an entry there.

A broadcast is an admin's: it goes past consent and every other check. Whoever has a link has the pass, and
whoever has a token may withdraw for its member: so neither is for looking.
"""


def needs(act: str) -> Role:
    """The least role for an act; what is not in the table takes the most."""
    return ACTS.get(act, "admin")


def why_not(has: Role, needs: Role) -> str:
    """What stands in the way of an act that takes a role; "" where `has` is enough."""
    if ROLES.index(has) >= ROLES.index(needs):
        return ""
    if has == "viewer":
        return "This is read-only (--read-only, or access.role): nothing can be changed or sent from here."
    return f"This takes an {needs}, and access.role says {has}."


def check(has: Role, act: str) -> None:
    """Raise Refused where the act takes a higher role."""
    if why := why_not(has, needs(act)):
        raise Refused(why)
