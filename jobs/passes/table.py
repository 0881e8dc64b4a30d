"""A table of a template, read key by key: what is left over is a key that nobody knows."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, overload

from store import texts
from store.errors import UsageError

LONGEST_TEXT = 4_000


class Table:
    """Takes the keys of one table. `where` is what errors name: the file, and the table within it."""

    def __init__(self, given: Mapping[str, Any], where: str, name: str = "") -> None:
        self.given = given
        self._where, self._name = where, name
        self._asked: set[str] = set()

    def wrong(self, key: str, what: str) -> UsageError:
        """The error that names file, key, and what to do."""
        return UsageError(f"{self._where}: `{self._path(key)}` {what}")

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, standard: str | None) -> str | None: ...
    def text(self, key: str, standard: str | type | None = str) -> str | None:
        """A text; without a standard it is required."""
        value = self._take(key)
        if value is None:
            if isinstance(standard, type):
                raise self.wrong(key, "is missing: add it")
            return standard
        if not isinstance(value, str):
            raise self.wrong(key, f"is {_kind(value)}: write it as a text, in quotes")
        return value

    @overload
    def one_of(self, key: str, words: Iterable[str]) -> str: ...
    @overload
    def one_of(self, key: str, words: Iterable[str], standard: str) -> str: ...
    @overload
    def one_of(self, key: str, words: Iterable[str], standard: None) -> str | None: ...
    def one_of(self, key: str, words: Iterable[str], standard: str | type | None = str) -> str | None:
        """One of some words; without a standard it is required."""
        value = self.text(key) if isinstance(standard, type) else self.text(key, standard)
        if value is not None and value not in words:
            raise self.wrong(key, f"is {value!r}: write one of {', '.join(words)}")
        return value

    def flag(self, key: str) -> bool:
        """true or false; false where it is not given."""
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, f"is {_kind(value)}: write true or false")
        return bool(value)

    def table(self, key: str) -> Table:
        """A table below this one; empty where it is not given."""
        value = self._take(key)
        if value is not None and not isinstance(value, Mapping):
            raise self.wrong(key, f"is {_kind(value)}: write a table, [{self._path(key)}]")
        return Table(value or {}, self._where, self._path(key))

    def tables(self, key: str) -> list[Table]:
        """An array of tables; empty where it is not given."""
        value = self._take(key)
        value = [] if value is None else value
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise self.wrong(key, f"is no array of tables: begin each with [[{self._path(key)}]]")
        return [
            Table(one, self._where, f"{self._path(key)}[{number}]")
            for number, one in enumerate(value, start=1)
        ]

    def done(self) -> None:
        """Refuse keys that were not asked for, with the nearest that was."""
        for key in self.given:
            if key not in self._asked:
                near = difflib.get_close_matches(key, sorted(self._asked), n=1)
                hint = (
                    f": did you mean `{near[0]}`?"
                    if near
                    else f": there are {', '.join(sorted(self._asked))}"
                )
                raise self.wrong(key, f"is no key that a template has here{hint}")

    def _take(self, key: str) -> Any:
        self._asked.add(key)
        return self.given.get(key)

    def _path(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


def clean(found: Table, key: str, text: str, most: int) -> str:
    """The text in composed form. Raises UsageError for control characters and for one that is too long."""
    text = unicodedata.normalize("NFC", text)
    bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"), None)
    if bad is not None:
        raise found.wrong(key, f"holds a control character, U+{ord(bad):04X}: take it out")
    if len(text) > most:
        raise found.wrong(key, f"has {len(text):,} characters: {most:,} are allowed")
    return text


def line(found: Table, key: str, text: str, most: int = 300) -> str:
    """A text that is the same for everybody, on one line."""
    if "\n" in text:
        raise found.wrong(key, "has to stand on one line")
    return clean(found, key, text, most)


def pattern(found: Table, key: str, text: str) -> str:
    """A text that may name members' fields."""
    return braces(found, key, clean(found, key, text, LONGEST_TEXT))


def braces(found: Table, key: str, text: str) -> str:
    """The text. Raises UsageError for a lone brace, and for braces without a name."""
    names = texts.names_in(text)
    try:
        texts.check_fields(text, names)
    except UsageError as error:
        raise found.wrong(key, str(error)) from None
    for name in names:
        if not name or any(unicodedata.category(c) == "Cc" for c in name):
            raise found.wrong(key, "has braces without a field's name: write `{name}`, or `{{` for a brace")
    return text


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")
