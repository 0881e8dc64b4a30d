"""The two lines over every screen: where you are, and whether messages reach real phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.style import Style
from rich.text import Text
from textual.events import Click
from textual.widget import Widget

from console.actions import of_scope
from console.plain import inert

if TYPE_CHECKING:
    from console.app import Console

ROLES = {"viewer": "read-only", "operator": "operator", "admin": ""}
"""What is said of who sits here, where that is less than all."""
MODES = ("home", "programs", "audiences", "compose", "blasts", "audit")


class Masthead(Widget):
    """`passbell REHEARSAL`, the store and its workers; under it a tab for each screen, and what expires."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "masthead--live",
        "masthead--rehearsal",
        "masthead--quiet",
        "masthead--warning",
        "masthead--error",
        "masthead--here",
    }
    DEFAULT_CSS = """
    Masthead {
        dock: top; height: 2; width: 1fr; padding: 0 1; background: $panel; color: $foreground;
        & > .masthead--live { background: $error; color: $on-error; text-style: bold; }
        & > .masthead--rehearsal { background: $success; color: $on-success; text-style: bold; }
        & > .masthead--quiet { color: $quiet; }
        & > .masthead--warning { color: $text-warning; text-style: bold; }
        & > .masthead--error { color: $text-error; text-style: bold; }
        & > .masthead--here { color: $text-primary; text-style: bold underline; }
    }
    """

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    def on_mount(self) -> None:
        """Follow the count of workers and what expires."""
        self.watch(self.app, "workers_alive", self._renew)
        self.watch(self.app, "weak", self._renew)

    def _renew(self) -> None:
        self.refresh()

    async def on_click(self, event: Click) -> None:
        """A click on a tab opens its screen."""
        if tab := event.style.meta.get("tab"):
            await self.run_action(f"app.{tab}")

    def render(self) -> Text:
        """The two lines."""
        width = self.content_size.width
        left, right = self._mode_word(), self._state(width)
        gap = max(width - left.cell_len - right.cell_len, 1)
        first = Text.assemble(left, " " * gap, right)
        first.truncate(width)
        weak = self._weak()
        gaps = (gap for gap in (3, 2) if self._tabs(gap).cell_len - gap + weak.cell_len < width)
        second = self._tabs(next(gaps, 1))
        if weak:
            second.rstrip()
            second.append(" " * (width - second.cell_len - weak.cell_len)).append_text(weak)
        second.truncate(width)
        return Text("\n").join([first, second])

    def _mode_word(self) -> Text:
        desk = cast("Console", self.app).desk
        if not desk.opened:
            return Text("passbell", "bold")
        mode = desk.settings.mode
        style = self._style("masthead--live" if mode == "LIVE" else "masthead--rehearsal")
        role = ROLES[desk.settings.role]
        return Text.assemble(
            *(("passbell", "bold"), "  ", (f" {mode} ", style)),
            (f"  {role}" if role else "", self._style("masthead--warning")),
        )

    def _state(self, width: int) -> Text:
        app = cast("Console", self.app)
        if not app.desk.opened:
            return Text()
        count = app.workers_alive
        if count == 0:
            workers = Text("no worker: nothing is sent", self._style("masthead--warning"))
        else:
            said = "looking for workers" if count is None else f"{count} worker{'s' * (count != 1)}"
            workers = Text(said, self._style("masthead--quiet"))
        store = inert(store_in_words(app.desk.settings.store_url), max(width - 60, 12))
        return Text.assemble((store, self._style("masthead--quiet")), "  ", workers)

    def _weak(self) -> Text:
        """The credential that needs somebody most; the programs say more."""
        weak = cast("Console", self.app).weak
        if not weak:
            return Text()
        more = f" +{len(weak) - 1}" if len(weak) > 1 else ""
        style = self._style("masthead--error" if weak[0].fails else "masthead--warning")
        return Text(weak[0].short + more, style)

    def _tabs(self, gap: int) -> Text:
        words, keymap = Text(), cast("Console", self.app).keymap
        for action in of_scope("app"):
            if action.verb in MODES:
                here = action.verb == self._mode
                style = self._style("masthead--here" if here else "masthead--quiet")
                style += Style.from_meta({"tab": action.verb})
                words.append(f"{keymap.first(action)} {action.words}", style).append(" " * gap)
        return words

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)


def store_in_words(url: str) -> str:
    """The store without user, password and folders: `passbell.db`, `postgresql host/name`."""
    scheme, _, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        return rest.rpartition("/")[2]
    return f"postgresql {rest.rpartition('@')[2].partition('?')[0]}"
