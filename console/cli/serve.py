"""`passbell serve`."""

from __future__ import annotations

import sys

import click

from console.cli.options import json_option, with_desk
from console.cli.output import print_facts, print_json
from console.desk import Desk


@click.command(
    epilog="\b\nExamples:\n  passbell serve\n"
    "  passbell --set web.url=https://passes.example.com serve --host 0.0.0.0 --port 8780"
)
@click.option("--host", help="Address to listen on.  [default: web.host]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0 takes any free one.  [default: web.port]")
@json_option
@with_desk
def serve(desk: Desk, host: str | None, port: int | None, as_json: bool) -> None:
    """Run the web face that phones and providers call, in the foreground.

    With web.certificate it speaks HTTPS itself, without it plain HTTP for a proxy; a rehearsal has a
    certificate of its own. SIGTERM or Ctrl-C lets what was begun be answered. Its log is standard error.
    """
    from jobs.worker_log import set_up_log
    from store import roles
    from web.serve import serve as run_face

    roles.check(desk.settings.role, "serve")
    set_up_log()
    settings, store = desk.settings, desk.database
    store.check_rights()

    def ready(url: str) -> None:
        facts = {"url": url, "web_url": settings.web.url or url, "mode": settings.mode}
        if as_json:
            print_json(facts)
        else:
            told = {name.replace("_", " "): value for name, value in facts.items()}
            print_facts({**told, "store": str(store), "processes": settings.web.processes})
        sys.stdout.flush()

    run_face(
        settings,
        host=settings.web.host if host is None else host,
        port=settings.web.port if port is None else port,
        ready=ready,
    )
