"""The process behind one tab: the console as in a terminal, over a pipe."""

from __future__ import annotations

import os
import sys

from console.cli.trouble import report
from console.cli.use import Use


def main() -> None:
    """Show the console until it is left. Settings come from the home and the environment that we are given.

    The one word that may stand behind our name is the blast to open at.
    """
    os.umask(0o077)
    use, code = Use(), 0
    try:
        use.show_console(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    except Exception as error:  # each becomes a sentence and an exit code, as it does for a command
        code = report(error, use)
    finally:
        use.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
