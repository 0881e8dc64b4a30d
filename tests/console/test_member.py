"""One member: what it said and asked for, and the pages that change that, by keys and by mouse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Select

from console.app import Console
from console.desk import Desk
from console.screens.form import Form
from console.screens.member import MemberScreen
from jobs import consents as consent_verbs
from jobs import preferences as preference_verbs
from jobs import suppressions as suppression_verbs
from store import audit, consents, members, opt_outs, preferences, suppressions
from store.consents import Consent, Said
from store.preferences import Preferences
from store.schema import members as members_table
from store.suppressions import Suppression
from tests.console.hands import settled, text_of, typed
from tests.console.seed import ACTOR, CAFE, NOW
from tests.console.steps import last_act, press, said

pytestmark = pytest.mark.anyio
MakeConsole = Callable[[Desk], Console]

HOSTILE = "M-0001"
"""Her name is a click that leaves the console."""


async def open_(pilot: Pilot[Any], member: str = HOSTILE) -> None:
    """Open a member of the first program."""
    await settled(pilot)
    await pilot.app.push_screen(MemberScreen(CAFE, member))
    await settled(pilot)


def much(desk: Desk) -> None:
    """What one member may have said in a year, some of it to hurt a terminal."""
    for given, source, days, wording, ip in (
        (True, "form [/x]", 9, "2026-03", "203.0.113.7"),
        (False, "till [bold]7[/]", 2, None, None),
    ):
        said_ = Said("marketing", given, source, NOW - timedelta(days=days), wording, ip)
        verb = consent_verbs.give if given else consent_verbs.withdraw
        verb(desk.database, CAFE, HOSTILE, said_, actor=ACTOR)
    wanted = {"declined": ["offers", "[bold]events[/]"], "quiet_hours": "20:00-09:00", "most_a_week": 2}
    preference_verbs.change(desk.database, CAFE, HOSTILE, wanted, actor=ACTOR)
    for kind, value, scope, reason, until in (
        ("email", "m1@example.com", "", "complaint [/foo]", None),
        ("external_id", HOSTILE, CAFE, "asked for a pause", NOW + timedelta(days=30)),
    ):
        suppression_verbs.add(
            desk.database,
            desk.settings,
            kind,
            value,
            scope=scope,
            reason=reason,
            expires_at=until,
            actor=ACTOR,
        )


def newest(desk: Desk, member: str = HOSTILE) -> dict[str, Consent]:
    """What holds of what a member said."""
    with desk.database.read() as connection:
        return consents.latest(connection, members.get(connection, CAFE, member).id)


def asked(desk: Desk, member: str = HOSTILE) -> Preferences:
    """What a member asked for."""
    with desk.database.read() as connection:
        return preferences.get(connection, members.get(connection, CAFE, member).id)


def suppressed(desk: Desk, member: str = HOSTILE) -> list[Suppression]:
    """What keeps all messages from a member."""
    with desk.database.read() as connection:
        return suppressions.of_member(connection, members.get(connection, CAFE, member).id)


def answer(pilot: Pilot[Any], **answers: str) -> None:
    """Put texts into the fields of the page in front."""
    for name, text in answers.items():
        pilot.app.screen.query_one(f"#{name}", Input).value = text


async def click_yes(pilot: Pilot[Any]) -> None:
    """Click on what does it, without the pause in which a button takes a second click for a slip."""
    pilot.app.screen.query_one("#yes", Button).active_effect_duration = 0
    await pilot.click("#yes")
    await settled(pilot)


def words_of(pilot: Pilot[Any], selector: str) -> str:
    """What a widget says, whatever its lines."""
    return " ".join(said(pilot, selector).split())


async def test_a_member_shows_what_it_said_and_who_keeps_messages_away(
    desk: Desk, console: MakeConsole
) -> None:
    much(desk)
    app = console(desk)
    async with app.run_test(size=(200, 60)) as pilot:
        await open_(pilot)
        assert "[@click=app.quit]click me[/]\nwithdrew marketing · suppressed\n" in said(pilot, "#who")
        told = words_of(pilot, "#may") + words_of(pilot, "#past")
        for words in (
            "service nothing was said",
            "withdrawn 2026-11-19 12:00 UTC, source till [bold]7[/]",
            "the withdrawal PassKit not told yet",
            "declined [bold]events[/], offers",
            "most a day as the program has it",
            "e-mail, in every program, for ever: complaint",
            "id, in this program, until 2026-12-21 12:00",
            "marketing given, source form [/x], wording",
            "2026-03, from 203.0.113.7",
        ):
            assert words in told, words
        past = words_of(pilot, "#past")
        assert past.index("quiet hours: default -> 20:00-09:00") < past.index("marketing withdrawn")
        assert past.index("marketing withdrawn") < past.index("marketing given")


async def test_consent_is_withdrawn_and_given_by_keys(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_(pilot)
        await press(pilot, "x")
        assert "keeps no opt-out for boarding passes" in words_of(pilot, "#sentence")
        await press(pilot, "escape")
        assert newest(desk) == {}
        await press(pilot, "x")
        answer(pilot, source=" ")
        await press(pilot, "ctrl+s")
        assert "source has 1 to 60 printable characters" in said(pilot, "#trouble")
        app.screen.query_one("#source").focus()
        await pilot.press("backspace")
        await typed(pilot, "call [/x]\n2026-03\n\n")
        await settled(pilot)
        assert isinstance(app.screen, MemberScreen)
        assert "withdrew marketing" in said(pilot, "#who")
        assert "PassKit not told yet" in said(pilot, "#may")
        held = newest(desk)["marketing"]
        assert (held.given, held.source, held.wording, held.actor) == (False, "call [/x]", "2026-03", ACTOR)
        assert last_act(desk) == ("consent.withdraw", CAFE)
        await press(pilot, "g")
        app.screen.query_one("#purpose", Select).value = "service"
        await press(pilot, "ctrl+s")
        assert newest(desk)["service"].given
        assert not newest(desk)["marketing"].given


async def test_a_consent_that_passkit_stands_against_says_so(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await open_(pilot, "M-0011")
        assert "opted out in PassKit" in said(pilot, "#who")
        await press(pilot, "g", "ctrl+s")
        assert newest(desk, "M-0011")["marketing"].given
        assert "M-0011 gave marketing. PassKit still" in text_of(pilot)
        with desk.database.read() as connection:
            member = members.get(connection, CAFE, "M-0011")
            assert opt_outs.state(connection, member.id) is None


async def test_somebody_is_suppressed_and_freed_by_mouse(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_(pilot)
        await press(pilot, "l")
        assert isinstance(app.screen, MemberScreen)  # there is nothing to lift
        await press(pilot, "s")
        await click_yes(pilot)
        assert "a reason has 1 to 200 printable characters" in said(pilot, "#trouble")
        answer(pilot, reason="complaint [/foo]", expires="soon")
        await click_yes(pilot)
        assert "expires: 'soon' is no time" in said(pilot, "#trouble")
        answer(pilot, expires="2027-01-31")
        app.screen.query_one("#kind", Select).value = "email"
        app.screen.query_one("#scope", Select).value = ""
        await click_yes(pilot)
        (one,) = suppressed(desk)
        assert (one.kind, one.scope, one.reason, one.members) == ("email", "", "complaint [/foo]", 2)
        assert one.expires_at is not None
        assert one.expires_at.isoformat() == "2027-01-31T00:00:00+00:00"
        assert "suppressed" in said(pilot, "#who")
        await press(pilot, "l", "enter")  # the harmless answer is in hand
        assert isinstance(app.screen, MemberScreen)
        assert len(suppressed(desk)) == 1
        await press(pilot, "l")
        assert "number 1, by e-mail, means 2 members" in words_of(pilot, "#sentence")
        await click_yes(pilot)
        assert suppressed(desk) == []
        assert last_act(desk) == ("suppression.remove", "all")
        assert "suppressed" not in said(pilot, "#who")


async def test_preferences_change_only_where_they_were_touched(desk: Desk, console: MakeConsole) -> None:
    with desk.database.write() as connection:
        connection.execute(members_table.update().values(time_zone="Mars/Phobos"))
    app = console(desk)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await open_(pilot)
        await press(pilot, "p", "ctrl+s")
        assert "Changed nothing." in text_of(pilot)
        await press(pilot, "p")
        answer(pilot, declined="Offers, [bold]events[/],", quiet_hours="late", most_a_day="two")
        await press(pilot, "ctrl+s")
        assert "Most a day takes a number, or default" in said(pilot, "#trouble")
        answer(pilot, most_a_day="2")
        await press(pilot, "ctrl+s")
        assert "quiet hours 'late': write it as 21:00-08:00" in said(pilot, "#trouble")
        answer(pilot, quiet_hours="none")
        await press(pilot, "ctrl+s")
        wanted = Preferences(("[bold]events[/]", "offers"), "00:00-00:00", 2, None, None, "Mars/Phobos")
        assert asked(desk) == wanted
        await press(pilot, "p")
        assert app.screen.query_one("#quiet_hours", Input).value == "none"
        answer(pilot, declined="", quiet_hours="default", time_zone="Europe/Vienna", source="call")
        await press(pilot, "ctrl+s")
        assert asked(desk) == Preferences((), None, 2, None, None, "Europe/Vienna")
        assert "time zone: Mars/Phobos -> Europe/Vienna" in words_of(pilot, "#past")
    with desk.database.read() as connection:
        acts = [entry.act for entry in audit.page(connection, limit=2)]
    assert acts == ["preferences.set", "preferences.set"]


async def test_a_member_that_is_gone_is_said_and_asks_nothing(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_(pilot, "M-00011")
        assert "there is no member 'M-00011' in this program; near: M-00" in said(pilot, "#trouble")
        await press(pilot, "g", "x", "s", "l", "p")
        assert isinstance(app.screen, MemberScreen)
        await open_(pilot)
        with desk.database.write() as connection:
            renamed = members_table.update().where(members_table.c.external_id == HOSTILE)
            connection.execute(renamed.values(external_id="M-9001"))
        await press(pilot, "x", "ctrl+s")
        assert isinstance(app.screen, Form)
        assert "there is no member 'M-0001'" in said(pilot, "#trouble")


async def test_hostile_names_are_shown_inert_in_questions_too(desk: Desk, console: MakeConsole) -> None:
    app = console(desk)
    async with app.run_test(size=(80, 24)) as pilot:
        for member, seen in (
            ("M-0002", "bell\\x07 and \\x1b[31mred"),
            ("M-0003", f"{'x' * 30} (M-0003)"),
            ("M-0004", "abc\\u202edef (M-0004)"),
        ):
            await open_(pilot, member)
            await press(pilot, "s")
            assert seen in text_of(pilot)
            await press(pilot, "escape", "escape")


@pytest.mark.parametrize(
    ("key", "size"),
    [("", (80, 24)), ("", (200, 50)), ("s", (80, 24)), ("l", (80, 24)), ("p", (80, 24))],
)
def test_a_member_and_its_questions_look_so(
    desk: Desk, console: MakeConsole, snap_compare: Any, key: str, size: tuple[int, int]
) -> None:
    much(desk)

    async def ask(pilot: Pilot[Any]) -> None:
        await open_(pilot)
        await press(pilot, *key)

    assert snap_compare(console(desk), terminal_size=size, run_before=ask)
