"""The three error shapes PassKit answers with, as exceptions that carry their reply."""

from __future__ import annotations

from typing import Any

INVALID_ARGUMENT = 3
NOT_FOUND = 5
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14


class Refusal(Exception):
    """An answer other than 200: `status` and the JSON `payload`."""

    def __init__(self, status: int, payload: dict[str, Any]) -> None:
        super().__init__(status, payload)
        self.status = status
        self.payload = payload


def refused_by_service(status: int, code: int, message: str) -> Refusal:
    """An error of the service behind the gateway: `{"error":{"code","message"}}`."""
    return Refusal(status, {"error": {"code": code, "message": message}})


def refused_by_guard(status: int, message: str) -> Refusal:
    """An error of the part that looks at the caller: `{"error":"text"}`."""
    return Refusal(status, {"error": message})


def refused_by_gateway(status: int, code: int, message: str) -> Refusal:
    """An error of the gRPC gateway itself: `{"code","message","details"}`."""
    return Refusal(status, {"code": code, "message": message, "details": []})


def not_found(what: str) -> Refusal:
    """404 with gRPC code 5: PassKit knows no such `what` in this region."""
    return refused_by_service(404, NOT_FOUND, f"{what} not found")


def invalid(message: str) -> Refusal:
    """400 with gRPC code 3: the request was read and found wrong."""
    return refused_by_service(400, INVALID_ARGUMENT, message)
