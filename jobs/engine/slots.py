"""The slots of one limit: what workers share of it, and how they take and give back.

A limit of `rate` requests a second is `rate` slots. A slot is taken before a request leaves and is free
again one second after its answer came. Whatever the network does in between, the request reached the
provider somewhere between the two; so no window of one second, wherever it begins, can hold more
requests than there are slots. What this costs is the time of an answer: at 20 ms, 2 % of the rate.

The slots live in one row of the store, shared by all workers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

LONGEST_REST = 600.0
"""Seconds: a provider that asks for a longer rest is asked again after this one."""
AHEAD = 0.3
"""Seconds: slots that become free this soon are taken already now."""
GRAIN = 0.004
"""Seconds: slots that become free within one grain are kept as one entry."""


@dataclass(slots=True)
class Slots:
    """The shared state of one limit; times are seconds on the store's clock.

    free  [moment, count]: so many slots are free from that moment on
    held  holder -> [until, count]: so many are in a worker's hands; past `until` it must be dead
    debt  slots to be dropped as they come back, since the rate was lowered
    closed  until this moment nothing leaves, since the provider asked for it
    """

    free: list[list[float]] = field(default_factory=list)
    held: dict[str, list[list[float]]] = field(default_factory=dict)
    debt: int = 0
    closed: float = 0.0

    def total(self) -> int:
        """All slots there are, wherever they are now, less the debt."""
        held = sum(count for rows in self.held.values() for _, count in rows)
        return int(sum(count for _, count in self.free) + held) - self.debt

    def adjust(self, rate: float, now: float, longest_hold: float) -> None:
        """Bring the number of slots to the rate, and take back what dead workers held.

        Moments from a clock that has been set back (a reboot) lie too far ahead: they are pulled in.
        """
        window = seconds_per_slot(rate)
        self.closed = min(self.closed, now + LONGEST_REST)
        for entry in self.free:
            entry[0] = min(entry[0], now + window)
        for holder, rows in list(self.held.items()):
            for row in rows:
                row[0] = min(row[0], now + longest_hold)
            lost = sum(count for until, count in rows if until <= now)
            self._keep(holder, [row for row in rows if row[0] > now])
            self.add(*[now + window] * int(lost))
        missing = slots_of(rate) - self.total()
        forgiven = min(max(missing, 0), self.debt)
        self.debt -= forgiven
        self.add(*(now + window * number / missing for number in range(missing - forgiven)))
        self._drop(-missing)

    def take(self, holder: str, want: int, now: float, until: float) -> list[float]:
        """Up to `want` slots that are free now or soon, as the moments from which each may be used."""
        taken: list[float] = []
        if now < self.closed:
            return taken
        for entry in sorted(self.free):
            if len(taken) == want or entry[0] > now + AHEAD:
                break
            count = min(int(entry[1]), want - len(taken))
            taken.extend([max(entry[0], now)] * count)
            entry[1] -= count
        self.free = [entry for entry in self.free if entry[1] > 0]
        if taken:
            self.held.setdefault(holder, []).append([until, len(taken)])
        return taken

    def give_back(self, holder: str, moments: list[float]) -> None:
        """Slots that the holder no longer has, each with the moment from which it is free.

        Those that were taken from the holder meanwhile (it was thought dead) are not given twice.
        """
        count = len(moments)
        rows = []
        for until, held in sorted(self.held.get(holder, [])):
            used = min(count, int(held))
            count -= used
            rows.append([until, held - used])
        self._keep(holder, [row for row in rows if row[1] > 0])
        back = sorted(moments, reverse=True)[: len(moments) - count]
        forgiven = min(self.debt, len(back))
        self.debt -= forgiven
        self.add(*back[forgiven:])

    def add(self, *moments: float) -> None:
        """More slots, each free from its moment on."""
        counts: dict[float, float] = {}
        for moment, count in self.free:
            counts[moment] = counts.get(moment, 0) + count
        for moment in moments:
            later = math.ceil(moment / GRAIN) * GRAIN
            counts[later] = counts.get(later, 0) + 1
        self.free = [[moment, count] for moment, count in counts.items()]

    def _drop(self, surplus: int) -> None:
        """Too many slots: those free the soonest go first, the rest as they come back."""
        for entry in sorted(self.free):
            if surplus <= 0:
                break
            count = min(int(entry[1]), surplus)
            entry[1] -= count
            surplus -= count
        self.free = [entry for entry in self.free if entry[1] > 0]
        self.debt += max(surplus, 0)

    def _keep(self, holder: str, rows: list[list[float]]) -> None:
        if rows:
            self.held[holder] = rows
        else:
            self.held.pop(holder, None)


def slots_of(rate: float) -> int:
    """How many requests one window may hold: whole ones only, at least one."""
    return max(1, math.floor(rate))


def seconds_per_slot(rate: float) -> float:
    """The window: one second, or longer where the rate is below one a second."""
    return 1.0 if rate >= 1 else 1.0 / rate
