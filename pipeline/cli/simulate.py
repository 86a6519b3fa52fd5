"""`pipeline simulate`: a provider on this machine that speaks both vendors' wires."""

from __future__ import annotations

import click

from pipeline.simulator import profile as profiles
from pipeline.simulator.server import Server, run


@click.command(
    short_help="Run a provider simulator that speaks OpenAI's and Anthropic's wires.",
    epilog="""\b
Example:
  pipeline simulate --port 8900 --profile demo
  curl -X POST localhost:8900/control -d '{"openai": {"outage": {"seconds": 20, "kind": "503"}}}'
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8900, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option(
    "--profile",
    default="quiet",
    show_default=True,
    metavar="FILE|NAME",
    help="Latencies, quotas, faults and outages: a YAML file, or one that is shipped: "
    f"{', '.join(profiles.shipped())}.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Seed of latencies, faults and answers, in place of the profile's.",
)
def command(host: str, port: int, profile: str, seed: int | None) -> None:
    """Run a provider simulator until it is stopped.

    It takes any key, enforces the profile's quotas with the vendors' own headers and errors, and makes answers that fit
    the text and the schema. Every answer says that it is simulated. What it does can be changed while it runs, by
    POST /control; GET /control shows counts, quotas and the bill.
    """
    chosen = profiles.load(profile)
    run(chosen if seed is None else chosen.model_copy(update={"seed": seed}), host, port, _show)


def _show(server: Server) -> None:
    click.echo(f"openai     {server.openai_url}")
    click.echo(f"anthropic  {server.anthropic_url}")
    click.echo(f"control    {server.control_url}")
