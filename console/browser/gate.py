"""Who may come in: an address that works once, what it is exchanged for, and no other page."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple

HOST = "127.0.0.1"
"""The one address that is listened on: what another machine would send in the clear, this one never hears."""
NAMES = (HOST, "localhost")
"""What a browser may call us. Any other name is one that somebody pointed at this machine (DNS rebinding)."""
SPOKEN = "passbell"
"""What a websocket speaks. Its page offers this and the proof: more a browser lets no page say there."""
STRANGER = (
    "This browser is not signed in: an address works once. Press Enter where "
    "`passbell console --web` runs, and open the new address that it prints."
)


class Key(NamedTuple):
    """What a browser gets for a token; both halves live and die with the gate.

    cookie  goes with every request, and opens the page: nothing in it is a secret
    proof   opens a console. It is kept where only pages of our own port can read it
    """

    cookie: str
    proof: str


class Gate:
    """Lets in whoever has a token or the key that came of one.

    One token is good at a time and works once. No other site can have a cookie of ours sent, but browsers
    show it to whoever listens on another port of this machine: its name holds the port, lest two of ours
    share it, and without the proof beside it no console begins.
    """

    def __init__(self, port: int) -> None:
        self.cookie = f"passbell-{port}"
        self._port = port
        self._token = ""
        self._keys: list[Key] = []

    def new_address(self) -> str:
        """An address that opens the console once. The one before, if nobody has used it, is void."""
        self._token = secrets.token_urlsafe(32)
        return f"http://{HOST}:{self._port}/?token={self._token}"

    def exchange(self, token: str) -> Key | None:
        """A key for the token, which is void from now on; None where it is not the token."""
        if not self._token or not _same(token, self._token):
            return None
        self._token = ""
        self._keys.append(Key(secrets.token_urlsafe(32), secrets.token_urlsafe(32)))
        return self._keys[-1]

    def why_not_from(self, headers: Mapping[str, str], *, socket: bool = False) -> str:
        """What is wrong with where a request comes from, as a sentence; "" for nothing.

        socket  it wants a websocket, which browsers let any site open: then it has to name its origin
        """
        host = headers.get("Host", "")
        if host not in {f"{name}:{self._port}" for name in NAMES}:
            return f"This is not our address: open http://{HOST}:{self._port}/ instead."
        origin = headers.get("Origin")
        if origin != f"http://{host}" and (socket or origin is not None):
            return "This came from another page: only the console's own may ask for it."
        return ""

    def why_not_in(self, headers: Mapping[str, str]) -> str:
        """What is missing for coming in, as a sentence; "" for nothing."""
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "This came from another page: only the console's own may ask for it."
        return "" if self._shown(headers) else STRANGER

    def why_no_console(self, headers: Mapping[str, str]) -> str:
        """What else is missing for a console, whose websocket asks for it; "" for nothing."""
        offered = [one.strip() for one in headers.get("Sec-WebSocket-Protocol", "").split(",")]
        proven = any(_same(one, key.proof) for key in self._shown(headers) for one in offered)
        return "" if proven else STRANGER

    def _shown(self, headers: Mapping[str, str]) -> list[Key]:
        """The key whose cookie is shown, if one is."""
        shown = _cookie(headers.get("Cookie", ""), self.cookie)
        return [key for key in self._keys if _same(shown, key.cookie)]


def _same(given: str, ours: str) -> bool:
    """Whether they are the same, in a time that does not tell how much of it was right."""
    return compare_digest(given.encode(errors="replace"), ours.encode())


def _cookie(header: str, name: str) -> str:
    try:
        jar = SimpleCookie(header)
    except CookieError:  # another program's, on another port, that is no cookie by the standard
        return ""
    return jar[name].value if name in jar else ""
