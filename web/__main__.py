"""The web face as a child: `python -m web`. It says its address once it answers, and ends with its parent."""

from __future__ import annotations

import logging
import sys

from jobs.worker import end_with_parent
from jobs.worker_log import set_up_log
from store.errors import PassbellError
from store.settings import load
from web.serve import serve

log = logging.getLogger("passbell")


def main() -> None:
    """What it cannot work with stands in its log, in one line; the exit code says so, too."""
    set_up_log()
    end_with_parent()
    try:
        settings = load()
        serve(settings, host=settings.web.host, port=settings.web.port, ready=_tell)
    except PassbellError as error:
        log.error("no web face can run here: %s", error)
        sys.exit(error.exit_code)


def _tell(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
