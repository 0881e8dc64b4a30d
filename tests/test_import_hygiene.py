"""What an import may load: start-up time and the arrows console -> jobs -> store depend on it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LOADED = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
LOAD_ALL = """
import importlib, pkgutil, {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    # migrations run inside Alembic only, and a __main__ is there to be run
    if ".migrations." not in module.name and not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
"""


def loaded_by(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after running `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LOADED}"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_importing_the_commands_loads_no_heavy_library() -> None:
    heavy = {"alembic", "huey", "hypercorn", "sqlglot", "starlette", "textual"}
    assert not loaded_by("import console.cli") & heavy


@pytest.mark.parametrize(
    ("package", "above"),
    [("store", {"jobs", "console", "textual"}), ("jobs", {"console", "textual"})],
)
def test_no_module_loads_what_lies_above_it(package: str, above: set[str]) -> None:
    assert not loaded_by(LOAD_ALL.format(package=package)) & above


def test_constraints_hold_nothing_but_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+", line)] == []


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="not a git checkout")
def test_no_lock_file_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert [name for name in tracked.splitlines() if Path(name).name == "uv.lock"] == []
