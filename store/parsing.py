"""Reading an operator's expression: limits, sqlglot's tree, and errors that mark the place."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, TypeAlias

from store.errors import UsageError

Node: TypeAlias = Any
"""A node of sqlglot's tree, which is imported no earlier than it is needed (90 ms)."""

MOST_BYTES = 4_096
MOST_NODES = 400
EXCERPT = 100
"""Characters of a long expression that an error shows around the place."""

ARGUMENTS: dict[str, set[str]] = {
    **{name: {"this", "expression"} for name in ("EQ", "NEQ", "LT", "LTE", "GT", "GTE")},
    **{name: {"this", "expression"} for name in ("And", "Or", "Add", "Sub")},
    **{name: {"this"} for name in ("Not", "Paren", "Neg", "Boolean", "Var")},
    **{name: {"this", "expression", "negate"} for name in ("Is", "Like", "ILike")},
    **{name: set() for name in ("Null", "CurrentTimestamp", "CurrentDate")},
    "In": {"this", "expressions"},
    "Between": {"this", "low", "high"},
    "Column": {"this", "table"},
    "Identifier": {"this", "quoted"},
    "Literal": {"this", "is_string"},
    "Interval": {"this", "unit"},
    "Anonymous": {"this", "expressions"},
}
"""Every kind of node that may occur, and what it may carry. All else is refused unread."""

FUNCTIONS = {
    "received": "received('blast name')",
    "fetched": "fetched('blast name')",
    "in_audience": "in_audience('name')",
    "birthday_today": "birthday_today()",
    "days_since": "days_since(field)",
}
"""The functions that there are, beside NOW(), and how each is written."""


def parse(expression: str) -> Node:
    """The tree of one condition. Raises UsageError for what is too long, too deep or not a condition."""
    _refuse_text(expression)
    from sqlglot import exp
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.errors import ParseError, TokenError

    dialect = Postgres()
    try:
        tokens = dialect.tokenize(expression)
        for token in tokens:
            if token.token_type.name == "SEMICOLON":
                raise mark("one expression only, without `;`", expression, token.start, token.end)
            if token.comments:
                raise mark("a comment has no place here", expression, token.start, token.end)
        trees = dialect.parser().parse_into(exp.Condition, tokens, expression)
    except TokenError:
        place = max(expression.rfind(opening) for opening in "'\"*$")
        raise mark("a quote or comment is opened and not closed", expression, place, place) from None
    except ParseError as error:
        raise mark("this cannot be understood", expression, *_place_of(error, expression)) from None
    except RecursionError:
        raise UsageError("the expression is nested too deeply") from None
    if len(trees) != 1 or trees[0] is None:
        raise mark("this is not a condition", expression, 0, len(expression) - 1)
    if sum(1 for _ in trees[0].walk()) > MOST_NODES:
        raise UsageError(
            f"the expression has more than {MOST_NODES} parts: select many members with a file of ids"
        )
    return trees[0]


def _refuse_text(expression: str) -> None:
    if not expression.strip():
        raise UsageError("an empty expression selects nobody: write one, or choose all")
    try:
        size = len(expression.encode())
    except UnicodeEncodeError:
        raise UsageError("the expression is not valid text") from None
    if size > MOST_BYTES:
        raise UsageError(
            f"the expression is {size:,} bytes long; {MOST_BYTES:,} are allowed: "
            "select many members with a file of ids"
        )
    for place, character in enumerate(expression):
        if unicodedata.category(character) == "Cc" and character not in "\n\r\t":
            raise mark(f"a control character (U+{ord(character):04X}) is here", expression, place, place)


def names_in(expression: str) -> list[str]:
    """The attributes and fields that an expression mentions. Raises UsageError as compile_predicate does."""
    from sqlglot import exp

    columns = parse(expression).find_all(exp.Column)
    names = (f"attributes.{column.name}" if column.table else column.name for column in columns)
    return list(dict.fromkeys(names))


def functions_in(expression: str) -> set[str]:
    """The names, in small letters, of what an expression calls, whether there is such a function or not."""
    if "(" not in expression:
        return set()
    from sqlglot import exp

    return {call.name.lower() for call in parse(expression).find_all(exp.Anonymous)}


def admit(text: str, node: Node) -> str:
    """The node's kind, if it may occur with what it carries. Raises UsageError for any other."""
    name = type(node).__name__
    allowed = ARGUMENTS.get(name)
    if allowed is None:
        raise refusal(_unwanted(node, text), text, node)
    carried = {key for key, value in node.args.items() if value not in (None, False, [])}
    if carried - allowed:
        raise refusal("this form cannot be used here", text, node)
    return name


def refusal(sentence: str, text: str, node: Node) -> UsageError:
    """The error that says `sentence` of a node and marks the node's place."""
    return mark(sentence, text, *_place(text, node))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the nodes of one expression; its errors show their places in the text."""

    text: str

    def _open(self, node: Node) -> Node:
        """The node inside any brackets."""
        while self._admit(node) == "Paren":
            node = node.this
        return node

    def _admit(self, node: Node) -> str:
        return admit(self.text, node)

    def _refuse(self, node: Node, sentence: str) -> UsageError:
        return refusal(sentence, self.text, node)


def _place(text: str, node: Node) -> tuple[int, int]:
    if places := _spans(node):
        return min(start for start, _ in places), max(end for _, end in places)
    parent = getattr(node, "parent", None)
    if parent is None:
        return 0, len(text) - 1
    # sqlglot notes no place for NULL, TRUE and intervals: theirs is the word behind what is left of them.
    left = _spans(parent.this) if parent.this is not node else []
    word = re.compile(r"\w+").search(text, max(end for _, end in left) + 1) if left else None
    return (word.start(), word.end() - 1) if word else _place(text, parent)


def _spans(node: Any) -> list[tuple[int, int]]:
    parts = node.walk() if hasattr(node, "walk") else ()
    return [(part.meta["start"], part.meta["end"]) for part in parts if "start" in part.meta]


def no_function(name: str) -> str:
    """The sentence that there is no such function, with the one that may be meant."""
    near = difflib.get_close_matches(name.lower(), FUNCTIONS, n=1, cutoff=0.6)
    hint = f"did you mean {FUNCTIONS[near[0]]}?" if near else f"there are {', '.join(FUNCTIONS.values())}"
    return f"there is no function {short(name)}; {hint}"


def _unwanted(node: Any, text: str) -> str:
    """Why a node of a kind that may not occur is refused."""
    called = text[node.meta["start"] : node.meta["end"] + 1] if "start" in node.meta else ""
    if re.fullmatch(r"\w+", called) and text[node.meta["end"] + 1 :].lstrip().startswith("("):
        return no_function(called)
    return f"{_describe(node)} cannot be used here"


def _describe(node: Any) -> str:
    name = type(node).__name__
    words = {"Subquery": "a sub-query", "Select": "a sub-query", "Cast": "a cast"}
    words |= {"Parameter": "a parameter", "Placeholder": "a parameter", "Escape": "ESCAPE", "Star": "*"}
    return words.get(name, f"{name.lower()} (a function or operator)")


def _place_of(error: Any, text: str) -> tuple[int, int]:
    first = (error.errors or [{}])[0]
    before, marked = first.get("start_context") or "", first.get("highlight") or ""
    start = text.find(before + marked)
    if start < 0 or not marked:
        return max(len(text) - 1, 0), max(len(text) - 1, 0)
    return start + len(before), start + len(before) + len(marked) - 1


def mark(sentence: str, text: str, start: int, end: int) -> UsageError:
    """The sentence, the expression on one line (cut around the place if it is long), and carets under it."""
    start = min(max(start, 0), len(text) - 1)
    end = min(max(end, start), len(text) - 1)
    low = max(0, start - EXCERPT // 2)
    high = min(len(text), low + EXCERPT)
    shown = "".join(character if character.isprintable() else " " for character in text[low:high])
    lead = "..." if low else ""
    indent = " " * (len(lead) + _width(shown[: start - low]))
    carets = "^" * max(1, _width(shown[start - low : end - low + 1]))
    return UsageError(f"{sentence}\n  {lead}{shown}{'...' if high < len(text) else ''}\n  {indent}{carets}")


def _width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def short(name: str) -> str:
    """A name that is fit for a sentence, whatever it held."""
    shown = "".join(character if character.isprintable() else "?" for character in name)
    return shown if len(shown) <= 40 else shown[:39] + "…"
