"""What the catalogue's YAML files may say, and how each value is bounded."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pipeline.errors import HEALED_BY_TIME, Cause


class Format(StrEnum):
    """How the values of a topic are written."""

    AVRO = "avro"
    JSON = "json"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def group_of(enrichment: str) -> str:
    """The consumer group of an enrichment's workers, and the principal in topics' files; of `*`: of all of them."""
    return f"enrichment-{enrichment}"


def second_chance_group(enrichment: str) -> str:
    """The consumer group that gives an enrichment's dead letters their second chance."""
    return f"{group_of(enrichment)}.second-chance"


STATUS_TOPIC = "enrichment.dead-letter-status.v1"
"""What was done about each dead letter; the newest record of a key stands."""
REPLAY_ID = "dead-letter-replay"
"""The transactional id of every replay on a cluster: whoever starts one ends what another left open, so that the notes
read next are all there are."""


class ValueSpec(_Data):
    """What a topic's values are."""

    format: Format
    schema_: Annotated[str, Field(alias="schema")]
    version: int = 1


class TopicSpec(_Data):
    """One topic, as its YAML says."""

    topic: str
    description: str
    owner: str
    key: str
    partitions: Annotated[int, Field(ge=1, le=10_000)]
    replication: Annotated[int, Field(ge=1, le=9)]
    config: dict[str, str | int | float | bool]
    value: ValueSpec
    data_class: Literal["personal", "internal", "sealed", "public"]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]


class LabelSpec(_Data):
    """One label of an enrichment's table."""

    label: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    description: str
    team: str = ""
    service_level: timedelta | None = None
    """How soon an answer is due."""


class PromptSpec(_Data):
    """Which prompt, and what of the record it is given."""

    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    fields: dict[str, str]
    """Variable of the prompt's user part to the path of the input field it is filled from."""


class LimitsSpec(_Data):
    """Bounds of one record's call."""

    record_bytes: Annotated[int, Field(ge=1)] = 1 << 20
    """Size of an input record's value; a larger one is a dead letter at once."""
    input_tokens: Annotated[int, Field(ge=100)] = 6000
    too_long: Literal["truncate", "dead_letter"] = "truncate"
    deadline: timedelta = timedelta(minutes=2)
    """How long a record may take to be answered once it is its turn: the line for a quota does not count, nor, with
    `outage: wait`, an outage. No call is begun after it."""


class TierSpec(_Data):
    """One step of the ladder: who is asked, in this order."""

    name: str
    provider: str
    model: str
    max_tokens: Annotated[int, Field(ge=16)] = 1000
    temperature: float | None = None
    escalate_below: Annotated[float, Field(ge=0, le=1)] | None = None
    """A valid answer less confident is asked again one tier up, and used when nobody above can be asked."""
    decline_below: Annotated[float, Field(ge=0, le=1)] | None = None
    """A valid answer less confident counts as none."""
    answer: dict[str, object] = Field(default_factory=dict)
    """Of a classifier: the fields beside label and confidence that differ from `fallback`."""
    max_input_tokens: Annotated[int, Field(ge=0)] = 0
    """Prompts estimated to be longer skip this tier; 0: any length."""


_DELAY = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _delay(said: object) -> object:
    """`90s`, `10m`, `1h` or `2d`; anything else is left to pydantic, which takes ISO 8601."""
    found = _DELAY.fullmatch(said) if isinstance(said, str) else None
    return said if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})


def _bounded(delay: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= delay <= timedelta(days=7):
        raise PydanticCustomError("delay", "a delay is from 1s to 7d")
    return delay


def _overtake(said: object) -> object:
    if said == "hold":
        raise PydanticCustomError(
            "order", "`hold` is not offered: later records of a key are not held back; say `overtake`"
        )
    return said


def _healing(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    for cause in causes:
        if cause not in HEALED_BY_TIME:
            raise PydanticCustomError(
                "cause", f"time does not heal {cause}; it may heal: {', '.join(sorted(HEALED_BY_TIME))}"
            )
    return causes


class SecondChanceSpec(_Data):
    """Dead letters that are tried again by themselves before they need a person."""

    causes: Annotated[tuple[Cause, ...], AfterValidator(_healing)]
    """Empty: no new ones, and those that wait are opened to people when they are due."""
    delays: Annotated[
        tuple[Annotated[timedelta, BeforeValidator(_delay), AfterValidator(_bounded)], ...],
        Field(min_length=1, max_length=10),
    ]
    """How long after each death the next try is; there are as many tries as delays."""
    order: Annotated[Literal["overtake"], BeforeValidator(_overtake)] = "overtake"
    """Later records of the key go on meanwhile; a record that one of them has overtaken is not enriched any more."""


Rule = Literal["equals", "not_equals", "in", "not_in", "exists"]
"""What a `when` filter may ask of a field."""


def _asked(rules: dict[Rule, object]) -> dict[Rule, object]:
    """A list where a list is meant: a single word would silently filter everything out."""
    for rule, wanted in rules.items():
        if rule in ("in", "not_in") and not isinstance(wanted, list):
            raise PydanticCustomError("rule", "`in` and `not_in` take a list")
        if rule == "exists" and not isinstance(wanted, bool):
            raise PydanticCustomError("rule", "`exists` takes true or false")
    return rules


class EnrichmentSpec(_Data):
    """`enrichments/<name>/enrichment.yaml`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    description: str
    version: str
    input: str
    output: str
    dead_letters: str
    audit: str = "enrichment.audit.v1"
    usage: str = "enrichment.usage.v1"
    answer: str = "enrichment"
    """Field of the output record that holds the answer."""
    entity: str
    """Field of input and output that identifies the entity."""
    tenant: str = "tenant_id"
    when: dict[str, Annotated[dict[Rule, object], AfterValidator(_asked)]] = Field(default_factory=dict)
    """Conditions on input fields by path; a record that does not meet them all is committed and counted, no more."""
    prompt: PromptSpec
    limits: LimitsSpec = LimitsSpec()
    tiers: Annotated[tuple[TierSpec, ...], Field(min_length=1)]
    lane: Literal["backlog", "interactive"] = "backlog"
    """Records of the interactive lane go before all others when a quota is scarce."""
    outage: Literal["wait", "fallback", "dead_letter"] = "wait"
    """What is done while no provider takes calls."""
    invalid: Literal["dead_letter", "fallback"] = "dead_letter"
    """What is done with a record to which no tier gave a valid answer."""
    second_chance: SecondChanceSpec | None = None
    """Dead letters that are sent again by themselves; null: none."""
    fallback: dict[str, object] | None = None
    """The safe answer: every field that a model would give, written by the author, the same for every record."""
    redaction: dict[str, object] = Field(default_factory=dict)
    restore: tuple[str, ...] | None = None
    """Paths in the answer where personal data are put back; null: where the schema says so."""
    labels: tuple[LabelSpec, ...] = ()
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Numbers and names that this enrichment's own checks need."""
