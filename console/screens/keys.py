"""Keys of one's own: every action with its keys; another key is pressed, judged, and kept in the settings."""

from __future__ import annotations

from collections.abc import Callable

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from console.actions import BY_ID, Action, bindings
from console.keymap import Keymap, faults, found, judged, keyed, read, written
from console.keys_file import keep
from console.plain import inert, inert_lines
from console.screens.drawn import Window
from console.screens.help import NOTHING, keys_of
from console.threads import in_thread
from console.widgets.cells import fit
from console.widgets.footer import Footer
from store.errors import PassbellError
from store.settings import FILE_NAME

KEYS = 18
ID = 24
"""Cells of the first two columns."""


class CaptureScreen(Window[str | None]):
    """Takes the next key that is pressed, as Textual names it; None for the one that leaves."""

    BINDINGS = bindings("capture")
    CSS = """
    CaptureScreen {
        & > #capture {
            width: 64; max-width: 96%; height: auto;
            padding: 1 2; background: $surface; border: round $primary; border-subtitle-color: $quiet;
        }
        & #title { text-style: bold; margin: 0 0 1 0; width: 1fr; }
        & #trouble { height: auto; color: $text-error; }
    }
    """

    def __init__(self, action: Action, refusal: Callable[[str], str]) -> None:
        """`refusal` says why a key cannot be taken, "" where it can."""
        super().__init__()
        self._action, self._refusal = action, refusal

    def compose(self) -> ComposeResult:
        """Which action, and what was wrong with the last key."""
        with Vertical(id="capture") as box:
            box.border_subtitle = keyed("<capture.cancel> leaves it as it is")
            yield Label(f"Press a key for {self._action.id}", id="title", markup=False)
            yield Static(inert(self._action.meaning), markup=False)
            yield Static(id="trouble", markup=False)

    def on_key(self, event: Key) -> None:
        """Take the key before anything that is bound to it."""
        event.stop()
        key = read(event.key)
        if key in self.app.keymap.of(BY_ID["capture.cancel"]):
            self.dismiss(None)
        elif refusal := self._refusal(key) if key else f"There is no way to name {event.key!r}.":
            self.query_one("#trouble", Static).update(inert_lines(f"\n{refusal}\nPress another key."))
        else:
            self.dismiss(key)

    def action_cancel(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)


class KeysScreen(Window[None]):
    """Found as in help. What is changed works at once and is kept in the settings file."""

    BINDINGS = bindings("keys")
    CSS = """
    KeysScreen {
        & > #keys {
            width: 100; max-width: 96%; height: 90%; margin: 0 0 1 0;
            padding: 0 2; background: $surface; border: round $primary; border-subtitle-color: $quiet;
        }
        & #search { margin: 0 0 1 0; padding: 0 1; background: $boost; }
        & OptionList {
            height: 1fr; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
            text-wrap: nowrap; text-overflow: ellipsis;
        }
        & #meaning { height: 2; margin: 1 0 0 0; color: $quiet; }
    }
    """

    def compose(self) -> ComposeResult:
        """What to look for, the actions, and what the one in hand does."""
        with Vertical(id="keys") as box:
            box.border_title = "Keys of your own"
            box.border_subtitle = keyed(
                "<keys.change> changes · * not the default · kept in the settings file"
            )
            yield Input(id="search", compact=True, placeholder="type a word, or a key such as ctrl+r")
            yield OptionList(markup=False)
            yield Static(id="meaning", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Every action."""
        self._list()

    @on(Input.Changed)
    def _list(self) -> None:
        options = self.query_one(OptionList)
        chosen = self._chosen
        actions = found(self.query_one(Input).value, self.app.keymap)
        options.set_options(Option(self._line(action), id=action.id) for action in actions)
        if actions:
            ids = [action.id for action in actions]
            options.highlighted = ids.index(chosen.id) if chosen is not None and chosen.id in ids else 0
        else:
            self.query_one("#meaning", Static).update(NOTHING)

    @on(OptionList.OptionHighlighted)
    def _explain(self, event: OptionList.OptionHighlighted) -> None:
        action = BY_ID[event.option_id or ""]
        own = self.app.keymap.own.get(action.id)
        default = f" · by default {' '.join(map(written, action.keys))}" if own else ""
        self.query_one("#meaning", Static).update(f"{action.meaning}{default}")

    def _line(self, action: Action) -> Content:
        own = action.id in self.app.keymap.own
        keys = fit(f"{'*' if own else ' '} {keys_of(self.app, action)}", KEYS)
        sign = ("! ", "bold $text-error") if action.danger else "  "
        return Content.assemble((keys, "bold"), f" {fit(action.id, ID)} ", sign, action.words)

    @property
    def _chosen(self) -> Action | None:
        option = self.query_one(OptionList).highlighted_option
        return BY_ID[option.id or ""] if option is not None else None

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def action_change(self) -> None:
        """Another key in place of those it has."""
        self._capture(())

    def action_add(self) -> None:
        """One more key."""
        if (action := self._chosen) is not None:
            self._capture(self.app.keymap.of(action))

    def action_restore(self) -> None:
        """The default, unless another action has one of its keys by now."""
        if (action := self._chosen) is not None and action.id in self.app.keymap.own:
            if refusal := self._refusal(action, None):
                self.app.notify(inert_lines(refusal), severity="warning", markup=False)
            else:
                self._keep(action, None)

    @work(group="ask", exclusive=True)
    async def _capture(self, before: tuple[str, ...]) -> None:
        if (action := self._chosen) is None:
            return

        def refusal(key: str) -> str:
            return self._refusal(action, (*before, key))

        key = await self.app.push_screen_wait(CaptureScreen(action, refusal))
        if key is not None:
            self._keep(action, tuple(dict.fromkeys((*before, key))))

    def _wanted(self, action: Action, keys: tuple[str, ...] | None) -> dict[str, str]:
        own = self.app.keymap.own | {action.id: keys or ()}
        return {id_: ",".join(map(written, given)) for id_, given in own.items() if given}

    def _refusal(self, action: Action, keys: tuple[str, ...] | None) -> str:
        return "\n".join(fault[:1].upper() + fault[1:] for fault in faults(self._wanted(action, keys)))

    @work(group="keep", exclusive=True)
    async def _keep(self, action: Action, keys: tuple[str, ...] | None) -> None:
        file = self.app.desk.settings.home / FILE_NAME
        wanted = self._wanted(action, keys)
        try:
            await in_thread(keep, file, action.id, wanted.get(action.id))
        except PassbellError as error:
            self.app.tell(error)
            return
        self._take(judged(wanted))
        told = f"{action.id}: {' '.join(map(written, self.app.keymap.of(action)))}"
        self.app.notify(told, title="From now on", markup=False)

    def _take(self, keymap: Keymap) -> None:
        self.app.keymap = keymap
        self.app.refresh_bindings()
        self._list()

    def action_close(self) -> None:
        """Back; what was looked for is cleared first."""
        if self.query_one(Input).value:
            self.query_one(Input).clear()
        else:
            self.dismiss()

    def action_up(self) -> None:
        """The action above."""
        self.query_one(OptionList).action_cursor_up()

    def action_down(self) -> None:
        """The action below."""
        self.query_one(OptionList).action_cursor_down()

    def action_page_up(self) -> None:
        """A page up."""
        self.query_one(OptionList).action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        """A page down."""
        self.query_one(OptionList).action_page_down()  # type: ignore[no-untyped-call]
