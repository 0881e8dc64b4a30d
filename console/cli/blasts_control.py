"""`passbell blasts`: the commands that change a blast while it runs."""

from __future__ import annotations

from typing import TypeVar

import click

from console.cli.blast_words import tell_step
from console.cli.options import blast_argument, json_option, with_desk
from console.cli.output import LARGEST
from console.desk import Desk
from jobs import blasts as verbs
from store.errors import UsageError

N = TypeVar("N", int, float)


@click.command(epilog="\b\nExample:\n  passbell blasts pause 7")
@blast_argument
@json_option
@with_desk
def pause(desk: Desk, blast: int, as_json: bool) -> None:
    """Stop sending; what is in flight is still settled."""
    verbs.pause(desk.database, desk.settings, blast, actor=desk.actor)
    tell_step(desk, blast, as_json)


@click.command(epilog="\b\nExample:\n  passbell blasts resume 7")
@blast_argument
@json_option
@with_desk
def resume(desk: Desk, blast: int, as_json: bool) -> None:
    """Go on after a pause or a hold."""
    verbs.resume(desk.database, desk.settings, blast, actor=desk.actor, ring=desk.ring)
    tell_step(desk, blast, as_json)


@click.command(epilog="\b\nExample:\n  passbell blasts cancel 7")
@blast_argument
@json_option
@with_desk
def cancel(desk: Desk, blast: int, as_json: bool) -> None:
    """End a blast for good: what is pending is never sent, what was accepted stays."""
    verbs.cancel(desk.database, desk.settings, blast, actor=desk.actor)
    tell_step(desk, blast, as_json)


@click.command(epilog="\b\nExamples:\n  passbell blasts retry 7\n  passbell blasts retry 7 --reason timeout")
@blast_argument
@click.option("--batch", type=click.IntRange(1, LARGEST), metavar="B", help="Only those of this batch.")
@click.option("--reason", metavar="R", help="Only those with this reason.")
@click.option(
    "--delivery",
    "deliveries",
    multiple=True,
    type=click.IntRange(1, LARGEST),
    metavar="D",
    help="Only this one, by its id; may be given several times.",
)
@click.option(
    "--expect",
    type=click.IntRange(1, LARGEST),
    metavar="N",
    help="Refuse where more than this many have failed by now.",
)
@json_option
@with_desk
def retry(
    desk: Desk,
    blast: int,
    batch: int | None,
    reason: str | None,
    deliveries: tuple[int, ...],
    expect: int | None,
    as_json: bool,
) -> None:
    """Try failed deliveries again: all, those of one batch or reason, or some. Never what was accepted."""
    count = verbs.retry(
        desk.database,
        desk.settings,
        blast,
        batch_id=batch,
        reason=reason,
        ids=deliveries or None,
        expect=expect,
        actor=desk.actor,
        ring=desk.ring,
    )
    tell_step(desk, blast, as_json, retried=count)


@click.command(
    epilog="\b\nExamples:"
    "\n  passbell blasts rate 7 20"
    "\n  passbell blasts rate 7 none"
    "\n  passbell blasts rate 7 --concurrency 4"
)
@blast_argument
@click.argument("per_second", required=False)
@click.option("--concurrency", metavar="N", help="Deliveries in flight at once in each worker; or none.")
@json_option
@with_desk
def rate(desk: Desk, blast: int, per_second: str | None, concurrency: str | None, as_json: bool) -> None:
    """Give a blast limits of its own: requests a second, deliveries at once; `none` takes one away.

    They hold within a second, under the account's own limits. A message takes two requests.
    """
    if per_second is None and concurrency is None:
        raise UsageError("give a rate, --concurrency or both")
    limit = _number(per_second or "none", float, "a rate", "requests a second")
    # 0 at once would be a pause by another name: it takes the limit away, as `none` does.
    at_once = _number(concurrency or "none", int, "a concurrency", "deliveries at once") or None
    verbs.check_limits(limit, at_once)
    if per_second is not None:
        verbs.set_rate(desk.database, desk.settings, blast, per_second=limit, actor=desk.actor)
    if concurrency is not None:
        verbs.set_concurrency(desk.database, desk.settings, blast, deliveries=at_once, actor=desk.actor)
    tell_step(desk, blast, as_json)


@click.command(epilog="\b\nExamples:\n  passbell blasts urgent 7\n  passbell blasts urgent 7 --off")
@blast_argument
@click.option("--off", is_flag=True, help="No longer.")
@json_option
@with_desk
def urgent(desk: Desk, blast: int, off: bool, as_json: bool) -> None:
    """Let a blast go before those that are not urgent, within a second."""
    verbs.set_urgent(desk.database, desk.settings, blast, urgent=not off, actor=desk.actor)
    tell_step(desk, blast, as_json)


def _number(text: str, kind: type[N], what: str, of: str) -> N | None:
    if text.casefold() == "none":
        return None
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{what} is a number of {of} or `none`, not {text!r}") from None
