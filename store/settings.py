"""Settings: one file, the environment, and flags; what there is to set stands in store/sections.py.

Precedence: flag (`--set passkit.concurrency=8`) > environment (`PASSBELL_PASSKIT__CONCURRENCY`) >
`passbell.toml` in the home folder > default. A key that does not exist is refused with the file or
variable it stands in and the nearest key that does. Of `[access]` each layer can only take away.
"""

from __future__ import annotations

import difflib
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from pydantic import PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from store.errors import PassbellError, Refused, UsageError
from store.files import read_small
from store.roles import ROLES, Role
from store.sections import (
    AccessSettings,
    AppleSettings,
    ConsentSettings,
    ConsoleSettings,
    EngineSettings,
    GateSettings,
    GoogleSettings,
    KeysSettings,
    PassKitSettings,
    QueueSettings,
    RehearsalSettings,
    Section,
    StoreSettings,
    WebSettings,
)

FILE_NAME = "passbell.toml"
PREFIX = "PASSBELL_"
HOME_VARIABLE = "PASSBELL_HOME"

_file: ContextVar[Path] = ContextVar("_file")


class Settings(BaseSettings):
    """All settings, read once at start. `home` is the folder that holds the file and the databases."""

    model_config = SettingsConfigDict(
        extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", hide_input_in_errors=True
    )

    store: StoreSettings = StoreSettings()
    queue: QueueSettings = QueueSettings()
    passkit: PassKitSettings = PassKitSettings()
    apple: AppleSettings = AppleSettings()
    google: GoogleSettings = GoogleSettings()
    web: WebSettings = WebSettings()
    keys: KeysSettings = KeysSettings()
    engine: EngineSettings = EngineSettings()
    gate: GateSettings = GateSettings()
    consent: ConsentSettings = ConsentSettings()
    rehearsal: RehearsalSettings = RehearsalSettings()
    access: AccessSettings = AccessSettings()
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
        """True where a PassKit key, a pass type or a Google issuer is set: messages reach real phones."""
        return bool(self.passkit.api_key or self.apple.pass_type or self.google.issuer)

    @property
    def role(self) -> Role:
        """What whoever acts with these settings may do."""
        return "viewer" if self.access.read_only else self.access.role

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
    def web_url(self) -> str:
        """The web face's address as phones see it; without the setting, the one it listens at."""
        scheme = "https" if self.web.certificate or not self.live else "http"
        return self.web.url or f"{scheme}://{self.web.host}:{self.web.port}"

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

    def keys_secret(self) -> str:
        """The secret that credentials in the store are encrypted with: the setting, or one kept in a file."""
        if self.keys.file and not self.keys.secret.get_secret_value():
            return _read_secret(Path(self.keys.file).expanduser(), "keys.file ").strip()
        return self._secret(self.keys.secret, "keys.secret")

    def _secret(self, given: SecretStr | None, file_name: str) -> str:
        if given is not None and given.get_secret_value():
            return given.get_secret_value()
        path = self._home / file_name
        if not path.exists():
            if self.role == "viewer":
                raise Refused(f"there is no {path} yet, and this is read-only: let an operator act once")
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
        return _read_secret(path)


def _read_secret(path: Path, what: str = "") -> str:
    try:
        return read_small(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PassbellError(f"cannot read {what}{path}: {why}") from None


def default_home() -> Path:
    """`PASSBELL_HOME`, or the user's data folder."""
    if named := os.environ.get(HOME_VARIABLE):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("passbell")


def load(home: Path | None = None, flags: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    `flags` maps dotted keys to their text (`{"passkit.concurrency": "8"}`). The home folder is made
    (0700) if it is missing, but not by a viewer. Raises UsageError naming file, variable or flag, key and
    nearest key.
    """
    home = (home or default_home()).absolute()
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
    else:
        _refuse_more_access(layers)
    finally:
        _file.reset(token)
    if settings.role != "viewer":
        make_private(home)
    settings._home = home
    settings._flags = dict(flags or {})
    if settings.passkit.api_key and not settings.passkit.api_secret.get_secret_value():
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
        return tomllib.loads(read_small(file).decode())
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8, from byte {error.start} on: save it as UTF-8") from None
    except ValueError as error:  # of a number with thousands of digits, too
        raise UsageError(f"{file} is not valid TOML: {_without_values(str(error))}") from None
    except RecursionError:
        raise UsageError(f"{file} is not valid TOML: its brackets are too deep") from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None


def _without_values(message: str) -> str:
    """A decoder's message may quote what it choked on, which may be a secret: keep only the place."""
    place = re.search(r"\(at [^)]*\)", message)
    twice = re.match(r"Cannot declare \('(\w+)',\) twice", message)
    what = f"[{twice.group(1)}] stands there already, above" if twice else "syntax error"
    return f"{what} {place.group(0)}" if place else what


def _environment() -> dict[str, str]:
    """The variables that pydantic reads, which are ours in capitals or not."""
    found = {}
    for name, value in os.environ.items():
        if name.upper().startswith(PREFIX) and name.upper() != HOME_VARIABLE:
            found[name[len(PREFIX) :].lower().replace("__", ".")] = value
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
                raise UsageError(f"{where}: there is no setting `{_spell(name, where)[:80]}`{hint}")


def _refuse_more_access(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Raise UsageError for a flag or variable that allows more than what stands under it."""
    given = [(where, AccessSettings.model_validate(layer.get("access", {}))) for where, layer in layers]
    for place, (where, upper) in enumerate(given):
        for below, lower in given[place + 1 :]:
            for name in upper.model_fields_set & lower.model_fields_set:
                was, wanted = getattr(lower, name), getattr(upper, name)
                more = was and not wanted if name == "read_only" else ROLES.index(wanted) > ROLES.index(was)
                if more:
                    key, told = _spell(f"access.{name}", where), str(was).lower()
                    raise UsageError(f"{where}: `{key}` can only take away, and {below} says {told}")


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
