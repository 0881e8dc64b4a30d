"""What phones keep of a rehearsal: every text they would have shown, and how far they came."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from store.times import rfc3339


class Alert(NamedTuple):
    """A line on a lock screen, and when it came (seconds since 1970)."""

    text: str
    at: float

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "at": rfc3339(datetime.fromtimestamp(self.at, UTC))}


class Records:
    """The counts of all phones, and by serial what each pass has shown."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start all counts and texts anew; what phones hold stays."""
        self.alerts: dict[str, list[Alert]] = defaultdict(list)
        self.alerted_twice: set[str] = set()
        self.listed: set[str] = set()
        self.fetched: set[str] = set()
        self.ignored: set[str] = set()
        self.unsigned: dict[str, str] = {}
        self.trouble: Counter[str] = Counter()
        self.pushed = self.heard = self.lists = self.fetches = self.unchanged = self.retries = 0

    def show(self, serial: str, text: str) -> None:
        """The phone lights up."""
        alerts = self.alerts[serial]
        if any(text == earlier.text for earlier in alerts):
            self.alerted_twice.add(serial)
        alerts.append(Alert(text, time.time()))

    def as_json(self) -> dict[str, Any]:
        """The counts.

        pushed     pushes that APNs took for a phone; heard: those that reached it
        lists      times that phones asked what has changed; listed: passes that they were told of
        fetches    passes given out; fetched: how many different ones; unchanged: asked for in vain (304)
        ignored    passes of which a phone was told that has its updates switched off
        retries    requests made again after a fault
        trouble    what else went wrong, in words
        """
        return {
            **{
                name: getattr(self, name)
                for name in ("pushed", "heard", "lists", "fetches", "unchanged", "retries")
            },
            "listed": len(self.listed),
            "fetched": len(self.fetched),
            "ignored": len(self.ignored),
            "alerts": sum(map(len, self.alerts.values())),
            "alerted": len(self.alerts),
            "alerted_twice": len(self.alerted_twice),
            "signature_failures": len(self.unsigned),
            "trouble": dict(sorted(self.trouble.items())),
        }
