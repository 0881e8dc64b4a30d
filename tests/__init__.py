"""The tests. What is loaded first sets how they, and the processes they start, load everything else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A suite that starts some hundred processes must not compile every library in each of them: that is most of
# what a worker costs to start. Where the environment forbids files beside sources, pytest's cache has them.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
