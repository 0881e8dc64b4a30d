"""`passbell console`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import click

from console.cli.options import json_option
from console.cli.output import LARGEST, note, print_json
from console.cli.use import Use
from store.errors import UsageError


@click.command(
    epilog="\b\nExamples:\n  passbell console --blast 7\n  passbell --read-only console --web --port 8790"
)
@click.option("--blast", type=click.IntRange(1, LARGEST), metavar="ID", help="Open at this blast.")
@click.option("--web", "in_browser", is_flag=True, help="Serve it to browsers of this machine.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="With --web; 0 takes any free one.  [default: 8790]"
)
@json_option
@click.pass_obj
def console(use: Use, blast: int | None, in_browser: bool, port: int | None, as_json: bool) -> None:
    """Open the console, in this terminal or in a browser.

    With --web it listens at 127.0.0.1 only and prints an address that works once: the browser that opens it
    first may come in until this command ends, and no other. Enter prints a new one, for one browser more.
    From another machine, come through ssh: `ssh -L 8790:127.0.0.1:8790 HOST`. Ctrl-C ends it with its tabs.
    """
    if in_browser:
        _serve(use, blast, 8790 if port is None else port, as_json)
        return
    if port is not None or as_json:
        raise UsageError(f"{'--json' if as_json else '--port'} goes with --web")
    use.open_console(blast)


def _serve(use: Use, blast: int | None, port: int, as_json: bool) -> None:
    if find_spec("textual_serve") is None:
        raise UsageError(
            "the console in a browser needs a package more: make browser, or pip install 'passbell[browser]'"
        )
    from console.browser.serve import serve
    from jobs.worker_log import set_up_log

    set_up_log()
    mode = use.desk.settings.mode

    def ready(address: str) -> None:
        if as_json:
            print_json({"url": address, "mode": mode})
        else:
            click.echo(address)
            note(f"{mode}: this opens the console once. Enter: an address for one browser more. Ctrl-C: end.")
        sys.stdout.flush()

    serve(use.desk, port=port, blast=blast, ready=ready)
