"""What stands in front of the console in a browser, asked by somebody who is no browser."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest

from console.browser.face import MOST_SESSIONS
from console.browser.gate import Gate
from console.cli import main
from tests.browser.conftest import Served, serving, words_of

pytestmark = pytest.mark.anyio
PATHS = ["/", "/ws", "/static/textual.js", "/static/page.js", "/download/a-key", "/nowhere", "/static/"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all: whoever needs a token presses Enter."""
    home = tmp_path_factory.mktemp("served")
    flags = ("--home", str(home), "--set", "console.start_worker=false")
    with serving(home / "log", *flags) as served:
        yield served


def ask(url: str, **headers: str) -> httpx.Response:
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    return httpx.get(url, headers=sent, trust_env=False, timeout=30)


def key(served: Served) -> tuple[str, str]:
    """The cookie that a new address gives, and the proof that its page keeps."""
    answer = ask(served.enter())
    given = answer.headers["Set-Cookie"]
    assert {part.strip() for part in given.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Strict"}
    assert answer.headers["Cache-Control"] == "no-store"
    found = re.search('data-proof="([^"]{32,})"', answer.text)
    assert found
    return given.partition(";")[0], found[1]


def signed_in(served: Served) -> str:
    """The cookie alone."""
    return key(served)[0]


def whole(served: Served) -> dict[str, str]:
    """All that a page of ours says for a console."""
    cookie, proof = key(served)
    return {
        "Origin": served.root.rstrip("/"),
        "Cookie": cookie,
        "Sec-WebSocket-Protocol": f"passbell, {proof}",
    }


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_there_for_whoever_is_not_signed_in(served: Served, path: str) -> None:
    for cookie in ("", f"passbell-{served.port}=", f"passbell-{served.port}=wrong", "\x80=;;=\xff"):
        answer = ask(served.root.rstrip("/") + path, Cookie=cookie, Origin=served.root.rstrip("/"))
        assert answer.status_code == 403
        assert answer.text.startswith("passbell: This browser is not signed in")
        assert "Set-Cookie" not in answer.headers


def test_an_address_works_once_and_a_newer_one_makes_it_void(served: Served) -> None:
    older, newer = served.enter(), served.enter()
    assert ask(older).status_code == 403
    assert ask(newer.replace("token=", "token=x")).status_code == 403
    assert httpx.head(newer, trust_env=False).status_code == 403  # whoever only looks does not use it up
    assert ask(newer).status_code == 200
    again = ask(newer)
    assert again.status_code == 403
    assert "was used already" in again.text


def test_whoever_is_signed_in_sees_a_page_that_asks_nobody_else(served: Served) -> None:
    cookie, proof = key(served)
    page = ask(served.root, Cookie=cookie)
    assert proof not in page.text
    assert page.status_code == 200
    assert "<title>REHEARSAL - passbell</title>" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.text.count("://") == page.text.count(f"://127.0.0.1:{served.port}/")
    assert ask(served.root + "static/mono.ttf", Cookie=cookie).status_code == 200
    for nothing in ("static/", "static/%2e%2e/face.py", "static/index.html", "download/a-key"):
        assert ask(served.root + nothing, Cookie=cookie).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "evil.example:{port}", "127.0.0.1.evil.example:{port}"]
)
def test_another_name_is_refused_even_with_cookie_and_token(served: Served, host: str) -> None:
    cookie, url = signed_in(served), served.enter()
    for path in (served.root, url):
        answer = ask(path, Host=host.format(port=served.port), Cookie=cookie)
        assert answer.status_code == 403
        assert "not our address" in answer.text
    assert ask(url, Host=f"localhost:{served.port}").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine: to a cookie that is the same site
    ],
)
def test_other_pages_are_refused_though_the_browser_is_signed_in(
    served: Served, headers: dict[str, str]
) -> None:
    answer = ask(served.root, Cookie=signed_in(served), **headers)
    assert answer.status_code == 403
    assert "another page" in answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        dict.fromkeys(("Origin", "Cookie", "Sec-WebSocket-Protocol")),
        {"Cookie": None},
        {"Origin": None},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-WebSocket-Protocol": None},
        {"Sec-WebSocket-Protocol": "passbell"},
        {"Sec-WebSocket-Protocol": "passbell, "},
        {"Sec-WebSocket-Protocol": "another browser's"},
    ],
)
async def test_a_websocket_needs_cookie_proof_and_origin(
    served: Served, wrong: dict[str, str | None]
) -> None:
    headers = {name: value for name, value in (whole(served) | wrong).items() if value is not None}
    if headers.get("Sec-WebSocket-Protocol") == "another browser's":
        headers["Sec-WebSocket-Protocol"] = whole(served)["Sec-WebSocket-Protocol"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await connected(served, headers)
    assert refused.value.status == 403
    assert served.consoles() == []


def surroundings_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def connected(served: Served, headers: dict[str, str]) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(served.root + "ws?width=9999999&height=-3", headers=headers) as socket,
    ):
        await conversation(served, socket)


async def conversation(served: Served, socket: aiohttp.ClientWebSocketResponse) -> None:
    """A console draws, obeys, and its process knows neither token nor cookie."""
    async with asyncio.timeout(60):
        while (await socket.receive()).type is not aiohttp.WSMsgType.BINARY:
            pass
        (pid,) = served.consoles()
        assert words_of(pid).split(b"\0")[1:] == [b"-m", b"console.browser.child", b""]
        assert b"token" not in surroundings_of(pid)
        for wrong in ('["resize", {"width": "x", "height": null}]', '["stdin", 7]', "[]", '["blur"]'):
            await socket.send_str(wrong)
        await socket.send_str('["stdin", "\\u0011"]')  # ctrl+q
        while (news := await socket.receive()).type is not aiohttp.WSMsgType.TEXT:
            pass
        assert news.data == '["ended", "You have left the console. Reload this page for a new one."]'


async def test_whoever_has_all_has_a_console_that_knows_no_secret(served: Served) -> None:
    await connected(served, whole(served))
    assert served.consoles() == []
    assert "token" not in served.log.read_text()


async def test_settings_that_are_wrong_for_a_while_take_no_place_away(served: Served) -> None:
    headers = whole(served)
    file = served.log.parent / "passbell.toml"
    file.write_text("[console]\nascii = 7\n")
    async with aiohttp.ClientSession() as session:
        for _ in range(MOST_SESSIONS + 1):
            async with session.ws_connect(served.root + "ws", headers=headers) as socket:
                kind, told = json.loads((await socket.receive(timeout=60)).data)
                assert (kind, "console.ascii" in told, "reload" in told) == ("ended", True, True)
    file.unlink()
    await connected(served, headers)


def test_only_this_machine_is_served(served: Served) -> None:
    """There is no option for another address, and it does not listen at one."""
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [one[1] for one in listening if one[3] == "0A" and one[1].endswith(f":{served.port:04X}")]
    assert ours == [f"0100007F:{served.port:04X}"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("--web --port {port}", 1, "cannot listen at 127.0.0.1:{port}: Address already in use (see --port)"),
        ("--port 1", 2, "--port goes with --web"),
        ("--json", 2, "--json goes with --web"),
        ("--blast 7", 2, "the console needs a terminal: see `passbell --help` for the commands"),
    ],
)
def test_what_cannot_be_done_is_told(
    served: Served, capsys: pytest.CaptureFixture[str], words: str, code: int, told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["console", *words.format(port=served.port).split()])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (code, "")
    assert told.format(port=served.port) in said.err


def test_a_cookie_of_another_server_opens_nothing() -> None:
    ours, theirs = Gate(8790), Gate(8790)
    key = theirs.exchange(theirs.new_address().partition("token=")[2])
    assert key is not None
    headers = {"Cookie": f"a=b; {theirs.cookie}={key.cookie}", "Sec-WebSocket-Protocol": key.proof}
    assert (theirs.why_not_in(headers), theirs.why_no_console(headers)) == ("", "")
    assert "not signed in" in ours.why_not_in(headers)
    assert "not signed in" in ours.why_no_console(headers)
    assert ours.exchange("") is None
