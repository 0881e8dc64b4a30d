"""Credentials: what is taken and refused, that the store keeps them sealed, and how long they are good."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from jobs import doctor
from jobs.passes import certificates, credentials, vault
from jobs.passes.certificates import AppleIdentity, PasswordNeeded, read_apple
from jobs.passes.credentials import State
from jobs.rehearsal.authority import PASS_TYPE, TEAM, Authority
from store import audit
from store.database import Database
from store.errors import PassbellError, Refused, UsageError
from store.settings import Settings, load
from tests.cli.conftest import Done, run

one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
LIVE = {"apple.pass_type": PASS_TYPE, "apple.team": TEAM}


@pytest.fixture
def live(tmp_path: Path) -> Settings:
    return load(tmp_path / "home", LIVE)


@pytest.fixture
def files(made: Authority, tmp_path: Path) -> Path:
    """Certificate and key, each alone and together, and the intermediate."""
    place = tmp_path / "files"
    place.mkdir()
    (place / "client.pem").write_bytes(made.client_pem)
    (place / "wwdr.pem").write_bytes(made.wwdr_pem)
    certificate, mark, key = made.client_pem.partition(b"-----BEGIN PRIVATE KEY-----")
    (place / "certificate.pem").write_bytes(certificate)
    (place / "key.pem").write_bytes(mark + key)
    return place


def p12(identity: AppleIdentity, password: str | None) -> bytes:
    lock = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(
        b"pass", identity.key, identity.certificate, [identity.wwdr], lock
    )


def changed_certificate(identity: AppleIdentity) -> bytes:
    """A pass certificate signed by another authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    today = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(identity.certificate.subject)
        .issuer_name(identity.wwdr.subject)
        .public_key(identity.key.public_key())
        .serial_number(1)
        .not_valid_before(today + timedelta(days=-400))
        .not_valid_after(today + timedelta(days=10))
        .add_extension(
            identity.certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value,
            critical=False,
        )
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


# Reading


def test_a_certificate_is_read_from_every_form(made: Authority, identity: AppleIdentity, files: Path) -> None:
    der = identity.wwdr.public_bytes(Encoding.DER)
    certificate, key = (files / "certificate.pem").read_bytes(), (files / "key.pem").read_bytes()
    locked = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    for found in (
        read_apple(certificate, key=key, wwdr=der, where="x"),
        read_apple(certificate, key=locked, wwdr=der, password="pw", where="x"),
        read_apple(made.client_pem + made.wwdr_pem, where="x"),
        read_apple(made.client_pem, wwdr=der, password="needless", where="x"),
        read_apple(p12(identity, "pw"), password="pw", where="x"),
        read_apple(p12(identity, None), where="x"),
    ):
        assert (found.pass_type, found.team, found.wwdr) == (PASS_TYPE, TEAM, identity.wwdr)
        assert found.certificate == identity.certificate
    assert "PRIVATE" not in repr(identity)


def test_what_does_not_belong_together_is_refused(
    made: Authority, identity: AppleIdentity, files: Path
) -> None:
    certificate = (files / "certificate.pem").read_bytes()
    other = certificates.pem_of(ec.generate_private_key(ec.SECP256R1()))
    for parts, told in (
        ({"certificate": certificate}, "holds no private key"),
        ({"certificate": certificate, "key": other}, "the key is not the certificate's"),
        ({"certificate": made.client_pem}, "there is no WWDR certificate"),
        ({"certificate": b"\x30\x82nothing", "password": "x"}, "neither PEM, nor DER, nor a .p12"),
        ({"certificate": b"hello"}, "neither PEM, nor DER, nor a .p12"),
        ({"certificate": made.server_pem + made.root_pem}, "is no Pass Type ID certificate"),
        ({"certificate": b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"}, "cannot be read"),
        ({"certificate": p12(identity, "pw"), "password": "wrong"}, "the password does not open it"),
    ):
        with pytest.raises(UsageError, match=told):
            read_apple(**parts, where="pass.pem")
    with pytest.raises(PasswordNeeded):
        read_apple(p12(identity, "pw"), where="pass.p12")


def test_another_wwdr_is_refused_naming_both_key_ids(made: Authority, identity: AppleIdentity) -> None:
    root = x509.load_pem_x509_certificate(made.root_pem)
    ids = [
        one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
        for one in (identity.wwdr, root)
    ]
    with pytest.raises(UsageError) as caught:
        read_apple(made.client_pem, wwdr=made.root_pem, where="pass.pem")
    assert f"with key id {ids[0]}, and the one given has {ids[1]}" in str(caught.value)


def test_a_signature_that_is_not_the_wwdrs_is_refused(identity: AppleIdentity, files: Path) -> None:
    forged = changed_certificate(identity) + (files / "key.pem").read_bytes()
    with pytest.raises(UsageError, match="was not signed by the WWDR"):
        read_apple(forged, wwdr=(files / "wwdr.pem").read_bytes(), where="pass.pem")


def test_dates(identity: AppleIdentity) -> None:
    after = identity.expires_at + timedelta(seconds=1)
    with pytest.raises(UsageError, match=r"pass\.pem expired at 20\d\d"):
        certificates.check_dates(identity.certificate, "pass.pem", after)
    with pytest.raises(UsageError, match="check this machine's clock"):
        certificates.check_dates(identity.certificate, "pass.pem", datetime(2001, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(("days", "level"), [(31, "ok"), (29, "warn"), (1, "warn"), (-1, "fail")])
def test_it_warns_thirty_days_before(days: int, level: str) -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    state = State("apple", "store", "pass.a, team B", at + timedelta(days=days))
    assert state.level(at) == level
    assert ("has expired" if days < 0 else f"{days} days left") in state.sentence(at)


# The store


def test_the_store_keeps_it_sealed(database: Database, live: Settings, files: Path) -> None:
    wwdr = files / "wwdr.pem"
    kept = credentials.add_apple(database, live, files / "client.pem", wwdr=wwdr, actor="ann")
    assert kept.subject == f"{PASS_TYPE}, team {TEAM}"
    found = credentials.apple_identity(live, database)
    assert found.client_pem == (files / "client.pem").read_bytes()
    with database.read() as connection:
        raw = connection.exec_driver_sql("SELECT sealed FROM credentials").scalar_one()
        (entry,) = audit.page(connection)
    assert b"PRIVATE" not in bytes(raw)
    assert (entry.act, entry.subject, entry.actor) == ("credential.add", "apple", "ann")
    assert "PRIVATE" not in json.dumps(entry.details)
    assert [one.name for one in credentials.states(live, database)] == ["apple", "apple wwdr"]
    # Added again, it is replaced.
    credentials.add_apple(database, live, files / "client.pem", wwdr=wwdr, actor="ann")
    other = load(live.home, {**LIVE, "keys.secret": "another secret of this kind"})
    with pytest.raises(PassbellError, match="is another now"):
        credentials.apple_identity(other, database)
    (state,) = credentials.states(other, database)
    assert (state.name, state.level(datetime.now(UTC))) == ("apple", "fail")
    assert [(one.level, one.subject) for one in doctor._credentials(database, other)] == [("fail", "apple")]
    credentials.remove(database, "apple", actor="ann")
    with pytest.raises(Refused, match="there is no credential apple"):
        credentials.apple_identity(live, database)
    with pytest.raises(UsageError, match="keeps no credential 'apple': there is none"):
        credentials.remove(database, "apple", actor="ann")


def test_a_seal_holds_for_its_name_alone() -> None:
    sealed = vault.seal("secret", "apple", {"a": "b"})
    assert vault.unseal("secret", "apple", sealed) == {"a": "b"}
    for name, changed in (("google", sealed), ("apple", sealed[:-1] + b"x"), ("apple", sealed[:20])):
        with pytest.raises(PassbellError, match="cannot be decrypted"):
            vault.unseal("secret", name, changed)


@one_store
def test_files_are_named_by_the_settings(
    database: Database, tmp_path: Path, files: Path, made: Authority
) -> None:
    flags = {
        **LIVE,
        "apple.certificate": str(files / "certificate.pem"),
        "apple.key": str(files / "key.pem"),
        "apple.wwdr": str(files / "wwdr.pem"),
        "google.issuer": "3388",
        "google.service_account": str(made.service_account),
    }
    settings = load(tmp_path / "home", flags)
    assert credentials.apple_identity(settings, database).pass_type == PASS_TYPE
    assert credentials.google_account(settings, database)["type"] == "service_account"
    assert [one.name for one in credentials.states(settings, database)] == ["apple", "apple wwdr", "google"]
    wrong = load(tmp_path / "home", {**flags, "apple.pass_type": "pass.com.example"})
    with pytest.raises(UsageError, match=r"apple.pass_type is pass.com.example, and the certificate is of"):
        credentials.apple_identity(wrong, database)
    missing = load(tmp_path / "home", {**flags, "apple.key": str(files / "none.pem")})
    with pytest.raises(UsageError, match=r"apple\.key: cannot read"):
        credentials.apple_identity(missing, database)


@one_store
def test_what_is_not_set_up_is_refused_and_a_rehearsal_has_its_own(
    database: Database, made: Authority, tmp_path: Path
) -> None:
    rehearsal = load(made.folder.parents[1], {})
    assert credentials.apple_identity(rehearsal, database).pass_type == PASS_TYPE
    assert credentials.google_account(rehearsal, database)["client_email"]
    assert [*credentials.states(rehearsal, database)] == []
    with pytest.raises(Refused, match=r"apple\.pass_type is not set"):
        credentials.apple_identity(load(tmp_path / "home", {"google.issuer": "3388"}), database)
    with pytest.raises(Refused, match=r"google\.issuer is not set"):
        credentials.google_account(load(tmp_path / "home", LIVE), database)


@one_store
def test_google_accounts_and_push_keys(
    database: Database, live: Settings, files: Path, made: Authority
) -> None:
    (files / "p8.pem").write_bytes(certificates.pem_of(ec.generate_private_key(ec.SECP256R1())))
    credentials.add_push_key(database, live, files / "p8.pem", "ABC123DEFG", actor="ann")
    assert credentials.push_key(live, database).key_id == "ABC123DEFG"
    with pytest.raises(UsageError, match="is no key for APNs"):
        credentials.add_push_key(database, live, files / "key.pem", "ABC123DEFG", actor="ann")
    with pytest.raises(UsageError, match="is no key id"):
        credentials.add_push_key(database, live, files / "p8.pem", "a b", actor="ann")
    kept = credentials.add_google(database, live, made.service_account, actor="ann")
    assert kept.subject == "rehearsal@passbell-rehearsal.iam.gserviceaccount.com"
    whole = json.loads(made.service_account.read_text())
    for content, told in (
        ("[" * 50_000, "is no JSON"),
        ("[]", "is not the key of a service account"),
        (json.dumps(whole | {"type": "authorized_user"}), "is not the key of a service account"),
        (json.dumps(whole | {"private_key": ""}), "`private_key` is missing"),
        (json.dumps(whole | {"private_key": "x"}), "the key cannot be read"),
    ):
        (files / "account.json").write_text(content)
        with pytest.raises(UsageError, match=told) as caught:
            credentials.add_google(database, live, files / "account.json", actor="ann")
        assert "BEGIN" not in str(caught.value)


# The commands


def test_the_commands(
    files: Path,
    identity: AppleIdentity,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (files / "pass.p12").write_bytes(p12(identity, "pw"))

    def passbell(*words: object) -> Done:
        code = run("--home", tmp_path / "home", *words)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    add = ("credentials", "add", "apple", "--certificate", files / "pass.p12", "--json")
    locked = passbell(*add)
    assert locked.code == 2
    assert "is locked by a password: give it in PASSBELL_APPLE__KEY_PASSWORD" in locked.err
    monkeypatch.setenv("PASSBELL_APPLE__KEY_PASSWORD", "pw")
    done = passbell(*add)
    assert done.code == 0, done.err
    assert done.json["subject"] == f"{PASS_TYPE}, team {TEAM}"
    assert "passes use it once apple.pass_type is set" in done.err
    listed = passbell("credentials", "list", "--json").lines
    assert [(one["name"], one["level"]) for one in listed] == [("apple", "ok"), ("apple wwdr", "ok")]
    assert listed[0]["days_left"] > 3_000
    own = ("--set", f"apple.pass_type={PASS_TYPE}")
    examined = {one["subject"]: one["level"] for one in passbell(*own, "doctor", "--json").lines}
    assert (examined["apple"], examined["apple wwdr"]) == ("ok", "ok")
    assert "key" not in examined, "PassKit is not asked where all passes are our own"
    assert passbell("credentials", "remove", "apple").code == 0
    done = passbell(*own, "doctor")
    assert done.code == 1
    assert "fail  apple: there is none: `passbell credentials add apple` keeps one" in done.out
    assert "No credentials yet" in passbell("credentials", "list").out
