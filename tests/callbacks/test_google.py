"""Callbacks: Google's word to us is taken, and everything that only looks like it is not."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from jobs.callbacks.google import Callback, Forged, Keys, KeysUnavailable, verify
from jobs.rehearsal.google_callbacks import KEY_SECONDS, MESSAGE_SECONDS, ROOT_SECONDS, Signer

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT = NOW.timestamp()
ISSUER, OTHER = "3388000000000000001", "3388000000000000002"
CLASS, OBJECT = f"{ISSUER}.club", f"{ISSUER}.a.b-1"


def key_pem() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


ROOT = key_pem()
SIGNER = Signer(ROOT, ISSUER)


WHOLE = SIGNER.signed(CLASS, OBJECT, "save", AT)


def keys(signer: Signer = SIGNER, at: float = AT) -> Keys:
    return Keys(lambda: json.dumps(signer.published(at)).encode())


def body(event: str = "save", **more: Any) -> bytes:
    told: dict[str, Any] = {"class_id": CLASS, "object_id": OBJECT, "now": AT} | more
    return SIGNER.signed(event=event, **told)


def reason(body: bytes, keys: Keys | None = None, *, issuer: str = ISSUER, now: datetime = NOW) -> str:
    with pytest.raises(Forged) as found:
        verify(body, keys or Keys(lambda: json.dumps(SIGNER.published(AT)).encode()), issuer, now)
    return found.value.reason


@pytest.mark.parametrize("event", ["save", "del"])
def test_googles_word_is_taken(event: str) -> None:
    told = verify(body(event), keys(), ISSUER, NOW)
    assert (told.class_id, told.object_id, told.event) == (CLASS, OBJECT, event)
    assert told.nonce
    assert told.expires_ms == int((AT + MESSAGE_SECONDS) * 1_000)


def test_the_key_holds_googles_escapes_and_is_verified_as_received() -> None:
    envelope = json.loads(body())
    signed_key = envelope["intermediateSigningKey"]["signedKey"]
    assert "\\u003d" in signed_key
    envelope["intermediateSigningKey"]["signedKey"] = json.dumps(json.loads(signed_key))
    assert reason(json.dumps(envelope).encode()) == "intermediate"
    # Written anew around the same strings, it is the same message.
    assert verify(json.dumps(json.loads(body()), indent=2).encode(), keys(), ISSUER, NOW)


def test_frames_count_bytes_and_not_characters() -> None:
    assert verify(body(object_id=f"{OBJECT}.größe🥨"), keys(), ISSUER, NOW).object_id.endswith("🥨")


def test_someone_elses_valid_callback_is_not_ours() -> None:
    theirs = Signer(ROOT, OTHER).signed(f"{OTHER}.club", f"{OTHER}.p", "save", AT)
    assert reason(theirs) == "signature"
    assert verify(theirs, keys(), OTHER, NOW)


@pytest.mark.parametrize("which", ["class_id", "object_id"])
@pytest.mark.parametrize("foreign", [f"{OTHER}.x", f"{ISSUER}0.x", "x", f".{ISSUER}"])
def test_class_and_object_have_to_be_ours(which: str, foreign: str) -> None:
    assert reason(body(**{which: foreign})) == "foreign"


def test_a_root_of_somebody_elses_signs_nothing() -> None:
    forged = Signer(key_pem(), ISSUER).signed(CLASS, OBJECT, "save", AT)
    assert reason(forged) == "intermediate"


def test_an_intermediate_key_of_ones_own_under_googles_signature() -> None:
    envelope, forged = (
        json.loads(body()),
        json.loads(Signer(key_pem(), ISSUER).signed(CLASS, OBJECT, "save", AT)),
    )
    forged["intermediateSigningKey"]["signatures"] = envelope["intermediateSigningKey"]["signatures"]
    assert reason(json.dumps(forged).encode()) == "intermediate"
    forged["intermediateSigningKey"] = envelope["intermediateSigningKey"]
    assert reason(json.dumps(forged).encode()) == "signature"


def test_the_protocol_is_asked_first() -> None:
    envelope = json.loads(body()) | {"protocolVersion": "ECv1"}
    assert reason(json.dumps(envelope).encode(), Keys(lambda: pytest.fail("no key is fetched"))) == "protocol"


def test_what_is_too_old() -> None:
    assert reason(body(), now=NOW + timedelta(seconds=MESSAGE_SECONDS)) == "expired"
    later = NOW + timedelta(seconds=MESSAGE_SECONDS + KEY_SECONDS)
    assert reason(body(), now=later) == "intermediate_expired"
    gone = NOW + timedelta(seconds=ROOT_SECONDS)
    assert reason(body(now=gone.timestamp()), now=gone) == "intermediate"


def test_a_root_without_an_end_holds_and_other_protocols_are_left_out() -> None:
    document = SIGNER.published(AT)
    assert [entry["protocolVersion"] for entry in document["keys"]] == ["ECv1", "ECv2SigningOnly"]
    document["keys"][1].pop("keyExpiration")
    assert verify(body(), Keys(lambda: json.dumps(document).encode()), ISSUER, NOW)
    document["keys"][1]["protocolVersion"] = "ECv2"
    assert reason(body(), Keys(lambda: json.dumps(document).encode())) == "intermediate"


class Published:
    """What Google publishes, and how often it was asked."""

    def __init__(self, *signers: Signer) -> None:
        self.signers, self.asked = list(signers), 0

    def __call__(self) -> bytes:
        self.asked += 1
        return json.dumps(self.signers[min(self.asked, len(self.signers)) - 1].published(AT)).encode()


def test_keys_are_kept_and_fetched_once_more_where_google_has_changed_them() -> None:
    published = Published(Signer(key_pem(), ISSUER), SIGNER)
    kept = Keys(published)
    kept.roots(NOW - timedelta(hours=1))
    assert verify(body(), kept, ISSUER, NOW)
    assert verify(body(), kept, ISSUER, NOW)
    assert published.asked == 2
    kept.roots(NOW + timedelta(days=2))
    assert published.asked == 3


def test_forgeries_do_not_make_us_ask_google_again_and_again() -> None:
    published = Published(SIGNER)
    kept = Keys(published)
    forged = Signer(key_pem(), ISSUER).signed(CLASS, OBJECT, "save", AT)
    for seconds in range(30):
        with pytest.raises(Forged):
            verify(forged, kept, ISSUER, NOW + timedelta(seconds=seconds))
    assert published.asked == 1


def test_without_keys_nothing_is_said_of_a_callback() -> None:
    def nothing() -> bytes:
        raise OSError("no route")

    for fetch in (nothing, lambda: b"<html>", lambda: b'{"keys": [{"protocolVersion": "ECv2SigningOnly"}]}'):
        with pytest.raises(KeysUnavailable):
            verify(body(), Keys(fetch), ISSUER, NOW)


def test_several_threads_fetch_once() -> None:
    published = Published(SIGNER)
    kept, told = Keys(published), list[Callback]()
    threads = [
        threading.Thread(target=lambda: told.append(verify(body(), kept, ISSUER, NOW))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(told), published.asked) == (8, 1)


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(WHOLE) - 1))
    changed = WHOLE[:place] + bytes([data.draw(st.integers(0, 255))]) + WHOLE[place + 1 :]
    try:
        told = verify(changed, keys(), ISSUER, NOW)
    except Forged:
        return
    # What is outside of the signed strings may be spelled in another way. What is taken is what was signed.
    assert told == verify(WHOLE, keys(), ISSUER, NOW)


def _signed_anew(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A message as changed, signed by Google's own keys: what is left to be checked is its content."""
    from jobs.rehearsal import google_callbacks as made

    envelope = json.loads(body())
    message = json.loads(envelope["signedMessage"])
    said = change(message)
    spelled = json.dumps(message if said is None else said)
    signature = made._sign(SIGNER._intermediate, "GooglePayPasses", ISSUER, "ECv2SigningOnly", spelled)
    return json.dumps(envelope | {"signedMessage": spelled, "signature": signature}).encode()


@pytest.mark.parametrize("name", ["classId", "objectId", "nonce", "eventType", "expTimeMillis"])
@pytest.mark.parametrize("value", [None, [], {}, "", "\ud800", -1, 1e300, True])
def test_a_signed_message_of_another_shape(name: str, value: Any) -> None:
    assert reason(_signed_anew(lambda message: message.update({name: value}))) in ("malformed", "expired")


def test_a_signed_message_that_is_no_object() -> None:
    assert reason(_signed_anew(lambda _: [1])) == "malformed"


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"x"',
        b"[" * 100_000,
        b'{"protocolVersion":"ECv2SigningOnly"}',
        b'{"protocolVersion":["ECv2SigningOnly"]}',
    ],
)
def test_what_is_no_callback_at_all(hostile: bytes) -> None:
    assert reason(hostile) in ("malformed", "protocol")


@pytest.mark.parametrize("value", [None, 7, "", "no base64!", "QQ==", ["x"], {}])
@pytest.mark.parametrize(
    "place", ["signature", "signedMessage", "intermediateSigningKey", "signatures", "signedKey"]
)
def test_parts_of_another_shape(place: str, value: Any) -> None:
    envelope = json.loads(body())
    target = envelope["intermediateSigningKey"] if place in ("signatures", "signedKey") else envelope
    target[place] = value
    assert reason(json.dumps(envelope).encode()) in ("malformed", "intermediate", "signature")


def test_a_root_of_another_curve_is_no_root() -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    entry = {"keyValue": base64.b64encode(spki).decode(), "protocolVersion": "ECv2SigningOnly"}
    with pytest.raises(KeysUnavailable):
        verify(body(), Keys(lambda: json.dumps({"keys": [entry]}).encode()), ISSUER, NOW)
