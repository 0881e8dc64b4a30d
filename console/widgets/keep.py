"""What an audience is saved under, and the saving."""

from __future__ import annotations

from functools import partial

from textual import getters
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label

from console.app import Console
from console.threads import in_thread
from store import audiences
from store.audiences import Audience, Selection
from store.errors import UsageError


class Keep(Horizontal):
    """A name and a description, those of the audience that is changed to begin with."""

    app = getters.app(Console)

    def __init__(self, audience: Audience | None) -> None:
        super().__init__(id="keep", classes="line")
        self._audience = audience

    def compose(self) -> ComposeResult:
        """The two fields."""
        saved = self._audience
        yield Label("Name")
        yield Input(
            saved.name if saved else None,
            id="name",
            compact=True,
            max_length=audiences.LONGEST_NAME,
            placeholder="a name to save it under",
        )
        yield Label("About")
        yield Input(
            saved.description if saved else None,
            id="about",
            compact=True,
            max_length=audiences.LONGEST_DESCRIPTION,
            placeholder="what it is for",
        )

    async def save(self, program_id: str, chosen: Selection) -> Audience | None:
        """Save who is meant; ask before it takes another's place, and give None where it shall not.

        Raises UsageError for a name that is none, with the focus on it.
        """
        from console.screens.ask import Ask
        from jobs.audiences import save

        name, about = self.query_one("#name", Input), self.query_one("#about", Input).value
        saved = await self.app.read(lambda connection: audiences.list_all(connection, program_id))
        taken = any(one.name == name.value.strip() for one in saved)
        if taken:
            question = Ask(
                f"Replace the audience {name.value.strip()}?",
                "This program has an audience of that name: it will mean these members. Its past sizes stay.",
                yes="Replace",
            )
            if not await self.app.push_screen_wait(question):
                return None
        desk = self.app.desk
        write = partial(
            save,
            desk.database,
            program_id,
            name.value,
            chosen,
            # What another's is for may stay where nothing was written.
            description=about if about or self._audience is not None else None,
            replace=taken,
            actor=desk.actor,
        )
        try:
            return await in_thread(write)
        except UsageError:
            name.focus()
            raise
