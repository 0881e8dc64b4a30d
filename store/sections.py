"""Every setting there is, by section: what it means, its default, and what it may be."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from store.roles import Role


class Section(BaseModel):
    """A table of the settings file. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class StoreSettings(Section):
    """Where the ledger is kept."""

    url: str = ""
    """`sqlite:///path/file.db` or `postgresql://user:password@host/name`; empty: `passbell.db` in the home.

    A SQLite URL may end in `?timeout=60`: seconds that a writer waits for another one (20 without it).
    """

    @field_validator("url")
    @classmethod
    def _names_a_file(cls, given: str) -> str:
        if given.startswith("sqlite:") and given.removeprefix("sqlite:").strip("/") in ("", ":memory:"):
            raise ValueError("it has to name a file, such as sqlite:///path/file.db")
        return given


class QueueSettings(Section):
    """The queue that wakes workers. It is never the record: losing it loses nothing."""

    url: str = ""
    """`sqlite:///path`, `redis://host:port/0` or `postgresql://...`; empty: `queue.db` in the home."""
    secret: SecretStr | None = None
    """Signs queue messages; the same on all machines that share a queue. Empty: made once, in the home."""


class PassKitSettings(Section):
    """The PassKit account. Without a key everything is a rehearsal."""

    base_url: str = "pub1"
    """`pub1` (EU, Asia), `pub2` (USA), or a URL. The region belongs to the account."""
    api_key: str = ""
    """The API key; it travels as the token's `uid`. Empty: rehearsal."""
    api_secret: SecretStr = SecretStr("")
    """The API secret; it signs each request's token and is shown nowhere."""
    rate_per_second: float = Field(default=50, gt=0, le=10_000)
    """Requests in any one second, over all workers together. A message takes two: a read and a write."""
    concurrency: int = Field(default=16, ge=1, le=512)
    """Requests in flight at once in one worker process."""
    transport: Literal["auto", "pyreqwest", "httpx"] = "auto"
    """What carries requests: `pyreqwest` is fast, `httpx` pure Python; `auto`: pyreqwest where installed."""
    timeout_seconds: float = Field(default=10, gt=0, le=120)
    """How long one request may take."""
    message_field: str = Field(default="meta.latestOffer", pattern=r"^meta\.[A-Za-z0-9_-]{1,64}$")
    """The template's field that carries the message; its changeMessage must contain `%@`."""
    page_size: int = Field(default=500, ge=1, le=5_000)
    """Records asked for in one page of a sync."""

    @field_validator("base_url")
    @classmethod
    def _region_or_url(cls, given: str) -> str:
        if given not in ("pub1", "pub2") and not given.startswith(("https://", "http://")):
            raise ValueError("it has to be pub1, pub2 or an http(s) URL")
        if "@" in given:
            raise ValueError("it has to be a URL without user name and password: the key is what signs in")
        return given


class EngineSettings(Section):
    """How a blast is sent."""

    batch_size: int = Field(default=500, ge=1, le=1_000)
    """Deliveries that one worker claims together, at most; never more than leave in a few seconds."""
    lease_seconds: float = Field(default=60, ge=2, le=3_600)
    """How long a claim holds; after a crash its deliveries wait this long before they are taken up again."""
    max_attempts: int = Field(default=6, ge=1, le=50)
    """Tries before a delivery counts as failed; an operator's `retry` starts the count anew."""
    backoff_seconds: float = Field(default=1, ge=0.01, le=600)
    """Wait before the second try; it doubles with each further one, with jitter."""
    backoff_ceiling_seconds: float = Field(default=60, ge=0.01, le=3_600)
    """The longest wait between two tries, except where a provider asks for more."""
    probe_seconds: float = Field(default=5, ge=0.1, le=20)
    """Between two looks whether a held blast may go on; the same on all machines that share a store."""
    undo_seconds: float = Field(default=10, ge=0, le=3_600)
    """From a launch to its first message: so long a cancel ends it with nobody messaged."""
    grace_seconds: float = Field(default=900, ge=1, le=86_400)
    """A scheduled blast that could not start for longer than this is missed and asks, and does not start."""


class GateSettings(Section):
    """Who may be messaged, and when. A program may have rules of its own: `passbell programs rules`."""

    consent: Literal["unless_withdrawn", "given"] = "unless_withdrawn"
    """Marketing goes to those who did not withdraw, or, with `given`, only to those who consented."""
    service_may_skip: str = "no_consent, declined, frequency_cap"
    """Checks that service messages pass over, of: opted_out, no_consent, declined, quiet_hours,
    frequency_cap, too_soon, attention_budget; empty: none."""
    quiet_hours: str = ""
    """Such as `21:00-08:00`, in the member's time zone: what falls there waits for its end. Empty: none."""
    time_zone: str = ""
    """The zone of members and programs that name none, such as `Europe/Vienna`. Where quiet hours apply and
    no zone is known, nothing is sent."""
    most_a_day: int = Field(default=0, ge=0, le=1_000)
    """Messages to one member in any 24 hours; 0: no limit."""
    most_a_week: int = Field(default=0, ge=0, le=1_000)
    """Messages to one member in any 7 days; 0: no limit."""
    pass_interval_minutes: float = Field(default=15, ge=0, le=10_080)
    """Between two messages to one pass: the second waits."""
    pass_most_a_day: int = Field(default=0, ge=0, le=1_000)
    """Messages to one pass in any 24 hours; 0: no limit. Google's own limit of 3 alerts holds besides."""
    google_over_budget: Literal["skip", "text"] = "skip"
    """A message over Google's 3 alerts in 24 hours: not sent, or put on the pass without an alert."""
    pass_most_a_month: int = Field(default=0, ge=0, le=10_000)
    """Messages to one pass in any 30 days; 0: no limit."""
    plan_valid_hours: float = Field(default=24, gt=0, le=8_760)
    """A plan older than this is not launched any more: it has to be made anew."""

    @field_validator("service_may_skip")
    @classmethod
    def _known_checks(cls, given: str) -> str:
        for word in filter(None, (part.strip() for part in given.split(","))):
            if word not in SKIPPABLE:
                raise ValueError(f"{word!r} is none of {', '.join(SKIPPABLE)}")
        return given

    @field_validator("quiet_hours")
    @classmethod
    def _two_times(cls, given: str) -> str:
        read_quiet_hours(given)
        return given

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, given: str) -> str:
        from store.zones import known

        if given and not known(given):
            raise ValueError(f"{given!r} is no time zone, such as Europe/Vienna")
        return given


SKIPPABLE = (
    "opted_out",
    "no_consent",
    "declined",
    "quiet_hours",
    "frequency_cap",
    "too_soon",
    "attention_budget",
)
"""Checks of the gate that service messages may pass over, where the settings say so."""


def read_quiet_hours(text: str) -> tuple[str, str] | None:
    """`21:00-08:00` as its two times; None for an empty text. Raises ValueError for anything else.

    Equal times mean no quiet hours, too: so a program can do without those of the settings.
    """
    if not text.strip():
        return None
    found = re.fullmatch(r"\s*([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)\s*", text, re.ASCII)
    if found is None:
        raise ValueError("write it as 21:00-08:00")
    from_hour, from_minute, to_hour, to_minute = found.groups()
    return f"{from_hour}:{from_minute}", f"{to_hour}:{to_minute}"


SHORTEST_SECRET = 16
"""Characters of a secret by which hashes cannot be guessed."""


def _hard_to_guess(given: SecretStr) -> SecretStr:
    if 0 < len(given.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"it has to have {SHORTEST_SECRET} characters or more")
    return given


class ConsentSettings(Section):
    """The secret behind suppression hashes and unsubscribe tokens."""

    secret: SecretStr = SecretStr("")
    """The same on all machines that share a store. Empty: made once, in the home; belongs to the backups."""

    token_days: int = Field(default=400, ge=1, le=3_650)
    """How long an unsubscribe token works."""

    _is_hard_to_guess = field_validator("secret")(_hard_to_guess)


class AppleSettings(Section):
    """Apple Wallet passes that passbell issues itself. Needs a Pass Type ID certificate from Apple."""

    pass_type: str = Field(default="", pattern=r"^$|^pass\.[A-Za-z0-9.-]{1,120}$")
    """The pass type identifier, such as `pass.com.example.club`. Empty: no Apple passes, or a rehearsal."""
    team: str = Field(default="", pattern=r"^[A-Z0-9]{0,20}$")
    """The team identifier; it has to be the certificate's."""
    certificate: str = ""
    """Path of a PEM file with the pass type's certificate (its key may stand in it, too), or a .p12 file.
    Empty: the one that `passbell credentials add apple` keeps, encrypted, in the store."""
    key: str = ""
    """Path of the key in PEM, where it is not in the certificate's file."""
    key_password: SecretStr = SecretStr("")
    """The password of the key or the .p12 file."""
    wwdr: str = ""
    """Path of Apple's intermediate certificate (WWDR G4), in PEM or DER: the one that signed ours."""
    push_with: Literal["certificate", "key"] = "certificate"
    """`key` pushes by a .p8 token, which Apple does not document for passes."""
    push_key: str = ""
    """Path of the .p8 file for `push_with = "key"`."""
    push_key_id: str = ""
    """Its key id."""
    push_url: str = "https://api.push.apple.com"
    """Where pushes go; passes have no sandbox."""
    push_ca: str = ""
    """Path of a certificate authority's PEM to trust there instead of the system's; for stand-ins."""
    push_type: Literal["", "background", "alert"] = ""
    """The `apns-push-type`; empty sends none, as shipped pass servers do. `background`: at priority 5."""
    driver: Literal["auto", "aioapns", "pyreqwest"] = "auto"
    """What carries pushes; `auto`: the faster one that is installed."""
    connections: int = Field(default=2, ge=1, le=32)
    """Connections to Apple for each pass type, each kept open for hours."""
    concurrency: int = Field(default=1_000, ge=1, le=4_000)
    """Pushes in flight at once in one worker process, however many streams Apple allows."""
    rate_per_second: float = Field(default=10_000, gt=0, le=100_000)
    """Messages in any one second, over all workers together. Apple publishes no limit."""
    timeout_seconds: float = Field(default=10, gt=0, le=120)
    """How long one push may take: Apple leaves some without an answer for ever."""

    @field_validator("push_url")
    @classmethod
    def _encrypted(cls, given: str) -> str:
        if not given.startswith("https://"):
            raise ValueError("it has to be an https URL")
        return given.rstrip("/")


class GoogleSettings(Section):
    """Google Wallet passes that passbell issues itself. Needs an issuer, and a service account it invited."""

    issuer: str = Field(default="", pattern=r"^[0-9]{0,30}$")
    """The issuer id of the Pay & Wallet console. Empty: no Google passes, or a rehearsal."""
    service_account: str = ""
    """Path of the service account's JSON key. Empty: the one that `passbell credentials add google` keeps."""
    base_url: str = "https://walletobjects.googleapis.com"
    """Where the Wallet API answers."""
    save_url: str = "https://pay.google.com/gp/v/save/"
    """What a save link begins with."""
    keys_url: str = "https://pay.google.com/gp/m/issuer/keys"
    """Where Google publishes the root keys of its callbacks."""
    ca: str = ""
    """Path of a certificate authority's PEM to trust there instead of the system's; for stand-ins."""
    rate_per_second: float = Field(default=12, gt=0, le=1_000)
    """Requests in any one second, over all workers together. Google publishes 20."""
    concurrency: int = Field(default=8, ge=1, le=64)
    """Requests in flight at once in one worker process."""
    timeout_seconds: float = Field(default=10, gt=0, le=120)
    """How long one request may take."""

    @field_validator("base_url", "save_url", "keys_url")
    @classmethod
    def _url(cls, given: str) -> str:
        if not given.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
            raise ValueError("it has to be an https URL")
        return given


class WebSettings(Section):
    """The face that phones and providers call: `passbell serve`."""

    url: str = ""
    """Its address as phones see it, such as `https://passes.example.com`; passes carry it for ever. Must not
    hold `/v1`: phones append that."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8780, ge=0, le=65_535)
    """Port to listen on; 0: any free one."""
    certificate: str = ""
    """Path of a PEM file with the server's certificate chain; empty: plain HTTP, for a proxy in front."""
    key: str = ""
    """Path of its key."""
    processes: int = Field(default=2, ge=1, le=64)
    """Processes that answer."""
    link_days: int = Field(default=90, ge=1, le=3_650)
    """How long a download link of a pass works."""
    behind_proxy: bool = False
    """Take a caller's address from the proxy's `X-Forwarded-For`. Only where a proxy sets it."""
    address_per_minute: int = Field(default=600, ge=1, le=10_000_000)
    """Requests that one address may make in a minute, of each process. Many phones may share an address."""
    device_per_minute: int = Field(default=120, ge=1, le=10_000_000)
    """Requests that one device may make in a minute, of each process."""
    events_secret: SecretStr = SecretStr("")
    """Signs `POST /v1/events`. Empty: no events are taken."""
    passkit_secret: SecretStr = SecretStr("")
    """The signing secret of PassKit's webhook. Empty: no webhooks are taken."""
    metrics_token: SecretStr = SecretStr("")
    """Asked for as a bearer token at `/metrics`. Empty: only callers on this machine may read it."""

    @field_validator("url")
    @classmethod
    def _base(cls, given: str) -> str:
        if given and not given.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError("phones only take an https URL")
        if "/v1" in given:
            raise ValueError("it must not hold /v1: phones append that")
        return given.rstrip("/")


class KeysSettings(Section):
    """The key that credentials kept in the store are encrypted with."""

    secret: SecretStr = SecretStr("")
    """The key itself, 16 characters or more. Empty: read from the file."""
    file: str = ""
    """Path of a file that holds it; empty: `keys.secret` in the home, made once. Belongs to the backups, but
    not beside the store's."""

    _is_hard_to_guess = field_validator("secret")(_hard_to_guess)


class RehearsalSettings(Section):
    """The stand-ins that answer while nothing real is set up."""

    port: int = Field(default=8765, ge=1, le=65_535)
    """Port on 127.0.0.1."""
    members: int = Field(default=5_000, ge=1, le=1_000_000)
    """Members of its first program."""
    seed: int = 1
    """The same seed makes the same members."""
    wallets_port: int = Field(default=0, ge=0, le=65_535)
    """Port on 127.0.0.1 of the stand-ins for APNs and Google; 0: any free one."""


class AccessSettings(Section):
    """What whoever uses this home may do. A guard against slips: who can write this file can do all.

    The environment and flags can only take away from what the file says.
    """

    role: Role = "admin"
    """viewer: look; operator: message people; admin: also change rules, credentials, programs, templates."""
    read_only: bool = False
    """Nothing can be changed or sent, whatever the role; `passbell --read-only` sets it."""


class ConsoleSettings(Section):
    """The screens."""

    start: Literal["last", "home", "programs", "audiences", "compose", "blasts", "audit"] = "last"
    """The first screen; last: the one that was left, with its filter and order."""

    theme: str = "textual-dark"
    """A theme's name, as the command palette lists them."""
    start_worker: bool = True
    """Start a worker as a child when none is alive; it ends with the console once its batch is done."""
    type_count_from: int = Field(default=100, ge=1)
    """From this many passes on, a launch asks to type the count."""
    ascii: bool = False
    """Draw borders, bars and plots with ASCII only, for terminals and fonts without the signs."""
    keys: dict[str, str] = {}
    """Keys of your own, by an action's id as help names it: `"blast.pause" = "P"`. Commas part several."""
