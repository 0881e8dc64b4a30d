"""Download links: an iPhone gets the pass itself, Android is led to Google, others see both and a QR code.

`?as=apple` and `?as=google` say what is wanted, whoever asks. The page works without scripts, and tells
nothing of the holder but the program whose pass it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import format_datetime
from html import escape
from typing import TYPE_CHECKING

import segno
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.passes.handout import links_of
from jobs.passes.links import PATH, Expired, Forged, read_link_token
from store import issued as store
from store.issued import Issued
from store.schema import issued, members, passes, programs
from store.times import now
from web import pages

if TYPE_CHECKING:
    from web.face import Face

KIND = "application/vnd.apple.pkpass"
_APPLE = re.compile(r"\b(iPhone|iPad|iPod|Watch)\b")
_ANDROID = re.compile(r"\bAndroid\b")

WORDS = {
    "en": {
        "title": "Your pass",
        "yours": "Your pass: {program}",
        "apple": "Add to Apple Wallet",
        "google": "Add to Google Wallet",
        "scan": "On another device? Scan this with your phone.",
        "waiting": "Your pass is being made ready. Try this link again in a few minutes.",
        "void": "This pass is no longer valid",
        "void_more": "Ask the business that gave it to you.",
        "expired": "This link has expired",
        "expired_more": "Ask the business that sent it for a new one.",
        "wrong": "This link does not work",
        "wrong_more": "It is incomplete or was changed. Copy it once more, with all its characters.",
    },
    "de": {
        "title": "Ihre Karte",
        "yours": "Ihre Karte: {program}",
        "apple": "Zu Apple Wallet hinzufügen",
        "google": "Zu Google Wallet hinzufügen",
        "scan": "Auf einem anderen Gerät? Scannen Sie das mit dem Telefon.",
        "waiting": "Ihre Karte wird gerade vorbereitet. Versuchen Sie es in ein paar Minuten noch einmal.",
        "void": "Diese Karte gilt nicht mehr",
        "void_more": "Fragen Sie bei dem Geschäft nach, von dem Sie sie haben.",
        "expired": "Dieser Link ist abgelaufen",
        "expired_more": "Fragen Sie beim Absender nach einem neuen.",
        "wrong": "Dieser Link funktioniert nicht",
        "wrong_more": "Er ist unvollständig oder verändert. Kopieren Sie ihn noch einmal ganz.",
    },
}


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a link leads to. apple: the Apple pass; google: whether Google has the pass.

    void  the holder's passes are no longer valid
    """

    program_id: str
    program_name: str
    external_id: str
    locale: str | None
    apple: Issued | None
    google: bool
    void: bool


def routes(face: Face) -> list[BaseRoute]:
    """The download links of jobs/passes/links.py."""

    async def get(request: Request) -> Response:
        token: str = request.path_params["token"]
        try:
            pass_id = read_link_token(face.settings.consent_secret, token, now())
        except Expired:
            return _trouble(pages.language(request), "expired", 410)
        except Forged:
            return _trouble(pages.language(request), "wrong", 404)
        account = face.settings.account
        offer = await face.read(lambda connection: _offer(connection, account, pass_id))
        if offer is None:
            return _trouble(pages.language(request), "wrong", 404)
        language = pages.language(request, offer.locale)
        if offer.void:
            return _trouble(language, "void", 410)
        wallet = _wanted(request)
        if wallet == "apple" and offer.apple is not None:
            standing = await face.pkpasses.standing(offer.apple.serial)
            if standing is None:  # it was deleted a moment ago
                return _trouble(language, "wrong", 404)
            headers = {
                "Content-Disposition": 'inline; filename="pass.pkpass"',
                "Last-Modified": format_datetime(standing.held.changed_at, usegmt=True),
                "X-Robots-Tag": "noindex",
            }
            return Response(await face.pkpasses.of(standing), media_type=KIND, headers=headers)
        if wallet == "google" and offer.google:
            links = await face.off_loop(
                lambda: links_of(face.database, face.settings, offer.program_id, offer.external_id)
            )
            if links.save is not None:
                return RedirectResponse(links.save, 302, {"Referrer-Policy": "no-referrer"})
        return _page(language, offer, face.settings.web_url + PATH + token)

    return [Route(f"{PATH}{{token}}", get, methods=["GET"])]


def _wanted(request: Request) -> str:
    """apple | google, or empty for a page with both."""
    asked = request.query_params.get("as")
    if asked is not None:
        return asked if asked in ("apple", "google") else ""
    agent = request.headers.get("user-agent", "")
    if _APPLE.search(agent) or KIND in request.headers.get("accept", ""):
        return "apple"
    return "google" if _ANDROID.search(agent) else ""


def _offer(connection: sa.Connection, account: str, pass_id: int) -> _Offer | None:
    whose = (
        sa.select(members.c.id, members.c.external_id, members.c.locale)
        .add_columns(programs.c.name, programs.c.id.label("program_id"))
        .join(passes, passes.c.member_id == members.c.id)
        .join(programs, programs.c.id == passes.c.program_id)
        .where(passes.c.id == pass_id, programs.c.account == account)
    )
    holder = connection.execute(whose).first()
    if holder is None:
        return None
    query = (
        sa.select(passes.c.id, passes.c.channel, passes.c.status, issued.c.placed_at)
        .join(issued, issued.c.pass_id == passes.c.id)
        .where(passes.c.member_id == holder.id)
        .order_by(passes.c.id.desc())
    )
    rows = connection.execute(query).all()
    good = [row for row in rows if row.status not in ("invalidated", "gone")]
    apple = next((row.id for row in good if row.channel == "apple"), None)
    return _Offer(
        holder.program_id,
        holder.name,
        holder.external_id,
        holder.locale,
        None if apple is None else store.by_id(connection, apple),
        any(row.channel == "google" and row.placed_at is not None for row in good),
        not good,
    )


def _page(language: str, offer: _Offer, url: str) -> Response:
    words = WORDS[language]
    before, _, after = words["yours"].partition("{program}")
    body = f"<h1>{escape(before)}{pages.shown(offer.program_name)}{escape(after)}</h1>"
    for wallet, there in (("apple", offer.apple is not None), ("google", offer.google)):
        if there:
            body += f'<p><a class="button" href="?as={wallet}">{escape(words[wallet])}</a></p>'
    if offer.apple is None and not offer.google:
        return pages.page(language, words["title"], f"{body}<p>{escape(words['waiting'])}</p>", status=503)
    code = segno.make_qr(url, error="m").svg_inline(scale=5, border=4)
    return pages.page(language, words["title"], f"{body}<p>{escape(words['scan'])}</p>{code}")


def _trouble(language: str, name: str, status: int) -> Response:
    words = WORDS[language]
    body = f"<h1>{escape(words[name])}</h1><p>{escape(words[f'{name}_more'])}</p>"
    return pages.page(language, words["title"], body, status=status)
