"""Discovery: the programs and designs of a PassKit account, as sync and doctor see them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from jobs.channels import passkit_records as records
from jobs.channels.passkit_api import PassKit
from jobs.channels.passkit_errors import PASSING, PassKitError
from jobs.channels.passkit_http import LONGEST_PATIENCE, Pages
from store.programs import Program, Tier

NO_FLIGHTS = "Flights cannot be listed by PassKit: import boarding records from a file"

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """How PassKit's nouns of one kind are read."""

    word: str
    programs: Callable[[], Awaitable[list[Json]]]
    tiers: Callable[[str], Awaitable[list[Json]]]
    holders: Callable[[str, int, int], Pages]
    count: Callable[[str], Awaitable[int]]
    holder: Callable[[str], Awaitable[Json]]


def kinds(client: PassKit) -> dict[str, Kind]:
    """The three kinds of program that PassKit can list."""
    c = client
    return {
        "membership": Kind(
            "membership",
            c.programs,
            c.tiers,
            lambda id_, offset, limit: c.members(id_, offset, limit=limit),
            c.count_members,
            c.member,
        ),
        "coupon": Kind(
            "coupon",
            c.campaigns,
            c.offers,
            lambda id_, offset, limit: c.coupons(id_, offset, limit=limit),
            c.count_coupons,
            c.coupon,
        ),
        "ticket": Kind(
            "ticket",
            c.productions,
            c.ticket_types,
            lambda id_, offset, limit: c.tickets(id_, offset, limit=limit),
            c.count_tickets,
            c.ticket,
        ),
    }


async def discover(client: PassKit, account: str) -> tuple[list[Program], list[str]]:
    """The account's programs of every kind, and a note for each kind that PassKit does not let it list."""
    found: list[Program] = []
    notes: list[str] = []
    for kind in kinds(client).values():
        try:
            listed = await kind.programs()
        except PassKitError as error:
            if error.kind not in ("not_found", "forbidden", "quota_spent", "not_supported"):
                raise
            notes.append(f"PassKit lists no {kind.word} programs: {error}")
            continue
        for record in listed:
            try:
                told = records.program(kind.word, record)
            except ValueError as error:
                notes.append(f"a {kind.word} program was skipped: {error}")
                continue
            found.append(
                Program(
                    told["id"],
                    account,
                    told["kind"],
                    told["name"] or told["id"],
                    tuple(told["status"]),
                    told["time_zone"],
                )
            )
    return found, notes


async def region_hint(client: PassKit) -> str | None:
    """What to say where PassKit shows no program at all, if the account may live in another region."""
    try:
        return await client.region_hint()
    except PassKitError as error:
        if error.kind != "not_found":
            raise
        return (
            f"PassKit takes the key at {client.base_url} but answers 404 for everything there; "
            "the account may live in the other region: check passkit.base_url"
        )


async def read_tiers(
    client: PassKit, program: Program, message_field: str
) -> tuple[list[Tier], str | None, list[str]]:
    """A program's tiers with what their templates say of the message field, a time zone, and notes.

    A template that cannot be read leaves its tiers `unknown`.
    """
    listed = await kinds(client)[program.kind].tiers(program.id)
    states: dict[str, str] = {}
    found, notes = [], []
    time_zone = None
    for record in listed:
        try:
            told = records.tier(program.kind, record)
        except ValueError as error:
            notes.append(f"a tier of {program.name!r} was skipped: {error}")
            continue
        template = told["template_id"]
        if template and template not in states:
            states[template] = await _template_state(client, template, message_field)
        found.append(
            Tier(told["id"], told["name"] or told["id"], template or None, states.get(template, "unknown"))
        )
        time_zone = time_zone or told["time_zone"]
    return found, time_zone, notes


async def _template_state(client: PassKit, template_id: str, message_field: str) -> str:
    try:
        template = await patiently(lambda: client.template(template_id))
    except PassKitError as error:
        if error.kind in ("key_refused", "quota_spent") or error.kind in PASSING:
            raise
        return "unknown"
    return records.message_field_state(template, message_field)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask up to five times where a repeat may help. PassKit on 503: wait 250 ms and repeat."""
    for wait in (0.25, 0.5, 1.0, 2.0):
        try:
            return await ask()
        except PassKitError as error:
            if error.kind not in PASSING or (error.retry_after or 0.0) > LONGEST_PATIENCE:
                raise
            await asyncio.sleep(max(error.retry_after or 0.0, wait))
    return await ask()
