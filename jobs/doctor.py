"""Doctor: what stands between a text and a lock screen, in plain words. It changes nothing there."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from jobs.channels import passkit_records as records
from jobs.channels.passkit_api import PassKit
from jobs.channels.passkit_errors import PassKitError, plain
from jobs.intake.discovery import NO_FLIGHTS, discover, read_tiers, region_hint
from store import keys, members, programs, rules, workers
from store.database import Database
from store.errors import PassbellError, Refused
from store.migrations import HEAD, revision
from store.programs import Program
from store.roles import Role
from store.settings import FILE_NAME, Settings
from store.times import now, rfc3339

SYNC_OLD = timedelta(hours=24)

SKEW_WARN = 5.0
AHEAD_FAIL = 8.0
BEHIND_FAIL = 45.0
"""Seconds. A token is dated 10 s back and holds for 50 more. PassKit refuses one from its own future, so a
clock that is 10 s ahead fails, and one that is 60 s old, so a clock that is 50 s behind does. The `Date`
header has whole seconds and takes time to arrive: the limits lie a little inside."""

LIMITS = (
    NO_FLIGHTS,
    "PassKit does not count programs, tiers or offers: passbell lists them and counts itself",
    "PassKit shows no lock-screen message on Android: Google Wallet updates the pass silently",
    "PassKit does not say whether a message arrived: accepted means that the pass was changed",
)
"""What the API cannot do; never a fault of this installation."""

CANNOT_ALERT = records.CANNOT_ALERT | {
    "unknown": "could not be read: nobody knows whether phones would alert"
}
"""What a template's state means for a phone; `ok` is missing here."""

PROJECT_WORDS = {
    "PROJECT_DRAFT": ("warn", "is a draft: its passes carry a test notice and lapse after 48 hours"),
    "PROJECT_OVER_QUOTA": ("fail", "is over its quota at PassKit"),
    "OVER_QUOTA": ("fail", "is over its quota at PassKit"),
    "PROJECT_DISABLED_FOR_OBJECT_CREATION": ("warn", "is disabled: PassKit makes no new passes in it"),
    "PROJECT_DELETED": ("fail", "is deleted at PassKit"),
}

MAY: dict[Role, str] = {
    "viewer": "looks, and can change and send nothing",
    "operator": "messages people, and changes no rules, programs, templates or credentials",
    "admin": "may do all",
}

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `hint` says what to do about it; empty where there is nothing to do."""

    level: Level
    subject: str
    sentence: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding as the command prints it."""
        return {
            "level": self.level,
            "subject": self.subject,
            "sentence": self.sentence,
            "hint": self.hint,
        }


async def examine(database: Database, client: PassKit | None, settings: Settings) -> list[Finding]:
    """Look at settings, store, queue, worker, PassKit, its programs and designs, and the members.

    Without a client PassKit is not asked: all passes are our own.
    """
    found = [*_home(settings)]
    store = await asyncio.to_thread(lambda: [*_store(database)])
    found += store
    found.append(await asyncio.to_thread(_queue, settings))
    usable = all(finding.level != "fail" for finding in store)
    if usable:
        found.append(await asyncio.to_thread(_worker, database, settings))
    if client is not None:
        found += await _passkit(client, settings)
    if usable:
        found += await asyncio.to_thread(lambda: [*_members(database, settings)])
        found += await asyncio.to_thread(lambda: [*_gate(database, settings)])
        found += await asyncio.to_thread(lambda: [*_credentials(database, settings)])
    found += _web(settings)
    return found + [Finding("ok", "limits", sentence) for sentence in LIMITS if client is not None]


def _home(settings: Settings) -> Iterator[Finding]:
    mode = (
        "LIVE: messages reach real phones" if settings.live else "REHEARSAL: no message leaves this machine"
    )
    yield Finding("ok", "settings", f"the settings are valid; {mode}")
    yield Finding("ok", "role", f"the role here is {settings.role}, who {MAY[settings.role]}")
    open_to_others = [
        path
        for path in (settings.home, settings.home / FILE_NAME, *_files(settings.home))
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    for path in open_to_others:
        right = "700" if path.is_dir() else "600"
        yield Finding("warn", "home", f"other users of this machine can read {path}", f"chmod {right} {path}")
    if not open_to_others:
        yield Finding("ok", "home", f"{settings.home} is open to its owner only")


def _files(home: Path) -> list[Path]:
    return [*home.glob("*.db"), *home.glob("*.secret")]


def _store(database: Database) -> Iterator[Finding]:
    try:
        at = revision(database)
        if at == HEAD and database.role != "viewer":
            database.check_rights()
    except PassbellError as error:
        yield Finding("fail", "store", str(error), "check store.url")
        return
    if at == HEAD:
        yield Finding("ok", "store", f"{database} can be reached and is at revision {at}")
    elif at is None:
        yield Finding("fail", "store", f"{database} has no tables yet", "passbell init")
    else:
        yield Finding(
            "fail",
            "store",
            f"{database} is at revision {at}, this passbell works with {HEAD}",
            "passbell init brings an older store up; for a newer one, upgrade passbell",
        )


def _queue(settings: Settings) -> Finding:
    hint = "check queue.url; without it messages are delayed, none is lost"
    try:
        from jobs.queue import open_queue

        queue = open_queue(settings)
        try:
            waiting = queue.pending_count()
        finally:
            queue.storage.close()
    except Refused:  # its secret is missing, and a viewer makes none
        return Finding("ok", "queue", "nobody has used a queue here yet, and whoever only looks needs none")
    except PassbellError as error:
        return Finding("fail", "queue", str(error), hint)
    except Exception as error:  # each kind of queue has its driver's own errors
        reason = plain(str(error)) or type(error).__name__
        return Finding("fail", "queue", f"the queue cannot be used: {reason}", hint)
    return Finding("ok", "queue", f"the queue can be reached; {waiting} calls wait in it")


def _worker(database: Database, settings: Settings) -> Finding:
    with database.read() as connection:
        alive = workers.alive(connection, settings.account)
    if alive:
        names = ", ".join(f"{row.host} (process {row.pid})" for row in alive)
        return Finding("ok", "worker", f"alive: {names}")
    return Finding(
        "warn", "worker", "no worker is alive: nothing is sent", "open the console, or run passbell worker"
    )


async def _passkit(client: PassKit, settings: Settings) -> list[Finding]:
    try:
        await client.profile()
    except PassKitError as error:
        # A 404 in PassKit's own words comes after the token was accepted: in the wrong region, say.
        if error.kind != "not_found":
            return [Finding("fail", "key", str(error), _key_hint(error, settings)), *_clock(client)]
    who = "PassKit" if settings.live else "the stand-in"
    found = [Finding("ok", "key", f"{who} takes the key at {client.base_url}"), *_clock(client)]
    try:
        listed, notes = await discover(client, settings.account)
        if not listed and (hint := await region_hint(client)):
            return [*found, Finding("fail", "region", hint, "set passkit.base_url to the other region")]
        found.append(Finding("ok", "region", f"{client.base_url} shows {len(listed)} programs"))
        found += [Finding("warn", "programs", note) for note in notes]
        for program in listed:
            found += [*_project(program), *await _designs(client, program, settings)]
    except PassKitError as error:
        found.append(Finding("fail", "programs", f"PassKit's answer ended the examination: {error}"))
    return found


def _key_hint(error: PassKitError, settings: Settings) -> str:
    if error.kind in ("key_refused", "forbidden"):
        return "copy passkit.api_key and passkit.api_secret from PassKit's portal once more"
    if error.kind == "quota_spent":
        return "look at the plan and its payment in PassKit's portal"
    if not settings.live:
        return "start the stand-in: passbell rehearse"
    return "check the network and passkit.base_url"


def _clock(client: PassKit) -> list[Finding]:
    skew = client.skew_seconds
    if skew is None:
        return []
    sentence = f"this machine's clock is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} PassKit's"
    if abs(skew) <= SKEW_WARN:
        return [Finding("ok", "clock", "this machine's clock agrees with PassKit's")]
    fails = skew > BEHIND_FAIL or skew < -AHEAD_FAIL
    why = "PassKit refuses its tokens" if fails else "PassKit will refuse its tokens if it drifts further"
    return [
        Finding(
            "fail" if fails else "warn", "clock", f"{sentence}: {why}", "set the clock, for example by NTP"
        )
    ]


def _project(program: Program) -> Iterator[Finding]:
    for word in program.status:
        if word in PROJECT_WORDS:
            level, what = PROJECT_WORDS[word]
            yield Finding("fail" if level == "fail" else "warn", program.name, f"{program.name} {what}")


async def _designs(client: PassKit, program: Program, settings: Settings) -> list[Finding]:
    """What each tier's design would keep a phone from."""
    field = settings.passkit.message_field
    tiers, _, notes = await read_tiers(client, program, field)
    found = [Finding("warn", program.name, note) for note in notes]
    for tier in tiers:
        if tier.message_field_state != "ok":
            what = CANNOT_ALERT[tier.message_field_state].format(field=field)
            level: Level = "warn" if tier.message_field_state == "unknown" else "fail"
            sentence = f"{program.name}, {tier.name}: its design {what}"
            found.append(Finding(level, program.name, sentence, records.MEND.format(field=field)))
    if not tiers:
        found.append(Finding("warn", program.name, f"{program.name} has no tier, so no design to alert with"))
    elif not found:
        found.append(Finding("ok", program.name, f"{program.name}: every design alerts by {field}"))
    return found


def _members(database: Database, settings: Settings) -> Iterator[Finding]:
    with database.read() as connection:
        rows = programs.list_programs(connection, settings.account)
        reach = {row.program.id: members.reach(connection, row.program.id) for row in rows}
    if not rows and settings.live and not settings.passkit.api_key:
        yield Finding("warn", "members", "there is no program yet", "passbell programs create")
    elif not rows:
        yield Finding("warn", "members", "no program has been synced yet", "passbell sync")
    for row in rows:
        if row.program.kind != "flight" and row.program.issuer == "passkit":
            yield _freshness(row.program, settings)
        yield from _reach(row.program, reach[row.program.id])


def _gate(database: Database, settings: Settings) -> Iterator[Finding]:
    """What would keep the gate from letting anybody through, or from knowing whom it must not."""
    with database.read() as connection:
        try:
            keys.check(connection, settings.consent_secret)
        except PassbellError as error:
            yield Finding("fail", "suppressions", str(error), "restore consent.secret")
        for program_id, name in programs.names(connection, settings.account).items():
            held = rules.effective(connection, settings.gate, program_id)
            if held.quiet is not None and held.time_zone is None:
                told = (
                    f"{name} has quiet hours and no known time zone: members without one are never messaged"
                )
                yield Finding("warn", name, told, "set gate.time_zone, such as Europe/Vienna")


def _credentials(database: Database, settings: Settings) -> Iterator[Finding]:
    """Certificates and keys of passes of our own: what cannot be used, and what expires within 30 days."""
    from jobs.passes import credentials

    at = now()
    for one in credentials.states(settings, database):
        level: Level = one.level(at)
        hint = "" if level == "ok" else f"passbell credentials add {one.name.partition(' ')[0]}"
        yield Finding(level, one.name, f"{one.name}: {one.sentence(at)}", hint)


def _web(settings: Settings) -> Iterator[Finding]:
    """Where phones reach us. Passes carry it for ever, so it has to be right before the first is issued."""
    if not settings.live or not (settings.apple.pass_type or settings.google.issuer):
        return
    hint = "set web.url to the https address that phones reach passbell serve by"
    if not settings.web.url:
        yield Finding("fail", "web", "web.url is not set: phones could not fetch their passes", hint)
    elif not settings.web.url.startswith("https://"):
        yield Finding("fail", "web", f"{settings.web.url} is this machine's own: no phone reaches it", hint)
    else:
        yield Finding("ok", "web", f"passes carry {settings.web.url}")


def _freshness(program: Program, settings: Settings) -> Finding:
    hint = f"passbell sync {program.id}"
    if program.synced_at is None:
        return Finding("warn", program.name, f"{program.name} was never synced to its end", hint)
    at = rfc3339(program.synced_at)
    if program.synced_at < now() - SYNC_OLD:
        return Finding(
            "warn", program.name, f"{program.name} was last synced more than a day ago, at {at}", hint
        )
    if program.message_field != settings.passkit.message_field:
        return Finding("warn", program.name, f"{program.name} was synced for another message field", hint)
    return Finding("ok", program.name, f"{program.name} was synced at {at}")


def _reach(program: Program, reach: members.Reach) -> Iterator[Finding]:
    for count, what in (
        (reach.opted_out, "have opted out and are never messaged"),
        (reach.not_installed, "have their pass in no wallet and cannot be reached"),
        (reach.google_only, "have the pass in Google Wallet only, which shows no lock-screen message"),
    ):
        if count:
            share = f"{count:,} of {reach.members:,} members ({count / reach.members:.0%})"
            yield Finding("ok", program.name, f"{program.name}: {share} {what}")
