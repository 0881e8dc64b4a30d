"""The opt-out page: whoever has the link withdraws one member's consent, and may take that back.

Looking at the page does nothing, since mail scanners look at links: only a POST withdraws, be it the page's
own button or a mail program's one click (RFC 8058, `List-Unsubscribe-Post`). The page works without scripts,
and tells nothing of the member.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jobs import consents
from jobs.consents import Expired, Spoken, Standing
from store.database import Database
from store.errors import Refused
from store.settings import Settings
from web import pages
from web.limits import address

if TYPE_CHECKING:
    from web.face import Face

ACTOR = "holder"

WORDS = {
    "en": {
        "title": "Messages on your pass",
        "ask": "Stop messages from {program}?",
        "ask_more": "Your pass stays as it is. You only get no more offers and news on it.",
        "stop": "Stop messages",
        "done": "Messages from {program} are stopped",
        "done_more": "It is noted. A message that is on its way this minute may still come.",
        "undo": "That was a mistake: send me messages again",
        "back": "You get messages from {program} again",
        "still_out": "The service behind this pass still has you unsubscribed: ask {program} to change that.",
        "nothing": "There is nothing to take back",
        "nothing_more": "The messages were not stopped with this link.",
        "expired": "This link has expired",
        "expired_more": "Use the link on your pass, or ask the business that sent you this one.",
        "wrong": "This link does not work",
        "wrong_more": "It is incomplete or was changed. Copy it once more, with all its characters.",
    },
    "de": {
        "title": "Nachrichten auf Ihrer Karte",
        "ask": "Keine Nachrichten mehr von {program}?",
        "ask_more": "Ihre Karte bleibt, wie sie ist. Nur Angebote und Neuigkeiten kommen nicht mehr.",
        "stop": "Nachrichten abbestellen",
        "done": "Die Nachrichten von {program} sind abbestellt",
        "done_more": "Das ist vermerkt. Was in diesem Augenblick unterwegs ist, kann noch ankommen.",
        "undo": "Das war ein Versehen: wieder Nachrichten schicken",
        "back": "Sie bekommen wieder Nachrichten von {program}",
        "still_out": "Beim Dienst hinter dieser Karte sind Sie noch abgemeldet: {program} kann das ändern.",
        "nothing": "Hier gibt es nichts zurückzunehmen",
        "nothing_more": "Die Nachrichten wurden nicht mit diesem Link abbestellt.",
        "expired": "Dieser Link ist abgelaufen",
        "expired_more": "Nehmen Sie den Link auf Ihrer Karte oder fragen Sie beim Absender nach.",
        "wrong": "Dieser Link funktioniert nicht",
        "wrong_more": "Er ist unvollständig oder verändert. Kopieren Sie ihn noch einmal ganz.",
    },
}


class Act(Protocol):
    """What a token can do: jobs/consents.redeem, or take_back."""

    def __call__(
        self, database: Database, settings: Settings, token: str, *, ip: str | None, actor: str
    ) -> Spoken: ...


def routes(face: Face) -> list[BaseRoute]:
    """`/u/{token}` and its undo."""

    async def look(request: Request) -> Response:
        return await _answer(face, request, None)

    async def withdraw(request: Request) -> Response:
        return await _answer(face, request, consents.redeem)

    async def take_back(request: Request) -> Response:
        return await _answer(face, request, consents.take_back)

    return [
        Route("/u/{token}", look, methods=["GET"]),
        Route("/u/{token}", withdraw, methods=["POST"]),
        Route("/u/{token}/undo", take_back, methods=["POST"]),
    ]


async def _answer(face: Face, request: Request, act: Act | None) -> Response:
    token: str = request.path_params["token"]
    database, settings = face.database, face.settings
    try:
        found = await face.off_loop(lambda: consents.standing(database, settings, token))
    except Refused as error:
        name, status = ("expired", 410) if isinstance(error, Expired) else ("wrong", 404)
        return _trouble(pages.language(request), name, status)
    language = pages.language(request, found.locale)
    if act is None:
        return _stopped(language, found, token) if found.withdrawn else _asked(language, found)
    ip = _address(face, request)
    try:
        spoken = await face.off_loop(lambda: act(database, settings, token, ip=ip, actor=ACTOR))
    except Refused:
        return _trouble(language, "nothing", 409)
    if spoken.consent.given:
        return _given(language, found, spoken.note)
    by_token = spoken.consent.source == consents.BY_TOKEN
    return _stopped(language, replace(found, withdrawn=True, by_token=by_token), token)


def _address(face: Face, request: Request) -> str | None:
    """Who said it, as far as it is known: of an IPv6 address, the network."""
    found = address(request.scope, behind_proxy=face.settings.web.behind_proxy)
    return None if found == "unknown" else found.partition("/")[0]


def _asked(language: str, found: Standing) -> Response:
    words = WORDS[language]
    body = (
        f"<h1>{_named(words['ask'], found)}</h1><p>{escape(words['ask_more'])}</p>"
        f'<form method="post"><button>{escape(words["stop"])}</button></form>'
    )
    return pages.page(language, words["title"], body)


def _stopped(language: str, found: Standing, token: str) -> Response:
    words = WORDS[language]
    # Relative to /u/TOKEN, so that it holds below a proxy's prefix, too.
    undo = (
        f'<form method="post" action="{escape(token)}/undo">'
        f'<button class="quiet">{escape(words["undo"])}</button></form>'
    )
    body = f"<h1>{_named(words['done'], found)}</h1><p>{escape(words['done_more'])}</p>"
    return pages.page(language, words["title"], body + (undo if found.by_token else ""))


def _given(language: str, found: Standing, note: str) -> Response:
    words = WORDS[language]
    more = f"<p>{_named(words['still_out'], found)}</p>" if note else ""
    return pages.page(language, words["title"], f"<h1>{_named(words['back'], found)}</h1>{more}")


def _trouble(language: str, name: str, status: int) -> Response:
    words = WORDS[language]
    body = f"<h1>{escape(words[name])}</h1><p>{escape(words[f'{name}_more'])}</p>"
    return pages.page(language, words["title"], body, status=status)


def _named(sentence: str, found: Standing) -> str:
    """A sentence with the program's name, escaped."""
    before, _, after = sentence.partition("{program}")
    return escape(before) + pages.shown(found.program_name) + escape(after)
