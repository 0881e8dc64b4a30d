"""What may befall a push at the stand-in for APNs, and what did."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from store.errors import UsageError

STATUS = {
    "BadCollapseId": 400,
    "BadDeviceToken": 400,
    "BadExpirationDate": 400,
    "BadMessageId": 400,
    "BadPriority": 400,
    "BadTopic": 400,
    "DeviceTokenNotForTopic": 400,
    "DuplicateHeaders": 400,
    "IdleTimeout": 400,
    "InvalidPushType": 400,
    "MissingDeviceToken": 400,
    "MissingTopic": 400,
    "PayloadEmpty": 400,
    "TopicDisallowed": 400,
    "BadCertificate": 403,
    "BadCertificateEnvironment": 403,
    "BadEnvironmentKeyIdInToken": 403,
    "ExpiredProviderToken": 403,
    "Forbidden": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "UnrelatedKeyIdInToken": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "ExpiredToken": 410,
    "Unregistered": 410,
    "PayloadTooLarge": 413,
    "TooManyProviderTokenUpdates": 429,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}
"""Every reason that Apple lists, with its status."""
ODDITIES = (
    "silent",  # never answered
    "reset",  # the stream is reset: INTERNAL_ERROR
    "refused",  # the stream is reset: REFUSED_STREAM
    "drop",  # the connection is cut
    "goaway",  # the connection ends with this request undone, and says why
    "goaway_after",  # the connection ends with this request perhaps done
    "garbage",  # bytes that are no HTTP/2
    "empty",  # an error without a body
    "no_id",  # 200 without an apns-id
    "other_id",  # 200 with somebody else's apns-id
    "pieces",  # an error whose body comes byte by byte
    "padded",  # an error whose body has padding
    "not_json",  # an error whose body is not JSON
    "long",  # an error with a body of 30,000 bytes
)
"""What may befall a push besides a reason of Apple's."""


@dataclass
class Faults:
    """What goes wrong; settable while it runs. A fault is one of Apple's reasons or one of ODDITIES.

    next           the coming pushes, one after the other; an empty word lets one pass
    tokens         a push token's fault, each time
    every          1: each push has the fault `word`, 10: each tenth; 0: none
    word           see `every`
    first_streams  streams at once until the first push was accepted on a connection
    streams        streams at once from then on
    burst_seconds  a second push to a token sooner than this is TooManyRequests; 0: never
    bad_tokens     a connection with so many BadDeviceTokens is ended
    heard_after    seconds until the phone hears an accepted push
    """

    next: deque[str] = field(default_factory=deque)
    tokens: dict[str, str] = field(default_factory=dict)
    every: int = 0
    word: str = ""
    first_streams: int = 1
    streams: int = 1_000
    burst_seconds: float = 0.0
    bad_tokens: int = 1_000
    heard_after: float = 0.0

    def set(self, **wanted: Any) -> None:
        """Set some from JSON. Raises UsageError that names what is wrong, and sets nothing then."""
        kinds = {entry.name: type(getattr(self, entry.name)) for entry in fields(self)}
        words: list[Any] = [wanted.get("word", ""), *wanted.get("next", ())]
        words += (wanted.get("tokens") or {}).values()
        for word in words:
            if word and word not in STATUS and word not in ODDITIES:
                raise UsageError(
                    f"unknown fault {word!r} of APNs: known are {', '.join((*STATUS, *ODDITIES))}"
                )
        for name, value in wanted.items():
            if name not in kinds:
                raise UsageError(f"unknown setting {name!r} of APNs's faults: known are {', '.join(kinds)}")
            if kinds[name] in (int, float) and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise UsageError(f"{name!r} of APNs's faults takes a number")
        for name, value in wanted.items():
            setattr(self, name, kinds[name](value))

    def clear(self) -> None:
        """As at the start."""
        self.__init__()  # type: ignore[misc]

    def as_json(self) -> dict[str, Any]:
        """What is set."""
        return asdict(self) | {"next": list(self.next)}

    def of(self, token: str, number: int) -> str:
        """The fault of the push with this number, to this token."""
        if self.next:
            return self.next.popleft()
        if self.tokens and token in self.tokens:
            return self.tokens[token]
        return self.word if self.every and number % self.every == 0 else ""


@dataclass
class Stats:
    """What came, and what was said. `reasons` also counts the oddities."""

    requests: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    refused_connections: int = 0
    resets: int = 0
    pings: int = 0
    most_at_once: int = 0

    def as_json(self) -> dict[str, Any]:
        """Everything, for the control routes."""
        return asdict(self) | {"reasons": dict(self.reasons)}
