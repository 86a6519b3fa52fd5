"""`replay`: dead letters sent again."""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter

import click

from pipeline.cli.dead_letters.choosing import by, count, filters, of_topic
from pipeline.cli.dead_letters.desk import actor, opened
from pipeline.cli.output import json_option, print_json, progress
from pipeline.deadletters.canary import Verdict
from pipeline.deadletters.filter import Filter, Status
from pipeline.deadletters.overrides import Override
from pipeline.deadletters.replay import Plan, Report
from pipeline.errors import PipelineError, UsageError


@click.command()
@click.argument("named", nargs=-1, metavar="[ID]...")
@filters
@click.option("--dry-run", is_flag=True, help="Only say what would be sent, what it would cost, what was overtaken.")
@click.option(
    "--rate",
    default=0.0,
    type=click.FloatRange(min=0),
    metavar="N",
    help="Records a second; never more than the set share of the quota.  [default: that share]",
)
@click.option(
    "--canary", type=click.IntRange(0), default=None, metavar="N", help="Send N first and wait; 0: all at once."
)
@click.option("--force", is_flag=True, help="Send what was overtaken by a newer record of its entity, too.")
@click.option("--wait", is_flag=True, help="Wait until each record came out, one way or the other.")
@click.option("--prompt", default="", metavar="VERSION", help="Enrich with this version of the prompt.")
@click.option("--tier", default="", metavar="NAME", help="Ask this tier only.")
@click.option("--enrichment-version", default="", metavar="VERSION", help="Only by workers of this version.")
@click.option("--replay-id", default="", metavar="ID", help="Go on with a replay that was killed.")
@click.option("--why", default="", metavar="TEXT", help="Kept with each record: what was mended.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def replay(
    topic: str | None,
    wanted: Filter,
    dry_run: bool,
    rate: float,
    canary: int | None,
    force: bool,
    wait: bool,
    prompt: str,
    tier: str,
    enrichment_version: str,
    replay_id: str,
    why: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Send dead letters to their input topics again, each once, however often this is run or killed.

    The first ones go alone: when too many of them die again the others stay. A record that was overtaken by a newer
    one of its entity stays, too. Exit code 1 when not all could be sent.

    \b
    Example:
      pipeline dead-letters replay --cause answer_invalid --since 6h --dry-run
    """
    desk, who = opened(), actor()
    wanted = of_topic(desk, topic, wanted)
    with progress("newer records looked at") as looked:
        plan = desk.plan(who, wanted, rate, force=force, told=lambda records: looked(records, None))
    if dry_run or not plan.due:
        if as_json:
            print_json(_plan_as_json(plan) if dry_run else _report_as_json(Report(replay_id, 0), plan))
        else:
            _tell_plan(plan)
            click.echo("nothing was sent" if dry_run else "nothing to send")
        return
    if not as_json:
        _tell_plan(plan)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("say --yes to send them where nobody can be asked, or --dry-run to only look")
        click.confirm(f"Send {count(len(plan.due))} again?", abort=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with progress("sent") as counted:
        report = desk.replay(
            who,
            plan,
            why,
            override=Override(prompt, tier, enrichment_version),
            canary=desk.canary(canary),
            replay_id=replay_id,
            force=force,
            wait=wait,
            stop=stop,
            told=lambda report: counted(report.sent, report.sent / report.due, _outcomes(report)),
        )
    if as_json:
        print_json(_report_as_json(report, plan))
    else:
        _tell_report(report, plan)
    _fail(report)


def _tell_plan(plan: Plan) -> None:
    causes = Counter(entry.cause for entry in plan.due)
    pace = f" in about {plan.seconds:,.0f} s, {plan.rate:g} a second" if plan.rate else ""
    unpriced = f" ({plan.unpriced:,} of unknown price not in it)" if plan.unpriced else ""
    click.echo(f"to send: {count(len(plan.due))}{by(causes)}{pace}, for about {plan.cost_usd:.4f} USD{unpriced}")
    if plan.overtaken:
        click.echo(f"overtaken by newer records, left: {len(plan.overtaken):,} (--force sends them)")
    if plan.not_open:
        click.echo(f"not open, left: {plan.not_open:,}")
    if plan.lost:
        click.echo(f"cannot be sent: {plan.lost:,}; their originals were too large to keep")


def _plan_as_json(plan: Plan) -> dict[str, object]:
    return {
        "to_send": len(plan.due),
        "causes": Counter(entry.cause for entry in plan.due),
        "cost_usd": plan.cost_usd,
        "unpriced": plan.unpriced,
        "rate": plan.rate,
        "overtaken": [entry.id for entry in plan.overtaken],
        "not_open": plan.not_open,
        "lost": plan.lost,
    }


def _tell_report(report: Report, plan: Plan) -> None:
    for name, why in report.refused.items():
        click.echo(f"not sent {name}: {why}")
    already = report.already + plan.not_open
    click.echo(
        f"sent {report.sent:,} again (replay {report.replay_id})"
        + (f"; {already:,} were not open any more" if already else "")
        + (f"; {report.overtaken:,} were overtaken" if report.overtaken else "")
    )
    click.echo(_outcomes(report))


def _report_as_json(report: Report, plan: Plan) -> dict[str, object]:
    return {
        "replay_id": report.replay_id,
        "sent": report.sent,
        "already": report.already + plan.not_open,
        "overtaken": report.overtaken,
        "refused": report.refused,
        "outcomes": {status.value: number for status, number in report.outcomes.items()},
        "canary": report.verdict,
        "complete": report.complete,
    }


def _outcomes(report: Report) -> str:
    """As the topics say."""
    told = report.outcomes
    return (
        f"{told[Status.REPLAYED]:,} replayed, {told[Status.DEAD_AGAIN]:,} dead again, "
        f"{told[Status.REPLAYING]:,} not out yet"
    )


def _fail(report: Report) -> None:
    """Raises PipelineError, which makes the exit code, when not everything went."""
    if report.verdict is Verdict.STOP:
        died = report.outcomes[Status.DEAD_AGAIN]
        raise PipelineError(f"stopped: {died} of the first {report.sent} died again; the others were not sent")
    if report.verdict is Verdict.LATE:
        raise PipelineError(f"stopped: the first {report.sent} did not come out in time; does a worker run?")
    if report.interrupted:
        raise PipelineError(f"stopped after {report.sent}; go on with --replay-id {report.replay_id}")
    if report.refused:
        raise PipelineError("some originals could not be sent again, see above")
