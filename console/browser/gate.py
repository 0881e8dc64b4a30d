"""Who may come in: an address that works once, the cookie that it is exchanged for, and no other page."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie

HOST = "127.0.0.1"
"""The one address that is listened on: what another machine would send in the clear, this one never hears."""
NAMES = (HOST, "localhost")
"""What a browser may call us. Any other name is one that somebody pointed at this machine (DNS rebinding)."""


class Gate:
    """Lets in whoever has a token or the cookie that came of one. Both live and die with this object.

    One token is good at a time and works once. A cookie belongs to the browser that used it, and no other
    site can have it sent; its name holds the port, since browsers give a machine's cookies to all its ports.
    """

    def __init__(self, port: int) -> None:
        self.cookie = f"passbell-{port}"
        self._port = port
        self._token = ""
        self._sessions: list[str] = []

    def new_address(self) -> str:
        """An address that opens the console once. The one before, if nobody has used it, is void."""
        self._token = secrets.token_urlsafe(32)
        return f"http://{HOST}:{self._port}/?token={self._token}"

    def exchange(self, token: str) -> str:
        """The cookie's value for the token, which is void from now on; "" where it is not the token."""
        if not self._token or not compare_digest(token.encode(errors="replace"), self._token.encode()):
            return ""
        self._token = ""
        self._sessions.append(secrets.token_urlsafe(32))
        return self._sessions[-1]

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
        shown = _cookie(headers.get("Cookie", ""), self.cookie).encode(errors="replace")
        if not any(compare_digest(shown, session.encode()) for session in self._sessions):
            return (
                "This browser is not signed in: an address works once. Press Enter where "
                "`passbell console --web` runs, and open the new address that it prints."
            )
        return ""


def _cookie(header: str, name: str) -> str:
    try:
        jar = SimpleCookie(header)
    except CookieError:  # another program's, on another port, that is no cookie by the standard
        return ""
    return jar[name].value if name in jar else ""
