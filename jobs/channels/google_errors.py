"""What can go wrong between us and Google's Wallet API, in one type with one list of kinds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from jobs.channels.passkit_errors import plain, seconds_to_wait
from store.errors import PassbellError

Kind = Literal[
    "key_refused",  # 401 with a new token, or a service account that gets none
    "forbidden",  # 403: the service account is not invited to the issuer, or the API is off
    "alerts_spent",  # 403 quotaExceeded of walletobjects: 3 alerts in 24 hours were sent
    "throttled",  # 429, or 403 rateLimitExceeded and userRateLimitExceeded
    "bad_request",  # 400 and its relatives
    "not_found",  # 404 in Google's own words
    "conflict",  # 409: an insert of what is there
    "server_error",  # 5xx
    "timeout",  # no answer in time
    "network",  # no connection, or one that broke before the answer was whole
    "protocol",  # an answer that is not Google's
]

PASSING: frozenset[Kind] = frozenset(("throttled", "server_error", "timeout", "network"))
"""Kinds that a repeat may cure."""

RATE_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
ALERTS = ("quotaExceeded", "walletobjects")
"""Reason and domain of the 403 for one alert too many (seen for real: edutap.wallet_google, issue 3)."""

_BY_STATUS: dict[int, Kind] = {
    401: "key_refused",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    429: "throttled",
}


class GoogleError(PassbellError):
    """A call to Google that did not end well.

    kind         what it means, see `Kind`
    status       HTTP status, None if no answer came
    reason       Google's own word, such as `quotaExceeded`; empty if it gave none
    message      one plain line without secrets, at most 300 characters
    retry_after  seconds that Google asks us to wait, 0 to 3600
    sent         whether Google may have acted on the request
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        status: int | None = None,
        reason: str = "",
        retry_after: float | None = None,
        sent: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.status, self.reason = kind, message, status, reason
        self.retry_after, self.sent = retry_after, sent

    @property
    def label(self) -> str:
        """The code to show and to group by: `HTTP 403 / quotaExceeded`, `HTTP 404`, or empty."""
        if self.status is None:
            return ""
        return f"HTTP {self.status} / {self.reason}" if self.reason else f"HTTP {self.status}"


def from_answer(
    status: int, body: bytes, headers: Mapping[str, str], *, now: float, reading: bool
) -> GoogleError:
    """The error in an answer that is not 2xx. `reading`: the request could not change anything.

    403 has at least three meanings, so the reason decides, never the status alone. Behind a 5xx the work
    may have been done.
    """
    said = _said(body)
    text, reasons = said or ("", [])
    kind = _kind(status, reasons)
    if kind == "not_found" and said is None:
        kind = "protocol"  # a proxy's or another server's 404 does not say that a pass is gone
    text = plain(text)
    if kind == "protocol":
        text = f"the answer is not Google's (HTTP {status}); check google.base_url"
    return GoogleError(
        kind,
        text or f"Google answered HTTP {status}",
        status=status,
        reason=plain(reasons[0][0], limit=60) if reasons else "",
        retry_after=seconds_to_wait(headers.get("retry-after"), now),
        sent=not reading and (status < 400 or status == 408 or status >= 500),
    )


def _kind(status: int, reasons: list[tuple[str, str]]) -> Kind:
    if status == 403 and ALERTS in reasons:
        return "alerts_spent"
    if status == 403 and any(reason in RATE_REASONS for reason, _ in reasons):
        return "throttled"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:
        return "protocol"
    return "bad_request" if status < 500 else "server_error"


def _said(body: bytes) -> tuple[str, list[tuple[str, str]]] | None:
    """Text and (reason, domain) pairs of `{"error": {"message", "errors": [{"reason", "domain"}]}}`."""
    try:
        error: Any = json.loads(body)["error"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    if not isinstance(error, dict):
        return None
    entries = error.get("errors")
    pairs = [
        (str(entry.get("reason", "")), str(entry.get("domain", "")))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    ]
    return str(error.get("message", "")), [pair for pair in pairs if pair[0]]
