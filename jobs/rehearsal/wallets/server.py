"""Serves the stand-ins for APNs and Google on the loopback, with the phones that live by them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.typing import ASGIFramework
from starlette.routing import Mount, Router

from jobs.rehearsal.apns import Apns
from jobs.rehearsal.authority import GOOGLE_ISSUER, ensure
from jobs.rehearsal.google import Google
from jobs.rehearsal.server import HOST, Idleness, Listener, LoopbackConfig, stop_by_signal
from jobs.rehearsal.wallets.air import open_air
from jobs.rehearsal.wallets.control import Control
from jobs.rehearsal.wallets.crowd import Crowd


async def serve(
    home: Path,
    *,
    port: int,
    seed: int,
    ready: Callable[[dict[str, str]], None],
    stop: asyncio.Event | None = None,
    idle_exit: float | None = None,
) -> None:
    """Serve until `stop` is set, or until no request and no push came for `idle_exit` seconds.

    APNs listens on `port`, 0: on any free one; Google, and the control under `/_wallets`, on another. All
    by TLS with the certificate of the home's authority. `ready` is called with the addresses. Raises
    PassbellError if the port is in use.
    """
    stop = stop or asyncio.Event()
    authority = ensure(home)
    air = open_air(authority.root_pem)
    crowd = Crowd(air, seed=seed, root_pem=authority.root_pem)
    apns = Apns(authority, crowd.push)
    apns_url = await apns.serve(port)
    try:
        with Listener(0) as listener:
            account = json.loads(authority.service_account.read_text())
            google = Google(account, GOOGLE_ISSUER, authority.google_root, sever=listener.sever, seed=seed)
            url = f"https://{HOST}:{listener.getsockname()[1]}"
            control = Control(crowd, apns, google, url)
            app = Idleness(Router([Mount("/_wallets", routes=control.routes()), Mount("/", app=google)]))

            def hear(topic: str, token: str) -> None:
                app.touch()
                crowd.push(topic, token)

            async def until_stopped() -> None:
                await app.wait(stop, idle_exit)
                google.closing.set()
                listener.end()

            apns.on_push = hear
            ready({"apns": apns_url, "google": url, "control": f"{url}/_wallets"})
            framework = cast(ASGIFramework, app)  # the same protocol, in each library's own words
            config = LoopbackConfig(listener, authority.server_path)
            await hypercorn_serve(framework, config, shutdown_trigger=until_stopped, mode="asgi")
    finally:
        await crowd.close()
        await apns.close()
        await air.close()


def run(
    home: Path, *, port: int, seed: int, ready: Callable[[dict[str, str]], None], idle_exit: float | None
) -> None:
    """`serve` for a process of its own, which SIGINT and SIGTERM end in order."""

    async def main() -> None:
        stop = stop_by_signal()
        await serve(home, port=port, seed=seed, ready=ready, stop=stop, idle_exit=idle_exit)

    asyncio.run(main())
