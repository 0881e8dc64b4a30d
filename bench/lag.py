"""What a key costs in the console while a worker runs flat out and a sync is under way.

    python -m bench.lag [--members 1000000] [--home FOLDER] [--size 120x40] [--calm] [--worst]

A store of so many members, of whom each has a delivery in a blast that a worker process is sending; the
console on a real terminal (a pty), syncing the same members from a list of lists beside it. On each screen
keys are pressed one after the other; for each of them the CPU is taken that the UI's thread spends from
taking it up until it rests after the next picture (bench/probe.py). The line is 16 ms.

--calm   neither blast nor sync: what the screens cost by themselves
--worst  what ran longest without a break, by name
--home   keep the store in this folder, and find it there again
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from bench.house import KEY, SECRET, fill, house, workers
from bench.sink import sink
from jobs import blasts
from store.errors import Refused

LINE = 16.0
"""Milliseconds."""
REST = 0.15
"""Seconds between two keys."""
SETTLED = 15
"""Seconds after which a console that is left alone has opened its places."""
LEFT, RIGHT, UP, DOWN, PAGE_UP, PAGE_DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B", "\x1b[5~", "\x1b[6~"
ENTER, ESCAPE, PALETTE, BACKSPACE = "\r", "\x1b", "\x10", "\x7f"


@dataclass(frozen=True, slots=True)
class Part:
    """Keys that are measured together; before them such as lead there, each with seconds to wait after it.

    rest  seconds between two keys: another screen is drawn a little after its key
    """

    name: str
    keys: Sequence[str]
    before: Sequence[tuple[str, float]] = ()
    after: Sequence[tuple[str, float]] = field(default=())
    rest: float = REST


WALK = [DOWN] * 12 + [UP] * 4 + [PAGE_DOWN] * 6 + [PAGE_UP] * 3
AGAIN = 3
"""So often is opened what stands over a place: the first time is among its keys."""
PARTS = (
    Part("home", ["j", "k"] * 10, [("0", 2)]),
    Part("programs", ["j", "k"] * 10, [("1", 2)]),
    Part("members", WALK, [(ENTER, 1)]),
    Part("members, from end to end", ["G", "g"] * 5 + ["G", *[PAGE_UP] * 8]),
    Part("members, ordered", [*WALK, "G", *[PAGE_UP] * 8], [("g", 1), (RIGHT, 0.3), (RIGHT, 0.3), ("O", 6)]),
    Part("members, filter typed", [*"anna 12345", *[BACKSPACE] * 10], [("/", 1)], [(ESCAPE, 1)]),
    Part("member, to and fro", [ENTER, ESCAPE] * AGAIN, rest=0.8),
    Part("why, to and fro", ["w", ESCAPE] * AGAIN, [(ENTER, 1)], [(ESCAPE, 1)], rest=0.8),
    Part("audiences", ["j", "k"] * 5, [("2", 2)]),
    Part("compose, to and fro", ["m", ESCAPE, "1"] * AGAIN, [("1", 1)], rest=1.5),
    Part("compose, text typed", [*"Two coffees for one, today only!"], [("m", 4)], [(ESCAPE, 1)]),
    Part("blasts", ["j", "k"] * 10, [("4", 2)]),
    Part("blast, to and fro", [ENTER, ESCAPE] * AGAIN, rest=1.5),
    Part("launch, to and fro", ["l", ESCAPE] * AGAIN, [(ENTER, 2)], [(ESCAPE, 1)], rest=1.5),
    Part("blast, its batches", WALK, [("j", 1), (ENTER, 3)]),
    Part("blast, its deliveries", WALK, [("d", 2)]),
    Part("blast, from part to part", ["b", "w", "s", "d"] * 5, (), [("b", 0.5), (ESCAPE, 1)]),
    Part("audit", ["j", "k"] * 5, [("5", 2)]),
    Part("palette, to and fro", [PALETTE, ESCAPE] * AGAIN, rest=0.8),
    Part("palette, typed", [*"blasts anna", *[BACKSPACE] * 11], [(PALETTE, 2)], [(ESCAPE, 1)]),
    Part("help, to and fro", ["?", ESCAPE] * AGAIN, rest=0.8),
    Part("help, searched", [*"export", *[BACKSPACE] * 6], [("?", 2)], [(ESCAPE, 1), (ESCAPE, 1)]),
    Part("from screen to screen", [*"01245" * 4], [("0", 1)], rest=0.6),
)


def main() -> None:
    """Fill a store, start what is to be under way, press the keys, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--worst", action="store_true")
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    seen, spans = measured(given, columns, rows)
    tell(seen, spans)
    if given.worst:
        for _, seconds, what in sorted(seen["stretches"], key=lambda one: -one[1])[:30]:
            print(f"{seconds * 1_000:7.1f} ms  {what}")


def measured(given: argparse.Namespace, columns: int, rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the probe saw, and from when to when which part went on."""
    with ExitStack() as stack:
        static = stack.enter_context(sink())
        flags: dict[str, Any] = {"base_url": static.url, "api_key": KEY, "api_secret": SECRET}
        flags["rate_per_second"] = 10_000
        named = {f"passkit__{name}": value for name, value in flags.items()}
        here = stack.enter_context(house(kept=given.home, **named))
        fill(here, given.members)
        home = here.settings.home
        lists = stack.enter_context(member_list(given.members))
        passkit = "".join(f"{name} = {json.dumps(value)}\n" for name, value in flags.items())
        passkit = passkit.replace(static.url, lists)
        (home / "passbell.toml").write_text(
            f'[passkit]\n{passkit}[console]\nstart_worker = false\nstart = "home"\n'
        )
        blast = here.launch(here.plan(f"Two for one {time.time():.0f}"))
        here.plan(f"Not yet {time.time():.0f}", "points > 990 AND tier = 'gold'")  # for the launch's window
        if not given.calm:
            stack.enter_context(workers(here.settings))
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "seen.json"
        with console(home, file, columns, rows) as press:
            time.sleep(SETTLED)
            press("1", 2)
            if not given.calm:
                press("s", 2)
            spans = {part.name: _press(press, part) for part in PARTS}
            press("\x11", 3)
        if not given.calm:
            states = here.states(blast)
            print(f"sent meanwhile: {states['accepted']:,} of {given.members:,}")
        with suppress(Refused):  # a small one has ended by itself
            blasts.cancel(here.database, here.settings, blast, actor="bench")
        return json.loads(file.read_text()), spans


def _press(press: Any, part: Part) -> tuple[float, float]:
    for key, wait in part.before:
        press(key, wait)
    began = time.monotonic()
    for key in part.keys:
        press(key, part.rest)
    ended = time.monotonic()
    for key, wait in part.after:
        press(key, wait)
    return began, ended


def tell(seen: dict[str, Any], spans: dict[str, Any]) -> None:
    """A line for each part, in milliseconds; then how late beats came, and what collections took."""
    print(
        f"{'CPU of the UI thread for a key, ms':36} {'keys':>5} {'p50':>6} {'p95':>6} {'p99':>6} {'max':>6}"
    )
    everything = []
    for name, (began, ended) in spans.items():
        took = [key["seconds"] * 1_000 for key in seen["keys"] if began <= key["at"] < ended]
        everything += took
        _line(name, took)
    _line("all", everything)
    over = sum(one > LINE for one in everything)
    print(f"over {LINE:g} ms: {over} of {len(everything)}")
    late = [one * 1_000 for _, one in seen["beats"]]
    _line("a beat comes late by (wall clock)", late)
    _line("stretch without a break over 12 ms", [one * 1_000 for _, one, _ in seen["stretches"]])
    _line("full collection of garbage", [took * 1_000 for _, took, full in seen["collections"] if full])
    _line("other collections", [took * 1_000 for _, took, full in seen["collections"] if not full])


def _line(name: str, took: list[float]) -> None:
    ordered = sorted(took) or [0.0]
    places = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.95, 0.99, 1))
    print(f"{name:36} {len(took):5} " + " ".join(f"{place:6.1f}" for place in places))


@contextmanager
def member_list(count: int) -> Iterator[str]:
    """The address of PassKit's lists, served by a process of their own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.member_list", str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait(10)


@contextmanager
def console(home: Path, file: Path, columns: int, rows: int) -> Iterator[Any]:
    """A console with a probe on a pty; gives what presses a key and waits so many seconds."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.probe", str(file)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"PASSBELL_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        start_new_session=True,
    )
    os.close(theirs)
    Thread(target=_drain, args=(ours,), daemon=True).start()

    def press(key: str, wait: float) -> None:
        if process.poll() is not None:
            sys.exit(f"the console ended: see {home}")
        os.write(ours, key.encode())
        time.sleep(wait)

    try:
        yield press
        process.wait(20)
    finally:
        process.kill()
        process.wait()


def _drain(terminal: int) -> None:
    """Read what is drawn, as a terminal does."""
    try:
        while os.read(terminal, 65_536):
            pass
    except OSError:  # the console is gone
        os.close(terminal)


if __name__ == "__main__":
    main()
