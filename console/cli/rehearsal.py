"""`passbell rehearse` and `passbell demo`: everything without an account."""

from __future__ import annotations

import json

import click

from console.cli.options import json_option, with_desk
from console.cli.output import Progress, note, print_facts, print_json
from console.cli.use import require_terminal
from console.desk import Desk
from console.plain import inert
from console.words import VERDICTS, figures, reason
from jobs import demo as plot
from jobs import house, stage
from store import roles
from store.errors import UsageError

FAULTS = {"unavailable": 0.02, "throttled": 0.005, "retry_after": 1}


@click.command(epilog="\b\nExample:\n  passbell rehearse --port 8765 --members 100000")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="On 127.0.0.1; 0 takes any free one.  [default: 8765]"
)
@click.option("--members", type=click.IntRange(1, 1_000_000), help="Of its first program.  [default: 5000]")
@click.option("--seed", type=int, help="The same seed makes the same members.  [default: 1]")
@json_option
@with_desk
def rehearse(desk: Desk, port: int | None, members: int | None, seed: int | None, as_json: bool) -> None:
    """Run the stand-in PassKit in the foreground, for this home's other commands.

    It answers as strictly as the real one, and can be told to fail. Without this command one is started
    in the background when it is needed.
    """
    from jobs.rehearsal import REHEARSAL_KEY, REHEARSAL_SECRET, standing
    from jobs.rehearsal.server import run
    from jobs.rehearsal.world import World

    roles.check(desk.settings.role, "rehearse")
    chosen = desk.settings.rehearsal
    port = chosen.port if port is None else port
    count = chosen.members if members is None else members
    seed = chosen.seed if seed is None else seed

    def ready(url: str) -> None:
        standing.write_note(desk.settings.home, url)
        facts = {"url": url, "key": REHEARSAL_KEY, "secret": REHEARSAL_SECRET, "members": count, "seed": seed}
        if as_json:
            print_json(facts)
            return
        print_facts(facts)
        click.echo(
            "\nThe secret is public and opens nothing but a stand-in. To switch faults, and to see counts:"
        )
        click.echo(f"  curl -X PUT {url}/_rehearsal/faults -d '{json.dumps(FAULTS)}'")
        click.echo(f"  curl {url}/_rehearsal/stats\nCtrl-C ends it.")
        if desk.settings.live:
            note("a PassKit key is set: this home's commands talk to PassKit, LIVE, and not to this stand-in")

    try:
        run(World(seed, count), port=port, api_key=REHEARSAL_KEY, api_secret=REHEARSAL_SECRET, ready=ready)
    finally:
        standing.remove_note(desk.settings.home)


@click.command(epilog="\b\nExamples:\n  passbell demo\n  passbell demo --headless --json")
@click.option(
    "--headless", is_flag=True, help="Without screens: sync, plan, launch, watch, compare the figures."
)
@json_option
@click.pass_context
def demo(context: click.Context, headless: bool, as_json: bool) -> None:
    """Show everything at work on 5,000 made-up members. Always a REHEARSAL; nothing is kept.

    Besides PassKit's programs there is one whose 2,000 passes passbell issues itself, on simulated iPhones.
    It has a home of its own that is removed at the end; keys and settings of yours are not looked at.
    """
    if as_json and not headless:
        raise UsageError("--json goes with --headless only")
    if headless:
        context.exit(0 if _headless(as_json) else 1)
    require_terminal()
    note("Making up members, phones and providers: some ten seconds. Nothing leaves this machine.")
    with stage.set_up(members=plot.MEMBERS, rate=plot.WATCHABLE_RATE) as settings:
        desk = Desk(lambda: settings)
        database = desk.database
        with stage.worker(settings), house.opening(settings) as opened:
            with Progress() as bar:
                stage.sync(database, settings, progress=lambda at: bar.show(at.name, at.done, at.total))
            plot.switch_faults(settings)
            opened()
            plot.open_own(database, settings)
            from console.app import run

            run(desk)


def _headless(as_json: bool) -> bool:
    house = stage.set_up(members=plot.MEMBERS, rate=plot.HEADLESS_RATE, engine__undo_seconds="0")
    with house as settings, Progress() as bar:
        desk = Desk(lambda: settings)
        for step in plot.play(desk.database, settings, ring=desk.ring, actor=desk.actor):
            if isinstance(step, plot.Moment):
                bar.show(step.label, step.done, step.total)
            elif isinstance(step, plot.Scene) and not as_json:
                bar.clear()
                _tell(step)
            elif isinstance(step, plot.Ending):
                ending = step
    if as_json:
        print_json(ending.as_json())
    else:
        _tell_ending(ending)
    return ending.ok


def _tell(scene: plot.Scene) -> None:
    click.echo(inert(scene.sentence))
    for verdict, count in scene.verdicts.items():
        if count:
            click.echo(f"  {count:>6,} {verdict}: {VERDICTS[verdict]}")
    for word, count in scene.skipped.items():
        click.echo(f"  {count:>6,} skipped: {reason(word)}")


def _tell_ending(ending: plot.Ending) -> None:
    counts, stand_in = ending.blast["counts"], ending.stand_in
    settled = {state: counts[state] for state in ("accepted", "failed", "skipped")}
    print_facts(
        {
            "ledger": f"{ending.blast['state']}: {counts['planned']:,} planned = {figures(settled)}",
            "stand-in": f"{stand_in['changed_passes']:,} passes changed, {stand_in['alerts']:,} alerts, "
            f"{stand_in['alerted_twice']} phones alerted twice",
            "requests": f"{stand_in['requests']:,}: {json.dumps(stand_in['by_status'])}",
            "took": f"{ending.seconds:.1f} s from launch to end",
        }
    )
    _tell_own(ending)
    click.echo("Both sides agree." if ending.ok else "The two sides DO NOT agree.")


def _tell_own(ending: plot.Ending) -> None:
    counts, phones = ending.own["counts"], ending.comparison.phones
    steps = ending.comparison.funnel.steps["apple"]
    settled = {state: counts[state] for state in ("accepted", "failed", "skipped")}
    click.echo("\nPasses of our own:")
    print_facts(
        {
            "ledger": f"{ending.own['state']}: {counts['planned']:,} planned = {figures(settled)}",
            "funnel": figures({name: step.count for name, step in steps.items()}),
            "phones": f"{phones['fetched']:,} passes fetched and verified, {phones['alerts']:,} alerts, "
            f"{phones['alerted_twice']} alerted twice, {phones['ignored']:,} with updates switched off",
            "took": f"{ending.own_seconds:.1f} s from launch until the phones had shown it",
        }
    )
    for difference in ending.comparison.differences:
        click.echo(f"  {inert(difference)}")


@click.command(
    epilog="\b\nExamples:\n  passbell drill\n  passbell drill --passes 100000 --kills 20 --workers 3\n"
    "  passbell drill --direct --passes 2000\n"
    "  passbell drill --store postgresql://passbell@db/drill --queue redis://queue:6379/0"
)
@click.option("--passes", type=click.IntRange(10, 1_000_000), default=10_000, show_default=True)
@click.option("--kills", type=click.IntRange(0, 1_000), default=5, show_default=True, help="By SIGKILL.")
@click.option("--workers", type=click.IntRange(1, 32), default=2, show_default=True)
@click.option("--store", "store_url", default="", help="An empty store.  [default: SQLite, thrown away]")
@click.option("--queue", "queue_url", default="", help="A queue.  [default: SQLite, thrown away]")
@click.option("--seed", type=int, default=1, show_default=True, help="The same dice again.")
@click.option("--direct", is_flag=True, help="Passes of our own on simulated iPhones, not PassKit's.")
@json_option
@click.pass_context
def drill(
    context: click.Context,
    passes: int,
    kills: int,
    workers: int,
    store_url: str,
    queue_url: str,
    seed: int,
    direct: bool,
    as_json: bool,
) -> None:
    """Kill workers in mid-blast and show that nothing is lost and nobody is alerted twice.

    Always a REHEARSAL, in a home of its own that is removed at the end. Exit code 1 if anything is lost,
    anyone is alerted twice, or the limit is passed.
    """
    from jobs.drill import Report
    from jobs.drill import drill as run

    with Progress() as bar:
        bar.show("drill, setting the stage", 0, passes)
        for step in run(
            passes=passes,
            kills=kills,
            workers=workers,
            seed=seed,
            store_url=store_url,
            queue_url=queue_url,
            direct=direct,
        ):
            if isinstance(step, Report):
                report = step
            else:
                bar.show(f"drill, {step.kills} of {kills} killed", step.settled, step.planned)
    if as_json:
        print_json(report.as_json())
    else:
        print_facts({name.replace("_", " "): value for name, value in report.as_json().items()})
    context.exit(0 if report.ok else 1)
