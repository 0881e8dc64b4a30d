"""The rows and groups of a condition, one line each, and the keys that change them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from console.actions import Acting, bindings
from console.clause_words import FUNCTION_WORDS, choice_of, head, shown, shown_list
from console.plain import cells, inert, inert_lines
from store.outline import Group, Part, Path, Row, at, put

FIELD_CELLS = 22
OPERATOR_CELLS = 16
VALUE_CELLS = 400
NOTHING = Group("AND", ())
ADD = "+ add a row"

How = Literal["edit", "add", "group"]


class Clauses(Acting, OptionList):
    """An outline as lines. What needs words of a person is asked for by `Asked`."""

    BINDINGS = bindings("clauses")
    DEFAULT_CSS = """
    Clauses {
        border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
        &:focus { border: none; background-tint: transparent 0%; }
    }
    """

    class Changed(Message):
        """The outline was changed here, by a key."""

        def __init__(self, whole: Group) -> None:
            super().__init__()
            self.whole = whole

    class Asked(Message):
        """A row is to be written.

        how   `edit`: the row at `path` anew; `add`: one more, below `path`; `group`: one more, in a group
              with what is at `path`
        """

        def __init__(self, path: Path, how: How) -> None:
            super().__init__()
            self.path, self.how = path, how

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (the name that every widget has for it)
        super().__init__(id=id, markup=False)
        self.whole = NOTHING
        self._paths: list[Path] = []
        self._kinds: Mapping[str, str] = {}

    def know(self, kinds: Mapping[str, str]) -> None:
        """Take the types of fields, by which `<` reads `is before` or `is less than`."""
        self._kinds = kinds
        self.show(self.whole)

    def show(self, whole: Group, path: Path | None = None) -> None:
        """Show an outline; the cursor stays on its line, or goes to the part at `path` if there is one."""
        line = self.highlighted or 0
        self.whole = whole
        told = list(lines(whole)) if whole.parts else []
        self._paths = [way for way, _ in told]
        self.clear_options()
        self.add_options([Option(self._line(way, part)) for way, part in told])
        self.add_option(Option(Content.styled(ADD, "dim")))
        if path in self._paths:
            line = self._paths.index(path)
        elif path is not None:
            line = min(line, len(self._paths) - 1)
        self.highlighted = min(max(line, 0), len(self._paths))

    def show_instead(self, reason: str) -> None:
        """Show why there are no rows."""
        self.whole, self._paths = NOTHING, []
        self.clear_options()
        self.add_option(Option(Content.styled(inert_lines(reason), "$quiet"), disabled=True))

    @property
    def path(self) -> Path | None:
        """The part under the cursor; None on the line that adds one."""
        line = self.highlighted
        return self._paths[line] if line is not None and line < len(self._paths) else None

    def _line(self, path: Path, part: Part) -> Content:
        indent = "  " * len(path)
        if isinstance(part, Group):
            return Content.assemble(indent, (head(part), "bold"))
        name = FUNCTION_WORDS.get(part.field, part.field) if part.operator == "CALL" else part.field
        kind = part.field if part.operator == "CALL" else self._kinds.get(part.field)
        choice = choice_of(part, kind)
        return Content.assemble(
            indent,
            _padded(inert(name, 60), FIELD_CELLS - len(indent)),
            (_padded(choice.words, OPERATOR_CELLS), "dim"),
            inert(values_in_words(part) if choice.takes != 0 else "", VALUE_CELLS),
        )

    # Keys

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click: write the row anew, turn a group's `all` into `any`, or add a row."""
        event.stop()
        if (path := self.path) is None:
            self.post_message(self.Asked((), "add"))
        elif isinstance(at(self.whole, path), Group):
            self.action_join()
        else:
            self.post_message(self.Asked(path, "edit"))

    def action_add(self) -> None:
        """One more row below."""
        self.post_message(self.Asked(self.path or (), "add"))

    def action_group(self) -> None:
        """A group of this and one more."""
        if (path := self.path) is not None:
            self.post_message(self.Asked(path, "group"))

    def action_join(self) -> None:
        """All of these, or any."""
        if (path := self.path) is not None:
            part = at(self.whole, path)
            way = path if isinstance(part, Group) else path[:-1]
            group = at(self.whole, way)
            assert isinstance(group, Group)
            turned = Group("OR" if group.join == "AND" else "AND", group.parts, group.negated)
            self._change(put(self.whole, way, turned), path)

    def action_negate(self) -> None:
        """Not so."""
        if (path := self.path) is not None:
            part = at(self.whole, path)
            turned: Part = (
                Group(part.join, part.parts, not part.negated)
                if isinstance(part, Group)
                else Row(part.field, part.operator, part.values, not part.negated)
            )
            self._change(put(self.whole, path, turned), path)

    def action_remove(self) -> None:
        """Take it out; a group with all that is in it."""
        if (path := self.path) is not None:
            self._change(put(self.whole, path), path)

    def written(self, path: Path, how: How, row: Row) -> None:
        """Put in the row that was asked for."""
        if how == "edit":
            self._change(put(self.whole, path, row), path)
            return
        part = at(self.whole, path)
        if how == "group":
            join: Literal["AND", "OR"] = "OR" if _join_around(self.whole, path) == "AND" else "AND"
            self._change(put(self.whole, path, Group(join, (part, row))), (*path, 1))
        elif isinstance(part, Group):
            self._change(
                put(self.whole, path, Group(part.join, (*part.parts, row), part.negated)),
                (*path, len(part.parts)),
            )
        else:
            self._change(put(self.whole, path, part, row), (*path[:-1], path[-1] + 1))

    def _change(self, whole: Group, path: Path) -> None:
        self.show(whole, path)
        self.post_message(self.Changed(whole))


def lines(part: Part, path: Path = ()) -> Iterator[tuple[Path, Part]]:
    """A part and all in it, from above to below."""
    yield path, part
    if isinstance(part, Group):
        for place, one in enumerate(part.parts):
            yield from lines(one, (*path, place))


def values_in_words(row: Row) -> str:
    """`500`; `gold, silver`; `0 and 500`."""
    if row.operator == "IN":
        return shown_list(row.values)
    return " and ".join(map(shown, row.values))


def _join_around(whole: Group, path: Path) -> str:
    group = at(whole, path[:-1]) if path else None
    return group.join if isinstance(group, Group) else whole.join


def _padded(text: str, width: int) -> str:
    return text + " " * max(width - cells(text), 1)
