"""`passbell blasts`: what happened, for people who were not there, and how fast it went."""

from __future__ import annotations

from pathlib import Path

import click

from console.cli.options import blast_argument, json_option, with_desk
from console.cli.output import print_facts, print_json
from console.desk import Desk
from console.plain import inert


@click.command(
    epilog="\b\nExamples:\n  passbell blasts incident 7 --output blast-7.md"
    "\n  passbell blasts incident 7 --json | jq .open"
)
@blast_argument
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there instead.")
@json_option
@with_desk
def incident(desk: Desk, blast: int, output: Path | None, as_json: bool) -> None:
    """What happened, as Markdown: when, to how many, why it failed, holds, who did what, what is open.

    FILE is 0600 and never overwritten.
    """
    from jobs import incident as report

    with desk.database.read() as connection:
        found = report.look(connection, desk.settings.account, blast)
    if output is not None:
        report.save(report.markdown(found), output)
    if as_json:
        print_json(found.as_json() | {"file": str(output) if output is not None else None})
    elif output is not None:
        click.echo(f"{desk.settings.mode}: wrote {inert(str(output))}")
    else:
        click.echo(report.markdown(found), nl=False)


@click.command(epilog="\b\nExample:\n  passbell blasts throughput 7 --json")
@blast_argument
@json_option
@with_desk
def throughput(desk: Desk, blast: int, as_json: bool) -> None:
    """How fast it went over its time, how long answers took, and in which batches messages failed.

    Latency is from a batch's claim to the answer to its last message, over the newest batches.
    """
    from store import ledger
    from store import throughput as store

    with desk.database.read() as connection:
        ledger.get(connection, blast)
        found = store.throughput(connection, blast)
    told = found.as_json()
    if as_json:
        print_json(told)
        return
    click.echo(f"{desk.settings.mode}: blast {blast}")
    if found.since is None:
        click.echo("Nothing was claimed yet.")
        return
    late = found.latency
    print_facts(
        {
            "since": told["since"],
            "settled": f"{sum(found.done):,}, {sum(found.failed):,} of them failed",
            "fastest": f"{found.fastest:,.1f} passes a second, over {found.step} s",
            "latency": late and f"p50 {late.p50:.1f} s, p95 {late.p95:.1f} s, p99 {late.p99:.1f} s",
            "batches": sum(one.batches for one in found.strip),
        }
    )
