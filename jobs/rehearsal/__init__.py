"""Protocol-true stand-ins for the providers: what runs when no real account is configured."""

from __future__ import annotations

REHEARSAL_KEY = "rehearsal"
"""The API key that the stand-in PassKit knows."""

REHEARSAL_SECRET = "rehearsal-secret-that-opens-nothing-0000"
"""The API secret that belongs to `REHEARSAL_KEY`. It is public and opens nothing but a stand-in."""
