"""The desk that the settings name, caught up, and who sits at it."""

from __future__ import annotations

import getpass
import socket

from pipeline import catalogue, settings
from pipeline.cli.output import progress
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.desk import Desk


def opened() -> Desk:
    """The desk, its index read up to where the topics end now."""
    effective = settings.load()
    desk = Desk.open(effective, catalogue.load(effective.catalogue))
    with progress("records indexed") as counted:
        desk.catch_up(lambda read: counted(read.done, read.done / read.total if read.total else None))
    return desk


def actor() -> Actor:
    """The user of this machine, with the roles that the settings give."""
    roles = frozenset(Role(name) for name in settings.load().dead_letters.roles)
    return Actor(f"{getpass.getuser()}@{socket.gethostname()}", roles)
