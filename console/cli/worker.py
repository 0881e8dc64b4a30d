"""`passbell worker`."""

from __future__ import annotations

import click

from console.cli.options import with_desk
from console.desk import Desk


@click.command(epilog="\b\nExample:\n  passbell --set passkit.concurrency=8 worker")
@with_desk
def worker(desk: Desk) -> None:
    """Run a worker in the foreground: it sends what is launched, whoever launched it.

    Any number may run, on any machine that reaches the store; together they keep to the account's rate.
    SIGTERM or Ctrl-C stops it cleanly: what is in flight is settled first. Its log is standard error.
    """
    from jobs import worker as process
    from jobs.worker_log import set_up_log
    from store import roles

    roles.check(desk.settings.role, "worker")
    set_up_log()
    process.Worker(desk.settings, desk.database).run()
