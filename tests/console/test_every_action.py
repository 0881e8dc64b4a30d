"""Each action of the registry by its key and by the palette; where it cannot act, the reason it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

from console import palette, screens, widgets
from console.actions import ACTIONS, BY_ID, Acting, Action
from console.app import Console
from console.desk import Desk
from console.widgets.sync_bar import SyncBar
from jobs import suppressions
from tests.console import every, hands
from tests.console.cases import (
    CASES,
    NOT_BY_PALETTE,
    OF_TEXTUAL,
    REFUSED,
    REFUSED_AT_FIRST,
    REFUSED_ELSEWHERE,
    SYNC,
)
from tests.console.conftest import seat
from tests.console.hands import settled
from tests.console.seed import ACTOR, CAFE, Clock
from tests.console.test_compose import translate
from tests.console.test_importing import bring
from tests.console.test_jump import script
from tests.console.test_programs import stand_in
from tests.console.ways import Go, Hand, cafe

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Make = Callable[[Desk], Console]

TOGETHER = 11
"""Actions of one test, so that none takes long."""


def test_each_action_is_pressed_somewhere() -> None:
    ids = {action.id for action in ACTIONS}
    assert {*CASES, *SYNC} == ids
    guarded = {action.id for action in ACTIONS if action.guard}
    assert {*REFUSED, *REFUSED_AT_FIRST, *REFUSED_ELSEWHERE} == guarded
    assert NOT_BY_PALETTE.keys() <= ids


def owners() -> Iterator[type[Any]]:
    """The classes whose keys come from the registry."""
    for package in (screens, widgets):
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    found = [Acting]
    for kind in found:
        found += kind.__subclasses__()
    return (
        kind for kind in found if kind.__dict__.get("BINDINGS") and kind.__module__.startswith("console.")
    )


def test_methods_guards_and_entries_belong_together() -> None:
    acting: set[str] = set()
    for owner in owners():
        given = [one for one in owner.__dict__["BINDINGS"] if one.id in BY_ID]
        mine = {BY_ID[one.id].verb: BY_ID[one.id] for one in given if one.action == BY_ID[one.id].verb}
        acting |= {action.id for action in mine.values()}
        ours = [kind for kind in owner.__mro__ if kind.__module__.startswith("console.")]
        methods = {name for kind in ours for name in vars(kind) if name.startswith("action_")}
        inherited = {one.verb for kind in ours for one in bound(kind)}
        assert {name.removeprefix("action_") for name in methods} <= mine.keys() | inherited | OF_TEXTUAL, (
            owner
        )
        for action in mine.values():
            assert callable(getattr(owner, f"action_{action.verb}", None)), action.id
            assert not action.guard or getattr(owner, action.guard).__annotations__ == {"return": "str"}
    assert acting == BY_ID.keys()


def bound(kind: type[Any]) -> Iterator[Action]:
    """The actions that a class itself binds keys to."""
    return (BY_ID[one.id] for one in kind.__dict__.get("BINDINGS", ()) if getattr(one, "id", None) in BY_ID)


@pytest.fixture
def hand_of(
    console: Make, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Console, Any], Hand]:
    """Seats somebody whose palette answers at once and whose toasts are kept."""
    monkeypatch.setattr(palette, "PAUSE", 0.0)
    folder = tmp_path / "files"
    folder.mkdir()

    def make(app: Console, pilot: Any) -> Hand:
        hand = Hand(pilot, app, app.desk, clock, folder)
        monkeypatch.setattr(app, "notify", lambda message, **_: hand.told.append(message))
        return hand

    return make


async def check(hand: Hand, id_: str, press: Callable[[Any], Any]) -> None:
    """One action in one way."""
    case, action = CASES[id_], BY_ID[id_]
    await hand.go(case.go)
    before = case.see(hand)
    assert case.want is None or not holds(before, case.want), f"{id_}: it is {before!r} already"
    hand.told.clear()
    await press(action)
    await hand.rest()
    after = case.see(hand)
    assert after != before, f"{id_} by {press.__name__}: still {before!r} on {hand.name}; told {hand.told}"
    assert case.want is None or holds(after, case.want), f"{id_} by {press.__name__}: {after!r}"


def holds(found: Any, wanted: Any) -> bool:
    return wanted in found if isinstance(wanted, str) and isinstance(found, str) else bool(found == wanted)


@pytest.mark.parametrize("first", range(0, len(CASES), TOGETHER))
async def test_each_action_does_what_it_says_by_key_and_by_palette(
    own_desk: Desk, console: Make, hand_of: Any, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = console(own_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        hand = hand_of(app, pilot)
        prepare(hand, monkeypatch)
        for id_ in list(CASES)[first : first + TOGETHER]:
            await check(hand, id_, hand.by_key)
            if id_ not in NOT_BY_PALETTE:
                await check(hand, id_, hand.by_palette)
        app.attendance.child = None
        assert app.failure is None


def prepare(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """What some actions need: an import, a suppression, an editor, a design in two languages."""
    desk, there = hand.desk, Path.cwd()
    monkeypatch.chdir(hand.folder)
    bring(desk, "external id,town\nM-0003,Graz\n")
    monkeypatch.chdir(there)
    given: dict[str, Any] = {"scope": CAFE, "reason": "complaint", "actor": ACTOR}
    suppressions.add(desk.database, desk.settings, "external_id", "M-0012", **given)
    translate(desk)
    monkeypatch.setenv("VISUAL", script(hand.folder, 'printf "written elsewhere\\n" > "$2"'))

    @contextmanager
    def lend() -> Iterator[None]:  # a test has no terminal to lend
        yield

    monkeypatch.setattr(hand.app, "suspend", lend)


async def refused(hand: Hand, id_: str, go: Go, reason: str) -> None:
    """By its key an action says what stands in its way, and so does the palette."""
    action = BY_ID[id_]
    await hand.go(go)
    before, hand.told[:] = hand.name, []
    await hand.by_key(action)
    await hand.rest()
    assert [one[: len(reason)] for one in hand.told] == [reason], f"{id_}: {hand.told}"
    assert hand.name == before, id_
    assert f"Not now: {reason}" in " ".join((await hand.find(action)).split()), id_


async def test_what_cannot_be_done_says_why(
    own_desk: Desk, console: Make, hand_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    app = console(own_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        hand = hand_of(app, pilot)
        for id_, (go, reason) in REFUSED.items():
            await refused(hand, id_, go, reason)
        await refused(hand, "compose.editor", every.PLAIN, REFUSED_ELSEWHERE["compose.editor"])
        await pilot.resize_terminal(200, 50)
        await refused(hand, "compose.phone", every.PLAIN, REFUSED_ELSEWHERE["compose.phone"])
        assert app.failure is None


async def test_what_cannot_be_done_on_the_first_day_says_why(
    bare_desk: Desk, console: Make, hand_of: Any
) -> None:
    app = console(bare_desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        hand = hand_of(app, pilot)
        for id_, (go, reason) in REFUSED_AT_FIRST.items():
            await refused(hand, id_, go, reason)


async def test_syncs_begin_and_stop_by_key_and_by_palette(
    own_desk: Desk, console: Make, hand_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands, "ASKING", hands.ASKING | {"sync"})  # it goes on beside the palette
    async with stand_in(tmp_path, hang=1.0) as silent:
        url = silent.settings.passkit.base_url
        app = console(seat(own_desk.settings.home, **{"passkit.base_url": str(url)}))
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            hand = hand_of(app, pilot)
            for press in (hand.by_key, hand.by_palette):
                for id_ in ("programs.sync", "programs.sync_all"):
                    await cafe(hand)
                    bar = app.screen.query_one(SyncBar)
                    assert not bar.running
                    await press(BY_ID[id_])
                    await pilot.pause()
                    assert bar.running, id_
                    hand.told.clear()
                    await hand.by_key(BY_ID["programs.sync_all"])
                    assert hand.told == [REFUSED_ELSEWHERE["programs.sync_all"]]
                    await press(BY_ID["programs.stop"])
                    while bar.running:
                        await pilot.pause()
                    await hand.rest()
