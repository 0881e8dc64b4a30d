"""How soon the console shows something on a store with many members, on a real terminal (a pty).

    python -m bench.first_paint [--members 1000000] [--runs 9] [--home FOLDER]

Each run starts `passbell` anew and takes three times from the start of the process: until the first frame
is on the terminal (masthead, tabs, footer), until it says LIVE or REHEARSAL, and until home shows its
first figures: who sends, what is left of each account's rate, and how much was sent today. Beside them, in
turn, what Python takes to import Textual and nothing else: the part of the first frame that is not ours,
and a measure of the machine.

One more run goes on, and is asked for its memory: with the first screen, at the end of the list of all
members, with that list in another order, and after every screen. What other processes share with it counts
wholly (RSS), then in parts (PSS). `--home` keeps the store in a folder.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.house import fill, house

COLUMNS, ROWS = 120, 40
LIMIT = 20.0
WORDS = [b"Audiences", b"REHEARSAL", b"in the seven days before"]
WALK = {
    "first screen": [(b"0", 4.0)],
    "programs": [(b"1", 3.0), (b"\r", 1.0)],
    "the list's end": [(b"G", 5.0), (b"g", 1.0)],
    "in another order, its end": [(b"\x1b[C", 0.5), (b"O", 6.0), (b"G", 6.0)],
    "every screen": [(key, 4.0) for key in (b"2", b"3", b"4", b"5", b"0", b"1")],
}
"""Steps, the keys that lead there, and the seconds after each."""
NAMES = ["first frame", "LIVE or REHEARSAL", "first figures", "import of Textual alone"]


def main() -> None:
    """Fill a store, then measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    with house(kept=given.home) as here:
        fill(here, given.members)
        home = here.settings.home
        (home / "passbell.toml").write_text('[console]\nstart_worker = false\nstart = "home"\n')
        runs = [[*first_paint(home, WORDS), import_textual()] for _ in range(given.runs + 1)][1:]
        walked = memory(home)
    for name, times in zip(NAMES, zip(*runs, strict=True), strict=True):
        milliseconds = sorted(seconds * 1_000 for seconds in times)
        median, least, most = statistics.median(milliseconds), milliseconds[0], milliseconds[-1]
        spread = f"{least:.0f} to {most:.0f}, {given.runs} runs, {given.members:,} members"
        print(f"{name}: {median:.0f} ms ({spread})")
    print(f"first frame / import of Textual: {statistics.median(run[0] / run[-1] for run in runs):.2f}")
    for name, (now, part, most) in walked.items():
        print(f"memory, {name}: {now:.0f} MB (PSS {part:.0f} MB), at most {most:.0f} MB so far")


def import_textual() -> float:
    """Seconds that Python takes to start and import Textual's app."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
    return time.perf_counter() - began


def first_paint(home: Path, words: list[bytes]) -> list[float]:
    """Seconds until each of the words has been written to the terminal."""
    began = time.perf_counter()
    written = b""
    seen: list[float] = []
    with console(home) as (_, terminal):
        while len(seen) < len(words):
            if not select.select([terminal], [], [], LIMIT)[0]:
                sys.exit(f"waited {LIMIT:g} s in vain for {words[len(seen)]!r}")
            written += os.read(terminal, 65_536)
            while len(seen) < len(words) and words[len(seen)] in written:
                seen.append(time.perf_counter() - began)
    return seen


def memory(home: Path) -> dict[str, tuple[float, float, float]]:
    """What a console takes after each step of a walk, wholly and as its part, and the most so far, in MB."""
    found = {}
    with console(home) as (process, terminal):
        for name, keys in WALK.items():
            for key, seconds in keys:
                os.write(terminal, key)
                _watch(terminal, seconds)
            sizes = _sizes(process.pid)
            found[name] = sizes["Rss"], sizes["Pss"], sizes["VmHWM"]
    return found


def _sizes(process: int) -> dict[str, float]:
    """What the system says of a process's memory, in MB (Linux)."""
    folder = Path(f"/proc/{process}")
    told = [(folder / name).read_text() for name in ("status", "smaps_rollup")]
    lines = [line.split() for line in "\n".join(told).splitlines() if line.endswith(" kB")]
    return {name.removesuffix(":"): int(size) / 1_000 for name, size, _ in lines}


def _watch(terminal: int, seconds: float) -> None:
    """Read what is drawn for so long."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            os.read(terminal, 65_536)


@contextmanager
def console(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`passbell`, started anew on a terminal, and our end of that."""
    passbell = shutil.which("passbell", path=str(Path(sys.executable).parent)) or "passbell"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [passbell],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"PASSBELL_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


if __name__ == "__main__":
    main()
