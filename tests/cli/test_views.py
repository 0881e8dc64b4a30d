"""--sort, --filter and --export of the commands that list."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.cli.conftest import Passbell

LINDEN = "Kaffeehaus Linden"


def test_a_list_of_members_is_sorted_and_filtered(passbell: Passbell) -> None:
    every = passbell("members", "list", LINDEN, "--json").lines
    points = sorted((one["points"] for one in every if one["points"] is not None), reverse=True)
    line = points[len(points) // 2]
    asked = ("members", "list", LINDEN, "--sort", "-points", "--filter", f"points=>={line}")
    found = passbell(*asked, "--filter", "opted_out=no", "--json").lines
    assert [one["points"] for one in found] == sorted((one["points"] for one in found), reverse=True)
    wanted = {one["external_id"] for one in every if (one["points"] or 0) >= line and not one["opted_out"]}
    assert {one["external_id"] for one in found} == wanted
    cut = passbell(*asked, "--limit", 2)
    assert "EXTERNAL ID" in cut.out
    assert "2 of " in cut.err


def test_what_is_wrong_is_told_with_what_can_be_typed(passbell: Passbell, tmp_path: Path) -> None:
    for given, told in (
        (("--sort", "shoe"), "there is no column 'shoe': choose from name, external_id"),
        (("--filter", "shoe=1"), "there is no column 'shoe'"),
        (("--filter", "points"), "write COLUMN=WORDS"),
        (("--filter", "points=many"), "points: 'many' is not understood: type 500, >500"),
        (("--export", tmp_path / "m.xls"), "an export ends in .csv"),
    ):
        done = passbell("members", "list", LINDEN, *given)
        assert done.code == 2
        assert told in " ".join(done.err.split())


def test_lists_are_exported_whole(passbell: Passbell, tmp_path: Path) -> None:
    every = passbell("members", "list", LINDEN, "--json").lines
    file = tmp_path / "m.ndjson"
    done = passbell("members", "list", LINDEN, "--limit", 1, "--export", file, "--json")
    assert done.json == {"file": str(file), "rows": len(every)}
    assert {json.loads(line)["external_id"] for line in file.read_text().splitlines()} == {
        one["external_id"] for one in every
    }
    assert (
        "wrote 1 members"
        in passbell(
            *(
                "members",
                "list",
                LINDEN,
                "--search",
                every[0]["external_id"],
                "--export",
                tmp_path / "one.csv",
            )
        ).out
    )
    again = passbell("members", "list", LINDEN, "--export", file)
    assert (again.code, "never overwrites" in again.err) == (2, True)
    passbell("programs", "list", "--sort", "-members", "--export", tmp_path / "p.csv")
    with open(tmp_path / "p.csv", encoding="utf-8", newline="") as opened:
        members = [int(row["members"]) for row in csv.DictReader(opened)]
    assert members == sorted(members, reverse=True)
    assert passbell("programs", "list", "--filter", "name=no such name").out.endswith("No program is so.\n")


def test_blasts_their_deliveries_and_batches_and_the_audit(passbell: Passbell, tmp_path: Path) -> None:
    for text in ("Two for one", "Fresh rolls"):
        passbell("blasts", "plan", "--program", LINDEN, "--all", "--text", text)
    (rolls,) = passbell("blasts", "list", "--filter", "text=rolls", "--json").lines
    assert rolls["text"] == "Fresh rolls"
    assert [one["id"] for one in passbell("blasts", "list", "--sort", "id", "--json").lines] == [1, 2]
    assert "No blast is so." in passbell("blasts", "list", "--filter", "state=running").out

    every = passbell("blasts", "deliveries", 1, "--json").lines
    names = [one["name"] for one in passbell("blasts", "deliveries", 1, "--sort", "-name", "--json").lines]
    assert names == sorted((one["name"] for one in every), reverse=True)
    some = passbell(
        "blasts", "deliveries", 1, "--filter", "state=pend", "--export", tmp_path / "d.db", "--json"
    )
    assert some.json["rows"] == sum(one["state"] == "pending" for one in every)
    assert "No batch yet" in passbell("blasts", "batches", 1).out
    assert passbell("blasts", "batches", 1, "--filter", "failed=>0", "--json").out == ""

    acts = {one["act"] for one in passbell("audit", "list", "--filter", "act=^blast", "--json").lines}
    assert acts == {"blast.plan"}
    assert (
        passbell("audit", "list", "--filter", "at=<today", "--export", tmp_path / "a.csv", "--json").json[
            "rows"
        ]
        == 0
    )
