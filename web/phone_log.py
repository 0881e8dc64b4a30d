"""What phones say of their own troubles (`POST /v1/log`): read for the operator, and made harmless.

Anybody can post here, so lines are cut, shown without doing anything to a terminal, and few. The shapes are
those that iOS has been seen to send. A device's id is never logged: whoever knows it may ask for its passes.
"""

from __future__ import annotations

import json
import logging
import re

from web.limits import Limit

log = logging.getLogger("passbell")

LINES = 20
"""Lines of one request that are looked at."""
LONGEST = 400
"""Characters of a line that are kept."""
A_MINUTE = 60
"""Lines that one process logs in a minute; a blast with a fault makes thousands of the same."""

_STAMP = re.compile(r"^\[[^\]]{0,40}\]\s*")
_DEVICE = re.compile(r"(?<=device )[^\s,;)]+", re.ASCII | re.IGNORECASE)
_TASK = re.compile(
    r"(Register|Unregister|Get pass|Get serial #s) task \((.*?)\) (?:encountered error|got response): (.*)",
    re.IGNORECASE,
)
_SERIAL = re.compile(r"serial number ([^\s,;)]+)")
_SAME_TAG = re.compile(r"the lastUpdated tag \(.*?\) remained the same")
_UNCHANGED = re.compile(r"serial number '?([^\s,;)']+)'?, but the pass was unchanged", re.IGNORECASE)

_DOING = {
    "register": "register",
    "unregister": "say that it dropped",
    "get pass": "fetch",
    "get serial #s": "ask for changes",
}


class PhoneLog:
    """Puts phones' lines into the log, and counts what is left out."""

    def __init__(self) -> None:
        self._limit = Limit(A_MINUTE, kept=2)
        self._left_out = 0

    def take(self, body: bytes) -> bool:
        """False where the body is not `{"logs": ["...", ...]}`."""
        try:
            lines = json.loads(body)["logs"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        if not isinstance(lines, list):
            return False
        for line in lines[:LINES]:
            if isinstance(line, str):
                self._put(line)
        self._left_out += max(len(lines) - LINES, 0)
        return True

    def _put(self, line: str) -> None:
        if self._limit.wait("") is not None:
            self._left_out += 1
            return
        if self._left_out:
            log.info("%d lines of phones were left out", self._left_out)
            self._left_out = 0
        log.warning("a phone %s", meaning(line))


def meaning(line: str) -> str:
    """What the operator has to know of a line; an unknown shape in the phone's own words."""
    line = _DEVICE.sub("...", _STAMP.sub("", line[:LONGEST]))
    if found := _TASK.search(line):
        serial = _SERIAL.search(found[2])
        which = f" pass {serial[1]}" if serial else ""
        return inert(f"could not {_DOING[found[1].lower()]}{which}: {found[3]}")
    if _SAME_TAG.search(line):
        return inert(f"was told of changes with a tag that it had already: {line}")
    if found := _UNCHANGED.search(line):
        return inert(f"fetched pass {found[1]} and found it unchanged")
    return inert(f"says: {line}")


def inert(text: str) -> str:
    """One line in which a terminal finds nothing to obey: whatever cannot be printed is spelled out."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in text
    )
