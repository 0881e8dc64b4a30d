"""A screen, or a window over one, that is styled, laid out and drawn once for each time it is opened."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.css.styles import RulesMap
from textual.events import ScreenResume
from textual.geometry import Size
from textual.reactive import Reactive
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.style import Style as VisualStyle
from textual.visual import RenderOptions, Visual, VisualType
from textual.widget import Widget

from console.actions import Acting

if TYPE_CHECKING:
    from textual import getters

    from console.app import Console

T = TypeVar("T")


class Drawn(Acting, Screen[T]):
    """What Textual does to a screen more often than is of use, done once."""

    if TYPE_CHECKING:
        app = getters.app(Console)  # a list's own windows open over any app
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As Textual's, which draws the whole screen anew with each move: those that gain or lose it do so."""

    _styled_for = ""
    """The theme that its widgets have the colours of."""

    def on_mount(self) -> None:
        """Its widgets are being styled."""
        self._styled_for = self.app.theme

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Keep the styles where the theme is the same, and lay out once all that is mounted is known.

        Textual styles each widget anew with each return, which takes longer than all the rest.
        """
        event.refresh_styles = self._styled_for != self.app.theme
        self._styled_for = self.app.theme
        if not self._size and self.is_current:
            self._size = self.app.size
            self.refresh(layout=True)

    def _screen_resized(self, size: Size) -> None:
        """Lay out again for another size only: Textual does so on each return and after each opening."""
        if size != self._size:
            super()._screen_resized(size)

    def _compositor_refresh(self) -> None:
        """Draw only what is shown: while pictures are held back, Textual draws one and throws it away.

        What is to be drawn as a whole anyway is not drawn in part before.
        """
        if self.app._batch_count:
            return
        if self._repaint_required:
            self._repaint_required = False
            self._compositor.update_widgets({self})
        super()._compositor_refresh()


class Window(ModalScreen[T], Drawn[T]):
    """A window over a screen, which shows through as far as the background lets it."""

    def render(self) -> VisualType:  # type: ignore[override]  # as any widget: Screen's own names fewer
        """The screen below."""
        drawn = super().render()
        return Below(drawn) if isinstance(drawn, BackgroundScreen) else drawn


class Below(Visual):
    """The screen below, in its colours blended with the window's; no click of it is left."""

    def __init__(self, drawn: BackgroundScreen) -> None:
        self._screen, self._colour = drawn.screen, drawn.color

    def render_strips(
        self, width: int, height: int | None, style: VisualStyle, options: RenderOptions
    ) -> list[Strip]:
        """Its lines, each piece in the blended colours."""
        over, own = self._colour, style.rich_style
        return [
            Strip([Segment(text, _under(style, over, own)) for text, style, _ in strip], strip.cell_length)
            for strip in self._screen._compositor.render_strips()
        ]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """All of it."""
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        """All of it."""
        return self._screen.size.height


@lru_cache(1_000)
def _under(style: Style | None, over: Color, own: Style) -> Style:
    """A style seen through a colour, over that of the window's own."""
    seen = own if style is None else own + style.clear_meta_and_links()
    if not over.a:
        return seen
    front, ground = (
        None if one is None else (Color.from_rich_color(one) + over).rich_color
        for one in ((style.color, style.bgcolor) if style is not None else (None, None))
    )
    return seen + Style.from_color(front, ground)
