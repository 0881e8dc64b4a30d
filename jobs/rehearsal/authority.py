"""The rehearsal's own certificate authority and keys, in the places of Apple's and Google's.

Made once in HOME/rehearsal/authority/, readable by nobody else. Its pass certificate is shaped as Apple's
are: the pass type as UID, the team as OU, Apple's extensions for pushes, and no use for e-mail.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

PASS_TYPE = "pass.rehearsal.passbell"
TEAM = "REHEARSAL1"
PUSH_KEY_ID = "REHEARSAL2"
"""The id of the key in the place of Apple's .p8 files."""
GOOGLE_ISSUER = "3388000000000000001"

APPLE_PASS_TYPE = "1.2.840.113635.100.6.1.16"
"""Apple's extension that repeats the pass type."""
APPLE_PUSH = ("1.2.840.113635.100.6.3.1", "1.2.840.113635.100.6.3.2")
"""Apple's extensions for push environments: strict clients look for them."""
_YEARS = 10


@dataclass(frozen=True)
class Authority:
    """What a rehearsal signs with and trusts. Everything in PEM; the secret parts never show.

    root_pem     the certificate to trust, for the stand-ins' TLS as for signatures of passes
    wwdr_pem     the intermediate, in the place of Apple's WWDR: it signed the pass certificate
    client_pem   the pass certificate and its key: signs passes, and is the client's at APNs
    server_pem   the stand-ins' certificate for 127.0.0.1, ::1 and localhost, and its key
    push_key     the elliptic key in the place of a .p8 file, for pushes by token
    google_root  the elliptic key in the place of Google's root key for callbacks
    """

    folder: Path
    root_pem: bytes
    wwdr_pem: bytes
    client_pem: bytes = field(repr=False)
    server_pem: bytes = field(repr=False)
    push_key: bytes = field(repr=False)
    google_root: bytes = field(repr=False)

    @property
    def root_path(self) -> Path:
        """The file of `root_pem`."""
        return self.folder / "root.pem"

    @property
    def client_path(self) -> Path:
        """The file of `client_pem`."""
        return self.folder / "client.pem"

    @property
    def server_path(self) -> Path:
        """The file of `server_pem`."""
        return self.folder / "server.pem"

    @property
    def push_key_path(self) -> Path:
        """The file of `push_key`."""
        return self.folder / "push-key.p8"

    @property
    def service_account(self) -> Path:
        """The Google service account's file. Its `token_uri` leads nowhere: the stand-in's port varies."""
        return self.folder / "service-account.json"


def ensure(home: Path) -> Authority:
    """The authority of this home, made where there is none. Two processes at once get the same one."""
    place = home / "rehearsal"
    folder = place / "authority"
    if not folder.exists():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(place / "authority.lock", os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _make(folder)
    return Authority(
        folder,
        root_pem=(folder / "root.pem").read_bytes(),
        wwdr_pem=(folder / "wwdr.pem").read_bytes(),
        client_pem=(folder / "client.pem").read_bytes(),
        server_pem=(folder / "server.pem").read_bytes(),
        push_key=(folder / "push-key.p8").read_bytes(),
        google_root=(folder / "google-root.pem").read_bytes(),
    )


def _make(folder: Path) -> None:
    """All files, in a folder that gets its name once they are whole."""
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that died here
    draft.mkdir(mode=0o700)
    for name, content in _files().items():
        with open(os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    draft.rename(folder)


def _files() -> dict[str, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    root_key, wwdr_key, pass_key, google_key = (_rsa_key() for _ in range(4))
    server_key = ec.generate_private_key(ec.SECP256R1())
    root_name = _name((NameOID.COMMON_NAME, "passbell rehearsal root"))
    wwdr_name = _name(
        (NameOID.COMMON_NAME, "passbell rehearsal WWDR"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "G4")
    )
    pass_name = _name(
        (NameOID.USER_ID, PASS_TYPE),
        (NameOID.COMMON_NAME, f"Pass Type ID: {PASS_TYPE}"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, TEAM),
        (NameOID.ORGANIZATION_NAME, "passbell rehearsal"),
    )
    server_name = _name((NameOID.COMMON_NAME, "localhost"))
    null = b"\x05\x00"
    apple: list[x509.ExtensionType] = [
        x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), null) for oid in APPLE_PUSH
    ]
    apple.append(
        x509.UnrecognizedExtension(
            x509.ObjectIdentifier(APPLE_PASS_TYPE), b"\x0c%c%s" % (len(PASS_TYPE), PASS_TYPE.encode())
        )
    )
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            x509.IPAddress(ip_address("127.0.0.1")),
            x509.IPAddress(ip_address("::1")),
        ]
    )
    root = _certificate(root_name, root_key, root_name, root_key, authority=1)
    wwdr = _certificate(wwdr_name, wwdr_key, root_name, root_key, authority=0)
    client = _certificate(
        pass_name, pass_key, wwdr_name, wwdr_key, use=ExtendedKeyUsageOID.CLIENT_AUTH, more=apple
    )
    server = _certificate(
        server_name, server_key, root_name, root_key, use=ExtendedKeyUsageOID.SERVER_AUTH, more=[names]
    )
    return {
        "root.pem": root,
        "wwdr.pem": wwdr,
        "client.pem": client + _pem(pass_key),
        "server.pem": server + _pem(server_key),
        "push-key.p8": _pem(ec.generate_private_key(ec.SECP256R1())),
        "google-root.pem": _pem(ec.generate_private_key(ec.SECP256R1())),
        "service-account.json": _service_account(google_key),
    }


def _rsa_key() -> rsa.RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _certificate(
    subject: x509.Name,
    key: Key,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    *,
    authority: int | None = None,
    use: x509.ObjectIdentifier | None = None,
    more: list[x509.ExtensionType] | None = None,
) -> bytes:
    """One certificate in PEM. `authority`: how many more authorities may stand below it; None: it is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    now, signs = datetime.now(UTC), authority is not None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=signs, path_length=authority), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not signs,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=signs,
                crl_sign=signs,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    for extension in more or ():
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _pem(key: Key) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _service_account(key: rsa.RSAPrivateKey) -> bytes:
    said = {
        "type": "service_account",
        "project_id": "passbell-rehearsal",
        "private_key_id": f"{key.public_key().public_numbers().n & (1 << 160) - 1:040x}",
        "private_key": _pem(key).decode(),
        "client_email": "rehearsal@passbell-rehearsal.iam.gserviceaccount.com",
        "client_id": "100000000000000000001",
        "token_uri": "https://127.0.0.1:1/token",
    }
    return json.dumps(said, indent=2).encode()
