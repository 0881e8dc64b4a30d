"""`passbell blasts`."""

from __future__ import annotations

from typing import Any

import click

from console import words
from console.cli.blast_words import (
    exit_code,
    moment,
    plan_as_json,
    tail,
    tell_blast,
    tell_funnel,
    tell_plan,
    tell_step,
)
from console.cli.blasts_control import cancel, pause, rate, resume, retry, urgent
from console.cli.blasts_lists import batches, deliveries, list_
from console.cli.blasts_preview import preview
from console.cli.blasts_report import incident, throughput
from console.cli.choice import choice_options, choose
from console.cli.options import blast_argument, json_option, with_desk
from console.cli.output import LARGEST, Progress, note, print_json
from console.desk import Desk
from console.plain import inert
from jobs import blasts as verbs
from jobs import plans
from jobs.follow import follow
from store import arrivals, ledger, programs, workers
from store import deliveries as store
from store.consents import PURPOSES
from store.errors import Refused, UsageError
from store.ledger import Blast

NO_WORKER = "no worker is alive, so nothing is sent: run `passbell worker`"
NO_WORKER_YET = "no worker is alive, and only a worker starts it at that time: run `passbell worker`"

at_option = click.option(
    "--at",
    metavar="WHEN",
    help="Start it then: 2026-12-01 09:00 in the program's time zone, or 2026-12-01T09:00:00+01:00.",
)


@click.group()
def blasts() -> None:
    """Blasts: one message to one audience. First plan, then launch what was planned."""


@blasts.command(
    epilog="\b\nExamples:"
    '\n  passbell blasts plan --program Kaffee --all --text "Fresh rolls until ten!"'
    '\n  passbell blasts plan --program Kaffee --where "points > 500" --text "Hi {first_name|there}!"'
    '\n  passbell blasts plan --program Kaffee --file ids.csv --rejects bad.csv --text "Hello"'
    '\n  passbell blasts plan --program Kaffee --audience gold --text "Two for one" --at "2026-12-01 09:00"'
    '\n  passbell blasts plan --program Kaffee --of-blast 7 --fetched no --text "Still two for one!"'
)
@click.option("--program", required=True, metavar="ID", help="An id, a name, or the beginning of either.")
@choice_options(saved=True)
@click.option("--text", required=True, help="At most 500 characters; {first_name|friend} names a field.")
@click.option("--name", metavar="N", help="What lists call the blast.  [default: the text's beginning]")
@at_option
@click.option("--urgent", "is_urgent", is_flag=True, help="It goes before those that are not.")
@click.option(
    "--purpose",
    type=click.Choice(PURPOSES),
    default="marketing",
    show_default=True,
    help="What it is for: service messages pass over what gate.service_may_skip names.",
)
@click.option("--category", metavar="C", help="What members may decline, such as news.")
@json_option
@with_desk
def plan(
    desk: Desk,
    program: str,
    who: dict[str, Any],
    text: str,
    name: str | None,
    at: str | None,
    is_urgent: bool,
    purpose: str,
    category: str | None,
    as_json: bool,
) -> None:
    """Freeze audience and text, and say what phones will do. Nothing is sent.

    Give exactly one of --audience, --all, --where, --preset, --file and --of-blast. A time given with --at
    is kept for the launch.

    Apple's rule: what makes a pass alert is time-critical information, never marketing. Google words its
    own alert; the text is read on the pass.
    """
    with desk.database.read() as connection:
        found = programs.get(connection, program, desk.settings.account)
    send_at = moment(at, found.time_zone)
    chosen = choose(desk, found.id, **who)
    with Progress() as bar:
        planned = plans.plan(
            desk.database,
            desk.settings,
            program=found.id,
            chosen=chosen.who,
            text=text,
            name=name,
            send_at=send_at,
            urgent=is_urgent,
            purpose=purpose,
            category=category,
            actor=desk.actor,
            progress=lambda doing, done, total: bar.show(found.name, done, total, doing),
        )
    if as_json:
        print_json(plan_as_json(desk, planned) | {"file": chosen.file_as_json()})
        return
    tell_plan(desk, found, planned, chosen.file_in_words())


@blasts.command(epilog="\b\nExample:\n  passbell blasts replan 7")
@blast_argument
@json_option
@with_desk
def replan(desk: Desk, blast: int, as_json: bool) -> None:
    """Plan a blast anew: the same audience, text and purpose, asked now. Nothing is sent.

    For a plan that has become too old, or whose rules have changed since. The earlier plan stays as it is.
    """
    with Progress() as bar:
        planned = plans.plan_again(
            desk.database,
            desk.settings,
            blast,
            actor=desk.actor,
            progress=lambda doing, done, total: bar.show(f"blast {blast}", done, total, doing),
        )
    if as_json:
        print_json(plan_as_json(desk, planned))
        return
    with desk.database.read() as connection:
        found = programs.get(connection, planned.blast.program_id, desk.settings.account)
    tell_plan(desk, found, planned, "")


@blasts.command(
    epilog="\b\nExamples:"
    "\n  passbell blasts launch 7 --expect 4120 && passbell blasts watch 7"
    '\n  passbell blasts launch 7 --expect 4120 --at "2026-12-01 09:00"'
)
@blast_argument
@click.option(
    "--expect",
    required=True,
    type=click.IntRange(0, LARGEST),
    metavar="N",
    help="The count of the plan.",
)
@at_option
@click.option("--now", "at_once", is_flag=True, help="Start it now, though it has a time or missed it.")
@click.option("--urgent", "is_urgent", is_flag=True, help="It goes before those that are not.")
@json_option
@with_desk
def launch(
    desk: Desk, blast: int, expect: int, at: str | None, at_once: bool, is_urgent: bool, as_json: bool
) -> None:
    """Let a planned blast run, now or at its time. Refused where N is not the planned count.

    The first message leaves a few seconds later (engine.undo_seconds): until then `passbell blasts cancel`
    stops it with nobody messaged. Launching twice is one launch; with --at, a blast that has not started
    gets another time.
    """
    if at is not None and at_once:
        raise UsageError("give one of --at and --now: it starts at a time or at once")
    verbs.launch(
        desk.database,
        desk.settings,
        blast,
        expect=expect,
        send_at=None if at is None else moment(at, _time_zone(desk, blast)),
        at_once=at_once,
        urgent=is_urgent,
        actor=desk.actor,
        ring=desk.ring,
    )
    launched = tell_step(desk, blast, as_json)
    with desk.database.read() as connection:
        if not workers.alive(connection, desk.settings.account):
            note(NO_WORKER_YET if launched.state == "scheduled" else NO_WORKER)


def _time_zone(desk: Desk, blast: int) -> str | None:
    with desk.database.read() as connection:
        found = ledger.get(connection, blast)
        return programs.get(connection, found.program_id, found.account).time_zone


@blasts.command(epilog="\b\nExample:\n  passbell blasts show 7 --json")
@blast_argument
@json_option
@with_desk
def show(desk: Desk, blast: int, as_json: bool) -> None:
    """One blast: its state, and counts that add up to what was planned."""
    with desk.database.read() as connection:
        found = ledger.get(connection, blast)
        tally = ledger.tally(connection, blast)
        failures = store.failures(connection, blast)
        zone = programs.get(connection, found.program_id, found.account).time_zone
        funnel = arrivals.funnel(connection, blast)
    if as_json:
        print_json(ledger.as_json(found, tally) | {"funnel": funnel.as_json()})
        return
    tell_blast(found, tally, failures, zone)
    tell_funnel(funnel)


@blasts.command(epilog="\b\nExample:\n  passbell blasts watch 7 || passbell blasts show 7")
@blast_argument
@json_option
@with_desk
@click.pass_context
def watch(context: click.Context, desk: Desk, blast: int, as_json: bool) -> None:
    """Watch a blast until it rests. With --json, one object for each change; the last one is final.

    Exits with 0 where it finished and nothing failed, 1 where something failed or it was cancelled, and 3
    where it is paused or held or missed its time. Ctrl-C ends the watching only, not the blast.
    """
    _launched(desk, blast)
    told: dict[str, Any] = {}
    lonely = False
    try:
        with Progress() as bar:
            for look in follow(desk.database, blast):
                if not look.workers and look.blast.state in ("running", "scheduled") and not lonely:
                    bar.clear()
                    note(NO_WORKER_YET if look.blast.state == "scheduled" else NO_WORKER)
                lonely = not look.workers
                now = ledger.as_json(look.blast, look.tally)
                if as_json and now != told:
                    bar.clear()
                    print_json(now)
                told = now
                bar.show(look.blast.name, look.settled, look.tally.planned, tail(look))
    except KeyboardInterrupt:
        note(f"only the watching ends, blast {blast} goes on: `passbell blasts pause {blast}` stops it")
        raise
    if not as_json:
        state = look.blast.state + (f" ({look.blast.hold_reason})" if look.blast.hold_reason else "")
        figures = f"{look.tally.planned:,} planned = {words.figures(look.tally.states)}"
        click.echo(inert(f"{desk.settings.mode}: blast {blast} is {state}: {figures}"))
    context.exit(exit_code(look))


def _launched(desk: Desk, blast: int) -> None:
    with desk.database.read() as connection:
        found: Blast = ledger.get(connection, blast)
    if found.state in ("planned", "missed"):
        raise Refused(f"blast {blast} is {found.state}: it has to be launched before it can be watched")


for command in (
    list_,
    deliveries,
    batches,
    preview,
    pause,
    resume,
    cancel,
    retry,
    rate,
    urgent,
    incident,
    throughput,
):
    blasts.add_command(command)
