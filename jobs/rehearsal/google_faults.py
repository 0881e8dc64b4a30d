"""Faults of the stand-in Google on demand: what may go wrong, switched while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jobs.rehearsal.google_world import Habits
from store.errors import UsageError

STRIKES = ("drop_before", "drop_after", "hang", "hang_after", "error_before", "error_after")


@dataclass
class Faults(Habits):
    """Which faults are on; what is not named is off. See Habits for what Google leaves open.

    drop_before, drop_after    share of requests whose connection is cut before, after they are done
    hang, hang_after           share of requests that are never answered, undone or done
    error_before, error_after  share of requests that end with 503, undone or done
    on             strike only where this is part of `POST /walletobjects/v1/...`; empty: everywhere
    times          strike so many times, then no more; 0: without end
    latency_ms     every answer waits so long
    invited        false: the service account is no user of the issuer, 403
    no_tokens      the token endpoint refuses the service account
    rate           requests in any one second; more are refused
    rate_status    403 or 429: what too many are refused with
    """

    drop_before: float = 0.0
    drop_after: float = 0.0
    hang: float = 0.0
    hang_after: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    on: str = ""
    times: int = 0
    latency_ms: float = 0.0
    invited: bool = True
    no_tokens: bool = False
    rate: float = 20.0
    rate_status: int = 403


def read_faults(wanted: Mapping[str, Any]) -> Faults:
    """Faults from JSON. Raises UsageError that names what is wrong."""
    types = {entry.name: type(entry.default) for entry in fields(Faults)}
    for name, value in wanted.items():
        if name not in types:
            raise UsageError(f"unknown fault {name!r}: known are {', '.join(types)}")
        fits = (
            isinstance(value, int | float) if types[name] in (int, float) else isinstance(value, types[name])
        )
        if not fits or (types[name] is not bool and isinstance(value, bool)):
            raise UsageError(f"fault {name!r} takes a {types[name].__name__}")
    faults = Faults(**wanted)
    if sum(getattr(faults, name) for name in STRIKES) > 1 + 1e-9:
        raise UsageError(f"the shares of {', '.join(STRIKES)} together exceed 1")
    return faults
