"""One certificate authority of the rehearsal for the whole run: its RSA keys are slow to make."""

from __future__ import annotations

import pytest

from jobs.rehearsal.authority import Authority, ensure


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure(tmp_path_factory.mktemp("authority"))
