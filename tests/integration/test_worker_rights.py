"""A worker with only the rights that the catalogue gives it does its job; another user cannot read its dead letters."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pipeline.devstack import state
from pipeline.devstack.stack import Stack
from pipeline.stream.admin import Admin
from tests.integration.job import Job

PASSWORD = "of-a-test"


def test_derived_rights_are_enough_for_a_worker_and_nobody_else_reads_its_dead_letters(sasl_stack: Stack) -> None:
    admin = Admin(sasl_stack.kafka.client())
    for user in ("enrichment-tickets", "support-channels", "ticket-routing", "stranger"):
        admin.set_password(user, PASSWORD)
    _as(sasl_stack).provision()
    _as(sasl_stack).command("topics", "acls", "--apply")

    tickets: list[Mapping[str, object]] = [
        {"ticket_id": f"R-{number}", "tenant_id": "acme", "body": "Where is my parcel?"} for number in range(20)
    ]
    publisher = _as(sasl_stack, "support-channels")
    publisher.publish("support.tickets.v1", tickets)
    publisher.publish("support.tickets.v1", [{"key": "R-poison", "value_base64": ""}], "--raw")
    _as(sasl_stack, "enrichment-tickets").command("run", "tickets", "--until-idle", "3")

    assert len(_as(sasl_stack, "ticket-routing").consume("support.tickets.enriched.v1")) == len(tickets)
    assert len(_as(sasl_stack).consume("support.tickets.v1.dead-letters")) == 1
    for user in ("stranger", "ticket-routing", "support-channels"):
        refused = _as(sasl_stack, user).attempt("consume", "support.tickets.v1.dead-letters")
        assert refused.returncode == 2
        assert refused.stdout == ""
        assert f"does not allow user {user}" in refused.stderr
        assert "Traceback" not in refused.stderr


def _as(stack: Stack, user: str = "") -> Job:
    """Commands as one user; the super user when none is named."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIPELINE_")}
    login = {"PIPELINE_KAFKA__SASL_USERNAME": user, "PIPELINE_KAFKA__SASL_PASSWORD": PASSWORD} if user else {}
    return Job(own | state.variables(stack.settings()) | login)
