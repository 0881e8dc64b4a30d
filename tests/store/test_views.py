"""Lists as people look at them: what is typed for a column, order, and pages far down, on both databases."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from store import audit, blast_lists, catalogue, deliveries, imports, members, programs, views
from store.database import Database, StoreUnavailable
from store.errors import UsageError
from store.filters import HOW
from store.member_list import COLUMNS
from store.schema import members as table
from store.schema import passes
from store.views import Held, View
from tests.store.crowd import NAMES, add_members, member, open_store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ROWS = 60


def crowd() -> list[dict[str, Any]]:
    """Members of whom many share a value, and some have none."""
    dice = random.Random(7)
    return [
        member(
            f"M-{number:03d}",
            id=number + 1,
            name=NAMES[number % len(NAMES)],
            email=dice.choice([None, "", "ann@example.com", "BEN@example.com"]),
            tier_id=dice.choice([None, "gold", "Gold", "silver", "go%d"]),
            points=dice.choice([None, 0.0, 5.0, 5.5, -2.0, 500.0, 1e15]),
            tier_points=dice.choice([None, 0, 5, 2**40]),
            birthday=dice.choice([None, date(1990, 2, 3), date(2026, 11, 21), date(2026, 11, 20)]),
            opted_out=dice.random() < 0.3,
            status=dice.choice(["ENROLLED", "ENROLLED", "EXPIRED"]),
            updated_at=dice.choice([None, NOW, NOW - timedelta(days=3), NOW - timedelta(days=400)]),
            created_at=datetime(2026, 11, dice.randint(18, 21), dice.randint(0, 23), tzinfo=UTC),
        )
        for number in range(ROWS)
    ]


@pytest.fixture
def database(current_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(views, "now", lambda: NOW)
    database = open_store(current_url)
    rows = crowd()
    with database.write() as connection:
        connection.execute(table.insert(), rows)
        holding = [
            {
                "member_id": row["id"],
                "program_id": "P1",
                "channel": "passkit",
                "provider_id": f"x{row['id']}",
                "keys": {},
                "status": "installed" if row["id"] % 3 else "issued",
                "wallets": ["apple", "google"] if row["id"] % 2 else [],
            }
            for row in rows
            if row["id"] % 5
        ]
        connection.execute(passes.insert(), holding)
    yield database
    database.close()


def shown(database: Database, *filters: tuple[str, str], **more: Any) -> set[str]:
    """The ids of the members that are shown; page, count and ids agree."""
    view = View(filters=filters, **more)
    with database.read() as connection:
        page = members.page(connection, "P1", view=view, limit=1_000)
        assert members.count(connection, "P1", view=view) == len(page)
        assert [one.id for one in page] == members.ids(connection, "P1", view=view).tolist()
    return {one.external_id for one in page}


def those(fits: Callable[[dict[str, Any]], bool]) -> set[str]:
    return {row["external_id"] for row in crowd() if fits(row)}


def low(text: str) -> str:
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


def day(row: dict[str, Any]) -> Any:
    return row["created_at"].date()


WORDS: list[tuple[str, str, Callable[[dict[str, Any]], bool]]] = [
    ("name", "ann", lambda row: "ann" in low(row["name"])),
    ("name", "^ANN", lambda row: low(row["name"]).startswith("ann")),
    ("name", "=Ann", lambda row: row["name"] == "Ann"),
    ("name", "!=Ann", lambda row: row["name"] != "Ann"),
    ("name", "o%b", lambda row: "o%b" in low(row["name"])),
    ("name", "-", lambda row: row["name"] == ""),
    ("name", "  ", lambda row: True),
    ("email", "-", lambda row: not row["email"]),
    ("email", "! ben", lambda row: "ben@" not in low(row["email"] or "")),
    ("tier", "gold,sil", lambda row: low(row["tier_id"] or "") in ("gold", "silver")),
    ("tier", "=gold,silver", lambda row: row["tier_id"] in ("gold", "silver")),
    ("tier", "!gold", lambda row: low(row["tier_id"] or "") != "gold"),
    ("points", "5", lambda row: row["points"] == 5),
    ("points", "5.5", lambda row: row["points"] == 5.5),
    ("points", ">5", lambda row: row["points"] is not None and row["points"] > 5),
    ("points", "<= 5", lambda row: row["points"] is not None and row["points"] <= 5),
    ("points", "-2..5.5", lambda row: row["points"] is not None and -2 <= row["points"] <= 5.5),
    ("points", "..0", lambda row: row["points"] is not None and row["points"] <= 0),
    ("points", "!500..", lambda row: row["points"] is None or row["points"] < 500),
    ("points", "-", lambda row: row["points"] is None),
    ("tier_points", ">5.5", lambda row: (row["tier_points"] or 0) > 5.5),
    ("tier_points", "999999999999999999999999", lambda row: False),
    ("opted_out", "yes", lambda row: row["opted_out"]),
    ("opted_out", "n", lambda row: not row["opted_out"]),
    ("birthday", "today", lambda row: row["birthday"] == NOW.date()),
    ("birthday", "1990", lambda row: row["birthday"] == date(1990, 2, 3)),
    ("birthday", "-1d", lambda row: row["birthday"] in (date(2026, 11, 20), date(2026, 11, 21))),
    ("birthday", ">1990-02-03", lambda row: row["birthday"] is not None and row["birthday"].year > 1990),
    ("updated_at", "-7d", lambda row: row["updated_at"] in (NOW, NOW - timedelta(days=3))),
    ("updated_at", "<-7d", lambda row: row["updated_at"] == NOW - timedelta(days=400)),
    ("updated_at", "2026-11-21 12:00", lambda row: row["updated_at"] == NOW),
    ("created_at", "2026-11-20", lambda row: day(row) == date(2026, 11, 20)),
    ("created_at", ">2026-11-20", lambda row: day(row) > date(2026, 11, 20)),
    ("created_at", "<=2026-11-20", lambda row: day(row) <= date(2026, 11, 20)),
    ("created_at", "2026-11-19..yesterday", lambda row: 19 <= day(row).day <= 20),
    ("created_at", "2026-11", lambda row: True),
    ("status", "exp", lambda row: row["status"] == "EXPIRED"),
]


def test_what_is_typed_for_a_column_means_the_same_everywhere(database: Database) -> None:
    for column, typed, fits in WORDS:
        assert shown(database, (column, typed)) == those(fits), (column, typed)
    both = shown(database, ("points", ">0"), ("opted_out", "no"), search="ann")
    assert both == those(
        lambda row: (
            (row["points"] or 0) > 0
            and not row["opted_out"]
            and ("ann" in low(row["name"]) or "ann" in (row["email"] or ""))
        )
    )


def test_passes_are_told_and_found_in_the_same_word(database: Database) -> None:
    with database.read() as connection:
        everyone = members.page(connection, "P1", limit=1_000)
    told = {one.external_id: members.pass_in_a_word(one) for one in everyone}
    assert set(told.values()) == {"opted out", "expired", "installed", "issued", "no pass"}
    for word in set(told.values()):
        assert shown(database, ("pass", word)) == {id_ for id_, said in told.items() if said == word}
    google = {one.external_id for one in everyone if any("google" in held.wallets for held in one.passes)}
    assert google == shown(database, ("wallet", "GOOG")) == shown(database, ("wallet", "apple, goo"))
    assert shown(database, ("wallet", "!goog")) == {one.external_id for one in everyone} - google


def test_rows_are_in_one_order_without_ties(database: Database) -> None:
    values = {row["id"]: row | {"tier": row["tier_id"]} for row in crowd()}
    for column in ("name", "email", "tier", "points", "tier_points", "birthday", "updated_at", "opted_out"):
        for descending in (False, True):
            with database.read() as connection:
                ids = members.ids(connection, "P1", view=View(column, descending)).tolist()
                pages = [
                    one.id
                    for start in range(0, ROWS, 7)
                    for one in members.page(
                        connection, "P1", view=View(column, descending), offset=start, limit=7
                    )
                ]
            given = [id_ for id_ in values if values[id_][column] is not None]
            missing = [id_ for id_ in values if values[id_][column] is None]
            given.sort(key=lambda id_: (values[id_][column], id_), reverse=descending)
            assert ids == pages == given + sorted(missing, reverse=descending), column


def test_every_column_of_every_list_can_be_asked_and_ordered_by(database: Database) -> None:
    typed = {"text": "a", "word": "a", "number": ">1", "moment": "today", "date": "today", "boolean": "yes"}
    lists: list[tuple[Any, Callable[..., Any]]] = [
        (COLUMNS, lambda c, view: members.page(c, "P1", view=view)),
        (blast_lists.DELIVERY_COLUMNS, lambda c, view: deliveries.page(c, 1, view=view)),
        (blast_lists.DELIVERY_COLUMNS, lambda c, view: deliveries.count(c, 1, view=view)),
        (blast_lists.BATCH_COLUMNS, lambda c, view: deliveries.batch_page(c, 1, view=view)),
        (blast_lists.BATCH_COLUMNS, lambda c, view: deliveries.batch_count(c, 1, view=view)),
        (blast_lists.BLAST_COLUMNS, lambda c, view: deliveries.blast_page(c, "rehearsal", view=view)),
        (blast_lists.BLAST_COLUMNS, lambda c, view: deliveries.blast_count(c, "rehearsal", view=view)),
        (audit.COLUMNS, lambda c, view: audit.page(c, view=view)),
        (audit.COLUMNS, lambda c, view: audit.count(c, view=view)),
        (programs.FACTS, lambda c, view: programs.list_programs(c, "rehearsal", view=view)),
        (imports.FACTS, lambda c, view: imports.list_all(c, "P1", view=view)),
        (catalogue.FACTS, lambda c, view: catalogue.of(c, "P1", view=view)),
    ]
    with database.read() as connection:
        for columns, ask in lists:
            for key, column in columns.items():
                words = column.words[0] if column.words else typed[column.kind]
                ask(connection, View(key, key < "m", ((key, words), (key, "!-")), search="a"))
            with pytest.raises(UsageError, match=r"there is no column 'no': choose from "):
                ask(connection, View(filters=(("no", "x"),)))
        (program,) = programs.list_programs(
            connection, "rehearsal", view=View("members", True, (("members", ">9"),))
        )
        assert program.members == ROWS
        assert not programs.list_programs(connection, "rehearsal", view=View(search="tea"))


REFUSED = [
    ("points", "many", "points: 'many' is not understood: type 500, >500, <=500 or 10..20; - for none"),
    ("points", ">", "points: '>' is not understood"),
    ("points", "..", "is not understood"),
    ("points", "٣", "is not understood"),
    ("birthday", "2026-02-30", "type 2026-11-22, >2026-11"),
    ("birthday", "-3h", "is not understood"),
    ("updated_at", "-999999w", "is not understood"),
    ("updated_at", "9999", "is not understood"),
    ("opted_out", "perhaps", "type yes or no"),
    ("pass", "lost", "it may be installed, issued"),
    ("name", "x" * 501, "at most 500 characters"),
    ("name", "\ud800", "is not valid text"),
    ("name", "!", "is not understood"),
]


def test_what_is_not_understood_is_told_with_what_can_be_typed(database: Database) -> None:
    for column, typed, told in REFUSED:
        with pytest.raises(UsageError) as error:
            shown(database, (column, typed))
        assert told in str(error.value)


def test_whatever_is_typed_it_is_shown_or_refused(database: Database) -> None:
    """Nothing that is typed breaks a query, and a filter and its opposite share everybody out."""
    signs = st.text("!-=^<>.,%_/\\'\"dhw+ \0" + "0123456789" + "aZä☕", max_size=12)
    kinds = {"name": "text", "tier": "word", "points": "number", "created_at": "moment", "birthday": "date"}
    assert {*kinds.values(), "boolean"} == set(HOW)

    @settings(max_examples=150)
    @given(st.sampled_from([*kinds, "opted_out"]), st.one_of(signs, st.text(max_size=8)))
    def holds(column: str, typed: str) -> None:
        try:
            with database.read() as connection:
                found = members.ids(connection, "P1", view=View(filters=((column, typed),)))
                if not typed.replace("\0", "").strip():
                    assert len(found) == ROWS
                    return
                others = members.ids(connection, "P1", view=View(filters=((column, f"!{typed}"),)))
        except UsageError:
            return
        assert sorted([*found, *others]) == list(range(1, ROWS + 1))

    holds()


def test_a_page_far_down_comes_from_the_held_order(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "FAR", 20)
    view, held = View("points"), Held()
    with database.read() as connection:
        plain = [members.page(connection, "P1", view=view, offset=start, limit=10) for start in (0, 20, 50)]
        again = [
            members.page(connection, "P1", view=view, offset=start, limit=10, held=held)
            for start in (0, 20, 50)
        ]
        assert again == plain
        assert members.page(connection, "P1", view=view, offset=90, held=held) == []
    with database.write() as connection:
        connection.execute(sa.delete(table).where(table.c.id == plain[1][0].id))
    with database.read() as connection:
        late = members.page(connection, "P1", view=view, offset=20, limit=10, held=held)
        assert late == plain[1][1:], "who is gone is left out"
        assert members.count(connection, "P1", view=view, held=held) == ROWS - 1
        fresh = members.page(connection, "P1", view=view, offset=20, limit=10, held=held)
        assert fresh[:9] == plain[1][1:]
        assert len(fresh) == 10


def test_a_store_that_breaks_off_in_the_middle_of_a_list_is_told_in_words(tmp_path: Path) -> None:
    file = tmp_path / "passbell.db"
    database = open_store(f"sqlite:///{file}")
    add_members(database, [member(f"M-{number:05d}", name="x" * 200) for number in range(20_000)])
    query = sa.select(table.c.id, table.c.name).order_by(table.c.id)
    with database.read() as connection:
        assert len(views.every_id(connection, query)) == 20_000
    database.close()
    with file.open("r+b") as pages:
        pages.seek(file.stat().st_size // 2)
        pages.write(b"\xff" * 400_000)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(StoreUnavailable, match="cannot be used: "), database.read() as connection:
        views.every_id(connection, query)
    database.close()


def test_ids_of_any_size_keep_their_order(database: Database) -> None:
    for ids in ([3, 1, 2**32 - 1], [3, 2**32, 1, 2**62], [2, -1], []):
        rows = [
            sa.select(sa.literal(id_, sa.BigInteger).label("id"), sa.literal(n)) for n, id_ in enumerate(ids)
        ]
        listed = sa.union_all(*rows).subquery() if rows else table
        order = listed.c[1] if rows else table.c.id
        query = sa.select(listed.c.id).where(sa.true() if rows else sa.false()).order_by(order)
        with database.read() as connection:
            assert list(views.every_id(connection, query)) == ids
