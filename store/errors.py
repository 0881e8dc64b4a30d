"""Errors that are meant for people: one sentence that names what is wrong and where."""

from __future__ import annotations


class PassbellError(Exception):
    """Something failed. Its text is shown as it is; the command ends with `exit_code`."""

    exit_code = 1


class UsageError(PassbellError):
    """The input was wrong: a file, a predicate, a text, an id, a setting. Nothing was changed."""

    exit_code = 2


class Refused(PassbellError):
    """A guard said no: the act was understood and deliberately not done."""

    exit_code = 3
