"""What a phone checks of a pass's signature: a detached PKCS#7 (CMS) over the manifest, up to the root.

The check is written apart from what signs, from RFC 5652 alone, so that the two can disagree.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

SEQUENCE, SET, OCTETS, FIRST, SECOND = 0x30, 0x31, 0x04, 0xA0, 0xA1
"""DER tags; the last two are [0] and [1]."""
SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
DATA = bytes.fromhex("2a864886f70d010701")
CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SIGNING_TIME = bytes.fromhex("2a864886f70d010905")
DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("2b0e03021a"): hashes.SHA1(),
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
}
"""By object identifier: what passes are signed with in the wild."""


UNREADABLE = (
    ValueError,
    IndexError,
    TypeError,
    StopIteration,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What hostile bytes make the parsers raise."""


class Unsigned(Exception):
    """The signature does not hold; the text says why."""


class Signer(NamedTuple):
    """Whom the signing certificate names."""

    pass_type: str
    team: str


class Element(NamedTuple):
    """One DER element: its tag, its content, and the whole of it."""

    tag: int
    content: bytes
    whole: bytes


def check(manifest: bytes, signature: bytes, *, root_pem: bytes, now: datetime | None = None) -> Signer:
    """Whom the signature over the manifest belongs to. Raises Unsigned where a phone refuses the pass."""
    try:
        return _check(manifest, signature, root_pem, now or datetime.now(UTC))
    except UNREADABLE as error:
        raise Unsigned(f"the signature cannot be read: {type(error).__name__} {error}") from error


def _check(manifest: bytes, signature: bytes, root_pem: bytes, now: datetime) -> Signer:
    kind, signed = elements(one(signature, SEQUENCE).content)
    wanted(kind.content == SIGNED_DATA, "it holds no signed data")
    _version, _digests, content, *more = elements(one(signed.content, SEQUENCE).content)
    wanted([part.content for part in elements(content.content)] == [DATA], "it is not detached")
    certificates = b"".join(part.content for part in more if part.tag == FIRST)
    signers = list(elements(more[-1].content))
    wanted(more[-1].tag == SET and len(signers) == 1, "it has not one signer")
    _version, who, digest, attributes, _algorithm, sealed, *_ = elements(signers[0].content)
    wanted(attributes.tag == FIRST, "nothing of it is signed with the manifest")
    algorithm = DIGESTS.get(next(elements(digest.content)).content)
    if algorithm is None:
        raise Unsigned("its digest is neither SHA-1 nor SHA-256")
    found: dict[bytes, bytes] = {}
    for attribute in elements(attributes.content):
        name, values = elements(attribute.content)
        found[name.content] = next(elements(values.content)).content
    wanted(SIGNING_TIME in found, "it names no signing time")
    wanted(found.get(CONTENT_TYPE) == DATA, "its content type is another")
    digested = hashlib.new(algorithm.name, manifest).digest()
    wanted(hmac.compare_digest(found.get(MESSAGE_DIGEST, b""), digested), "the manifest was changed")
    leaf = trusted(certificates, who.content, root_pem, now)
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise Unsigned("the certificate's key is no RSA key")
    try:
        # What is signed is the set of attributes under the tag of a set (RFC 5652, section 5.4).
        key.verify(sealed.content, bytes([SET]) + attributes.whole[1:], padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise Unsigned("it was not made with the certificate's key") from None
    return Signer(named(leaf, NameOID.USER_ID), named(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME))


def trusted(certificates: bytes, who: bytes, root_pem: bytes, now: datetime) -> x509.Certificate:
    """The signer's certificate, if a chain leads from it over the embedded intermediate to the root."""
    chain, root = embedded(certificates), root_of(root_pem)
    leaf = next((entry for entry in chain if signer_id(entry) == who), None)
    if leaf is None:
        raise Unsigned("the signer's certificate is not in it")
    wanted(all(was_issued(certificates, root_pem)), "no chain leads from its certificate to the root")
    for entry in (*chain, root):
        wanted(
            entry.not_valid_before_utc <= now <= entry.not_valid_after_utc,
            "a certificate of its chain is not valid now",
        )
    return leaf


@lru_cache(64)
def embedded(certificates: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in a signature. All passes of a pass type carry the same."""
    return tuple(x509.load_der_x509_certificate(entry.whole) for entry in elements(certificates))


@lru_cache(64)
def root_of(root_pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(root_pem)


@lru_cache(64)
def was_issued(certificates: bytes, root_pem: bytes) -> tuple[bool, ...]:
    """Of each embedded certificate, whether the root or another of them issued it, as an authority may."""
    chain, root = embedded(certificates), root_of(root_pem)
    return tuple(any(issued_by(entry, above) for above in (*chain, root)) for entry in chain)


def issued_by(entry: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        entry.verify_directly_issued_by(above)
        return above.extensions.get_extension_for_class(x509.BasicConstraints).value.ca and entry != above
    except UNREADABLE:
        return False


@lru_cache(64)
def signer_id(entry: x509.Certificate) -> bytes:
    """How a signature names its signer: by the issuer's name and the serial number, in DER."""
    number = entry.serial_number
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return entry.issuer.public_bytes() + bytes([2, len(content)]) + content


def named(entry: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = entry.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def one(der: bytes, tag: int) -> Element:
    """The only element that is there."""
    (found,) = elements(der)
    wanted(found.tag == tag, "it is no PKCS#7")
    return found


def elements(der: bytes) -> Iterator[Element]:
    """The elements that stand one after another."""
    at = 0
    while at < len(der):
        begin, tag, length = at, der[at], der[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            wanted(1 <= size <= 4, "its lengths are not DER")
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        wanted(at + length <= len(der), "it ends too early")
        yield Element(tag, der[at : at + length], der[begin : at + length])
        at += length


def wanted(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Unsigned(otherwise)
