"""The channel to Google passes that we issue: the text is put on the pass, then a message makes phones alert.

Google words the alert itself; a phone that is tapped shows the pass with the message (Google's guide to push
notifications). Messages leave the pass after a while; the text stays in a text module, to be read later.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal

from jobs.channels.base import Outcome, Parcel, Result
from jobs.channels.google_api import Google
from jobs.channels.google_errors import GoogleError
from jobs.passes import google_design, template
from jobs.passes.template import Template
from store import arrivals, bookings, templates
from store.database import Database, StoreUnavailable
from store.errors import PassbellError
from store.times import now

log = logging.getLogger("passbell")

Json = dict[str, Any]
Run = Callable[[Callable[[], Any]], Awaitable[Any]]

SHOWN = timedelta(days=7)
"""How long a message stands in the pass's list of messages. Without an end it would stay for ever."""
MOST_MESSAGES = 10
"""Messages that Google keeps of a pass. What the next one does is not documented: it never comes to that."""
OURS = "passbell"
"""What the ids of our messages begin with."""


class GoogleChannel:
    """Messages to the Google passes of one issuer: a read, a write, and the message, three requests.

    The text is written first, which alerts nobody and can be repeated; the message comes last, so that how it
    ended is how the send ended. Google adds a message twice if it is told twice: its id is made from the
    delivery, and the read looks for it. Two messages to one pass must not be sent at the same moment, since
    Google replaces lists whole; the gate's interval sees to that.

    run          runs database calls off the loop
    over_budget  skip | text: what becomes of a message when the pass's alerts of 24 hours are spent
    """

    def __init__(
        self, client: Google, database: Database, run: Run, *, over_budget: Literal["skip", "text"] = "skip"
    ) -> None:
        self._client, self._database, self._run, self._over_budget = client, database, run, over_budget
        self._templates: dict[tuple[str, int | None], Template] = {}

    async def send(self, parcel: Parcel) -> Result:
        """Bring the text onto the pass and alert its holder; see `Outcome` for the ways it may end."""
        if not parcel.text.strip():
            return Result(Outcome.REFUSED, "empty_text", "the text is empty")
        if not parcel.provider_id:
            return Result(Outcome.REFUSED, "no_id", "the pass has no id to address it by")
        try:
            design = await self._run(lambda: self._template(parcel.program_id))
            resource = f"{design.google.type}Object"
            found = await self._client.get(resource, parcel.provider_id)
            if ended := _look(parcel, found):
                if ended.outcome is Outcome.ACCEPTED:
                    await self._note(parcel, found)
                return ended
            alert = await self._run(lambda: self._book(parcel))
            if not alert and self._over_budget == "skip":
                return Result(Outcome.SKIPPED, "attention_budget", f"{_SPENT}; nothing was sent")
            if changes := _changes(parcel, found, design):
                await self._client.patch(resource, parcel.provider_id, changes)
        except GoogleError as error:
            return _failure(error, wrote=False)
        except StoreUnavailable as error:
            return Result(Outcome.LATER, "store_unavailable", str(error))
        except PassbellError as error:
            return Result(Outcome.REFUSED, "no_template", str(error))
        return await self._add_message(parcel, resource, alert)

    async def _add_message(self, parcel: Parcel, resource: str, alert: bool) -> Result:
        """The last step, which is the one that counts."""
        try:
            answer = await self._client.add_message(resource, parcel.provider_id, _message(parcel, alert))
        except GoogleError as error:
            if error.kind != "alerts_spent":
                return _failure(error, wrote=True)
            if not alert or self._over_budget == "skip":
                detail = f"{_SPENT}; the text is on the pass, and nobody was alerted"
                return Result(Outcome.SKIPPED, "attention_budget", detail, error.label)
            return await self._add_message(parcel, resource, alert=False)
        await self._note(parcel, answer)
        if not alert:
            return Result(Outcome.ACCEPTED, "no_alert", f"{_SPENT}: the message is on the pass, without one")
        return Result(Outcome.ACCEPTED)

    async def opt_out(self, parcel: Parcel) -> Result:
        """Nobody has to be told: our own records are all there is."""
        return Result(Outcome.ACCEPTED, "own_pass", "the pass is ours")

    async def check(self, kind: str, designs: Mapping[str, str], message_key: str) -> Result:
        """Google alerts for a message, whatever the design: none is mute."""
        return Result(Outcome.ACCEPTED)

    async def probe(self, kind: str = "", program_id: str = "") -> Result:
        """Whether the service account gets a token, and the issuer has invited it."""
        try:
            await self._client.get("issuer", self._client.issuer)
        except GoogleError as error:
            if error.kind == "not_found":
                detail = f"Google knows no issuer {self._client.issuer}: google.issuer is wrong"
                return Result(Outcome.REFUSED, "key_refused", detail, error.label, account=True)
            return _failure(error, wrote=False)
        return Result(Outcome.ACCEPTED)

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    async def _note(self, parcel: Parcel, found: Json) -> None:
        """Keep whether anybody has the pass. A store in trouble does not call the message back."""
        has_users = found.get("hasUsers")
        if not isinstance(has_users, bool):
            return
        try:
            await self._run(lambda: self._write_note(parcel, has_users))
        except StoreUnavailable as error:
            log.error("delivery %s: whether anybody has the pass was not kept: %s", parcel.delivery_id, error)

    # In the store

    def _template(self, program_id: str) -> Template:
        with self._database.read() as connection:
            key = program_id, templates.newest_version(connection, program_id)
            if key not in self._templates:
                self._templates[key] = template.of(templates.newest(connection, program_id))
        return self._templates[key]

    def _book(self, parcel: Parcel) -> bool:
        with self._database.write() as connection:
            return bookings.book(connection, parcel.delivery_id, parcel.pass_id, now())

    def _write_note(self, parcel: Parcel, has_users: bool) -> None:
        with self._database.write() as connection:
            arrivals.note_has_users(connection, parcel.delivery_id, parcel.pass_id, has_users)


def message_id(parcel: Parcel) -> str:
    """The same for each try of a delivery. The text is in it: ids of deliveries recur in a restored store."""
    mark = sha256(parcel.text.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{OURS}-{parcel.delivery_id}-{parcel.pass_id}-{mark}"


def _look(parcel: Parcel, found: Json) -> Result | None:
    """What a fresh look says against writing, or None."""
    ours = message_id(parcel)
    if any(one.get("id") == ours for one in _entries(found, "messages")):
        return Result(Outcome.ACCEPTED, "already_there", "the pass has this message already")
    if parcel.why_not is not None:
        return Result(Outcome.SKIPPED, parcel.why_not, "a try did not arrive, and the gate allows no other")
    # Deprecated spellings in small letters may come back; generic passes may come without.
    state = str(found.get("state") or "ACTIVE").upper()
    if state not in ("ACTIVE", "STATE_UNSPECIFIED"):
        detail = f"Google has the pass as {state.lower()}: it stands among the expired ones"
        return Result(Outcome.SKIPPED, "not_active", detail)
    return None


def _changes(parcel: Parcel, found: Json, design: Template) -> Json:
    """What a PATCH has to change before the message; empty where nothing. It replaces lists whole."""
    changes: Json = {}
    modules = _entries(found, "textModulesData")
    ours = google_design.message_module(design, parcel.text)
    others = [one for one in modules if one.get("id") != ours["id"]]
    if ours not in modules:
        changes["textModulesData"] = [*others, ours]
    messages = _entries(found, "messages")
    if len(messages) >= MOST_MESSAGES:
        changes["messages"] = [_silent(one) for one in _newest(messages, MOST_MESSAGES - 1)]
    return changes


def _newest(messages: Sequence[Json], most: int) -> list[Json]:
    """Messages without the oldest of ours, so that `most` are left; those of others stay."""
    ours = sorted((one for one in messages if _age(one) is not None), key=lambda one: _age(one) or 0)
    old = ours[: max(0, len(messages) - most)]
    return [one for one in messages if not any(one is other for other in old)]


def _age(message: Json) -> int | None:
    """Which of our deliveries it was of: the later one has the higher number. None: not ours."""
    mark, _, rest = str(message.get("id", "")).partition("-")
    number = rest.partition("-")[0]
    return int(number) if mark == OURS and number.isascii() and number.isdigit() else None


def _silent(message: Json) -> Json:
    """A message as it goes back to its list: Google might alert for one that is written as it was added."""
    kept = {name: one for name, one in message.items() if name != "kind"}
    return kept | ({"messageType": "TEXT"} if kept.get("messageType") == "TEXT_AND_NOTIFY" else {})


def _message(parcel: Parcel, alert: bool) -> Json:
    """The default type of a message, TEXT, alerts nobody."""
    return {
        "id": message_id(parcel),
        "header": parcel.title,
        "body": parcel.text,
        "messageType": "TEXT_AND_NOTIFY" if alert else "TEXT",
        "displayInterval": {"end": {"date": (now() + SHOWN).strftime("%Y-%m-%dT%H:%M:%SZ")}},
    }


def _entries(found: Json, name: str) -> list[Json]:
    listed = found.get(name)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


_SPENT = f"Google alerts for {bookings.ALERTS_A_DAY} messages to a pass in 24 hours, and these are spent"

_ENDINGS: dict[str, tuple[Outcome, str]] = {
    "key_refused": (Outcome.REFUSED, "key_refused"),
    "forbidden": (Outcome.REFUSED, "key_refused"),
    "bad_request": (Outcome.REFUSED, "bad_request"),
    "not_found": (Outcome.GONE, "not_found"),
    "throttled": (Outcome.THROTTLED, "throttled"),
    "alerts_spent": (Outcome.SKIPPED, "attention_budget"),
    "conflict": (Outcome.LATER, "conflict"),
    "server_error": (Outcome.LATER, "server_error"),
    "timeout": (Outcome.LATER, "timeout"),
    "network": (Outcome.LATER, "network"),
    "protocol": (Outcome.LATER, "odd_reply"),
}


def _failure(error: GoogleError, *, wrote: bool) -> Result:
    """The result of a request that failed; unknown where the message may have been added all the same."""
    outcome, reason = _ENDINGS[error.kind]
    if wrote and error.sent and outcome is Outcome.LATER:
        outcome = Outcome.UNKNOWN
    detail = error.message
    if error.kind == "forbidden":
        detail = f"{detail}; is the service account invited in the Pay & Wallet console, and the API on?"
    return Result(
        outcome, reason, detail, error.label, wait=error.retry_after, account=reason == "key_refused"
    )
