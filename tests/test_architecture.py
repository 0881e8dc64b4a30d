"""What the screens may know, and how large the parts of passbell may grow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

QUERIES = {"execute", "exec_driver_sql", "scalar", "scalars", "select_from", "where", "with_for_update"}
"""What a query is made or run with."""
TABLES = ("sqlalchemy", "store.schema", "store.connecting", "store.filters", "store.migrations")
"""Modules that tables and queries come from."""
STATES = {"planned", "scheduled", "missed", "running", "paused", "held", "finished", "cancelled"}
"""What a blast may be."""

FILE, CLASS, FUNCTION = 400, 250, 50
"""Lines, at most. A command is not counted as a function: it has a line for each of its options."""
SWITCHBOARD = 350
"""Lines of the app, at most."""
STEPS = 4
"""Statements of one of the app's actions, at most: what takes more is a screen's or a job's."""


def parsed(*folders: str, deep: bool = True) -> dict[str, ast.Module]:
    """The files below these folders, by their names."""
    files = [path for one in folders for path in (ROOT / one).glob("**/*.py" if deep else "*.py")]
    assert files
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in files}


DRAWING = parsed("console/screens", "console/widgets")
"""What draws: it asks the store and the jobs for what they know, and shows that."""


def at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from at_run_time(node)


def imported(tree: ast.AST) -> Iterator[str]:
    """What is imported at run time, at the beginning of a file or later."""
    for node in at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names)


def defined(
    tree: ast.AST, *kinds: type[ast.AST]
) -> list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Its classes and functions."""
    every = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, every) and isinstance(node, kinds or every)]


def test_no_screen_or_widget_knows_a_table_or_makes_a_query() -> None:
    found = []
    for file, tree in DRAWING.items():
        found += [(file, one) for one in imported(tree) if one.startswith(TABLES)]
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        methods = [call.attr for call in calls if isinstance(call, ast.Attribute)]
        found += [(file, method) for method in methods if method in QUERIES]
    assert found == []


def test_whoever_waits_for_a_thread_ends_with_the_screen_that_is_left() -> None:
    """`in_thread` sees to that; a field's suggestions and a sync, which closes its client, do it by hand."""
    by_hand = {"console/screens/opening.py", "console/widgets/paths.py", "console/widgets/sync_bar.py"}
    assert {file for file, tree in DRAWING.items() if "to_thread" in ast.unparse(tree)} == by_hand


def test_no_guard_says_by_itself_in_which_states_a_blast_may_be_acted_on() -> None:
    """The verbs refuse by `store.ledger.MAY`, and guards ask it: states of their own were a second rule."""
    found = []
    for file, tree in DRAWING.items():
        guards = [one for one in defined(tree, ast.FunctionDef) if one.name.startswith("needs_")]
        inner = [(guard, node) for guard in guards for node in ast.walk(guard)]
        found += [(file, one.name) for one, node in inner if getattr(node, "value", None) in STATES]
    assert found == []


def test_no_part_of_the_console_is_too_large() -> None:
    too_large = []
    for file, tree in parsed("console").items():
        if (ROOT / file).read_text().count("\n") > FILE:
            too_large.append((file, "the file"))
        for one in defined(tree):
            most = CLASS if isinstance(one, ast.ClassDef) else FUNCTION
            command = file.startswith("console/cli/") and not isinstance(one, ast.ClassDef)
            if (one.end_lineno or 0) - one.lineno + 1 > most and not command:
                too_large.append((file, one.name))
    assert too_large == []


def test_no_file_and_no_class_beneath_the_console_is_too_large() -> None:
    too_large = []
    for file, tree in parsed("store", "jobs", "web").items():
        if (ROOT / file).read_text().count("\n") > FILE:
            too_large.append((file, "the file"))
        for one in defined(tree, ast.ClassDef):
            if (one.end_lineno or 0) - one.lineno + 1 > CLASS:
                too_large.append((file, one.name))
    assert too_large == []


def test_the_app_stays_a_small_switchboard() -> None:
    text = (ROOT / "console/app.py").read_text()
    assert text.count("\n") <= SWITCHBOARD
    actions = [one for one in defined(ast.parse(text)) if one.name.startswith("action_")]
    assert actions
    assert [one.name for one in actions if len(one.body) - 1 > STEPS] == []  # less its docstring
