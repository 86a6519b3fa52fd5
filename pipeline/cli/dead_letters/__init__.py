"""`pipeline dead-letters`: see what could not be enriched and why, mend it, send it again."""

import click

from pipeline.cli.dead_letters import carrying, mending, seeing, sending


@click.group()
def command() -> None:
    """See what could not be enriched and why, mend it, and send it again."""


for _one in (
    seeing.list_,
    seeing.groups,
    seeing.show,
    seeing.watch,
    seeing.stats,
    seeing.audit,
    mending.edit,
    mending.resolve,
    sending.replay,
    carrying.export,
    carrying.import_,
):
    command.add_command(_one)
