"""`pipeline topics`: the catalogue's topics and rights on a cluster."""

from __future__ import annotations

from dataclasses import asdict

import click

from pipeline import catalogue, settings
from pipeline.cli.output import json_option, print_json, print_table
from pipeline.provisioning import TopicPlan, create_topics, grants, plan_topics
from pipeline.stream.admin import Admin, Grant


@click.group()
def command() -> None:
    """Compare the catalogue's topics with the cluster, create what is missing, derive rights. Nothing is deleted."""


@command.command()
@json_option
def plan(as_json: bool) -> None:
    """Show what the cluster lacks and what it has otherwise than the catalogue says; change nothing.

    \b
    Example:
      pipeline topics plan
    """
    found = plan_topics(_catalogue(), _admin())
    _tell(found, [], as_json)


@command.command()
@json_option
def apply(as_json: bool) -> None:
    """Create the topics that are missing, and show what differs in those that are there.

    Existing topics stay as they are: more partitions would move keys, and a setting may have been changed on purpose.

    \b
    Example:
      pipeline topics apply
    """
    admin = _admin()
    found = plan_topics(_catalogue(), admin)
    _tell(found, create_topics(found, admin), as_json)


@command.command()
@click.option("--principal-prefix", default="", metavar="PREFIX", help="Put before each principal's name.")
@click.option("--apply", "give", is_flag=True, help="Give these rights on the cluster.")
@json_option
def acls(principal_prefix: str, give: bool, as_json: bool) -> None:
    """Show who may do what, derived from the topics' producers and consumers; --apply gives these rights.

    Rights that somebody else has stay. Without --apply no cluster is asked.

    \b
    Example:
      pipeline topics acls --principal-prefix team-a- --apply
    """
    wanted = grants(_catalogue(), principal_prefix)
    new: set[Grant] = set()
    if give:
        admin = _admin()
        new = set(wanted) - admin.grants()
        admin.allow(sorted(new, key=wanted.index))
    if as_json:
        print_json({"grants": [asdict(grant) for grant in wanted], "given": len(new)})
        return
    rows = [(grant.user, grant.right, grant.thing, f"{grant.name}{'*' if grant.prefix else ''}") for grant in wanted]
    print_table(("user", "may", "what", "name"), rows)
    if give:
        click.echo(f"{len(new)} rights given, {len(wanted) - len(new)} were there")


def _catalogue() -> catalogue.Catalogue:
    return catalogue.load(settings.load().catalogue)


def _admin() -> Admin:
    return Admin(settings.load().kafka.client())


def _tell(plan: TopicPlan, created: list[str], as_json: bool) -> None:
    missing = [topic for topic in plan.missing if topic.name not in created]
    if as_json:
        print_json(
            {
                "created": created,
                "missing": [asdict(topic) for topic in missing],
                "drift": [asdict(difference) for difference in plan.drift],
                "capped": plan.capped,
            }
        )
        return
    for topic in plan.missing:
        done = "created" if topic.name in created else "missing"
        details = ", ".join(f"{name}={value}" for name, value in topic.config.items())
        click.echo(f"{done} {topic.name}: {topic.partitions} partitions, replication {topic.replication}, {details}")
    for other in plan.drift:
        click.echo(f"differs {other.topic}: {other.setting} is {other.found}, the catalogue says {other.wanted}")
    if plan.capped:
        click.echo(plan.capped)
    there = len(plan.wanted) - len(missing)
    click.echo(
        f"{there} of {len(plan.wanted)} topics are there"
        + (f", {len(plan.drift)} settings differ" if plan.drift else "")
        + (": create the others with `pipeline topics apply`" if missing else "")
    )
