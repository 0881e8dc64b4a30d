"""Rows out of a file that somebody exported somewhere: CSV and its kin, JSON, NDJSON, in any usual encoding.

Format and delimiter are chosen here, from the first bytes and the header line: automatic detection splits a
single column at a letter and takes NDJSON for a table. A line that cannot be read is a row with a problem,
never the end of the file; a file that cannot be read at all is a UsageError.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jobs.formulas import opened
from store.errors import UsageError

LARGEST_FILE = 256 * 1024 * 1024
LARGEST_FIELD = 128 * 1024
MOST_COLUMNS = 500
DELIMITERS = (",", ";", "\t", "|")
UNKEPT = re.compile("[\0\ud800-\udfff]")
"""What no database keeps in a text: NUL, and halves of characters."""

FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or an archive: save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet: save it as CSV",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed: unpack it first",
    b"SQLite format 3": "a SQLite database",
    b"PAR1": "a Parquet file",
}


class Row(NamedTuple):
    """One row.

    line     the line it starts on; in a JSON list, the item's number; both from 1
    values   column to value: text, or a number, boolean, None or list where the file is JSON
    problem  why it cannot be used; empty if it can
    """

    line: int
    values: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was understood; `rows` can be asked for again and again.

    header  the line of column names where the file has one (it may be a row after all: see match_ids)
    length  its lines, or the items of a JSON list: no fewer than its rows
    """

    path: Path
    format: str
    encoding: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    header: Row | None
    length: int
    rows: Callable[[], Iterator[Row]]


def open_table(path: Path) -> Table:
    """Understand a file. Raises UsageError naming the file, and the line where there is one."""
    text, encoding = _decode(path, _read(path))
    if not text.strip():
        raise UsageError(f"{path} is empty")
    kind = path.suffix.lower()
    if kind in (".ndjson", ".jsonl") or (kind not in (".csv", ".tsv") and _is_lines_of_json(text)):
        return _json_table(path, "NDJSON", encoding, _line_count(text), lambda: _json_lines(text))
    if kind == ".json" or (kind not in (".csv", ".tsv") and text.lstrip()[0] in "[{"):
        items = _json_items(path, text)
        return _json_table(path, "JSON", encoding, len(items), lambda: _json_rows(items))
    return _delimited(path, text, encoding)


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder, not a file")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not an ordinary file")
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{path} is larger than {LARGEST_FILE // 1024**2} MiB: split it")
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _decode(path: Path, content: bytes) -> tuple[str, str]:
    for magic, what in FOREIGN.items():
        if content.startswith(magic):
            raise UsageError(f"{path} cannot be read: it is {what}")
    encoding = _encoding_of(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: this is not {encoding} text: save it as UTF-8") from None
    start = text[:65_536]
    odd = sum(character < " " and character not in "\t\n\r\f\v\0" for character in start)
    if odd > len(start) // 50 or start.count("\0") > len(start) // 10:
        raise UsageError(f"{path} cannot be read: it is not a text file")
    return text.removeprefix("\ufeff"), encoding


def _encoding_of(content: bytes) -> str:
    """UTF-8 unless it says or shows otherwise; what is no UTF-8 at all is taken for Windows' cp1252."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return encoding
    start = content[:4_096]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[0::2])):
        if len(zeros) > 2 and zeros.count(0) > len(zeros) // 2 and start.count(0) < len(start) * 0.6:
            return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        lenient = content.decode("utf-8", "replace")
        broken = lenient.count("\ufffd")
        whole = sum(not character.isascii() for character in lenient) - broken
        return "utf-8" if whole > broken else "cp1252"
    return "utf-8"


def _delimited(path: Path, text: str, encoding: str) -> Table:
    body = text if "\n" in text else text.replace("\r", "\n")  # old Macs ended lines with \r alone
    skipped, first = 0, body.split("\n", 1)[0].rstrip("\r")
    delimiter = None
    if declared := re.fullmatch(r"sep=(.)", first.strip(), re.IGNORECASE):
        delimiter, skipped = declared.group(1), 1
        body = body.split("\n", 1)[1] if "\n" in body else ""
    read = _reader(body, delimiter or _delimiter_of(body), skipped)
    header = next(read(), None)
    if header is None:
        raise UsageError(f"{path} is empty")
    if problem := header.problem or _text_problem({str(n): cell for n, cell in enumerate(header.fields)}):
        raise UsageError(f"{path}, line {header.line}: {problem}")
    names, notes = _name_columns(path, header)
    return Table(
        path,
        "CSV" if delimiter is None else f"CSV with {delimiter!r}",
        encoding,
        tuple(name for name in names if name is not None),
        tuple(notes),
        Row(
            header.line,
            {name: value for name, value in zip(names, header.fields, strict=True) if name},
        ),
        _line_count(body),
        lambda: _named(read(), names, header.line),
    )


def _delimiter_of(body: str) -> str:
    """The delimiter that is most often on the first filled line, outside of quotes; a comma if none is."""
    line = next((line for line in body.split("\n") if line.strip()), "")
    bare = re.sub(r'"(?:[^"]|"")*"', "", line)
    return max(DELIMITERS, key=bare.count)


class _Line(NamedTuple):
    """A row of a delimited file before its fields have names."""

    line: int
    fields: list[str]
    problem: str = ""


def _reader(body: str, delimiter: str, skipped: int) -> Callable[[], Iterator[_Line]]:
    def read() -> Iterator[_Line]:
        # strict: a stray quote is a problem of its line, rather than a value that nobody wrote
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1 + skipped
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _Line(line, [""], _explain(error, line, reader.line_num + skipped))
                continue
            if "".join(fields).strip():
                yield _Line(line, [opened(field) for field in fields])

    return read


def _explain(error: csv.Error, first: int, last: int) -> str:
    if "limit" in str(error):
        return f"a field is longer than {LARGEST_FIELD // 1024} KiB"
    if "end of data" in str(error):
        return f"a quote is opened and not closed up to line {last}"
    return "a quote is not where quotes belong"


def _name_columns(path: Path, header: _Line) -> tuple[list[str | None], list[str]]:
    """A name for each column; None for one whose name an earlier column has."""
    names: list[str | None] = []
    notes = []
    for number, cell in enumerate(header.fields, 1):
        name = " ".join(cell.split()) or f"column {number}"
        if name in names:
            notes.append(f"line {header.line}: the column {_cut(name)} is there twice: the first is used")
            names.append(None)
        else:
            names.append(name)
    if len(names) > MOST_COLUMNS:
        raise UsageError(f"{path}, line {header.line}: {len(names)} columns; {MOST_COLUMNS} are allowed")
    return names, notes


def _named(lines: Iterator[_Line], names: list[str | None], header_line: int) -> Iterator[Row]:
    width = len(names)
    for line, fields, problem in lines:
        if line <= header_line:
            continue
        if problem:
            yield Row(line, {}, problem)
            continue
        while len(fields) > width and not fields[-1].strip():
            fields.pop()
        values = {name: field for name, field in zip(names, fields, strict=False) if name is not None}
        if len(fields) != width:
            yield Row(line, values, f"{len(fields)} fields where the header has {width}")
        else:
            yield Row(line, values, _text_problem(values))


def _json_table(
    path: Path, kind: str, encoding: str, length: int, rows: Callable[[], Iterator[Row]]
) -> Table:
    columns: dict[str, None] = {}
    for number, row in enumerate(rows()):
        columns.update(dict.fromkeys(row.values))
        if number >= 1_000 or len(columns) > MOST_COLUMNS:
            break
    if len(columns) > MOST_COLUMNS:
        raise UsageError(f"{path}: its objects have more than {MOST_COLUMNS} different keys")
    return Table(path, kind, encoding, tuple(columns), (), None, length, rows)


def _line_count(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n"))


def _is_lines_of_json(text: str) -> bool:
    lines = (line for line in text.splitlines() if line.strip())
    first, second = next(lines, ""), next(lines, "")
    if first.lstrip()[:1] not in ("{", "[") or not second:
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _json_items(path: Path, text: str) -> list[Any]:
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: this is not JSON: {error.msg.lower()}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not JSON that can be read: a number or a nesting is too large") from None
    if isinstance(whole, dict):
        lists = [value for value in whole.values() if isinstance(value, list)]
        if len(lists) > 1:
            raise UsageError(f"{path}: it holds {len(lists)} lists: keep the one that is meant")
        whole = lists[0] if lists else [whole]
    if not isinstance(whole, list):
        raise UsageError(f"{path}: a list of ids or of objects is needed")
    if not whole:
        raise UsageError(f"{path} is empty: its list has no items")
    return whole


def _json_rows(items: list[Any]) -> Iterator[Row]:
    for number, item in enumerate(items, 1):
        yield _json_row(number, item)


def _json_lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield _json_row(number, json.loads(line))
        except (ValueError, RecursionError):
            yield Row(number, {}, "this line is not JSON")


def _json_row(number: int, item: Any) -> Row:
    """An object with its nested ones flattened (`person.externalId`), or a bare id."""
    if isinstance(item, str | int | float) and not isinstance(item, bool):
        values = {"id": item}
        return Row(number, values, _text_problem(values))
    if not isinstance(item, dict) or not item:
        return Row(number, {}, "neither an object with values nor an id")
    values = {}
    for key, value in item.items():
        if isinstance(value, dict):
            _flatten(f"{key}.", value, values, 5)
        else:
            values[key] = value
    return Row(number, values, _text_problem(values))


def _flatten(prefix: str, item: dict[str, Any], values: dict[str, Any], depth: int) -> None:
    for key, value in item.items():
        if isinstance(value, dict) and depth:
            _flatten(f"{prefix}{key}.", value, values, depth - 1)
        else:
            values[prefix + key] = value


def _text_problem(values: dict[str, Any]) -> str:
    try:
        whole = "".join(values.values())
    except TypeError:
        pass  # not all of them are texts
    else:
        if len(whole) <= LARGEST_FIELD and not UNKEPT.search(whole):
            return ""
    for name, value in values.items():
        if isinstance(value, str):
            if len(value) > LARGEST_FIELD:
                return f"{_cut(name)} is longer than {LARGEST_FIELD // 1024} KiB"
            if UNKEPT.search(value):
                return f"{_cut(name)} holds a NUL or half a character"
        elif isinstance(value, list | dict) and UNKEPT.search(json.dumps(value, ensure_ascii=False)):
            return f"{_cut(name)} holds a NUL or half a character"
        elif isinstance(value, float) and not math.isfinite(value):
            return f"{_cut(name)} is not a number"
    return ""


def _cut(name: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in name)
    return shown if len(shown) <= 40 else shown[:39] + "…"
