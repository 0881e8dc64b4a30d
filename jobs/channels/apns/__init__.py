"""Pushes through Apple's service (APNs) to the phones that have a pass."""

from __future__ import annotations

from jobs.channels.apns.answers import outcome
from jobs.channels.apns.bearer import Bearer
from jobs.channels.apns.line import Answer, Line, Pusher, open_pusher

__all__ = ["Answer", "Bearer", "Line", "Pusher", "open_pusher", "outcome"]
