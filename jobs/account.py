"""Whom we talk to: PassKit, Apple and Google as the settings name them, the stand-ins in a rehearsal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.channels import passkit_http
from jobs.channels.base import Channel, Pace
from jobs.channels.passkit import PassKitChannel
from jobs.channels.passkit_api import PassKit
from jobs.engine.pace import Pacer
from jobs.names import host_name
from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET, standing
from store.database import Database
from store.errors import UsageError
from store.settings import Settings

if TYPE_CHECKING:
    from jobs.channels import google_api
    from jobs.channels.apns import Bearer, Line, Pusher

Run = Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]]
"""Runs a database call off the event loop."""


def credentials(settings: Settings) -> passkit_http.Account:
    """Host, key and secret of the account in force. Without a key, the stand-in's, started if need be."""
    passkit = settings.passkit
    if settings.live:
        base_url, key, secret = (
            passkit_http.host(passkit.base_url),
            passkit.api_key,
            passkit.api_secret.get_secret_value(),
        )
    else:
        base_url, key, secret = standing.address(settings), REHEARSAL_KEY, REHEARSAL_SECRET
    return passkit_http.Account(
        base_url=base_url,
        api_key=key,
        api_secret=secret,
        timeout=passkit.timeout_seconds,
        concurrency=passkit.concurrency,
        transport=passkit.transport,
    )


def open_client(settings: Settings, pace: Pace | None = None) -> PassKit:
    """A client of its own, kept open until its `close`; unpaced where no pace is given."""
    return PassKit(credentials(settings), pace=pace) if pace else PassKit(credentials(settings))


@asynccontextmanager
async def reading(settings: Settings, database: Database) -> AsyncIterator[PassKit]:
    """A client for a sync or a look, whose requests count against the account's rate like a worker's."""
    holder = f"{host_name()}:{os.getpid()}:reading"
    passkit = settings.passkit
    pacer = Pacer(
        database,
        f"account:{settings.account}",
        holder,
        passkit.rate_per_second,
        timeout=3 * passkit.timeout_seconds,
    )
    # In a thread: a stand-in that has to be started takes a moment.
    client = PassKit(await asyncio.to_thread(credentials, settings), pace=pacer.slot)
    try:
        yield client
    finally:
        await pacer.close()
        await client.close()


async def open_channel(
    settings: Settings, database: Database, channel: str, *, pace: Pace, run: Run
) -> Channel:
    """The way to passes on a channel that a worker sends through: passkit | apple | google.

    Raises PassbellError where what it needs is not set up.
    """
    # In threads: a stand-in that has to be started takes a moment.
    if channel == "apple":
        return await _apple_channel(settings, database, pace, run)
    if channel == "google":
        return await asyncio.to_thread(_google_channel, settings, database, pace, run)
    if settings.live and not settings.passkit.api_key:
        raise UsageError("passkit.api_key is not set, and these passes are PassKit's")
    return PassKitChannel(PassKit(await asyncio.to_thread(credentials, settings), pace=pace))


async def _apple_channel(settings: Settings, database: Database, pace: Pace, run: Run) -> Channel:
    from jobs.channels.apns import open_pusher
    from jobs.channels.apple import AppleChannel
    from jobs.rehearsal.authority import PASS_TYPE

    async def pusher(pass_type: str) -> Pusher:
        return open_pusher(await asyncio.to_thread(apns_line, settings, database, pass_type))

    channel = AppleChannel(database, pusher, pace, run)
    await channel.open(settings.apple.pass_type or PASS_TYPE)
    return channel


def apns_line(settings: Settings, database: Database, pass_type: str) -> Line:
    """How to reach Apple for a pass type: the real APNs, or the stand-in's. Raises PassbellError."""
    from jobs.channels.apns import Line
    from jobs.passes.credentials import apple_identity

    apple = settings.apple
    if settings.live:
        url, ca_pem = apple.push_url, _read("apple.push_ca", apple.push_ca)
    else:
        wallets = standing.wallets(settings)
        url, ca_pem = wallets.apns_url, wallets.root_pem
    return Line(
        url=url,
        client_pem=apple_identity(settings, database).client_pem,
        ca_pem=ca_pem or b"",
        connections=apple.connections,
        concurrency=2 * apple.concurrency,  # some passes are on several devices, and the worker keeps count
        timeout=apple.timeout_seconds,
        push_type=apple.push_type,
        driver=apple.driver,
        bearer=_bearer(settings, database) if apple.push_with == "key" else None,
    )


def google_line(settings: Settings, database: Database) -> google_api.Account:
    """How to reach Google: the issuer of the settings, or the stand-in's. Raises PassbellError."""
    from jobs.channels.google_api import Account
    from jobs.passes.credentials import google_account
    from jobs.rehearsal import authority

    google = settings.google
    base_url, issuer, token_url, ca = google.base_url, google.issuer, "", google.ca
    if not settings.live:
        base_url, issuer = standing.wallets(settings).google_url, authority.GOOGLE_ISSUER
        token_url, ca = f"{base_url}/token", str(authority.ensure(settings.home).root_path)
    return Account(
        base_url=base_url,
        issuer=issuer,
        info=google_account(settings, database),
        token_url=token_url,
        ca=ca,
        timeout=google.timeout_seconds,
        concurrency=google.concurrency,
    )


def _google_channel(settings: Settings, database: Database, pace: Pace, run: Run) -> Channel:
    from jobs.channels.google import GoogleChannel
    from jobs.channels.google_api import Google

    client = Google(google_line(settings, database), pace=pace)
    return GoogleChannel(client, database, run, over_budget=settings.gate.google_over_budget)


def _bearer(settings: Settings, database: Database) -> Bearer:
    from jobs.channels.apns import Bearer
    from jobs.passes.credentials import push_key

    kept = push_key(settings, database)
    return Bearer(kept.pem, kept.key_id, kept.team)


def _read(key: str, path: str) -> bytes | None:
    """The file that a setting names; None where it names none."""
    if not path:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{key}: cannot read {path}: {error.strerror}") from None
