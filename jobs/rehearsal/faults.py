"""Faults on demand: what may go wrong with a provider, switched while it runs and drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from random import Random
from typing import Any

from store.errors import UsageError


class Strike(StrEnum):
    """What befalls one request."""

    NONE = "none"
    HANG = "hang"
    DROP_BEFORE = "drop before"
    DROP_AFTER = "drop after"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    HANG_HEADERS = "hang_headers"
    HANG_BODY = "hang_body"


@dataclass(frozen=True)
class Settings:
    """Which faults are on. Rates are shares of the requests, 0 to 1, and together at most 1; each request is
    struck by one fault at most. Latency comes on top and strikes every request.

    unavailable   rate of 503
    throttled     rate of 429, with `retry_after` seconds in the Retry-After header; null: without one
    server_error  rate of 500
    hang          rate of requests that are accepted and never answered
    hang_headers  rate of answers that stop after their headers: the change was made
    hang_body     rate of answers that stop in the middle of their body: the change was made
    drop          rate of connections closed without an answer: half of them after the change was made
    stream_error  rate of lists that break off with an error line under HTTP 200
    latency_ms, jitter_ms   every answer waits latency plus up to jitter, in milliseconds
    revoked       the key is dead: 401 for everything
    quota_spent   every write is refused as one too many, every program says so, and reads go on
    wrong_region  the account lives elsewhere: 404 for everything
    """

    unavailable: float = 0.0
    throttled: float = 0.0
    retry_after: int | None = 1
    server_error: float = 0.0
    hang: float = 0.0
    hang_headers: float = 0.0
    hang_body: float = 0.0
    drop: float = 0.0
    stream_error: float = 0.0
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    revoked: bool = False
    quota_spent: bool = False
    wrong_region: bool = False


RATES = ("hang", "drop", "unavailable", "throttled", "server_error", "hang_headers", "hang_body")
"""The faults that strike one request each, in the order in which the draw looks at them."""


def read_settings(wanted: Mapping[str, Any]) -> Settings:
    """Settings from JSON: what is not named is off. Raises `UsageError` that names what is wrong."""
    types = {entry.name: type(entry.default) for entry in fields(Settings)}
    for name, value in wanted.items():
        if name not in types:
            raise UsageError(f"unknown fault {name!r}: known are {', '.join(types)}")
        if name == "retry_after" and value is None:
            continue
        if (types[name] is bool) != isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"fault {name!r} takes {'true or false' if types[name] is bool else 'a number'}")
        if types[name] is int and not isinstance(value, int):
            raise UsageError(f"fault {name!r} takes a whole number")
        if not 0 <= value < float("inf"):
            raise UsageError(f"fault {name!r} cannot be {value}")
        if (name in RATES or name == "stream_error") and value > 1:
            raise UsageError(f"fault {name!r} is a share of the requests: 0 to 1, not {value}")
    settings = Settings(**wanted)
    if sum(getattr(settings, name) for name in RATES) > 1 + 1e-9:
        raise UsageError(f"the rates of {', '.join(RATES)} together exceed 1")
    return settings


class Faults:
    """The settings in force and the stream of chance behind them."""

    def __init__(self, seed: int) -> None:
        self.settings = Settings()
        self._random = Random(f"{seed}/faults")

    def as_json(self) -> dict[str, Any]:
        return asdict(self.settings)

    def strike(self) -> Strike:
        """What befalls the next request."""
        settings = self.settings
        if not any(getattr(settings, name) for name in RATES):
            return Strike.NONE
        luck = self._random.random()
        for name in RATES:
            rate = getattr(settings, name)
            if luck < rate:
                if name == "drop":
                    return Strike.DROP_AFTER if luck < rate / 2 else Strike.DROP_BEFORE
                return Strike(name)
            luck -= rate
        return Strike.NONE

    def latency(self) -> float:
        """Seconds that the next answer waits."""
        settings = self.settings
        if not settings.latency_ms and not settings.jitter_ms:
            return 0.0
        return (settings.latency_ms + settings.jitter_ms * self._random.random()) / 1000

    def breaks_stream(self) -> bool:
        """Whether the next list breaks off."""
        rate = self.settings.stream_error
        return rate > 0 and self._random.random() < rate
