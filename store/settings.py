"""Settings: one file, the environment, and flags; every setting is declared here, once.

Precedence: flag (`--set passkit.concurrency=8`) > environment (`PASSBELL_PASSKIT__CONCURRENCY`) >
`passbell.toml` in the home folder > default. A key that does not exist is refused with the file or
variable it stands in and the nearest key that does.
"""

from __future__ import annotations

import difflib
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from store.errors import PassbellError, UsageError

FILE_NAME = "passbell.toml"
PREFIX = "PASSBELL_"
HOME_VARIABLE = "PASSBELL_HOME"

_file: ContextVar[Path] = ContextVar("_file")


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

    batch_size: int = Field(default=250, ge=1, le=1_000)
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


class ConsentSettings(Section):
    """The secret behind suppression hashes and unsubscribe tokens."""

    secret: SecretStr = SecretStr("")
    """The same on all machines that share a store. Empty: made once, in the home; belongs to the backups."""

    token_days: int = Field(default=400, ge=1, le=3_650)
    """How long an unsubscribe token works."""

    @field_validator("secret")
    @classmethod
    def _hard_to_guess(cls, given: SecretStr) -> SecretStr:
        if 0 < len(given.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"it has to have {SHORTEST_SECRET} characters or more")
        return given


class RehearsalSettings(Section):
    """The stand-in PassKit that answers while no key is set."""

    port: int = Field(default=8765, ge=1, le=65_535)
    """Port on 127.0.0.1."""
    members: int = Field(default=5_000, ge=1, le=1_000_000)
    """Members of its first program."""
    seed: int = 1
    """The same seed makes the same members."""


class ConsoleSettings(Section):
    """The screens."""

    theme: str = "textual-dark"
    """A theme's name, as the command palette lists them."""
    start_worker: bool = True
    """Start a worker as a child when none is alive; it ends with the console once its batch is done."""
    type_count_from: int = Field(default=100, ge=1)
    """From this many passes on, a launch asks to type the count."""


class Settings(BaseSettings):
    """All settings, read once at start. `home` is the folder that holds the file and the databases."""

    model_config = SettingsConfigDict(
        extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", hide_input_in_errors=True
    )

    store: StoreSettings = StoreSettings()
    queue: QueueSettings = QueueSettings()
    passkit: PassKitSettings = PassKitSettings()
    engine: EngineSettings = EngineSettings()
    gate: GateSettings = GateSettings()
    consent: ConsentSettings = ConsentSettings()
    rehearsal: RehearsalSettings = RehearsalSettings()
    console: ConsoleSettings = ConsoleSettings()

    _home: Path = PrivateAttr(default_factory=Path)
    _flags: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags (given at init), then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _file.get())

    @property
    def home(self) -> Path:
        """The folder of this installation, 0700."""
        return self._home

    @property
    def live(self) -> bool:
        """True where a PassKit key is set: messages reach real phones."""
        return bool(self.passkit.api_key)

    @property
    def account(self) -> Literal["live", "rehearsal"]:
        """Which set of credentials programs and blasts belong to; a worker sends for its own only."""
        return "live" if self.live else "rehearsal"

    @property
    def mode(self) -> Literal["LIVE", "REHEARSAL"]:
        """The word that every screen and command shows."""
        return "LIVE" if self.live else "REHEARSAL"

    @property
    def store_url(self) -> str:
        """The store's URL with its default filled in."""
        return self.store.url or f"sqlite:///{self._home / 'passbell.db'}"

    @property
    def queue_url(self) -> str:
        """The queue's URL with its default filled in."""
        return self.queue.url or f"sqlite:///{self._home / 'queue.db'}"

    @property
    def message_key(self) -> str:
        """The key in a pass's free data that carries the message: the field without `meta.`."""
        return self.passkit.message_field.removeprefix("meta.")

    def queue_secret(self) -> str:
        """The secret that signs queue messages: the setting, or one made once and kept 0600 in the home."""
        return self._secret(self.queue.secret, "queue.secret")

    def consent_secret(self) -> str:
        """The secret that hashes suppressions and signs tokens: the setting, or one kept in the home."""
        return self._secret(self.consent.secret, "consent.secret")

    def _secret(self, given: SecretStr | None, file_name: str) -> str:
        if given is not None and given.get_secret_value():
            return given.get_secret_value()
        path = self._home / file_name
        if not path.exists():
            # Written whole before it has its name: another process never reads a half of it.
            draft = path.with_name(f"{file_name}.{os.getpid()}.{secrets.token_hex(4)}")
            try:
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    file.write(secrets.token_hex(32))
                with suppress(FileExistsError):
                    os.link(draft, path)
            except OSError as error:
                raise PassbellError(f"cannot write {path}: {error.strerror}") from None
            finally:
                draft.unlink(missing_ok=True)
        return path.read_text()


def default_home() -> Path:
    """`PASSBELL_HOME`, or the user's data folder."""
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("passbell")


def load(home: Path | None = None, flags: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    `flags` maps dotted keys to their text (`{"passkit.concurrency": "8"}`). The home folder is made
    (0700) if it is missing. Raises UsageError naming file, variable or flag, key and nearest key.
    """
    home = (home or default_home()).absolute()
    make_private(home)
    file = home / FILE_NAME
    layers = [
        ("--set", _nest(dict(flags or {}))),
        ("the environment", _nest(_environment())),
        (str(file), _read_file(file)),
    ]
    for where, layer in layers:
        _refuse_unknown(where, layer)
    token = _file.set(file)
    try:
        settings = Settings(**layers[0][1])
    except ValidationError as error:
        raise UsageError(_explain(error, layers)) from None
    finally:
        _file.reset(token)
    settings._home = home
    settings._flags = dict(flags or {})
    if settings.live and not settings.passkit.api_secret.get_secret_value():
        raise UsageError(
            "passkit.api_key is set but passkit.api_secret is not: set both, or neither to rehearse"
        )
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """The flags as variables, so that a child process runs with the same settings."""
    return {_spell(key, "the environment"): value for key, value in settings._flags.items()}


def make_private(folder: Path) -> None:
    """Make the folder if it is missing and keep it to its owner (0700)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.stat()
        # A folder such as /tmp is not ours to close.
        shared = found.st_mode & stat.S_ISVTX or found.st_uid != os.getuid()
        if found.st_mode & 0o077 and not shared:
            folder.chmod(0o700)
    except OSError as error:
        raise PassbellError(f"cannot use the home folder {folder}: {error.strerror}") from None


def keys() -> Iterator[tuple[str, type[Section], str]]:
    """Every setting as (dotted key, its section, its name), in the order of declaration."""
    for section_name, section in _sections().items():
        for name in section.model_fields:
            yield f"{section_name}.{name}", section, name


def _sections() -> dict[str, type[Section]]:
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {_without_values(str(error))}") from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None


def _without_values(message: str) -> str:
    """A decoder's message may quote what it choked on, which may be a secret: keep only the place."""
    place = re.search(r"\(at [^)]*\)|position \d+", message)
    return f"syntax error {place.group(0)}" if place else "syntax error"


def _environment() -> dict[str, str]:
    found = {}
    for name, value in os.environ.items():
        if name.startswith(PREFIX) and name != HOME_VARIABLE:
            found[name.removeprefix(PREFIX).lower().replace("__", ".")] = value
    return found


def _nest(flat: Mapping[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        section, _, name = key.partition(".")
        table = nested.setdefault(section, {})
        if not name or not isinstance(table, dict):
            nested[section] = value
        else:
            table[name] = value
    return nested


def _refuse_unknown(where: str, layer: Mapping[str, Any]) -> None:
    known = [key for key, _, _ in keys()]
    sections = _sections()
    for section, table in layer.items():
        if section in sections and not isinstance(table, Mapping):
            raise UsageError(
                f"{where}: `{section}` is a table, such as [{section}] with a line for each setting"
            )
        names = [f"{section}.{name}" for name in table] if isinstance(table, Mapping) else [section]
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"; did you mean `{_spell(near[0], where)}`?" if near else ""
                raise UsageError(f"{where}: there is no setting `{_spell(name, where)}`{hint}")


def _spell(key: str, where: str) -> str:
    """A key as it is written in the place it stands in."""
    return PREFIX + key.upper().replace(".", "__") if where == "the environment" else key


def _explain(error: ValidationError, layers: list[tuple[str, dict[str, Any]]]) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    section, _, name = key.partition(".")
    where = next((where for where, layer in layers if name in layer.get(section, {})), "settings")
    told = first["msg"].removeprefix("Value error, ")
    return f"{where}: `{_spell(key, where)}` is wrong: {told[:1].lower()}{told[1:]}"
