"""The queue carries a signed blast id and nothing else, on each engine; what nobody signed is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from huey import Huey

from jobs.queue import PATIENCE, open_queue, without_password
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


ADD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO task (queue, data) SELECT queue, data FROM task LIMIT 1")
connection.commit()
print("added", flush=True)
sys.stdin.read()
connection.close()
"""


def test_a_second_hand_on_a_queue_file_takes_no_lock_from_the_first(tmp_path: Path) -> None:
    settings = load(tmp_path)
    first = open_queue(settings)
    first.storage.enqueue(b"one")
    open_queue(settings).storage.close()
    command = [sys.executable, "-c", ADD, str(tmp_path / "queue.db")]
    # Had the first hand lost its lock, this process would end as the last one out, and take away the log.
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"added\n"
        assert first.pending_count() == 3
    first.storage.close()


def test_a_queue_that_answers_no_more_is_not_waited_for(
    valkey_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load(tmp_path, {"queue.url": f"{valkey_url}?socket_timeout=0.1"})
    with redis.Redis.from_url(valkey_url) as client:
        client.client_pause(600)
        ring_from(settings)(7)
    assert "workers find the blast" in caplog.text
    assert open_queue(load(tmp_path, {"queue.url": valkey_url})).storage.conn.get_connection_kwargs()[
        "socket_timeout"
    ] == pytest.approx(PATIENCE)


def test_a_password_of_the_queue_is_never_told() -> None:
    for url in ("redis://:hush@host/0", "postgresql://me@host/name?password=hush"):
        assert "hush" not in without_password(url)
        assert "host" in without_password(url)


def test_a_queue_url_that_postgres_cannot_read_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"queue\.url is no URL of Postgres") as told:
        open_queue(load(tmp_path, {"queue.url": "postgresql://me:hu%sh@host/name"}))
    assert "hu%sh" not in str(told.value)


def test_a_queue_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_text("not a database, but long enough to be looked at as one " * 20)
    with pytest.raises(PassbellError, match="file is not a database"):
        open_queue(load(tmp_path))


def test_a_queue_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(PassbellError, match="cannot be opened"):
        open_queue(load(tmp_path, {"queue.url": f"sqlite:///{tmp_path}/no/such/folder/queue.db"}))
