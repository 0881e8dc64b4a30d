"""`passbell keys`, and what doctor says of keys of one's own."""

from __future__ import annotations

from pathlib import Path

from store.settings import FILE_NAME
from tests.cli.conftest import Passbell


def test_keys_are_listed_set_and_restored(empty: Passbell, tmp_path: Path) -> None:
    file = tmp_path / "home" / FILE_NAME
    (pause,) = empty("keys", "list", "--json", "in", "flight").lines
    assert (pause["action"], pause["keys"], pause["own"]) == ("blast.pause", ["p"], False)
    assert empty("keys", "set", "blast.pause", "P,f9").out == "blast.pause: P f9\n"
    assert file.read_text() == '[console.keys]\n"blast.pause" = "P,f9"\n'
    assert "* blast.pause" in empty("keys", "list", "f9").out
    done = empty("keys", "set", "blast.cancel", "P", "--json")
    assert done.code == 2
    assert "`P` would be `blast.pause` (Pause) and `blast.cancel` (Cancel)" in done.err
    assert empty("keys", "restore", "blast.pause", "--json").json["keys"] == ["p"]
    assert file.read_text() == "[console.keys]\n"
    assert (
        "there is no such action; did you mean `blast.pause`?" in empty("keys", "set", "blast.puase", "P").err
    )


def test_doctor_names_every_fault_and_a_command_mends_one_after_the_other(
    empty: Passbell, tmp_path: Path
) -> None:
    file = tmp_path / "home" / FILE_NAME
    file.parent.mkdir(exist_ok=True)
    file.write_text('[console.keys]\n"blast.puase" = "P"\n"blast.pause" = "x"\n"form.do" = "ctrl+s"\n')
    found = [one for one in empty("doctor", "--json").lines if one["subject"] == "keys"]
    assert [one["level"] for one in found] == ["fail", "fail"]
    assert empty("keys", "list").code == 2
    assert empty("keys", "restore", "blast.puase").out == "blast.puase: taken out\n"
    assert empty("keys", "set", "blast.pause", "f9").code == 0
    found = [one for one in empty("doctor", "--json").lines if one["subject"] == "keys"]
    assert [one["level"] for one in found] == ["ok"]
