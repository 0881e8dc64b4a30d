"""How a command ends that did not go well: one sentence and the right exit code, never a traceback."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import click

from console.cli.use import Use
from console.plain import inert_lines
from store.errors import PassbellError

FAILED, INTERRUPTED = 1, 130


def report(error: Exception, use: Use) -> int:
    """Tell it on standard error, as JSON where the command was asked for JSON. Returns the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return _nothing_more()
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        _nothing_more()
        return _tell("the output cannot be written: no space is left there: make room", FAILED, use)
    if isinstance(error, click.Abort):
        return _tell("interrupted", INTERRUPTED, use)
    if isinstance(error, PassbellError):
        return _tell(str(error), error.exit_code, use)
    if isinstance(error, click.ClickException):
        if use.json:
            return _tell(error.format_message(), error.exit_code, use)
        error.show()
        return error.exit_code
    return _tell(_unexpected(error, use), FAILED, use)


def _tell(sentence: str, code: int, use: Use) -> int:
    if use.json:
        line = json.dumps({"error": sentence, "exit_code": code})
    else:
        line = f"passbell: {inert_lines(sentence)}"
    click.echo(line, err=True)
    return code


def _nothing_more() -> int:
    """Nobody takes our output any more (`| head`): end quietly, and let the last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _unexpected(error: Exception, use: Use) -> str:
    """Keep the traceback, without variables and with secrets blotted out, where only its owner reads it."""
    kind = type(error).__name__
    text = "".join(traceback.format_exception(error))
    for secret in _secrets(use):
        text = text.replace(secret, "(secret)")
    name = f"error-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.txt"
    for folder in (_home(use), Path(tempfile.gettempdir())):
        path = folder / name
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        except OSError:
            continue
        return f"something unforeseen went wrong ({kind}); its trace, for a report, is in {path}"
    return f"something unforeseen went wrong ({kind}), and its trace could not be written"


def _home(use: Use) -> Path:
    from store.settings import default_home

    return use.home or default_home()


def _secrets(use: Use) -> list[str]:
    if "desk" not in use.__dict__ or not use.desk.opened:
        return [value for key, value in use.flags.items() if value and key.endswith(("key", "secret", "url"))]
    settings = use.desk.settings
    return [
        secret
        for secret in (
            settings.passkit.api_key,
            settings.passkit.api_secret.get_secret_value(),
            settings.queue.secret.get_secret_value() if settings.queue.secret else "",
            settings.consent.secret.get_secret_value(),
            settings.store_url if "@" in settings.store_url or "?" in settings.store_url else "",
            settings.queue_url if "@" in settings.queue_url or "?" in settings.queue_url else "",
        )
        if secret
    ]
