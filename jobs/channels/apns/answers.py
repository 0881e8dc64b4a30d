"""What each answer of APNs means for a push (Apple, Handling Notification Responses from APNs)."""

from __future__ import annotations

import re

from jobs.channels.apns.line import Answer
from jobs.channels.base import Outcome, Result
from jobs.channels.passkit_errors import plain

_GONE = {
    "BadDeviceToken": "the push token is none of Apple's production service",
    "DeviceTokenNotForTopic": "the push token is not of this pass type: the certificate may be a wrong one",
    "Unregistered": "the pass is no longer on this device",
    "ExpiredToken": "the push token has expired",
}
"""Permanent for the token: its registration goes, and it is never tried again."""

_CONFIGURATION = {
    "BadCertificate": "Apple refuses the certificate",
    "BadCertificateEnvironment": "the certificate is not for Apple's production service",
    "Forbidden": "Apple refuses the certificate or key: it may have been revoked",
    "InvalidProviderToken": "Apple refuses the .p8 key: its id, the team or the key itself is wrong",
    "MissingProviderToken": "Apple saw neither a certificate nor a .p8 key",
    "UnrelatedKeyIdInToken": "the .p8 key's id is not the one that this connection began with",
    "BadEnvironmentKeyIdInToken": "the .p8 key is not for Apple's production service",
    "ExpiredProviderToken": "Apple calls a fresh .p8 token expired: this machine's clock may be wrong",
    "BadTopic": "Apple does not know the pass type",
    "MissingTopic": "the certificate names several topics, and the push named none",
    "TopicDisallowed": "the certificate or key is not for this pass type",
}

_OURS = frozenset(
    (
        "PayloadEmpty",
        "PayloadTooLarge",
        "BadMessageId",
        "BadPriority",
        "BadExpirationDate",
        "BadCollapseId",
        "InvalidPushType",
        "DuplicateHeaders",
        "MissingDeviceToken",
        "BadPath",
        "MethodNotAllowed",
    )
)
"""What only a fault of passbell, or a wrong `apple.push_type` or `apple.push_url`, can bring about."""

_PASSING = {
    "IdleTimeout": "Apple closed the connection, which had been idle",
    "Shutdown": "Apple's server is shutting down",
    "InternalServerError": "Apple's server has a fault",
    "ServiceUnavailable": "Apple's service is not available",
}

TOKEN_WAIT = 10.0
"""Seconds before a token that had too many pushes is tried again, at least."""
BEARER_WAIT = 60.0
"""Seconds before pushes go on after too many .p8 tokens."""


def outcome(answer: Answer) -> Result:
    """The answer as a result of the push.

    gone says that the token is dead: with `answer.timestamp`, unless the device registered after that.
    """
    reason, code = answer.reason, _code(answer)
    word = _snake(reason)
    if answer.status == 200:
        return Result(Outcome.ACCEPTED, code=code)
    if reason in _GONE:
        return Result(Outcome.GONE, word, _GONE[reason], code)
    if answer.status == 410:
        return Result(Outcome.GONE, word or "unregistered", _GONE["Unregistered"], code)
    if reason in _CONFIGURATION:
        return Result(Outcome.REFUSED, word, _CONFIGURATION[reason], code, account=True)
    if reason in _OURS or answer.status in (404, 405, 413):
        detail = (
            f"Apple calls the push wrong ({code}): apple.push_url, apple.push_type or passbell is at fault"
        )
        return Result(Outcome.REFUSED, word or f"http_{answer.status}", detail, code, account=True)
    if reason == "TooManyProviderTokenUpdates":
        detail = "too many .p8 tokens were made: do several machines push with one key?"
        return Result(Outcome.THROTTLED, word, detail, code, BEARER_WAIT, account=True)
    if answer.status == 429:
        detail = "too many pushes to this device"
        return Result(Outcome.LATER, word or "too_many_requests", detail, code, TOKEN_WAIT)
    if reason in _PASSING or answer.status >= 500:
        detail = _PASSING.get(reason, "Apple's service has a fault")
        return Result(Outcome.LATER, word or f"http_{answer.status}", detail, code)
    detail = f"an answer that passbell does not know: {code}"
    return Result(
        Outcome.REFUSED, word or f"http_{answer.status}", detail, code, account=answer.status == 403
    )


def _code(answer: Answer) -> str:
    code = f"HTTP {answer.status}"
    return f"{code} / {plain(answer.reason, limit=60)}" if answer.reason else code


def _snake(reason: str) -> str:
    """`BadDeviceToken` as `bad_device_token`; empty for what is no word of that kind."""
    if not re.fullmatch(r"[A-Za-z]{1,60}", reason, re.ASCII):
        return ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason).lower()
