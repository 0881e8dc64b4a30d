"""What the tests of passes share: a certificate authority made once, and templates in folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.passes import example
from jobs.passes.certificates import AppleIdentity, read_apple
from jobs.passes.folder import read_folder
from jobs.passes.template import Template
from jobs.rehearsal import authority
from jobs.rehearsal.authority import Authority
from store.database import Database
from store.migrations import migrate

Change = Callable[..., Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The rehearsal's authority: RSA keys take a while."""
    return authority.ensure(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def identity(made: Authority) -> AppleIdentity:
    """Its pass certificate, key and intermediate."""
    return read_apple(made.client_pem, wwdr=made.wwdr_pem, where="client.pem")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example's folder."""
    example.write(tmp_path / "linden")
    return tmp_path / "linden"


@pytest.fixture(scope="session")
def linden(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The example."""
    place = tmp_path_factory.mktemp("example") / "linden"
    example.write(place)
    return read_folder(place)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    """An empty store, on each database."""
    database = Database(current_url)
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def changed(folder: Path) -> Change:
    """Changes the example's table: each pair is what stands there, and what shall."""

    def change(*pairs: tuple[str, Any]) -> Path:
        table = (folder / "template.toml").read_text()
        for old, new in pairs:
            assert old in table, old
            table = table.replace(old, new, 1)
        (folder / "template.toml").write_text(table)
        return folder

    return change
