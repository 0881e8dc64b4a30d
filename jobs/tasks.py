"""The tasks that the queue carries. There is one: ring the bell for a blast."""

from __future__ import annotations

import logging
from collections.abc import Callable

from huey import Huey

from jobs.blasts import Ring
from jobs.queue import open_queue
from store.errors import PassbellError
from store.settings import Settings

log = logging.getLogger("passbell")


def bell(queue: Huey, answer: Callable[[int], None] | None = None) -> Ring:
    """Declare the pump task on a queue and return the act of ringing it.

    A message carries a blast's id and nothing else. `answer` is what a worker does with it; those who
    only ring have none.
    """

    @queue.task(name="pump")  # type: ignore[untyped-decorator]
    def pump(blast_id: int) -> None:
        if answer is not None:
            answer(blast_id)

    def ring(blast_id: int) -> None:
        pump(blast_id)

    return ring


def ring_from(settings: Settings) -> Ring:
    """A bell for commands and screens. A queue that cannot be reached is only logged.

    The blast is running in the ledger by then, and every worker's ticker finds it there.
    """

    def ring(blast_id: int) -> None:
        try:
            queue = open_queue(settings)
            bell(queue)(blast_id)
            queue.storage.close()
        except PassbellError as error:
            log.warning("%s; workers find the blast without it, within a second", error)
        except Exception as error:
            log.warning("the queue cannot be reached (%s); workers find the blast without it", error)

    return ring
