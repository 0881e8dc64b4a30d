"""A program of our own on a stage: passes that we issue ourselves, on simulated iPhones.

Everything is as it is for a business, but for the stand-ins: the verbs that make the program and issue its
passes, the web face in a process of its own, TLS, and phones that only know their download links.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import sqlalchemy as sa

from jobs import stage
from jobs.intake import own
from jobs.passes import example, folder, issue, links, programs
from jobs.rehearsal import standing
from jobs.rehearsal.names import FORENAMES, SURNAMES
from store import arrivals
from store.arrivals import Funnel
from store.audiences import Selection
from store.database import Database
from store.errors import PassbellError, Refused
from store.programs import Program
from store.schema import passes
from store.settings import HOME_VARIABLE, Settings, as_environment

START_SECONDS = 60.0
"""How long the web face may take until it answers."""
PHONES_SECONDS = 120.0
"""How long phones may take to add their passes."""
LONGEST_STAGE = 86_400.0
"""Seconds without a request after which the stand-ins end, should nobody have ended them."""
ACTOR = "rehearsal"
NAME = "Linden Card, issued by us"


@contextmanager
def web_face(settings: Settings) -> Iterator[None]:
    """The web face in a process of its own, from when it answers until its end. The store has its tables."""
    with open(settings.home / "web.log", "ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "web"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **as_environment(settings), HOME_VARIABLE: str(settings.home)},
        )
    try:
        assert child.stdout is not None
        if not select.select([child.stdout], [], [], START_SECONDS)[0] or not child.stdout.readline():
            raise PassbellError(f"the web face could not be started: {settings.home / 'web.log'} says why")
        yield
    finally:
        stage.end(child)
        if child.stdout is not None:
            child.stdout.close()


@contextmanager
def opened(settings: Settings) -> Iterator[None]:
    """The stand-ins, the phones' side, and the web face. The store has its tables."""
    with wallets(settings), web_face(settings):
        yield


@contextmanager
def opening(settings: Settings) -> Iterator[Callable[[], None]]:
    """The same, started while the caller does something else; the call waits until it is open."""
    with ExitStack() as stack, ThreadPoolExecutor(1, "house") as pool:
        begun = pool.submit(stack.enter_context, opened(settings))
        yield begun.result


@contextmanager
def wallets(settings: Settings) -> Iterator[None]:
    """The stand-ins for APNs and Google, for as long as the stage stands."""
    try:
        standing.wallets(settings, idle_exit=LONGEST_STAGE)
        yield
    finally:
        standing.stop(settings, standing.WALLETS)
        deadline = time.monotonic() + stage.END_SECONDS
        while standing.running_wallets(settings) is not None and time.monotonic() < deadline:
            time.sleep(0.02)


def control(settings: Settings, method: str, door: str, body: object = None) -> Any:
    """Use one of the doors that Apple and Google do not have."""
    found = standing.wallets(settings)
    answer = httpx.request(
        method, f"{found.control_url}/{door}", json=body, timeout=30, trust_env=False, verify=found.trust
    )
    return answer.raise_for_status().json()


def issued(database: Database, settings: Settings, *, count: int) -> Program:
    """A program of our own with so many members, each with an Apple pass that nobody has downloaded yet."""
    example.write(settings.home / "template")
    design = folder.read_folder(settings.home / "template")
    program = programs.create(database, settings, NAME, design, actor=ACTOR)
    dice = Random(settings.rehearsal.seed)
    strangers = [
        own.Stranger(
            f"direct-{number:05}",
            {
                "name": f"{dice.choice(FORENAMES)} {dice.choice(SURNAMES)}",
                "points": dice.randrange(0, 500, 5),
            },
        )
        for number in range(count)
    ]
    with database.write() as connection:
        own.enrol(connection, program.id, strangers, settings.consent_secret)
    by = issue.issuers(settings, database, "apple")
    issue.issue(database, program, Selection("all"), by, actor=ACTOR)
    return program


def hand_out(
    database: Database,
    settings: Settings,
    program: Program,
    shares: Mapping[str, float] | None = None,
    *,
    most: int | None = None,
) -> int:
    """Give each pass that nobody has taken yet to a phone of its own, `most` of them at most; they download
    and register in the background. Returns how many those are."""
    with database.read() as connection:
        mine = sa.and_(passes.c.program_id == program.id, passes.c.channel == "apple")
        query = sa.select(passes.c.id).where(mine, passes.c.status == "issued").order_by(passes.c.id)
        ids: Sequence[int] = connection.scalars(query.limit(most)).all()
    given: dict[str, Any] = {"links": [links.download_link(settings, pass_id) for pass_id in ids]}
    control(settings, "POST", "phones", given if shares is None else given | {"shares": shares})
    return len(ids)


def rehearse(database: Database, settings: Settings, program: Program, *, most: int) -> dict[str, Any]:
    """Let simulated iPhones take passes that nobody has; their counts once they do nothing any more, and
    `taken`. They stay for as long as the stand-ins live, and answer blasts as phones do.

    Raises Refused in LIVE, and PassbellError where no web face answers them.
    """
    database.check_role("passes.rehearse")
    if settings.live:
        raise Refused("this is LIVE: passes are for real phones here, and simulated ones a rehearsal's")
    found = standing.wallets(settings)
    try:
        httpx.get(f"{settings.web_url}/health", timeout=10, trust_env=False, verify=found.trust)
    except httpx.HTTPError:
        raise PassbellError(
            f"no web face answers at {settings.web_url}, where phones get their passes: "
            "run `passbell serve` beside this"
        ) from None
    return {"taken": hand_out(database, settings, program, most=most), **settled(settings)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the ledger says of a blast to our own passes, and what the phones say themselves.

    phones  their counts once all that were away are back
    """

    funnel: Funnel
    phones: Mapping[str, Any]

    @property
    def differences(self) -> list[str]:
        """Where the two sides contradict each other, in words; none where all is well."""
        steps, phones = self.funnel.steps.get("apple", {}), self.phones
        counts = {name: step.count for name, step in steps.items()}
        accepted = counts.get("accepted", 0)
        due = accepted - phones["ignored"]
        wanted = {
            "listed by the ledger": (counts.get("listed", 0), due),
            "fetched by the ledger": (counts.get("fetched", 0), due),
            "listed by the phones": (phones["listed"], due),
            "fetched by the phones": (phones["fetched"], due),
            "alerted": (phones["alerted"], due),
            "alerts": (phones["alerts"], due),
            "alerted twice": (phones["alerted_twice"], 0),
            "signature failures": (phones["signature_failures"], 0),
        }
        found = [f"{name}: {seen}, not {due}" for name, (seen, due) in wanted.items() if seen != due]
        return found + [f"{word}: {count}" for word, count in phones["trouble"].items()]

    def as_json(self) -> dict[str, Any]:
        """Both sides."""
        return {
            "funnel": self.funnel.as_json(),
            "phones": dict(self.phones),
            "differences": self.differences,
        }


def compared(database: Database, settings: Settings, blast_id: int) -> Comparison:
    """Both sides of a blast that is finished: the phones that are away come back, and all come to rest."""
    control(settings, "PUT", "phones", {"online": True})
    phones = settled(settings)
    return Comparison(funnel(database, blast_id), phones)


def funnel(database: Database, blast_id: int) -> Funnel:
    """How far a blast came, as the ledger says."""
    with database.read() as connection:
        return arrivals.funnel(connection, blast_id)


def settled(settings: Settings, *, seconds: float = PHONES_SECONDS) -> dict[str, Any]:
    """The phones' counts once none of them does anything any more. Raises PassbellError after `seconds`."""
    deadline = time.monotonic() + seconds
    while (stats := control(settings, "GET", "stats"))["busy"]:
        if time.monotonic() > deadline:
            raise PassbellError(f"{stats['busy']} phones are still busy after {seconds:g} s: {stats}")
        time.sleep(0.1)
    found: dict[str, Any] = stats
    return found
