"""The tables. Names are the field's own words.

Conventions: `id` is ours, `provider_id` is the provider's. Moments are UTC. A row of `deliveries`
exists once per (blast, pass): the database itself refuses a second.
"""

from __future__ import annotations

from store.schema.base import BigId, Json, metadata
from store.schema.consent import (
    consents,
    opt_outs_due,
    preference_changes,
    preferences,
    program_rules,
    suppressed,
    suppressions,
)
from store.schema.house import audit, credentials, installation
from store.schema.intake import import_changes, import_mappings, imports, syncs
from store.schema.issuing import (
    alert_bookings,
    devices,
    heard,
    issued,
    pass_events,
    pushes_due,
    registrations,
    template_files,
    templates,
)
from store.schema.people import members, passes, programs, tiers
from store.schema.segments import audience_members, audience_sizes, audiences, catalogue
from store.schema.sending import arrivals, attempts, batches, blasts, deliveries, pacers, workers

__all__ = [
    "BigId",
    "Json",
    "alert_bookings",
    "arrivals",
    "attempts",
    "audience_members",
    "audience_sizes",
    "audiences",
    "audit",
    "batches",
    "blasts",
    "catalogue",
    "consents",
    "credentials",
    "deliveries",
    "devices",
    "heard",
    "import_changes",
    "import_mappings",
    "imports",
    "installation",
    "issued",
    "members",
    "metadata",
    "opt_outs_due",
    "pacers",
    "pass_events",
    "passes",
    "preference_changes",
    "preferences",
    "program_rules",
    "programs",
    "pushes_due",
    "registrations",
    "suppressed",
    "suppressions",
    "syncs",
    "template_files",
    "templates",
    "tiers",
    "workers",
]
