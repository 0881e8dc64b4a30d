"""Apple's certificates: read from PEM, DER or .p12, and checked before anything is signed with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from store.errors import UsageError
from store.times import now, rfc3339

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

WHERE_WWDR = (
    "download WWDR G4 from Apple's page of certificate authorities, and name it with --wwdr or apple.wwdr"
)
_KEY = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class PasswordNeeded(UsageError):
    """The file is locked and no password was given."""


@dataclass(frozen=True, slots=True)
class AppleIdentity:
    """What passes of one pass type are signed, and their phones are pushed to, with.

    pass_type   the certificate's UID
    team        the certificate's OU
    wwdr        Apple's intermediate certificate, which signed ours
    client_pem  certificate and key in PEM, for the connection to APNs
    expires_at  of the certificate; the intermediate's is in itself
    """

    pass_type: str
    team: str
    certificate: x509.Certificate
    key: Key = field(repr=False)
    wwdr: x509.Certificate
    client_pem: bytes = field(repr=False)
    expires_at: datetime


def read_apple(
    certificate: bytes,
    *,
    key: bytes | None = None,
    wwdr: bytes | None = None,
    password: str | None = None,
    where: str,
    check: bool = True,
) -> AppleIdentity:
    """The identity in these files, the key and the intermediate from the first where it holds them.

    Raises PasswordNeeded, and UsageError where they do not belong together or are expired, unless `check`
    is False. `where` names the file in errors.
    """
    found, private = _opened(certificate, password, where)
    if key is not None:
        private = _opened(key, password, f"the key for {where}")[1]
    if private is None:
        raise UsageError(f"{where} holds no private key: name its file with --key or apple.key")
    leaf = _leaf(found, private, where)
    pass_type, team = _only(leaf, NameOID.USER_ID), _only(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME)
    if not pass_type.startswith("pass."):
        raise UsageError(
            f"{where} is no Pass Type ID certificate: its UID is {pass_type or 'missing'}, not pass.something"
        )
    authorities = _opened(wwdr, None, "the WWDR certificate")[0] if wwdr is not None else found
    issuer = _issuer(leaf, [one for one in authorities if one != leaf], where)
    if check:
        check_dates(leaf, where, now())
        check_dates(issuer, f"the WWDR certificate of {where}", now())
    return AppleIdentity(
        pass_type=pass_type,
        team=team,
        certificate=leaf,
        key=private,
        wwdr=issuer,
        client_pem=leaf.public_bytes(Encoding.PEM) + pem_of(private),
        expires_at=leaf.not_valid_after_utc,
    )


def check_dates(certificate: x509.Certificate, what: str, at: datetime) -> None:
    """Raise UsageError for a certificate that is not valid at this moment."""
    if at > certificate.not_valid_after_utc:
        until = rfc3339(certificate.not_valid_after_utc)
        raise UsageError(f"{what} expired at {until}: get a new one from Apple's developer site")
    if at < certificate.not_valid_before_utc:
        since = rfc3339(certificate.not_valid_before_utc)
        raise UsageError(f"{what} is not valid before {since}: check this machine's clock")


def pem_of(key: Key) -> bytes:
    """A private key in PEM, without a password."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private_key(pem: bytes, password: str | None, where: str) -> Key:
    """The private key in a PEM. Raises PasswordNeeded or UsageError."""
    try:
        key = load_pem_private_key(pem, password.encode() if password else None)
    except TypeError as error:
        if password:  # it has none: then it is not in the way
            return private_key(pem, None, where)
        raise PasswordNeeded(f"the key in {where} is locked by a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        told = "the password does not open the key" if password else "the key cannot be read"
        raise UsageError(f"{where}: {told}") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UsageError(f"{where}: the key is neither RSA nor of an elliptic curve")
    return key


def _opened(content: bytes, password: str | None, where: str) -> tuple[list[x509.Certificate], Key | None]:
    """All certificates and the key, if there is one."""
    if b"-----BEGIN" in content:
        try:
            found = [
                x509.load_pem_x509_certificate(match.group()) for match in _CERTIFICATE.finditer(content)
            ]
        except ValueError as error:
            raise UsageError(f"{where}: a certificate in it cannot be read") from error
        match = _KEY.search(content)
        return found, private_key(match.group(), password, where) if match else None
    try:
        return [x509.load_der_x509_certificate(content)], None
    except ValueError:
        return _opened_p12(content, password, where)


def _opened_p12(
    content: bytes, password: str | None, where: str
) -> tuple[list[x509.Certificate], Key | None]:
    try:
        key, leaf, more = pkcs12.load_key_and_certificates(content, password.encode() if password else None)
    except UnsupportedAlgorithm as error:
        raise UsageError(
            f"{where} is encrypted in an old way: convert it by `openssl pkcs12 -legacy -in FILE -out PEM`"
        ) from error
    except ValueError as error:
        if not password and content[:1] == b"\x30":
            raise PasswordNeeded(f"{where} is locked by a password") from error
        told = "the password does not open it, or it" if password else "it"
        raise UsageError(f"{where}: {told} is neither PEM, nor DER, nor a .p12 file") from error
    if key is not None and not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UsageError(f"{where}: the key is neither RSA nor of an elliptic curve")
    return [*([leaf] if leaf is not None else []), *more], key


def _leaf(found: Sequence[x509.Certificate], key: Key, where: str) -> x509.Certificate:
    for one in found:
        if one.public_key() == key.public_key():
            return one
    what = "the key is not the certificate's" if found else "there is no certificate in it"
    raise UsageError(f"{where}: {what}: export both together from the keychain that made the request")


def _only(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(name)
    return str(found[0].value) if found else ""


def _issuer(leaf: x509.Certificate, found: Sequence[x509.Certificate], where: str) -> x509.Certificate:
    """The intermediate that signed the leaf. Raises UsageError naming both key ids."""
    wanted = _key_id(leaf, x509.AuthorityKeyIdentifier)
    for one in found:
        if wanted and _key_id(one, x509.SubjectKeyIdentifier) == wanted:
            try:
                leaf.verify_directly_issued_by(one)
            except (ValueError, TypeError, InvalidSignature) as error:
                raise UsageError(f"{where} was not signed by the WWDR certificate: {WHERE_WWDR}") from error
            return one
    if not found:
        raise UsageError(f"there is no WWDR certificate for {where}: {WHERE_WWDR}")
    there = ", ".join(_key_id(one, x509.SubjectKeyIdentifier) or "none" for one in found)
    raise UsageError(
        f"{where} was signed by the WWDR certificate with key id {wanted or 'none'}, and the one given has "
        f"{there}: {WHERE_WWDR}"
    )


def _key_id(
    certificate: x509.Certificate, kind: type[x509.AuthorityKeyIdentifier] | type[x509.SubjectKeyIdentifier]
) -> str:
    try:
        value = certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return ""
    digest = value.key_identifier
    return digest.hex() if digest else ""
