"""The line under every screen: what can be done here, and by which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.style import Style
from rich.text import Text
from textual.events import Click, Leave, MouseMove
from textual.widget import Widget

from console import plots
from console.actions import BY_ID, Acting
from console.plain import inert

if TYPE_CHECKING:
    from textual.binding import ActiveBinding
    from textual.screen import Screen

    from console.app import Console

MORE = "more"
"""The sign for what there is no room for; a click on it opens help."""


class Footer(Widget):
    """Keys with their words. What cannot be done now is dim; a click on it says why, and so does its key.

    It is one line drawn from what is bound, without a widget for each key: they change with every focus.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"footer--key", "footer--words", "footer--dim"}
    DEFAULT_CSS = """
    Footer {
        dock: bottom; height: 1; width: 1fr; background: $panel; color: $foreground;
        & > .footer--key { color: $text-primary; text-style: bold; }
        & > .footer--words { color: $foreground; }
        & > .footer--dim { color: $quiet; text-style: dim italic; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._offers: list[ActiveBinding] = []
        self._pointed: int | str | None = None

    def on_mount(self) -> None:
        """Follow what is bound."""
        self.screen.bindings_updated_signal.subscribe(self, self._renew)

    def on_resize(self) -> None:
        """What can be done may depend on what there is room for."""
        self.screen.refresh_bindings()

    def _renew(self, _: Screen[object]) -> None:
        self._pointed = None  # what lies under the pointer may be another key by now, or have another reason
        self.refresh()

    def render(self) -> Text:
        """As many whole keys as there is room for."""
        bound = self.screen.active_bindings.values()
        self._offers = [one for one in bound if one.binding.show and one.binding.description]
        drawn = [self._drawn(place, one) for place, one in enumerate(self._offers)]
        line = Text(no_wrap=True, end="")
        if sum(one.cell_len for one in drawn) <= self.size.width:
            return line.append_text(Text().join(drawn))
        more = self._more()  # which leads to help: that needs no place of its own then
        for offer, one in zip(self._offers, drawn, strict=True):
            if offer.binding.id != "app.help":
                if line.cell_len + one.cell_len > self.size.width - more.cell_len:
                    break
                line.append_text(one)
        return line.append_text(more)

    def _drawn(self, place: int, offer: ActiveBinding) -> Text:
        key = inert(self.app.get_key_display(offer.binding))
        words = inert(offer.binding.description)
        meta = Style.from_meta({"offer": place})
        if not offer.enabled:
            return Text(f" {key} {words} ", self._style("footer--dim") + meta)
        key_style, words_style = self._style("footer--key") + meta, self._style("footer--words") + meta
        return Text.assemble((f" {key} ", key_style), (f"{words} ", words_style))

    def _more(self) -> Text:
        key = cast("Console", self.app).keymap.first(BY_ID["app.help"])
        style = self._style("footer--key") + Style.from_meta({"offer": MORE})
        return Text(f" {key} {plots.sign(MORE)}", style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)

    async def on_click(self, event: Click) -> None:
        """Do what was clicked at, or have the console say what stands in its way."""
        offer = self._at(event)
        if offer is None:
            if event.style.meta.get("offer") == MORE:
                await self.app.run_action("app.help")
        else:
            await self.app.run_action(offer.binding.action, offer.node)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Say beside the pointer what a key does, or why it does not."""
        pointed = event.style.meta.get("offer")
        if pointed == self._pointed:
            return
        self._pointed, offer = pointed, self._at(event)
        if offer is None:
            self.tooltip = "More: what else can be done here" if pointed == MORE else None
        else:
            self.tooltip = Text(inert(_reason(offer) or offer.tooltip))

    def on_leave(self, event: Leave) -> None:
        """Nothing is pointed at."""
        self._pointed, self.tooltip = None, None

    def _at(self, event: Click | MouseMove) -> ActiveBinding | None:
        place = event.style.meta.get("offer")
        return self._offers[place] if isinstance(place, int) and place < len(self._offers) else None


def _reason(offer: ActiveBinding) -> str:
    return offer.node.why_not(offer.binding.action) if isinstance(offer.node, Acting) else ""
