"""A worker as the console's child: started when none is alive, ended in order with the console."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import timedelta

from store import workers
from store.database import Database
from store.errors import PassbellError
from store.settings import HOME_VARIABLE, Settings, as_environment

log = logging.getLogger("passbell")


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """Start a worker in a session of its own, so that a closing terminal does not take it along.

    It holds the other end of our standard-input pipe: when that closes, because we ended or were
    killed, it settles what is in flight and ends. Its log is `worker.log` in the home.
    """
    with open(settings.home / "worker.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.worker_child"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **as_environment(settings), HOME_VARIABLE: str(settings.home)},
        )


def start_if_none(settings: Settings, database: Database) -> subprocess.Popen[bytes] | None:
    """Start a worker unless one of this account was seen a moment ago; whoever may only read starts none."""
    if not database.may_write:
        return None
    with database.read() as connection:
        if workers.alive(connection, settings.account, within=timedelta(seconds=5)):
            return None
    return start(settings)


def main() -> None:
    """The child's own entry. What it cannot work with stands in its log, in one line; the exit code is 1."""
    from jobs import worker
    from jobs.worker_log import set_up_log
    from store.settings import load

    set_up_log()
    worker.end_with_parent()
    try:
        settings = load()
        worker.Worker(settings, Database(settings.store_url, settings.role)).run()
    except PassbellError as error:
        log.error("no worker can run here: %s", error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
