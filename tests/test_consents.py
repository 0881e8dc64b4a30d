"""The verbs of consent, on both databases: give, withdraw, import, and the token."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import consents as verbs
from jobs.intake.consents import Defaults, import_consents
from jobs.intake.suppressions import import_suppressions
from store import audit, consents, enrolments, keys, opt_outs, programs, suppressions
from store.consents import Said
from store.database import Database
from store.errors import PassbellError, Refused, UsageError
from store.members import get
from store.programs import Program
from store.schema import suppressed
from store.settings import Settings, load
from store.times import now, rfc3339
from tests.store.test_members import holder

NOW = now() - timedelta(days=1)
one_store = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def database(current_url: str) -> Iterator[Database]:
    database = Database(current_url)
    with database.write() as connection:
        programs.upsert_program(connection, Program("p1", "rehearsal", "membership", "P1"))
        page = [enrolments.storable(holder(number, opted_out=number == 3)) for number in range(1, 5)]
        enrolments.upsert_page(connection, "p1", page, message_key="news", seen_at=NOW)
    yield database
    database.close()


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return load(tmp_path, {})


def said(given_: bool, **more: Any) -> Said:
    return replace(Said("marketing", given_, "till", now()), **more)


def standing(database: Database, external_id: str, purpose: str = "marketing") -> bool | None:
    with database.read() as connection:
        found = consents.latest(connection, get(connection, "p1", external_id).id).get(purpose)
    return None if found is None else found.given


def due(database: Database, external_id: str) -> dict[str, Any] | None:
    with database.read() as connection:
        return opt_outs.state(connection, get(connection, "p1", external_id).id)


def acts(database: Database) -> list[str]:
    with database.read() as connection:
        assert audit.verify(connection)[1] is None
        return [entry.act for entry in audit.page(connection)][::-1]


def test_withdrawing_is_due_to_be_told_and_giving_takes_it_back(database: Database) -> None:
    verbs.withdraw(database, "p1", "M-0001", said(False), actor="ann")
    assert (standing(database, "M-0001"), due(database, "M-0001")) == (
        False,
        {"state": "waiting", "attempts": 0, "detail": None},
    )
    given_ = verbs.give(database, "p1", "M-0001", said(True), actor="ann")
    assert (standing(database, "M-0001"), due(database, "M-0001"), given_.note) == (True, None, "")
    verbs.withdraw(database, "p1", "M-0002", said(False, purpose="service"), actor="ann")
    assert (standing(database, "M-0002", "service"), due(database, "M-0002")) == (False, None)
    assert acts(database) == ["consent.withdraw", "consent.give", "consent.withdraw"]


def test_a_consent_older_than_the_withdrawal_is_refused(database: Database) -> None:
    verbs.withdraw(database, "p1", "M-0001", said(False), actor="ann")
    with pytest.raises(Refused, match="has to be newer to count"):
        verbs.give(database, "p1", "M-0001", said(True, at=NOW), actor="ann")
    assert standing(database, "M-0001") is False


def test_giving_says_that_passkit_stands_against_it(database: Database) -> None:
    assert "cleared in PassKit" in verbs.give(database, "p1", "M-0003", said(True), actor="ann").note
    verbs.withdraw(database, "p1", "M-0003", said(False), actor="ann")
    assert due(database, "M-0003") is None, "PassKit knows it already"


def test_a_file_of_consents_is_recorded_in_the_order_it_was_said(database: Database, tmp_path: Path) -> None:
    verbs.withdraw(database, "p1", "M-0002", said(False), actor="ann")
    days = [rfc3339(NOW - timedelta(days=number)) for number in range(4)]
    file = tmp_path / "said.csv"
    file.write_text(
        "external_id,consent,date,purpose\n"
        f"M-0001,no,{days[0]},marketing\n"
        f"M-0001,yes,{days[3]},marketing\n"  # said before, though it stands below
        f"M-0002,yes,{days[1]},marketing\n"  # older than what the hotline heard
        f"M-0002,yes,{days[1]},service\n"
        f"M-0003,yes,{days[1]},Marketing\n"
        "M-0004,maybe,,marketing\n"
        f"M-0004,yes,{days[1]},spam\n"
        "M-0004,yes,yesterday,marketing\n"
        f"nobody,yes,{days[1]},marketing\n"
    )
    wanted = Defaults(source="form")
    report = import_consents(database, "p1", file, home=tmp_path, defaults=wanted, actor="ann")
    counts = report.counts()
    assert counts == {
        "rows": 9, "given": 3, "withdrawn": 1, "unchanged": 0, "outdated": 1, "rejected": 4, "opted_out": 1,
    }  # fmt: skip
    assert [reject.line for reject in sorted(report.rejects)] == [4, 7, 8, 9, 10]
    assert [standing(database, f"M-000{number}") for number in range(1, 5)] == [False, False, True, None]
    assert standing(database, "M-0002", "service") is True
    assert due(database, "M-0001") == {"state": "waiting", "attempts": 0, "detail": None}
    with database.read() as connection:
        history = consents.history(connection, get(connection, "p1", "M-0001").id)
    assert [(one.given, rfc3339(one.at)) for one in history] == [(False, days[0]), (True, days[3])]
    again = import_consents(database, "p1", file, home=tmp_path, defaults=wanted, actor="ann")
    assert (again.given, again.withdrawn, again.unchanged, again.outdated) == (0, 0, 3, 2)
    assert acts(database) == ["consent.withdraw", "consents.import", "consents.import"]


@one_store
def test_a_file_that_says_too_little_changes_nothing(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("external_id\nM-0001\n")
    for defaults, told in (
        (Defaults(), "no column purpose"),
        (Defaults("marketing", None, "form"), "no column given"),
        (Defaults("marketing", True, "form", at=now() + timedelta(days=1)), "in the future"),
    ):
        with pytest.raises(UsageError, match=told):
            import_consents(database, "p1", file, home=tmp_path, defaults=defaults, actor="ann")
    assert standing(database, "M-0001") is None
    wanted = Defaults("marketing", False, "form")
    assert import_consents(database, "p1", file, home=tmp_path, defaults=wanted, actor="a").withdrawn == 1
    assert import_consents(database, "p1", file, home=tmp_path, defaults=wanted, actor="a").unchanged == 1


def test_a_token_withdraws_once(database: Database, chosen: Settings) -> None:
    token = verbs.make_token(database, chosen, "p1", "M-0001")
    first = verbs.redeem(database, chosen, f" {token}\n", ip="203.0.113.9", actor="web")
    second = verbs.redeem(database, chosen, token, actor="web")
    assert (first.new, second.new) == (True, False)
    assert first.consent == second.consent
    assert (first.consent.given, first.consent.source, first.consent.ip) == (False, "token", "203.0.113.9")
    assert acts(database) == ["consent.withdraw"]
    verbs.give(database, "p1", "M-0001", said(True), actor="ann")
    assert verbs.redeem(database, chosen, token, actor="web").new


@one_store
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_tokens_that_are_not_ours_are_refused(database: Database, chosen: Settings, tmp_path: Path) -> None:
    token = verbs.make_token(database, chosen, "p1", "M-0001")
    claims = jwt.decode(token, options={"verify_signature": False})
    key = keys.derive(chosen.consent_secret, "unsubscribe tokens")
    head, body, signature = token.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    late = verbs.make_token(database, chosen, "p1", "M-0001", at=now() - timedelta(days=401))
    other = load(tmp_path, {"consent.secret": "another secret of ours"})
    live = load(tmp_path, {"passkit.api_key": "k", "passkit.api_secret": "s" * 40})
    for wrong in (
        "", "x", "a.b.c", f"{head}.{body}.", f"{none}.{body}.", f"{none}.{body}.{signature}", token[:-2],
        jwt.encode(claims, key, algorithm="HS512"), jwt.encode(claims, "another", algorithm="HS256"),
        jwt.encode(claims | {"aud": "else"}, key, algorithm="HS256"), "x" * 5_000, "\ud800.\0.é",
        jwt.encode({name: claims[name] for name in claims if name != "exp"}, key, algorithm="HS256"),
        jwt.encode(claims | {"pur": "spam"}, key, algorithm="HS256"),
        jwt.encode(claims | {"prg": 7}, key, algorithm="HS256"),
        jwt.encode(claims | {"sub": "gone"}, key, algorithm="HS256"),
        verbs.make_token(database, other, "p1", "M-0001"),
    ):  # fmt: skip
        with pytest.raises(Refused, match="token"):
            verbs.redeem(database, chosen, wrong, actor="web")
    with pytest.raises(Refused, match="has expired"):
        verbs.redeem(database, chosen, late, actor="web")
    with pytest.raises(Refused, match="not known here"):
        verbs.redeem(database, live, token, actor="web")
    assert standing(database, "M-0001") is None
    with pytest.raises(UsageError, match="no member"):
        verbs.make_token(database, chosen, "p1", "nobody")


@pytest.fixture(scope="module")
def forgeable(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    chosen = load(tmp_path_factory.mktemp("token"), {"consent.secret": "s" * 40})
    claims = {"aud": verbs.AUDIENCE, "prg": "p1", "sub": "M-0001", "pur": "marketing", "iat": 1, "exp": 2**33}
    key = keys.derive(chosen.consent_secret, "unsubscribe tokens")
    return chosen, jwt.encode(claims, key, algorithm="HS256")


@settings(max_examples=150)
@given(st.data())
def test_no_other_text_is_a_token(forgeable: tuple[Settings, str], data: st.DataObject) -> None:
    chosen, token = forgeable
    assert verbs._read_token(chosen, token) == ("p1", "M-0001", "marketing")
    place = data.draw(st.integers(0, len(token) - 1))
    garbage = data.draw(st.text(max_size=8))
    for wrong in (token[:place] + garbage + token[place + 1 :], garbage, f"{garbage}.{garbage}.{garbage}"):
        # The last letter of a signature carries bits that mean nothing.
        if wrong.strip() != token and wrong.rstrip("=")[:-1] != token[:-1]:
            with pytest.raises(Refused):
                verbs._read_token(chosen, wrong)


def test_a_list_travels_by_its_hashes(database: Database, chosen: Settings, tmp_path: Path) -> None:
    from jobs import suppressions as listed

    plain = tmp_path / "plain.csv"
    plain.write_text(
        "E-Mail,mobile,reason\nM1@example.com,,complaint\n,,none\nno-mail,,x\nm2@example.com,+43 660 1,\n"
    )
    report = import_suppressions(database, chosen, plain, reason="bounced", actor="ann")
    assert report.counts() == {"rows": 4, "entries": 3, "new": 3, "members": 2, "rejected": 2}
    assert "no-mail" not in str(report.as_json())
    out = tmp_path / "out.csv"
    assert listed.export(database, chosen, out, actor="ann") == 3
    assert (out.stat().st_mode & 0o777, "example.com" in out.read_text()) == (0o600, False)
    with pytest.raises(Refused, match="overwrites nothing"):
        listed.export(database, chosen, out, actor="ann")
    gone = listed.remove_value(database, chosen, "email", "m1@EXAMPLE.com", actor="ann")
    assert (gone.members, gone.reason) == (1, "complaint")
    report = import_suppressions(database, chosen, out, actor="ann")
    assert (report.entries, report.new, report.members) == (3, 1, 2)
    with pytest.raises(PassbellError, match=r"consent\.secret is not the one"):
        import_suppressions(
            database, load(tmp_path, {"consent.secret": "another secret of ours"}), out, actor="ann"
        )
    with database.write() as connection:
        suppressions.remove(connection, [one.id for one in suppressions.page(connection)])
    with pytest.raises(UsageError, match=r"made with another consent\.secret"):
        import_suppressions(
            database, load(tmp_path, {"consent.secret": "another secret of ours"}), out, actor="ann"
        )
    assert acts(database) == [
        "suppression.import", "suppression.export", "suppression.remove", "suppression.import",
    ]  # fmt: skip
    with database.read() as connection:
        assert "example.com" not in str([one.as_json() for one in audit.page(connection)])
        assert connection.scalar(sa.select(sa.func.count()).select_from(suppressed)) == 0


@one_store
def test_a_bare_list_of_one_kind(database: Database, chosen: Settings, tmp_path: Path) -> None:
    for name, text, kind, members in (
        ("mails.txt", "m1@example.com\nm2@example.com\n", "email", 2),
        ("ids.csv", "M-0003\nM-0004\n", "external_id", 2),
        ("named.csv", "email,note\nm3@example.com,x\n", "email", 1),
    ):
        file = tmp_path / name
        file.write_text(text)
        report = import_suppressions(database, chosen, file, kind=kind, reason="list", actor="ann")
        assert (report.rejected, report.members) == (0, members), name
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="--kind"):
        import_suppressions(database, chosen, tmp_path / "odd.csv", reason="x", actor="ann")
