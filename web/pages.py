"""The few pages that people see: plain HTML, no scripts, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }
body { max-width: 30rem; margin: 3rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.4rem; line-height: 1.25; overflow-wrap: anywhere; }
a.button, button { display: block; box-sizing: border-box; width: 100%; margin: 1rem 0; padding: .9rem 1rem;
  border: 0; border-radius: .6rem; background: #1d4ed8; color: #fff; font: inherit; text-align: center;
  text-decoration: none; cursor: pointer; }
button.quiet { background: #4b5563; }
svg { display: block; margin: 1.5rem auto; background: #fff; border-radius: .6rem; max-width: 100%; }
"""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'",
    "Cache-Control": "no-store",
    # The address is the key: it must not reach other sites, nor a search engine.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

LANGUAGES = ("en", "de")
_UNSHOWN = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(text: str, limit: int = 120) -> str:
    """A name for a page: one line, escaped, kept to itself where it is written from right to left."""
    safe = (
        "\ufffd" if unicodedata.category(one) in _UNSHOWN or one in _REORDERING else one
        for one in text[:limit]
    )
    return f"<bdi>{escape(''.join(safe))}{'…' if len(text) > limit else ''}</bdi>"


def page(language: str, title: str, body: str, *, status: int = 200) -> HTMLResponse:
    """A whole page. `title` is plain text, `body` HTML whose texts are escaped already."""
    document = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    return HTMLResponse(document, status_code=status, headers=HEADERS)


def language(request: Request, locale: str | None = None) -> str:
    """The holder's language where we speak it, else the first that the caller takes, else English."""
    asked = (part.partition(";")[0] for part in request.headers.get("accept-language", "")[:200].split(","))
    for wanted in (locale or "", *asked):
        code = wanted.strip().lower().replace("_", "-").partition("-")[0]
        if code in LANGUAGES:
            return code
    return "en"
