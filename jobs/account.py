"""Which PassKit we talk to: the real one with a key, the stand-in without."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobs.channels import passkit_http
from jobs.channels.base import Channel, Pace
from jobs.channels.passkit import PassKitChannel
from jobs.channels.passkit_api import PassKit
from jobs.engine.pace import Pacer
from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET, standing
from store.database import Database
from store.settings import Settings


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
    holder = f"{socket.gethostname()}:{os.getpid()}:reading"
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


def open_channel(settings: Settings, pace: Pace) -> Channel:
    """The channel that a worker sends through."""
    return PassKitChannel(open_client(settings, pace))
