"""How soon the console shows something on a store with many members, on a real terminal (a pty).

    python bench/first_paint.py [--members 100000] [--runs 9]

Each run starts `passbell` anew and takes two times from the start of the process: until the first frame
is painted (the masthead's words are on the terminal) and until the first program with its figures is.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from bench.engine import fill
from store import migrations
from store.database import Database
from store.settings import load

COLUMNS, ROWS = 120, 40
LIMIT = 20.0


def main() -> None:
    """Fill a store, then measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        settings = load(home)
        database = Database(settings.store_url)
        migrations.migrate(database)
        fill(database, settings, given.members)
        database.close()
        runs = [first_paint(home, [b"REHEARSAL", b"Bench"]) for _ in range(given.runs + 1)][1:]
    for name, times in zip(("first frame", "first program"), zip(*runs, strict=True), strict=True):
        milliseconds = sorted(seconds * 1_000 for seconds in times)
        print(
            f"{name}, {given.members:,} members: {statistics.median(milliseconds):.0f} ms "
            f"({milliseconds[0]:.0f} to {milliseconds[-1]:.0f}, {given.runs} runs)"
        )


def first_paint(home: Path, words: list[bytes]) -> list[float]:
    """Seconds until each of the words has been written to the terminal."""
    passbell = shutil.which("passbell", path=str(Path(sys.executable).parent)) or "passbell"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began = time.perf_counter()
    console = subprocess.Popen(
        [passbell, "--home", str(home), "--set", "console.start_worker=false"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        start_new_session=True,
    )
    os.close(theirs)
    written, seen = b"", []
    try:
        while len(seen) < len(words):
            if not select.select([ours], [], [], LIMIT)[0]:
                sys.exit(f"waited {LIMIT:g} s in vain for {words[len(seen)]!r}")
            written += os.read(ours, 65_536)
            while len(seen) < len(words) and words[len(seen)] in written:
                seen.append(time.perf_counter() - began)
    finally:
        os.killpg(console.pid, signal.SIGKILL)
        console.wait()
        os.close(ours)
    return seen


if __name__ == "__main__":
    main()
