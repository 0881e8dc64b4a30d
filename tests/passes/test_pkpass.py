"""What Apple is given: the zip, its manifest, and a signature that openssl verifies."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.passes import pkpass, template
from jobs.passes.certificates import AppleIdentity
from jobs.passes.folder import read_folder
from jobs.passes.holder import Holder
from jobs.passes.pkpass import Blank
from jobs.passes.signing import Signer
from jobs.passes.template import Template
from jobs.rehearsal.authority import PASS_TYPE, TEAM, Authority
from tests.passes.conftest import Change

URL = "https://passes.example.com"
ANN = Holder(
    serial="s1",
    program_id="own-1",
    external_id="C1",
    token="t" * 32,
    name="Ännä",
    points=12.0,
    locale="de-AT",
    message="Heute: Apfelstrudel",
)


@pytest.fixture(scope="module")
def openssl() -> str:
    """The command; every Debian has it, so a machine that tests without it tests too little."""
    found = shutil.which("openssl")
    if found is None and os.environ.get("CI"):
        pytest.fail("openssl is not installed: nothing else verifies our signatures")
    if found is None:
        pytest.skip("openssl is not installed: OUR SIGNATURES ARE NOT VERIFIED")
    return found


@pytest.fixture(scope="module")
def unpacked(
    linden: Template, identity: AppleIdentity, made: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A signed pass, unpacked, with the root beside it."""
    place = tmp_path_factory.mktemp("pass")
    built = pkpass.build(Blank(linden), ANN, identity, Signer(identity), URL)
    with zipfile.ZipFile(io.BytesIO(built)) as archive:
        assert archive.testzip() is None
        archive.extractall(place)
    (place.parent / "root.pem").write_bytes(made.root_pem)
    return place


def run(openssl: str, unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([openssl, *arguments], cwd=unpacked, capture_output=True, text=True, check=False)


def verify(kind: str, content: str = "manifest.json") -> tuple[str, ...]:
    whole = (kind, "-verify", "-binary", "-inform", "DER", "-in", "signature", "-content", content)
    return (*whole, "-CAfile", "../root.pem", "-purpose", "any", "-out", os.devnull)


@pytest.mark.parametrize("kind", ["cms", "smime"])
def test_openssl_verifies_the_signature(openssl: str, unpacked: Path, tmp_path: Path, kind: str) -> None:
    done = run(openssl, unpacked, *verify(kind))
    assert done.returncode == 0, done.stderr
    changed = tmp_path / "manifest.json"
    changed.write_bytes((unpacked / "manifest.json").read_bytes().replace(b"a", b"b", 1))
    assert run(openssl, unpacked, *verify(kind, str(changed))).returncode != 0


def test_a_manifest_with_line_breaks_is_signed_as_it_is(
    openssl: str, unpacked: Path, identity: AppleIdentity, tmp_path: Path
) -> None:
    manifest = b'{\n  "a": "b"\r\n}\n'
    (tmp_path / "manifest.json").write_bytes(manifest)
    (tmp_path / "signature").write_bytes(Signer(identity).sign(manifest))
    shutil.copy(unpacked.parent / "root.pem", tmp_path / "root.pem")
    here = [word.replace("../", "") for word in verify("cms")]
    assert run(openssl, tmp_path, *here).returncode == 0


def test_the_signature_holds_both_certificates_a_time_and_no_content(openssl: str, unpacked: Path) -> None:
    listed = run(openssl, unpacked, "pkcs7", "-inform", "DER", "-in", "signature", "-print_certs", "-noout")
    assert PASS_TYPE in listed.stdout
    assert listed.stdout.count("subject=") == 2
    shown = run(openssl, unpacked, "cms", "-cmsout", "-print", "-inform", "DER", "-in", "signature").stdout
    assert "signingTime" in shown
    assert "eContent: <ABSENT>" in shown
    assert "sha256" in shown


def test_the_manifest_names_every_file_and_no_other(unpacked: Path) -> None:
    manifest = json.loads((unpacked / "manifest.json").read_text())
    there = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert set(manifest) == there - {"manifest.json", "signature"}
    for name, sum_ in manifest.items():
        assert hashlib.sha1((unpacked / name).read_bytes()).hexdigest() == sum_
    assert {"pass.json", "icon.png", "icon@2x.png", "de.lproj/pass.strings"} <= set(manifest)


def test_pass_json_is_the_holders(unpacked: Path) -> None:
    said = json.loads((unpacked / "pass.json").read_text("utf-8"))
    assert said["formatVersion"] == 1
    assert (said["passTypeIdentifier"], said["teamIdentifier"]) == (PASS_TYPE, TEAM)
    assert (said["serialNumber"], said["authenticationToken"]) == ("s1", "t" * 32)
    assert said["webServiceURL"] == URL
    card = said["storeCard"]
    assert card["backFields"][0] == {
        "key": "message",
        "label": "Latest message",
        "value": "Heute: Apfelstrudel",
        "changeMessage": "%@",
    }
    assert card["headerFields"] == [{"key": "points", "label": "Points", "value": "12"}]
    assert [name for name in said if name in template.ALL_STYLES] == ["storeCard"]
    assert said["barcodes"][0]["message"] == "C1"


def test_the_same_content_gives_the_same_bytes(linden: Template, identity: AppleIdentity) -> None:
    class Still(Signer):
        def sign(self, manifest: bytes) -> bytes:
            return b"signature"

    one, two = (
        pkpass.build(Blank(linden), ANN, identity, Still(identity), URL),
        pkpass.build(Blank(linden), ANN, identity, Still(identity), URL),
    )
    assert one == two
    # A blank is completed again and again, and no pass leaves anything in it.
    blank = Blank(linden)
    pkpass.build(blank, replace(ANN, serial="s2", name="B" * 100), identity, Still(identity), URL)
    assert pkpass.build(blank, ANN, identity, Still(identity), URL) == one


def test_what_a_pass_may_show(changed: Change, identity: AppleIdentity) -> None:
    folder = changed(
        ('kind = "membership"', 'kind = "flight"\ntransit_type = "train"'),
        ('key = "points"', 'key = "points"\nalignment = "right"\nalerts = true\nchange_message = "%@!"'),
        ("{points|0}", "Seat {seat}"),
        ('"Points" = ', '"Seat {seat}" = "Platz {seat}"\n"Points" = '),
    )
    found = read_folder(folder)
    holder = replace(ANN, attributes={"seat": "14A"}, external_id="日本", message=None)
    holder = replace(holder, expires_at=datetime(2027, 1, 2, tzinfo=UTC), voided=True)
    said = pkpass.content(found, holder, identity, URL)
    assert said["boardingPass"]["transitType"] == "PKTransitTypeTrain"
    assert said["boardingPass"]["headerFields"] == [
        {
            "key": "points",
            "label": "Points",
            "value": "Platz 14A",
            "changeMessage": "%@!",
            "textAlignment": "PKTextAlignmentRight",
        }
    ]
    assert said["boardingPass"]["backFields"][0]["value"] == "No message yet"
    assert said["barcodes"][0]["messageEncoding"] == "utf-8"
    assert (said["expirationDate"], said["voided"]) == ("2027-01-02T00:00:00Z", True)
    # Its member lost the seat later on: the pass is served with a gap, since the message is to arrive.
    assert found.missing(ANN.values) == ["seat"]
    assert pkpass.content(found, ANN, identity, URL)["boardingPass"]["headerFields"][0]["value"] == ""


def test_texts_beyond_ascii_are_utf_16(changed: Change) -> None:
    found = read_folder(changed(('"Points" = "Punkte"', '"Points" = "Pünktchen"')))
    with zipfile.ZipFile(io.BytesIO(Blank(found).complete(b"{}", _Nobody()))) as archive:
        content = archive.read("de.lproj/pass.strings")
    assert content.startswith(b"\xff\xfe")
    assert '"Points" = "Pünktchen";' in content.decode("utf-16")


class _Nobody(Signer):
    def __init__(self) -> None:
        pass

    def sign(self, manifest: bytes) -> bytes:
        return b""
