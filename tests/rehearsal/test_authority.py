"""The rehearsal's own certificates and keys."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jobs.rehearsal.authority import APPLE_PUSH, PASS_TYPE, TEAM, Authority, ensure


def test_those_who_come_at_once_get_the_same(tmp_path: Path) -> None:
    home = tmp_path / "not yet there"
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(ensure, [home] * 4)
    assert all(other == first for other in others)
    assert ensure(home) == first
    assert sorted(entry.name for entry in (home / "rehearsal").iterdir()) == ["authority", "authority.lock"]
    for entry in (home / "rehearsal").rglob("*"):
        assert S_IMODE(entry.stat().st_mode) == (0o700 if entry.is_dir() else 0o600), entry


def test_a_half_made_one_is_made_anew(tmp_path: Path) -> None:
    draft = tmp_path / "rehearsal" / "authority.draft"
    draft.mkdir(parents=True)
    (draft / "root.pem").write_text("half")
    assert b"BEGIN CERTIFICATE" in ensure(tmp_path).root_pem


def test_the_pass_certificate_is_shaped_as_apples(authority: Authority) -> None:
    leaf, wwdr = (x509.load_pem_x509_certificate(pem) for pem in (authority.client_pem, authority.wwdr_pem))
    parts = {entry.oid: entry.value for entry in leaf.subject}
    assert parts[NameOID.USER_ID] == PASS_TYPE
    assert parts[NameOID.ORGANIZATIONAL_UNIT_NAME] == TEAM
    assert parts[NameOID.COMMON_NAME] == f"Pass Type ID: {PASS_TYPE}"
    assert set(APPLE_PUSH) <= {entry.oid.dotted_string for entry in leaf.extensions}
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    signer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert signer == wwdr.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    leaf.verify_directly_issued_by(wwdr)


def test_openssl_follows_the_chains(authority: Authority) -> None:
    folder = authority.folder
    root = ["openssl", "verify", "-x509_strict", "-CAfile", str(folder / "root.pem")]
    client = ["-untrusted", str(folder / "wwdr.pem"), str(folder / "client.pem")]
    for rest in (client, [str(folder / "server.pem")]):
        ended = subprocess.run([*root, *rest], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr


def test_its_secrets_do_not_show(authority: Authority) -> None:
    assert "PRIVATE" not in repr(authority)
    account = json.loads(authority.service_account.read_text())
    assert account["type"] == "service_account"
    assert "127.0.0.1" in account["token_uri"]
