"""What can go wrong between us and PassKit, in one type with one list of kinds."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from store.errors import PassbellError

Kind = Literal[
    "key_refused",  # 401: the token or the key behind it
    "forbidden",  # 403: the key may not do this
    "quota_spent",  # 402, or a 429 or 403 that speaks of a quota: waiting a moment does not cure it
    "not_found",  # 404 in PassKit's own words
    "bad_request",  # 400 and its relatives
    "conflict",  # 409
    "throttled",  # 429
    "not_supported",  # 501: also the answer to a known path with a wrong method
    "unavailable",  # 502, 503
    "server_error",  # 500 and its relatives
    "timeout",  # 408, 504, or no answer in time
    "network",  # no connection, or one that broke before the answer began
    "cut",  # the answer broke off in the middle
    "protocol",  # an answer that is not PassKit's: a redirect, HTML, JSON of another shape
]

PASSING: frozenset[Kind] = frozenset(
    ("throttled", "unavailable", "server_error", "timeout", "network", "cut")
)
"""Kinds that a repeat may cure."""

LONGEST_WAIT = 3600.0
LONGEST_MESSAGE = 300

_BY_STATUS: dict[int, Kind] = {
    401: "key_refused",
    402: "quota_spent",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    429: "throttled",
    501: "not_supported",
    502: "unavailable",
    503: "unavailable",
    504: "timeout",
}

# gRPC codes, as they come in an error line of a list that began with HTTP 200.
_BY_CODE: dict[int, Kind] = {
    3: "bad_request",
    4: "timeout",
    5: "not_found",
    6: "conflict",
    7: "forbidden",
    8: "throttled",
    9: "bad_request",
    10: "conflict",
    11: "bad_request",
    12: "not_supported",
    14: "unavailable",
    16: "key_refused",
}

_QUOTA = re.compile(
    r"quota|(usage|plan|account|monthly|daily|pass|passes|credit) limit|billing|payment|subscription",
    re.IGNORECASE,
)
_RATE = re.compile(
    r"\brates?\b|too many|too fast|slow down|concurren|\b(per|a) (second|minute)\b|/ ?(s|sec|min)\b",
    re.IGNORECASE,
)

_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]*\.?[\w-]*")
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


class PassKitError(PassbellError):
    """A call to PassKit that did not end well.

    kind         what it means, see `Kind`
    status       HTTP status, None if no answer came
    code         PassKit's gRPC code, None if it gave none
    message      one plain line without secrets, at most 300 characters
    retry_after  seconds that PassKit asks us to wait, 0 to 3600
    sent         whether PassKit may have acted on the request
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        retry_after: float | None = None,
        sent: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.sent = sent

    @property
    def label(self) -> str:
        """The code to show and to group by: `HTTP 503 / 14`, `HTTP 404`, or empty."""
        if self.status is None:
            return ""
        return f"HTTP {self.status}" if self.code is None else f"HTTP {self.status} / {self.code}"


def plain(text: str, *, secrets: tuple[str, ...] = (), limit: int = LONGEST_MESSAGE) -> str:
    """A provider's text as one harmless line: no control or direction characters, no token, no secret."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[hidden]")
    text = _TOKEN.sub("[hidden]", text[: limit * 20])
    marks = (
        "\ufffd" if unicodedata.category(char)[0] == "C" and not char.isspace() else char for char in text
    )
    text = " ".join("".join(marks).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def seconds_to_wait(header: str | None, now: float) -> float | None:
    """A `Retry-After` header, in seconds or as an HTTP date, held to 0..3600; None if it is neither."""
    if header is None:
        return None
    header = header.strip()
    if _SECONDS.fullmatch(header):
        return min(float(header), LONGEST_WAIT)
    moment = http_date(header)
    return None if moment is None else min(max(moment - now, 0.0), LONGEST_WAIT)


def http_date(header: str) -> float | None:
    """Unix seconds of an HTTP date, None if it is none."""
    try:
        moment = parsedate_to_datetime(header)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def from_answer(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    now: float,
    reading: bool,
    secrets: tuple[str, ...] = (),
    skew: float | None = None,
) -> PassKitError:
    """The error in an answer that is not 2xx. `reading`: the request could not change anything.

    A 503 and everything in the 400s says that nothing was done (PassKit: "back off for 250 ms and
    repeat"); behind a 500, 502 or 504 the work may have been done.
    """
    found = _said(body)
    kind = _kind(status)
    wait = seconds_to_wait(headers.get("retry-after"), now)
    if kind == "not_found" and found is None:
        kind = "protocol"  # a proxy's or another server's 404 does not say that a pass is gone
    code, text = found or (None, "")
    text = plain(text, secrets=secrets)
    if kind in ("throttled", "forbidden") and wait is None and quota_spent(text):
        kind = "quota_spent"
    if kind == "protocol":
        text = text or f"the answer is not PassKit's (HTTP {status}); check the base URL"
    elif kind == "key_refused":
        text = _explain_refusal(text, skew)
    return PassKitError(
        kind,
        text or f"PassKit answered HTTP {status}",
        status=status,
        code=code,
        retry_after=wait,
        sent=not reading and (status < 400 or (status >= 500 and status not in (501, 503))),
    )


def from_line(said: Any, *, secrets: tuple[str, ...] = ()) -> PassKitError:
    """The error in an `{"error": ...}` line in the middle of a list that began with HTTP 200."""
    code, text = _parts({"error": said}) or (None, "")
    kind = _BY_CODE.get(code, "server_error") if code is not None else "server_error"
    text = plain(text, secrets=secrets) or "PassKit broke off the list with an error"
    if kind == "throttled" and quota_spent(text):
        kind = "quota_spent"
    return PassKitError(kind, text, status=200, code=code)


def quota_spent(text: str) -> bool:
    """Whether a refusal speaks of a quota that is used up, and not of requests that come too fast.

    gRPC has one code for both, RESOURCE_EXHAUSTED ("perhaps a per-user quota"), which the gateway turns
    into 429 (grpc.io, Status codes; grpc-gateway, HTTPStatusFromCode). PassKit publishes neither limits
    nor words for it; that quotas exist is known from its ProjectStatus, which has PROJECT_OVER_QUOTA. So
    the words decide, where no Retry-After says that a wait is enough. In doubt it is a throttle, which
    only waits.
    """
    return bool(_QUOTA.search(text)) and not _RATE.search(text)


def _kind(status: int) -> Kind:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:
        return "protocol"
    return "bad_request" if status < 500 else "server_error"


def _said(body: bytes) -> tuple[int | None, str] | None:
    try:
        return _parts(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _parts(said: Any) -> tuple[int | None, str] | None:
    """Code and text out of `{"error": {"code", "message"}}`, `{"error": "text"}` or `{"code", "message"}`."""
    if not isinstance(said, dict):
        return None
    inner = said.get("error", said)
    if isinstance(inner, str):
        # The plain gateway names the status once more in "error" and has the rest beside it.
        inner = {"code": said.get("code"), "message": said.get("message") or inner}
    if not isinstance(inner, dict) or not ("message" in inner or "code" in inner or "grpc_code" in inner):
        return None
    code = inner.get("code", inner.get("grpc_code"))
    text = inner.get("message")
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        text if isinstance(text, str) else "",
    )


def _explain_refusal(text: str, skew: float | None) -> str:
    """A 401 with the likely cause. PassKit refuses tokens from the future and those 60 s old or more."""
    text = text or "unauthorized"
    if not re.search(r"before issued|too long ago|expired", text, re.IGNORECASE):
        return f"PassKit refused the key: {text}"
    if skew is None or abs(skew) < 2:
        return f"PassKit refused the token: {text}; check this machine's clock"
    side = "behind" if skew > 0 else "ahead of"
    return f"PassKit refused the token: {text}; this machine's clock is {abs(skew):.0f} s {side} PassKit's"
