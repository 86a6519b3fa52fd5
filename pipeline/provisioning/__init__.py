"""What the catalogue asks of a cluster and a registry: topics, rights, schemas. Compared, created, never deleted."""

from pipeline.provisioning.access import grants
from pipeline.provisioning.schemas import Compared, Verdict, compare_schemas, register_schemas
from pipeline.provisioning.topics import TopicPlan, create_topics, plan_topics, wanted_topics

__all__ = [
    "Compared",
    "TopicPlan",
    "Verdict",
    "compare_schemas",
    "create_topics",
    "grants",
    "plan_topics",
    "register_schemas",
    "wanted_topics",
]
