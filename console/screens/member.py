"""One member: all that is known, its passes, and what was sent to them last."""

from __future__ import annotations

from typing import Any

from textual import getters, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from console import words
from console.actions import bindings
from console.app import Console
from console.plain import inert
from store import members
from store.errors import PassbellError

LONGEST = 300
FACTS = (
    ("external_id", "id"),
    ("email", "e-mail"),
    ("phone", "phone"),
    ("tier", "tier"),
    ("points", "points"),
    ("secondary_points", "secondary points"),
    ("tier_points", "tier points"),
    ("birthday", "birthday"),
    ("status", "status"),
    ("opted_out", "opted out"),
    ("expires_at", "expires"),
    ("created_at", "member since"),
    ("updated_at", "last changed"),
    ("synced_at", "last synced"),
)


class MemberScreen(ModalScreen[None]):
    """Read when it opens; it does not change."""

    BINDINGS = bindings("member")
    CSS = """
    MemberScreen {
        & > #member {
            width: 84; max-width: 94%; height: auto; max-height: 90%;
            padding: 1 2; background: $surface; border: round $primary; border-title-color: $text;
            scrollbar-size-vertical: 1;
        }
    }
    """
    app = getters.app(Console)

    def __init__(self, program_id: str, external_id: str) -> None:
        super().__init__()
        self._program_id, self._external_id = program_id, external_id

    def compose(self) -> ComposeResult:
        """One column of text; longer ones scroll."""
        with VerticalScroll(id="member"):
            yield Static("Reading …", markup=False)

    def on_mount(self) -> None:
        """Read the member."""
        self.query_one("#member").focus()
        self._read()

    @work
    async def _read(self) -> None:
        try:
            known = await self.app.read(
                lambda connection: members.show(connection, self._program_id, self._external_id)
            )
        except PassbellError as error:
            self.query_one(Static).update(inert(str(error)))
            return
        self.query_one(Static).update(in_words(known))

    def action_close(self) -> None:
        """Back to the list."""
        self.dismiss()


def in_words(known: dict[str, Any]) -> Content:
    """The member as `members show --json` has it, for people."""
    lines = [Content.styled(inert(known["name"], 160) or "no name", "bold"), Content("")]
    lines += [_fact(word, _spelled(key, known[key])) for key, word in FACTS if known[key] not in (None, "")]
    if known["attributes"]:
        lines += [Content(""), _heading("Attributes")]
        lines += [_fact(name, value) for name, value in sorted(known["attributes"].items())]
    lines += [Content(""), _heading("Passes")]
    for one in known["passes"]:
        wallets = ", ".join(one["wallets"]) or "no wallet known"
        lines.append(_fact(one["channel"], f"{one['status']}, {wallets}"))
        lines.append(_fact("id", one["id"]))
        lines.append(_fact("shows", one["shown_text"] or "no message yet"))
    lines += [Content(""), _heading("Last messages")]
    lines += [_delivery(one) for one in known["deliveries"]] or [Content("None yet.")]
    return Content("\n").join(lines)


def _heading(text: str) -> Content:
    return Content.styled(text, "bold $text-primary")


def _spelled(key: str, value: Any) -> object:
    """Whole numbers without a point, moments as people read them."""
    if key.endswith("_at"):
        return f"{value[:10]} {value[11:16]} UTC"
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fact(name: str, value: object) -> Content:
    shown = str(value) if not isinstance(value, bool) else "yes" if value else "no"
    return Content.assemble((f"{inert(name, 20):<20} ", "$quiet"), inert(shown, LONGEST))


def _delivery(one: dict[str, Any]) -> Content:
    why = f": {words.reason(one['reason'])}" if one["reason"] else ""
    said = inert(f"{one['state']}{why}", 80)
    return Content.assemble(
        (f"{one['blast']:>5}  ", "$quiet"),
        inert(one["text"] or one["name"], 60),
        (f"\n       {said}", "$quiet"),
    )
