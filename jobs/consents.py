"""The verbs of consent: give, withdraw, and the token by which a holder withdraws without an account here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from store import audit, consents, keys, members, opt_outs, roles
from store.consents import PURPOSES, Consent, Said
from store.database import Database, lock_rows
from store.errors import Refused, UsageError
from store.members import Member
from store.schema import members as members_table
from store.schema import programs
from store.settings import Settings
from store.times import now, rfc3339

AUDIENCE = "passbell:unsubscribe"
BY_TOKEN = "token"
"""The source of what a holder said with a token."""
LONGEST_TOKEN = 4_096
STILL_OPTED_OUT = (
    "PassKit still has the member as opted out, so nothing is sent: the flag has to be cleared in PassKit, "
    "whose interface cannot clear it from here; the next sync then sees it"
)


class Expired(Refused):
    """The unsubscribe token was ours once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page behind a token may tell: nothing of the member but a language.

    withdrawn  the consent stands withdrawn
    by_token   and it was by such a token, so that the token can take that back
    """

    program_name: str
    locale: str | None
    withdrawn: bool
    by_token: bool


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was recorded, or was so already.

    new   False where a token was redeemed once more
    note  what else the person who asked should know; empty: nothing
    """

    program_id: str
    external_id: str
    consent: Consent
    new: bool = True
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The outcome as the commands print it."""
        return {
            "program": self.program_id,
            "external_id": self.external_id,
            **self.consent.as_json(),
            "new": self.new,
            "note": self.note or None,
        }


def give(database: Database, program_id: str, external_id: str, said: Said, *, actor: str) -> Spoken:
    """Record that a member consented.

    Raises Refused where the member withdrew later than that, UsageError for a wrong value or an unknown
    member.
    """
    said = consents.checked(said)
    assert said.given
    with database.write() as connection:
        member = _member(connection, program_id, external_id)
        newest = consents.latest_of(connection, [member.id], said.purpose).get(member.id)
        if consents.outdated(said, newest):
            assert newest is not None
            raise Refused(
                f"{external_id!r} withdrew {said.purpose} at {rfc3339(newest.at)}, which is later than "
                f"{rfc3339(said.at)}: a consent has to be newer to count"
            )
        spoken = _record(connection, member, said, actor)
        if said.purpose == "marketing":
            opt_outs.drop(connection, [member.id])
    note = STILL_OPTED_OUT if member.opted_out and said.purpose == "marketing" else ""
    return Spoken(program_id, external_id, spoken, note=note)


def withdraw(database: Database, program_id: str, external_id: str, said: Said, *, actor: str) -> Spoken:
    """Record that a member withdrew; PassKit is told by a worker where it is marketing.

    Raises UsageError for a wrong value or an unknown member.
    """
    said = consents.checked(said)
    assert not said.given
    with database.write() as connection:
        member = _member(connection, program_id, external_id)
        return Spoken(program_id, external_id, _withdraw(connection, member, said, actor))


def make_token(
    database: Database,
    settings: Settings,
    program_id: str,
    external_id: str,
    purpose: str = "marketing",
    *,
    at: datetime | None = None,
) -> str:
    """A signed text by which its bearer withdraws this member's consent, for `consent.token_days`.

    Raises UsageError for an unknown member or purpose.
    """
    roles.check(database.role, "consent.token")
    if purpose not in PURPOSES:
        raise UsageError(f"there is no purpose {purpose[:40]!r}: it is {' or '.join(PURPOSES)}")
    made_at = at or now()
    with database.read() as connection:
        keys.check(connection, settings.consent_secret)
        members.get(connection, program_id, external_id)
    claims = {
        "aud": AUDIENCE,
        "prg": program_id,
        "sub": external_id,
        "pur": purpose,
        "iat": int(made_at.timestamp()),
        "exp": int((made_at + timedelta(days=settings.consent.token_days)).timestamp()),
    }
    import jwt  # 10 MB with its cryptography, which who only looks at a member does without

    return jwt.encode(claims, _key(settings), algorithm="HS256")


def opt_out_link(settings: Settings, token: str) -> str:
    """The address of the page on which whoever has the token withdraws, and of a mail program's one click."""
    return f"{settings.web_url}/u/{token}"


def redeem(
    database: Database, settings: Settings, token: str, *, ip: str | None = None, actor: str
) -> Spoken:
    """Withdraw as the token says. Twice is once: a consent that stands withdrawn stays as it is.

    Raises Refused for a token that is not ours, was changed, has expired, or whose member is not here.
    """
    program_id, external_id, purpose = _read_token(settings, token)
    said = consents.checked(Said(purpose, False, BY_TOKEN, now(), ip=ip))
    with database.write() as connection:
        _program_name(connection, settings, program_id, external_id)
        member = _member(connection, program_id, external_id)
        newest = consents.latest_of(connection, [member.id], purpose).get(member.id)
        if newest is not None and not newest.given:
            return Spoken(program_id, external_id, newest, new=False)
        return Spoken(program_id, external_id, _withdraw(connection, member, said, actor))


def take_back(
    database: Database, settings: Settings, token: str, *, ip: str | None = None, actor: str
) -> Spoken:
    """Give again what was withdrawn by such a token, for a holder who changes their mind.

    What was withdrawn in another way stays so, and who did not withdraw gives nothing by it: Refused, as
    `redeem` does for a wrong token.
    """
    program_id, external_id, purpose = _read_token(settings, token)
    said = consents.checked(Said(purpose, True, BY_TOKEN, now(), ip=ip))
    with database.write() as connection:
        _program_name(connection, settings, program_id, external_id)
        member = _member(connection, program_id, external_id)
        newest = consents.latest_of(connection, [member.id], purpose).get(member.id)
        if newest is not None and newest.given and newest.source == BY_TOKEN:
            return Spoken(program_id, external_id, newest, new=False)
        if newest is None or newest.given or newest.source != BY_TOKEN:
            raise Refused("nothing was withdrawn with this token that it could take back")
        spoken = _record(connection, member, said, actor)
        if purpose == "marketing":
            opt_outs.drop(connection, [member.id])
    note = STILL_OPTED_OUT if member.opted_out and purpose == "marketing" else ""
    return Spoken(program_id, external_id, spoken, note=note)


def standing(database: Database, settings: Settings, token: str) -> Standing:
    """How it stands with what a token can withdraw. Changes nothing; raises Refused as `redeem` does."""
    program_id, external_id, purpose = _read_token(settings, token)
    with database.read() as connection:
        name = _program_name(connection, settings, program_id, external_id)
        member = members.get(connection, program_id, external_id)
        newest = consents.latest_of(connection, [member.id], purpose).get(member.id)
    withdrawn = newest is not None and not newest.given
    by_token = withdrawn and newest is not None and newest.source == BY_TOKEN
    return Standing(name, member.locale, withdrawn, by_token)


def _program_name(connection: sa.Connection, settings: Settings, program_id: str, external_id: str) -> str:
    """The name of the program that a token's member is in; Refused where there is no such member here."""
    keys.check(connection, settings.consent_secret)
    name = connection.scalar(
        sa.select(programs.c.name)
        .join(members_table, programs.c.id == members_table.c.program_id)
        .where(
            programs.c.account == settings.account,
            members_table.c.program_id == program_id,
            members_table.c.external_id == external_id,
        )
    )
    if name is None:
        raise Refused("the token's member is not known here (any more)")
    return str(name)


def _read_token(settings: Settings, token: str) -> tuple[str, str, str]:
    token = token.strip()
    if len(token) > LONGEST_TOKEN:
        raise Refused("this is no unsubscribe token: it is too long")
    import jwt  # as above

    try:
        claims = jwt.decode(
            token,
            _key(settings),
            algorithms=["HS256"],
            audience=AUDIENCE,
            options={"require": ["aud", "prg", "sub", "pur", "iat", "exp"]},
        )
    except jwt.ExpiredSignatureError:
        raise Expired("the unsubscribe token has expired") from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        # What is wrong with it is told to nobody who made it up.
        raise Refused("this is no unsubscribe token of ours, or it was changed on its way") from None
    wanted = claims["prg"], claims["sub"], claims["pur"]
    if not all(isinstance(one, str) for one in wanted) or wanted[2] not in PURPOSES:
        raise Refused("this is no unsubscribe token of ours, or it was changed on its way")
    return wanted


def _key(settings: Settings) -> bytes:
    return keys.derive(settings.consent_secret, "unsubscribe tokens")


def _member(connection: sa.Connection, program_id: str, external_id: str) -> Member:
    """The member, locked: what is found to be the newest record stays it until ours is written."""
    member = members.get(connection, program_id, external_id)
    lock_rows(connection, members_table.c.id, [member.id])
    return member


def _withdraw(connection: sa.Connection, member: Member, said: Said, actor: str) -> Consent:
    recorded = _record(connection, member, said, actor)
    if said.purpose == "marketing":
        opt_outs.note(connection, [member.id], at=now())
    return recorded


def _record(connection: sa.Connection, member: Member, said: Said, actor: str) -> Consent:
    recorded = consents.record(connection, member.id, said, actor=actor)
    audit.append(
        connection,
        actor=actor,
        act="consent.give" if said.given else "consent.withdraw",
        subject=member.program_id,
        details={"member": member.external_id, **_told(said)},
    )
    return recorded


def _told(said: Said) -> dict[str, Any]:
    """What the audit keeps; an IP address stays with the record, where it can be erased with the member."""
    return {
        "purpose": said.purpose,
        "source": said.source,
        "wording": said.wording,
        "at": rfc3339(said.at),
    }
