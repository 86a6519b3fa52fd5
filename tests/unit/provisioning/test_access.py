"""Rights derived from the topics' files: enough for each program's work, and for nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pipeline import catalogue
from pipeline.catalogue import Catalogue, SecondChanceSpec
from pipeline.errors import Cause
from pipeline.provisioning import grants
from pipeline.settings import CatalogueSettings
from pipeline.stream.admin import Grant, Right, Thing

KNOWN = catalogue.load(CatalogueSettings())


def of(user: str, prefix: str = "") -> set[tuple[Right, Thing, str, bool]]:
    """What a user may do."""
    found = [grant for grant in grants(KNOWN, prefix) if grant.user == user]
    return {(grant.right, grant.thing, grant.name, grant.prefix) for grant in found}


def test_a_worker_may_do_its_job_and_no_more() -> None:
    assert of("enrichment-tickets") == {
        (Right.READ, Thing.TOPIC, "support.tickets.v1", False),
        (Right.READ, Thing.GROUP, "enrichment-tickets", False),
        (Right.WRITE, Thing.TRANSACTIONAL_ID, "enrichment-tickets.", True),
        (Right.WRITE, Thing.TOPIC, "support.tickets.enriched.v1", False),
        (Right.WRITE, Thing.TOPIC, "support.tickets.v1.dead-letters", False),
        (Right.WRITE, Thing.TOPIC, "enrichment.audit.v1", False),
        (Right.WRITE, Thing.TOPIC, "enrichment.usage.v1", False),
        (Right.WRITE, Thing.TOPIC, "enrichment.replay-outcomes.v1", False),
        (Right.READ, Thing.TOPIC, "enrichment.operations.v1", False),
    }


def test_a_publisher_may_only_write() -> None:
    assert of("support-channels") == {(Right.WRITE, Thing.TOPIC, "support.tickets.v1", False)}


def test_a_subscriber_may_only_read_in_groups_of_its_own_name() -> None:
    assert of("ticket-routing") == {
        (Right.READ, Thing.TOPIC, "support.tickets.enriched.v1", False),
        (Right.READ, Thing.GROUP, "ticket-routing", True),
    }


def test_operators_may_read_dead_letters_and_send_them_again() -> None:
    found = of("dead-letter-operators")
    for topic in ("support.tickets.v1", "insurance.claims.v1"):
        assert (Right.READ, Thing.TOPIC, f"{topic}.dead-letters", False) in found
        assert (Right.WRITE, Thing.TOPIC, topic, False) in found
        assert (Right.READ, Thing.TOPIC, topic, False) not in found, "originals are read where they are sealed"
        replay = (Right.WRITE, Thing.TRANSACTIONAL_ID, "dead-letter-replay", False)
        assert replay in found
    assert (Right.READ, Thing.TOPIC, "enrichment.audit.v1", False) in found, "what was overtaken is read there"


@pytest.mark.parametrize("topic", [name for name, topic in KNOWN.topics.items() if topic.data_class == "sealed"])
def test_nobody_else_may_read_dead_letters(topic: str) -> None:
    readers = {grant.user for grant in grants(KNOWN) if grant.name == topic and grant.right is Right.READ}
    assert readers == {"dead-letter-operators"}


def test_a_prefix_stands_before_users_and_not_before_things() -> None:
    assert of("team-a-enrichment-claims", "team-a-") == of("enrichment-claims")


def test_every_worker_stands_for_itself_behind_the_asterisk() -> None:
    users = {grant.user for grant in grants(KNOWN) if grant.name == "enrichment.audit.v1"}
    assert users == {"enrichment-tickets", "enrichment-claims", "enrichment-operators", "dead-letter-operators"}
    assert not any("*" in grant.user for grant in grants(KNOWN))


def test_rights_come_in_a_stable_order_and_once() -> None:
    found = grants(KNOWN)
    assert len(found) == len(set(found))
    assert found == grants(KNOWN)
    assert Grant("claims-intake", Right.WRITE, Thing.TOPIC, "insurance.claims.v1") in found


def test_a_worker_that_gives_second_chances_may_read_in_their_group_and_cannot_end_a_replay() -> None:
    tickets = KNOWN.enrichment("tickets")
    chance = SecondChanceSpec(causes=(Cause.REFUSED,), delays=(timedelta(minutes=1),))
    letters = tickets.dead_letters.model_copy(update={"consumers": ("enrichment-tickets",)})
    known = Catalogue(
        {letters.topic: letters},
        {},
        {"tickets": replace(tickets, spec=tickets.spec.model_copy(update={"second_chance": chance}))},
    )
    found = {(grant.right, grant.thing, grant.name) for grant in grants(known) if grant.user == "enrichment-tickets"}
    assert (Right.READ, Thing.GROUP, "enrichment-tickets.second-chance") in found
    assert (Right.READ, Thing.TOPIC, letters.topic) in found
    assert (Right.WRITE, Thing.TRANSACTIONAL_ID, "dead-letter-replay") not in found
