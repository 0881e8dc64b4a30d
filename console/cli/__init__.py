"""The commands. Each is a thin face over a verb in `jobs` or a noun in `store`.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 refused by a guard, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from console.cli.use import Use


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `passbell`: runs one command and exits with its code.

    Without a word behind it the console opens, which does not wait for the commands' own imports.
    """
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    use = Use()
    given = sys.argv[1:] if arguments is None else arguments
    code: object = 0
    try:
        if given:
            code = _run(given, use)
        else:
            use.open_console()
        if sys.stdout is not None:  # closed by whoever began us
            sys.stdout.flush()
    except Exception as error:
        from console.cli.trouble import report

        code = report(error, use)
    finally:
        use.close()
    sys.exit(code if isinstance(code, int) else 0)


def _run(given: Sequence[str], use: Use) -> object:
    from console.cli.root import root

    return root.main(args=given, prog_name="passbell", obj=use, standalone_mode=False)
