"""The example of a settings file, made from the settings themselves so that it cannot fall behind."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from typing import Any

from pydantic import SecretStr

from store import sections
from store.settings import FILE_NAME, PREFIX, keys

WIDTH = 100

HEAD = f"""\
passbell's settings: `{FILE_NAME}` in the home folder, which `passbell init` makes.

Each setting stands here as a comment with its default; take away the # to change it. A flag
(`passbell --set passkit.concurrency=8`) goes before the environment
(`{PREFIX}PASSKIT__CONCURRENCY=8`), and that before this file. A key that does not exist is
refused.
"""


def example() -> str:
    """The text of the example: each setting with what it means and its default, commented out."""
    explained = docstrings()
    lines = [f"# {line}".rstrip() for line in HEAD.splitlines()]
    section_before = ""
    for key, section, name in keys():
        section_name = key.partition(".")[0]
        if section_name != section_before:
            lines += ["", "", *_comment(section.__doc__ or ""), f"[{section_name}]"]
            section_before = section_name
        default = section.model_fields[name].default
        lines += ["", *_comment(explained[section.__name__, name]), f"# {name} = {as_toml(default)}"]
    return "\n".join(lines) + "\n"


def docstrings() -> dict[tuple[str, str], str]:
    """The text under each field, by (class, field). Python keeps no docstrings of attributes itself."""
    found = {}
    for made in ast.parse(inspect.getsource(sections)).body:
        if not isinstance(made, ast.ClassDef):
            continue
        for field, text in zip(made.body, made.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found[made.name, name] = words
    return found


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), WIDTH - 2, break_on_hyphens=False)]


def as_toml(value: Any) -> str:
    """A default as the settings file spells it."""
    if value is None or isinstance(value, SecretStr):
        return '""'  # never the value of a secret, not even of a default
    return json.dumps(value)
