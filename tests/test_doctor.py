"""Doctor: each fault is found and told in words that help."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest

from jobs.doctor import Finding, examine
from jobs.intake.sync import sync
from jobs.rehearsal.world import World
from store import keys
from store.database import Database
from store.schema import passes, programs, workers
from store.settings import Settings
from store.times import now
from tests.channels.conftest import answer, serving
from tests.intake.passkits import Tiny, control, member, rehearsing, settings, speaking_to, template, tiny

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(current_sqlite_url: str) -> Iterator[Database]:
    database = Database(current_sqlite_url)
    yield database
    database.close()


def of(found: list[Finding], subject: str) -> list[tuple[str, str]]:
    return [(one.level, one.sentence) for one in found if one.subject == subject]


def levels(found: list[Finding], *subjects: str) -> dict[str, str]:
    return {one.subject: one.level for one in found if one.subject in subjects}


def a_worker(database: Database, settings: Settings, seconds_ago: float) -> None:
    seen = now() - timedelta(seconds=seconds_ago)
    values = {"id": f"w{seconds_ago}", "account": settings.account, "host": "box", "pid": 7, "version": "0"}
    with database.write() as connection:
        connection.execute(workers.insert().values(values | {"started_at": seen, "seen_at": seen}))


async def look(database: Database, script: Tiny, chosen: Settings) -> list[Finding]:
    async with tiny(script) as client:
        return await examine(database, client, chosen)


async def test_all_is_well_with_the_stand_in(database: Database, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    a_worker(database, chosen, 1)
    async with rehearsing(World(seed=3, members=200)) as url, speaking_to(url) as client:
        await sync(database, client, chosen, actor="ann")
        found = await examine(database, client, chosen)
    assert [one for one in found if one.level != "ok"] == []
    assert {"settings", "home", "store", "queue", "worker", "key", "clock", "region", "limits"} <= {
        one.subject for one in found
    }
    told = [sentence for _, sentence in of(found, "Kaffeehaus Linden")]
    assert "Kaffeehaus Linden: every design alerts by meta.latestOffer" in told
    assert any("have opted out" in one for one in told)
    assert any("Google Wallet only" in one for one in told)
    limits = " ".join(sentence for _, sentence in of(found, "limits"))
    assert "Flights cannot be listed" in limits
    assert "Android" in limits
    assert found[0].as_json().keys() == {"level", "subject", "sentence", "hint"}


async def test_the_wrong_region_and_a_dead_key_are_told(database: Database, tmp_path: Path) -> None:
    async with rehearsing(World(seed=3, members=10)) as url, speaking_to(url) as client:
        await control(url, "faults", wrong_region=True)
        found = await examine(database, client, settings(tmp_path))
        assert levels(found, "key", "region") == {"key": "ok", "region": "fail"}
        await control(url, "faults", revoked=True)
        found = await examine(database, client, settings(tmp_path))
        assert levels(found, "key", "region") == {"key": "fail"}


async def test_nobody_at_the_address_is_told_with_what_to_start(database: Database, tmp_path: Path) -> None:
    async with rehearsing(World(seed=3, members=10)) as url:
        pass
    async with speaking_to(url) as client:
        found = await examine(database, client, settings(tmp_path))
    (key,) = [one for one in found if one.subject == "key"]
    assert (key.level, key.hint) == ("fail", "start the stand-in: passbell rehearse")


@pytest.mark.parametrize(
    ("ours_ahead", "level", "words"),
    [
        (0, "ok", "agrees"),
        (7, "warn", "7 s ahead of PassKit's"),
        (9.5, "fail", "refuses its tokens"),
        (-20, "warn", "20 s behind PassKit's"),
        (-48, "fail", "48 s behind"),
    ],
)
async def test_the_clock_is_compared(
    database: Database, tmp_path: Path, ours_ahead: float, level: str, words: str
) -> None:
    script = Tiny([])
    script.before = lambda request: (
        answer({"username": "ann"}, Date=formatdate(time() - ours_ahead, usegmt=True))
        if request.path == "/user/profile"
        else None
    )
    found = await look(database, script, settings(tmp_path))
    ((found_level, sentence),) = of(found, "clock")
    assert found_level == level
    assert words.split(" s ")[-1] in sentence


async def test_designs_and_projects_are_told_in_plain_words(database: Database, tmp_path: Path) -> None:
    script = Tiny(
        [],
        programs=[{"id": "P1", "name": "Linden", "status": ["PROJECT_DRAFT", "PROJECT_OVER_QUOTA"]}],
        tiers=[{"id": id_, "name": id_.upper(), "passTemplateId": id_} for id_ in "abcde"],
        templates={
            "a": template(),
            "b": template(change_message=None),
            "c": template(change_message="news"),
            "d": template(unique_name="meta.other"),
        },
    )
    told = of(await look(database, script, settings(tmp_path)), "Linden")
    assert told == [
        ("warn", "Linden is a draft: its passes carry a test notice and lapse after 48 hours"),
        ("fail", "Linden is over its quota at PassKit"),
        (
            "fail",
            "Linden, B: its design has the field meta.latestOffer without a lock-screen message: "
            "phones would stay silent",
        ),
        (
            "fail",
            "Linden, C: its design has a lock-screen message without %@ for meta.latestOffer: "
            "phones would not show the text",
        ),
        (
            "fail",
            "Linden, D: its design has no field meta.latestOffer: "
            "a message would change nothing that a phone shows",
        ),
        ("warn", "Linden, E: its design could not be read: nobody knows whether phones would alert"),
    ]


async def test_members_never_or_long_ago_synced(database: Database, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    script = Tiny([member(1), member(2)])
    assert of(await look(database, script, chosen), "members") == [("warn", "no program has been synced yet")]
    async with tiny(script) as client:
        await sync(database, client, chosen, actor="ann")
    with database.write() as connection:
        connection.execute(programs.update().values(synced_at=now() - timedelta(hours=25)))
        connection.execute(passes.update().where(passes.c.provider_id == "pass1").values(wallets=["google"]))
    told = of(await look(database, script, chosen), "Linden")
    assert any(level == "warn" and "more than a day ago" in one for level, one in told)
    assert (
        "ok",
        "Linden: 1 of 2 members (50%) have the pass in Google Wallet only, "
        "which shows no lock-screen message",
    ) in told
    other = settings(tmp_path, passkit__message_field="meta.news")
    with database.write() as connection:
        connection.execute(programs.update().values(synced_at=now()))
    assert ("warn", "Linden was synced for another message field") in of(
        await look(database, script, other), "Linden"
    )


async def test_what_would_keep_the_gate_shut_is_told(database: Database, tmp_path: Path) -> None:
    mine = settings(tmp_path, gate__quiet_hours="21:00-08:00", consent__secret="a secret of my own")
    with database.write() as connection:
        connection.execute(
            programs.insert().values(id="P1", account=mine.account, kind="membership", name="Café", status=[])
        )
        keys.keep(connection, lambda: "somebody else's")
    found = await look(database, Tiny([]), mine)
    assert levels(found, "suppressions") == {"suppressions": "fail"}
    told = "Café has quiet hours and no known time zone: members without one are never messaged"
    assert ("warn", told) in of(found, "Café")


async def test_a_worker_unheard_of_for_ten_seconds_is_not_alive(database: Database, tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    a_worker(database, chosen, 11)
    assert levels(await look(database, Tiny([]), chosen), "worker") == {"worker": "warn"}
    a_worker(database, chosen, 1)
    assert of(await look(database, Tiny([]), chosen), "worker") == [("ok", "alive: box (process 7)")]


async def test_a_store_without_tables_and_a_queue_out_of_reach(tmp_path: Path) -> None:
    chosen = settings(tmp_path, queue__url="redis://127.0.0.1:1/0")
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    try:
        found = await look(empty, Tiny([]), chosen)
    finally:
        empty.close()
    assert levels(found, "store", "queue", "worker", "members") == {"store": "fail", "queue": "fail"}


@pytest.mark.parametrize("name", ["passbell.toml", "passbell.db"])
async def test_files_open_to_others_are_told(database: Database, tmp_path: Path, name: str) -> None:
    chosen = settings(tmp_path)
    path = tmp_path / name
    path.touch()
    path.chmod(0o644)
    found = of(await look(database, Tiny([]), chosen), "home")
    assert found == [("warn", f"other users of this machine can read {path}")]


async def test_no_finding_shows_the_secret(database: Database, tmp_path: Path) -> None:
    secret = "the-secret-of-this-account-0123456789"
    chosen = settings(tmp_path, passkit__api_key="key", passkit__api_secret=secret)
    script = Tiny([])
    script.before = lambda _: answer({"error": f"bad secret {secret}"}, 401)
    async with serving(script) as server, speaking_to(server.url, secret) as client:
        found = await examine(database, client, chosen)
    assert levels(found, "key") == {"key": "fail"}
    assert secret not in str([one.as_json() for one in found])


@pytest.mark.parametrize(
    ("url", "level"), [("", "fail"), ("https://127.0.0.1:8780", "ok"), ("http://localhost", "fail")]
)
async def test_passes_of_our_own_need_an_address(
    database: Database, tmp_path: Path, url: str, level: str
) -> None:
    found = await examine(
        database, None, settings(tmp_path, apple__pass_type="pass.com.example", web__url=url)
    )
    assert levels(found, "web") == {"web": level}
    assert of(found, "members") == [("warn", "there is no program yet")]
