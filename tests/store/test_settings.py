"""Settings: who wins, what is refused and how, and that a secret stays one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from store.errors import PassbellError, UsageError
from store.files import LARGEST
from store.settings import FILE_NAME, as_environment, keys, load


def write(home: Path, text: str) -> None:
    (home / FILE_NAME).write_text(text)


def refusal(home: Path) -> str:
    """Why the settings cannot be read; "" where they can."""
    try:
        load(home)
    except UsageError as error:
        return str(error)
    return ""


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        "[passkit]\nconcurrency = 3\npage_size = 30\nrate_per_second = 300\n[engine]\nbatch_size = 7\n",
    )
    monkeypatch.setenv("PASSBELL_PASSKIT__CONCURRENCY", "2")
    monkeypatch.setenv("PASSBELL_PASSKIT__PAGE_SIZE", "20")
    settings = load(tmp_path, {"passkit.concurrency": "1"})
    assert settings.passkit.concurrency == 1
    assert settings.passkit.page_size == 20
    assert settings.passkit.rate_per_second == 300
    assert settings.engine.batch_size == 7
    assert settings.engine.max_attempts == 6


def test_without_a_key_it_is_a_rehearsal_and_with_one_live(tmp_path: Path) -> None:
    assert (load(tmp_path).mode, load(tmp_path).account) == ("REHEARSAL", "rehearsal")
    live = load(tmp_path, {"passkit.api_key": "k", "passkit.api_secret": "s"})
    assert (live.mode, live.account) == ("LIVE", "live")
    with pytest.raises(UsageError, match="api_secret is not"):
        load(tmp_path, {"passkit.api_key": "k"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[passkit]\nrate_per_sec = 5\n", "`passkit.rate_per_sec`; did you mean `passkit.rate_per_second`"),
        ("[paskit]\nconcurrency = 5\n", "`paskit.concurrency`; did you mean `passkit.concurrency`"),
        (
            "[passkit]\nconcurrency = 'many'\n",
            "`passkit.concurrency` is wrong: input should be a valid integer",
        ),
        ("[passkit]\nconcurrency = 0\n", "`passkit.concurrency` is wrong"),
        ("passkit = 5\n", "`passkit` is a table"),
        ("[passkit\n", "is not valid TOML: syntax error (at line 1"),
        ("[web]\nport = 1\n[web]\n", "is not valid TOML: [web] stands there already, above (at line 3"),
        ("[passkit]\nbase_url = 'pub3'\n", "`passkit.base_url` is wrong: it has to be pub1, pub2 or an"),
        ("[passkit]\nbase_url = 'http://me:hush@127.0.0.1:9'\n", "without user name and password"),
        ("[store]\nurl = 'sqlite://'\n", "`store.url` is wrong: it has to name a file"),
        ("[passkit]\nmessage_field = 'latestOffer'\n", "`passkit.message_field` is wrong"),
    ],
)
def test_a_wrong_file_is_refused_by_file_key_and_nearest_key(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, text)
    with pytest.raises(UsageError) as refused:
        load(tmp_path)
    assert words in str(refused.value)
    assert str(tmp_path / FILE_NAME) in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("value", ["-1", "1e400", "nan", "[]", "{}", "['a', 1]", "'\\x07'", "1979-05-27"])
def test_a_value_of_a_wrong_kind_is_told_in_one_sentence_with_its_key(tmp_path: Path, value: str) -> None:
    for key, _, name in keys():
        write(tmp_path, f"[{key.partition('.')[0]}]\n{name} = {value}\n")
        told = refusal(tmp_path)
        assert not told or (key in told and told.isprintable()), told


def test_a_file_of_another_kind_or_size_is_refused(tmp_path: Path) -> None:
    for content, words in {
        b"[web]\nport = " + b"9" * 5_000: "is not valid TOML: syntax error",
        b"a = " + b"[" * 100_000: "is not valid TOML: its brackets are too deep",
        b"[web]\nport = 1  # \xff": "is not UTF-8, from byte 18 on",
        b"#" * (LARGEST + 1): "it is larger than 8 MiB",
        b"a" * 100_000 + b" = 1": f"there is no setting `{'a' * 80}`",
    }.items():
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(UsageError) as refused:
            load(tmp_path)
        assert str(refused.value).startswith((f"{tmp_path / FILE_NAME}", f"cannot read {tmp_path}"))
        assert words in str(refused.value)


def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE_NAME)
    with pytest.raises(UsageError, match="it is not an ordinary file"):
        load(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    settings = load(tmp_path)
    os.mkfifo(tmp_path / "consent.secret")
    with pytest.raises(PassbellError, match=r"cannot read .*consent\.secret: it is not an ordinary file"):
        settings.consent_secret()


def test_a_wrong_variable_is_named_as_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSBELL_PASSKIT__APIKEY", "x")
    with pytest.raises(
        UsageError, match="`PASSBELL_PASSKIT__APIKEY`; did you mean `PASSBELL_PASSKIT__API_KEY`"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "[passkit]\napi_secret = ['hush-hush']\n",
        "[passkit]\napi_secret = hush-hush\n",
        "[passkit]\napi_secret = 'hush-hush'\nconcurrency = 'hush-hush'\n",
    ],
)
def test_an_error_never_shows_a_value(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(UsageError) as refused:
        load(tmp_path)
    assert "hush" not in str(refused.value)


def test_secrets_do_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    settings = load(
        tmp_path, {"passkit.api_key": "k", "passkit.api_secret": "hush-hush", "queue.secret": "hush-too"}
    )
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_the_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    settings = load(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert settings.queue_secret() == load(home).queue_secret()
    assert stat.S_IMODE((home / "queue.secret").stat().st_mode) == 0o600


def test_a_child_process_gets_the_flags_as_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = load(tmp_path, {"passkit.rate_per_second": "7", "store.url": "sqlite:////tmp/x.db"})
    for name, value in as_environment(parent).items():
        monkeypatch.setenv(name, value)
    child = load(tmp_path)
    assert child.passkit.rate_per_second == 7
    assert child.store_url == "sqlite:////tmp/x.db"


def test_the_names_that_the_field_relies_on_are_there() -> None:
    named = {key for key, _, _ in keys()}
    assert {
        *("store.url", "queue.url"),
        *("passkit.base_url", "passkit.api_key", "passkit.api_secret", "passkit.rate_per_second"),
        *("passkit.concurrency", "passkit.message_field"),
        *("engine.batch_size", "engine.lease_seconds", "engine.max_attempts"),
    } <= named


@pytest.mark.parametrize(
    ("file", "variable", "flag", "role"),
    [
        ("", {}, {}, "admin"),
        ('role = "operator"', {}, {}, "operator"),
        ('role = "operator"', {"ROLE": "viewer"}, {}, "viewer"),
        ('role = "operator"', {"ROLE": "operator"}, {"role": "viewer"}, "viewer"),
        ("", {"ROLE": "operator"}, {"read_only": "true"}, "viewer"),
        ("read_only = true", {"READ_ONLY": "1"}, {"read_only": "yes"}, "viewer"),
        ('role = "operator"\nread_only = false', {}, {}, "operator"),
    ],
)
def test_a_flag_or_variable_takes_rights_away(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    variable: dict[str, str],
    flag: dict[str, str],
    role: str,
) -> None:
    write(tmp_path, f"[access]\n{file}\n")
    for name, value in variable.items():
        monkeypatch.setenv(f"PASSBELL_ACCESS__{name}", value)
    assert load(tmp_path, {f"access.{name}": value for name, value in flag.items()}).role == role


@pytest.mark.parametrize(
    ("file", "variable", "flag", "words"),
    [
        ('role = "viewer"', {}, {"role": "admin"}, "--set: `access.role` .*passbell.toml says viewer"),
        ('role = "viewer"', {"ROLE": "operator"}, {}, "environment: `PASSBELL_ACCESS__ROLE` .* says viewer"),
        ('role = "viewer"', {"role": "admin"}, {}, "environment: `PASSBELL_ACCESS__ROLE` .* says viewer"),
        ("", {"ROLE": "viewer"}, {"role": "operator"}, "--set: `access.role` .* the environment says viewer"),
        (
            "read_only = true",
            {},
            {"read_only": "false"},
            "`access.read_only` can only take away, .* says true",
        ),
        ("", {"READ_ONLY": "true"}, {"read_only": "no"}, "`access.read_only` .* the environment says true"),
    ],
)
def test_a_flag_or_variable_gives_no_rights(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    variable: dict[str, str],
    flag: dict[str, str],
    words: str,
) -> None:
    write(tmp_path, f"[access]\n{file}\n")
    for name, value in variable.items():
        monkeypatch.setenv(f"PASSBELL_ACCESS__{name}", value)
    with pytest.raises(UsageError, match=words):
        load(tmp_path, {f"access.{name}": value for name, value in flag.items()})
