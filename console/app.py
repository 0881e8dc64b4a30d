"""The console: the shell around the screens. It reads and acts for them and knows nothing more of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from textual import work
from textual.events import InputEvent
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import WorkerFailed

from console import places, terminal, themes, thrift
from console.actions import Acting, bindings
from console.attendance import Attendance
from console.keymap import Keymap, arrow_for, written
from console.memory import Memory
from console.plain import inert_lines
from console.styled import Styled
from console.threads import end_if_left, in_thread
from store.errors import PassbellError
from store.roles import why_not

if TYPE_CHECKING:
    import sqlalchemy as sa
    from textual.actions import ActionParseResult
    from textual.binding import Binding
    from textual.dom import DOMNode
    from textual.events import Event, Key

    from console.desk import Desk
    from console.expiry import Weak
    from store.database import Database
    from store.roles import Role

T = TypeVar("T")

REPEAT_SECONDS = 10.0
"""The same trouble is told once in so many seconds."""


def _lazily(module: str, name: str) -> Callable[[], Screen[Any]]:
    """A factory that imports a screen when it is first opened: start-up pays for one screen only."""

    def make() -> Screen[Any]:
        screen: Screen[Any] = getattr(import_module(f"console.screens.{module}"), name)()
        return screen

    return make


class Console(Acting, Styled):
    """One person at a desk, in a terminal. A `blast` is opened at once, in place of the first screen."""

    TITLE = "passbell"
    CSS_PATH = "styles/console.tcss"
    BINDINGS = bindings("app")
    ENABLE_COMMAND_PALETTE = True
    DEFAULT_MODE = "opening"
    MODES = {
        "opening": _lazily("opening", "OpeningScreen"),
        "home": _lazily("home", "HomeScreen"),
        "programs": _lazily("programs", "ProgramsScreen"),
        "audiences": _lazily("audiences", "AudiencesScreen"),
        "compose": _lazily("compose", "ComposeScreen"),
        "blasts": _lazily("blasts", "BlastsScreen"),
        "audit": _lazily("audit", "AuditScreen"),
    }

    workers_alive: reactive[int | None] = reactive(None)
    """Workers of this account seen lately; None until the store was asked."""

    weak: reactive[tuple[Weak, ...]] = reactive(())
    """Credentials of own passes that expire soon or cannot be used."""

    def __init__(self, desk: Desk, blast: int | None = None) -> None:
        super().__init__()
        self.desk = desk
        self.keymap = Keymap()
        self.opens_at = blast
        self.failure: BaseException | None = None
        self.attendance = Attendance(self)
        self.touched_at = time.monotonic()
        self._opening = Lock()
        self._told: dict[str, float] = {}

    def get_key_display(self, binding: Binding) -> str:
        """A key as it is shown: in a word where signs such as an arrow's are not to be drawn."""
        plain = self.desk.opened and self.desk.settings.console.ascii
        return written(binding.key) if plain else super().get_key_display(binding)

    # The actions

    async def on_event(self, event: Event) -> None:
        """Note when a key or the mouse was last used."""
        if isinstance(event, InputEvent):
            self.touched_at = time.monotonic()
        await super().on_event(event)

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key, a click or the palette asks for, or say what stands in its way."""
        owner, verb, _ = self._parse_action(action, default_namespace or self, namespaces)
        if isinstance(owner, Acting) and (reason := owner.why_not(verb)):
            self.notify(inert_lines(reason), severity="warning", markup=False)
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def why_no_role(self, needs: Role) -> str:
        """What stands in the way of an act that takes a role; "" for nothing."""
        if not self.desk.opened:
            return ""
        return why_not(self.desk.settings.role, needs)

    # The store and the verbs

    async def read(self, act: Callable[[sa.Connection], T]) -> T:
        """One short read transaction, in a thread.

        Raises PassbellError. Call it from a worker (`run_worker`): what is not caught there is told in a
        toast, and the console goes on. The worker of a screen that is left meanwhile ends here.
        """
        return await in_thread(self._read, act)

    async def act(self, verb: Callable[[], T]) -> T | None:
        """Run a verb in a thread. What it refuses is told in a toast, with None for an answer."""
        try:
            return await asyncio.to_thread(verb)
        except PassbellError as error:
            self.tell(error)
            return None
        finally:
            end_if_left()

    def tell(self, error: PassbellError) -> None:
        """Show an error's sentence. The same one is not piled up."""
        sentence, at = inert_lines(str(error)), time.monotonic()
        if at - self._told.get(sentence, -REPEAT_SECONDS) >= REPEAT_SECONDS:
            self._told = {sentence: at}
            self.notify(sentence, severity="error", timeout=8, markup=False)

    def _read(self, act: Callable[[sa.Connection], T]) -> T:
        with self.open_store().read() as connection:
            return act(connection)

    def open_store(self) -> Database:
        """The store, from any thread: the first to come opens and migrates it."""
        with self._opening:
            return self.desk.database

    @cached_property
    def memory(self) -> Memory:
        """What is remembered of the person at the desk; once the settings are read."""
        return Memory(self.desk.memory_file)

    # Getting about

    def action_home(self) -> None:
        """How things stand."""
        self.switch_mode("home")

    def action_programs(self) -> None:
        """The programs and their members."""
        self.switch_mode("programs")

    def action_audiences(self) -> None:
        """The audiences."""
        self.switch_mode("audiences")

    def action_compose(self) -> None:
        """The message."""
        self.switch_mode("compose")

    def action_blasts(self) -> None:
        """The blasts."""
        self.switch_mode("blasts")

    def action_audit(self) -> None:
        """The audit."""
        self.switch_mode("audit")

    def action_help(self) -> None:
        """The keys of this screen and of all."""
        from console.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_command_palette(self) -> None:
        """Whatever can be found by its name."""
        from console.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def action_keys(self) -> None:
        """Which key does what, to be changed."""
        from console.screens.keys import KeysScreen

        self.push_screen(KeysScreen())

    def action_jump(self) -> None:
        """Letters over all that can have the focus."""
        from console.screens.jump import JumpScreen

        self.push_screen(JumpScreen(self.screen))

    def on_key(self, event: Key) -> None:
        """The letters h, j, k, l are arrows where nobody has another use for them."""
        if arrow := arrow_for(self.focused, event.key):
            self.simulate_key(arrow)

    async def open_program(self, program_id: str) -> None:
        """Show a program and its members."""
        await self._to("programs")
        self.screen.choose(program_id)  # type: ignore[attr-defined]

    async def open_compose(
        self, program_id: str, audience: str | None = None, *, predicate: str | None = None
    ) -> None:
        """Write to a program, to its audience of that name, or to those who fit the predicate."""
        await self._to("compose")
        self.screen.choose(program_id, audience, predicate=predicate)  # type: ignore[attr-defined]

    async def open_blast(self, blast_id: int) -> None:
        """Show one blast, over the list of all."""
        from console.screens.blast import BlastScreen

        await self._to("blasts")
        await self.push_screen(BlastScreen(blast_id))

    async def _to(self, mode: str) -> None:
        """Switch to a mode's own screen, with nothing left open over it: questions there end with no."""
        await self.switch_mode(mode)
        while len(self.screen_stack) > 1:
            await self.screen.dismiss()

    def action_leave(self) -> None:
        """Leave the console; ask first while a blast depends on its worker."""
        if not any(worker.group == "leave" and not worker.is_finished for worker in self.workers):
            self._leave()

    async def action_quit(self) -> None:
        """Textual's own ctrl+q, which works in fields and over questions too: it leaves as `q` does."""
        self.action_leave()

    def action_help_quit(self) -> None:
        """Ctrl+c copies in fields; whoever means to leave by it is told the key for that."""
        self.notify("Press ctrl+q to leave the console.", markup=False)

    @work(group="leave")
    async def _leave(self) -> None:
        if await self.attendance.may_leave():
            places.note(self)
            await self.act(self.memory.save)
            self.exit()

    # From the first picture to the end

    def begin(self) -> None:
        """The settings are read: take the theme, show the first screen, and begin to look after things."""
        terminal.use_ascii(self.desk.settings.console.ascii)
        themes.begin(self)
        if self.memory.trouble:
            self.notify(inert_lines(self.memory.trouble), severity="warning", markup=False)
        self.run_worker(self._open_first(), group="first")

    async def _open_first(self) -> None:
        """Whatever loads the store comes after the first screen."""
        await places.open_first(self)
        self.attendance.begin()

    def end_with(self, error: PassbellError) -> None:
        """Leave the console; `run` raises this error."""
        self.failure = error
        self.exit(return_code=error.exit_code)

    def _handle_exception(self, error: Exception) -> None:
        """Tell what is meant for people and go on; on anything else end without showing it.

        Textual would print the locals of every frame, and secrets are among them: `run` hands the error
        to the command instead.
        """
        cause = error.error if isinstance(error, WorkerFailed) else error
        if isinstance(error, WorkerFailed) and isinstance(cause, PassbellError):
            self.tell(cause)
            return
        self._return_code = 1
        if self.failure is None:
            self.failure = cause
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()


def run(desk: Desk, blast: int | None = None) -> None:
    """Show the console until it is left, with a blast opened first. Raises what brought it down."""
    app = Console(desk, blast)
    thrift.keep_loaded()
    try:
        app.run()
    finally:
        app.attendance.release_worker()
    if app.failure is not None:
        raise app.failure
