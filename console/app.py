"""The console: the shell around the screens. It reads and acts for them and knows nothing more of them."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from textual import work
from textual.app import App
from textual.color import Color
from textual.command import Provider
from textual.reactive import reactive
from textual.screen import Screen
from textual.worker import WorkerFailed

from console import expiry
from console.actions import Acting, bindings
from console.plain import inert_lines
from store.errors import PassbellError
from store.roles import why_not

if TYPE_CHECKING:
    import sqlalchemy as sa
    from textual.actions import ActionParseResult
    from textual.dom import DOMNode

    from console.desk import Desk
    from console.expiry import Weak
    from store.roles import Role

T = TypeVar("T")

LOOK_SECONDS = 2.0
"""How often the console looks whether a worker is alive."""
RESTART_SECONDS = 20.0
"""A worker that went away is replaced, but no sooner than this after the last was started."""
REPEAT_SECONDS = 10.0
"""The same trouble is told once in so many seconds."""


def _lazily(module: str, name: str) -> Callable[[], Screen[Any]]:
    """A factory that imports a screen when it is first opened: start-up pays for one screen only."""

    def make() -> Screen[Any]:
        screen: Screen[Any] = getattr(import_module(f"console.screens.{module}"), name)()
        return screen

    return make


def _palette() -> type[Provider]:
    from console.palette import Commands

    return Commands


class Console(Acting, App[None]):
    """One person at a desk, in a terminal."""

    TITLE = "passbell"
    CSS_PATH = "styles/console.tcss"
    BINDINGS = bindings("app")
    COMMANDS = {_palette}
    ENABLE_COMMAND_PALETTE = True
    DEFAULT_MODE = "opening"
    MODES = {
        "opening": _lazily("opening", "OpeningScreen"),
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

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.failure: BaseException | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._child_started = -RESTART_SECONDS
        self._opening = Lock()
        self._told: dict[str, float] = {}

    def get_css_variables(self) -> dict[str, str]:
        """The theme's variables and `$quiet`, a paler shade of its text as a plain colour.

        `$text-muted` is no colour but a rule, which text with styles of its own cannot follow.
        """
        variables = super().get_css_variables()
        text, ground = Color.parse(variables["foreground"]), Color.parse(variables["background"])
        plain = text.ansi is None and ground.ansi is None
        variables["quiet"] = ground.blend(text, 0.62).hex6 if plain else "ansi_bright_black"
        self.theme_variables = variables
        return variables

    # The actions

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
        toast, and the console goes on.
        """
        return await asyncio.to_thread(self._read, act)

    async def act(self, verb: Callable[[], T]) -> T | None:
        """Run a verb in a thread. What it refuses is told in a toast, with None for an answer."""
        try:
            return await asyncio.to_thread(verb)
        except PassbellError as error:
            self.tell(error)
            return None

    def tell(self, error: PassbellError) -> None:
        """Show an error's sentence. The same one is not piled up."""
        sentence, at = inert_lines(str(error)), time.monotonic()
        if at - self._told.get(sentence, -REPEAT_SECONDS) >= REPEAT_SECONDS:
            self._told = {sentence: at}
            self.notify(sentence, severity="error", timeout=8, markup=False)

    def _read(self, act: Callable[[sa.Connection], T]) -> T:
        with self._opening:  # the first to come opens and migrates the store
            database = self.desk.database
        with database.read() as connection:
            return act(connection)

    # Getting about

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
        """Switch to a mode's own screen, with nothing left open over it."""
        await self.switch_mode(mode)
        while len(self.screen_stack) > 1:
            await self.pop_screen()

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
        from console.screens.ask import Ask
        from store import ledger

        account = self.desk.settings.account
        if self._child is not None and self._child.poll() is None:
            running = await self.read(lambda connection: ledger.running_blasts(connection, account))
            newest = await self.read(lambda connection: ledger.list_blasts(connection, account))
            scheduled = [blast.id for blast in reversed(newest) if blast.state == "scheduled"]
            if running or scheduled:
                title = f"Leave while a blast is {'running' if running else 'scheduled'}?"
                question = Ask(title, what_leaving_means(running, scheduled), yes="Leave", no="Stay")
                if not await self.push_screen_wait(question):
                    return
        self.exit()

    # The worker

    def end_with(self, error: PassbellError) -> None:
        """Leave the console; `run` raises this error."""
        self.failure = error
        self.exit(return_code=error.exit_code)

    def begin(self) -> None:
        """The settings are read: take the theme, show the programs, and look for a worker now and then."""
        theme = self.desk.settings.console.theme
        if theme in self.available_themes:
            self.theme = theme
        else:
            self.notify(f"There is no theme {theme!r}: see `theme` in the palette.", markup=False)
        self._show_first()
        self.call_after_refresh(self.look_after_workers)
        self.set_interval(LOOK_SECONDS, self.look_after_workers)
        self.call_after_refresh(self.look_after_credentials)
        self.set_interval(expiry.LOOK_SECONDS, self.look_after_credentials)

    def _show_first(self) -> None:
        start = self.desk.settings.console.start
        self.switch_mode("programs" if start in ("last", "home") else start)

    def look_after_workers(self) -> None:
        """Count the workers that are alive and start one of our own if there is none."""
        self._look()

    @work(group="workers", exclusive=True)
    async def _look(self) -> None:
        settings = self.desk.settings

        def count(connection: sa.Connection) -> int:
            from store.workers import alive  # loads SQLAlchemy: off the UI's thread

            return len(alive(connection, settings.account))

        self.workers_alive = await self.read(count)
        gone = self._child is None or self._child.poll() is not None
        waited = time.monotonic() - self._child_started >= RESTART_SECONDS
        if settings.console.start_worker and not self.workers_alive and gone and waited:
            self._child_started = time.monotonic()
            self._child = await self.act(self._start_worker)

    def look_after_credentials(self) -> None:
        """Find what expires soon; once the first picture is drawn, and now and then."""
        self._look_for_weak()

    @work(group="credentials", exclusive=True)
    async def _look_for_weak(self) -> None:
        self.weak = await asyncio.to_thread(self._weak)

    def _weak(self) -> tuple[Weak, ...]:
        with self._opening:
            database = self.desk.database
        return expiry.weak(self.desk.settings, database)

    def _start_worker(self) -> subprocess.Popen[bytes] | None:
        from jobs.worker_child import start_if_none

        return start_if_none(self.desk.settings, self.desk.database)

    def release_worker(self) -> None:
        """Let our worker end: it settles what is in flight and goes."""
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()

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


def what_leaving_means(running: Sequence[int], scheduled: Sequence[int]) -> str:
    """For the blasts that this console's worker sends, and for those that it was to start."""
    told = []
    these, later = (", ".join(map(str, ids)) for ids in (running, scheduled))
    if running:
        told.append(
            f"Blast {these} is sent by this console's worker. It finishes its batch and ends "
            "with the console; nothing is lost: a worker started later goes on (`passbell worker`)."
        )
    if scheduled:
        told.append(f"Blast {later} is scheduled, and missed if no worker is alive at its time.")
    return "\n".join(told)


def run(desk: Desk) -> None:
    """Show the console until it is left. Raises what brought it down."""
    app = Console(desk)
    try:
        app.run()
    finally:
        app.release_worker()
    if app.failure is not None:
        raise app.failure
