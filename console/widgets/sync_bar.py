"""A sync under way: one line with its progress, beside whatever else is done meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import getters, work
from textual.message import Message
from textual.worker import Worker, WorkerState

from console.app import Console
from console.aside import aside
from console.plain import inert
from console.widgets.how_far import HowFar

if TYPE_CHECKING:
    from jobs.intake.sync import Progress, SyncReport


class SyncBar(HowFar):
    """Hidden while nothing is synced. One sync at a time."""

    app = getters.app(Console)

    class At(Message):
        """How far the sync is."""

        def __init__(self, at: Progress) -> None:
            super().__init__()
            self.at = at

        def can_replace(self, message: Message) -> bool:
            """Only the last of those that wait is worth drawing."""
            return isinstance(message, SyncBar.At)

    class Changed(Message):
        """A sync began or ended."""

        def __init__(self, running: bool) -> None:
            super().__init__()
            self.running = running

    def __init__(self) -> None:
        super().__init__()
        self._worker: Worker[None] | None = None

    @property
    def running(self) -> bool:
        """Whether a sync is under way."""
        return self._worker is not None and not self._worker.is_finished

    def start(self, program_id: str | None) -> None:
        """Read one program or all of them."""
        if not self.running:
            self.display = True
            self.draw("Asking PassKit …", 0, 0)
            self._worker = self._sync(program_id)

    def stop(self) -> None:
        """Stop; what was read is kept."""
        if self._worker is not None:
            self._worker.cancel()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Tell the screen; say what stopping means."""
        if event.worker is not self._worker or event.state == WorkerState.PENDING:
            return
        ended = event.worker.is_finished
        self.display = not ended
        if event.state == WorkerState.CANCELLED and self.is_attached:
            self.app.notify("Sync stopped. What was read is kept; the next sync goes on from there.")
        self.post_message(self.Changed(not ended))

    @work(group="sync")
    async def _sync(self, program_id: str | None) -> None:
        self._report(await aside(lambda: self._read(program_id)))

    async def _read(self, program_id: str | None) -> SyncReport:
        """Read it, on a loop of its own: a page of PassKit's takes long to parse."""
        import asyncio

        from jobs.account import open_client
        from jobs.intake.sync import sync

        desk = self.app.desk
        client = await asyncio.to_thread(open_client, desk.settings)  # may start the stand-in
        try:
            return await sync(
                desk.database,
                client,
                desk.settings,
                program=program_id,
                progress=self._tell,
                actor=desk.actor,
            )
        finally:
            await client.close()

    def _tell(self, at: Progress) -> None:
        self.post_message(self.At(at))

    def on_sync_bar_at(self, event: At) -> None:
        """Draw how far it is."""
        event.stop()
        at = event.at
        doing = "Reading" if at.stage == "members" else "Looking for members gone from"
        self.draw(f"{doing} {inert(at.name, 40)}: {at.done:,} of {at.total:,}", at.done, at.total)

    def _report(self, report: SyncReport) -> None:
        read = sum(one.read for one in report.programs)
        gone = sum(one.gone for one in report.programs)
        unreadable = sum(one.unreadable for one in report.programs)
        some = "1 program" if len(report.programs) == 1 else f"{len(report.programs)} programs"
        lines = [f"{read:,} records read in {some}, {gone:,} passes gone"]
        if unreadable:
            lines.append(f"{unreadable:,} could not be read and were left out")
        self.app.notify("\n".join(lines), title="Synced", markup=False)
