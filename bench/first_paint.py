"""How soon the console shows something on a store with many members, on a real terminal (a pty).

    python -m bench.first_paint [--members 100000] [--runs 9]

Each run starts `passbell` anew and takes three times from the start of the process: until the first frame
is on the terminal (masthead, tabs, footer), until it says LIVE or REHEARSAL, and until home shows its
first figures: who sends, what is left of each account's rate, and how much was sent today. Beside them, in
turn, what Python takes to import Textual and nothing else: the part of the first frame that is not ours,
and a measure of the machine.
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
import termios
import time
from pathlib import Path

from bench.house import fill, house

COLUMNS, ROWS = 120, 40
LIMIT = 20.0
WORDS = [b"Audiences", b"REHEARSAL", b"in the seven days before"]
NAMES = ["first frame", "LIVE or REHEARSAL", "first figures", "import of Textual alone"]


def main() -> None:
    """Fill a store, then measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    with house() as here:
        fill(here, given.members)
        home = here.settings.home
        (home / "passbell.toml").write_text("[console]\nstart_worker = false\n")
        runs = [[*first_paint(home, WORDS), import_textual()] for _ in range(given.runs + 1)][1:]
    for name, times in zip(NAMES, zip(*runs, strict=True), strict=True):
        milliseconds = sorted(seconds * 1_000 for seconds in times)
        median, least, most = statistics.median(milliseconds), milliseconds[0], milliseconds[-1]
        spread = f"{least:.0f} to {most:.0f}, {given.runs} runs, {given.members:,} members"
        print(f"{name}: {median:.0f} ms ({spread})")
    print(f"first frame / import of Textual: {statistics.median(run[0] / run[-1] for run in runs):.2f}")


def import_textual() -> float:
    """Seconds that Python takes to start and import Textual's app."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
    return time.perf_counter() - began


def first_paint(home: Path, words: list[bytes]) -> list[float]:
    """Seconds until each of the words has been written to the terminal."""
    passbell = shutil.which("passbell", path=str(Path(sys.executable).parent)) or "passbell"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began = time.perf_counter()
    console = subprocess.Popen(
        [passbell],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"PASSBELL_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    seen: list[float] = []
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
