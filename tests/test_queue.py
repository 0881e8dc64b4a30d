"""The queue carries a signed blast id and nothing else, on each engine; what nobody signed is refused."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huey import Huey

from jobs.queue import open_queue
from jobs.tasks import bell, ring_from
from store.errors import PassbellError, UsageError
from store.settings import Settings, load


@pytest.fixture(params=["sqlite", "valkey", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    urls = {"valkey": "valkey_url", "postgres": "postgres_url"}
    name = request.param
    url = request.getfixturevalue(urls[name]) if name in urls else f"sqlite:///{tmp_path / 'queue.db'}"
    return load(tmp_path, {"queue.url": url})


@pytest.fixture
def queue(settings: Settings) -> Iterator[Huey]:
    opened = open_queue(settings)
    yield opened
    opened.storage.close()


def heard(queue: Huey, answered: list[int]) -> None:
    """Answer everything that waits in the queue."""
    bell(queue, answered.append)
    while (message := queue.storage.dequeue()) is not None:
        queue.execute(queue.deserialize_task(message))


def test_a_ring_reaches_a_worker(settings: Settings, queue: Huey) -> None:
    answered: list[int] = []
    ring_from(settings)(7)
    heard(queue, answered)
    assert answered == [7]
    assert queue.pending_count() == 0


class Poison:
    """Runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("the message was unpickled",)


def test_a_poisoned_message_is_refused_and_not_unpickled(queue: Huey) -> None:
    queue.storage.enqueue(pickle.dumps(Poison()))
    with pytest.raises(ValueError, match=r"[Ss]ignature|Separator"):
        queue.deserialize_task(queue.storage.dequeue())


def test_a_message_signed_with_another_secret_is_refused(
    settings: Settings, queue: Huey, tmp_path: Path
) -> None:
    other = load(tmp_path, {"queue.url": settings.queue_url, "queue.secret": "another"})
    ring_from(other)(7)
    bell(queue)
    with pytest.raises(ValueError, match=r"[Ss]ignature"):
        queue.deserialize_task(queue.storage.dequeue())


def test_live_and_rehearsal_have_queues_of_their_own(settings: Settings, queue: Huey, tmp_path: Path) -> None:
    flags = {"queue.url": settings.queue_url, "passkit.api_key": "key", "passkit.api_secret": "secret"}
    ring_from(load(tmp_path, flags))(7)
    assert queue.pending_count() == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("amqp://x", "queue.url starts with amqp"),
        ("sqlite://", "names no file"),
        ("nonsense", "starts with nonsense"),
    ],
)
def test_a_url_of_another_kind_is_wrong_usage(tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_queue(load(tmp_path, {"queue.url": url}))


def test_a_ring_into_a_dead_queue_harms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ring_from(load(tmp_path, {"queue.url": "redis://:hidden@127.0.0.1:1/0"}))(7)
    assert "workers find the blast" in caplog.text
    assert "hidden" not in caplog.text


def test_a_queue_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(PassbellError, match="cannot be opened"):
        open_queue(load(tmp_path, {"queue.url": f"sqlite:///{tmp_path}/no/such/folder/queue.db"}))
