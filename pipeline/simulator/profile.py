"""The profile: everything that can be set about the simulator, as YAML that people read.

    seed: 1                              # the same seed and the same requests: the same latencies, faults and answers
    record_requests: 0                   # how many of the last requests GET /control/requests shows
    itemised_bill: false                 # whether GET /control/bill/items lists every answer
    recorded_answers: answers.jsonl      # answers to replay (see recordings.py); relative to the profile
    openai:                              # and the same for `anthropic:`
      latency: {p50_s: 0.4, p99_s: 2.0}  # log-normal; 0 is at once
      quota:                             # a minute's, 0 is none; by model and key
        requests_per_minute: 600
        tokens_per_minute: 200000        # openai; anthropic has input_ and output_tokens_per_minute
        burst_s: 60                      # how many seconds' worth may be used at once
        charge: reserved                 # or settled: openai only, see quota.py
      faults: {"429": 0.01, refusal: 0.002}   # probabilities, together at most 1; names in faults.py
      outages:                           # spans in which nobody is answered, from the start
        - {at_s: 30, seconds: 20, kind: "503"}   # 503, 500, 529, hang, reset, html
      retry_after_s: 1                   # what a 429 by chance asks for
      models: [gpt-5-mini]               # none named: every model exists
      forbidden_models: []               # exist, but not for this account (403)
      keys: []                           # none named: every key is good
      reasoning_tokens: 0                # thought before each answer, and billed
      by_model:                          # latency, quota and faults of one model, in place of those above
        gpt-5-mini: {latency: {p50_s: 0.2, p99_s: 0.9}}

`POST /control` takes the same form as JSON, as a merge patch (RFC 7396): what is named is changed, null is the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import UsageError
from pipeline.simulator.faults import Fault, Outage, OutageKind
from pipeline.simulator.latency import LogNormal
from pipeline.simulator.quota import Charge, Limits

WireName = Literal["openai", "anthropic"]

Seconds = Annotated[float, Field(ge=0, le=86_400)]
PerMinute = Annotated[int, Field(ge=0)]
# YAML reads `429:` and `kind: 503` as numbers.
FaultName = Annotated[Fault, BeforeValidator(lambda name: str(name) if isinstance(name, int) else name)]
KindName = Annotated[OutageKind, BeforeValidator(lambda name: str(name) if isinstance(name, int) else name)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LatencyProfile(_Part):
    """Log-normal latency by its median and 99th percentile."""

    p50_s: Seconds = 0.0
    p99_s: Seconds = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p99_s < self.p50_s:
            raise ValueError("p99_s must not be below p50_s")
        return self

    @cached_property
    def distribution(self) -> LogNormal:
        return LogNormal(self.p50_s, self.p99_s)


class QuotaProfile(_Part):
    """Quotas of one model for one key."""

    requests_per_minute: PerMinute = 0
    tokens_per_minute: PerMinute = 0
    input_tokens_per_minute: PerMinute = 0
    output_tokens_per_minute: PerMinute = 0
    burst_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    charge: Charge = Charge.RESERVED

    @cached_property
    def limits(self) -> Limits:
        return Limits(
            self.requests_per_minute,
            self.tokens_per_minute,
            self.input_tokens_per_minute,
            self.output_tokens_per_minute,
            self.burst_s,
            self.charge,
        )


Faults = dict[FaultName, Annotated[float, Field(ge=0, le=1)]]


class ModelProfile(_Part):
    """What is different for one model."""

    latency: LatencyProfile | None = None
    quota: QuotaProfile | None = None
    faults: Faults | None = None


class OutageProfile(_Part):
    """A span without answers, from the simulator's start."""

    at_s: Seconds = 0.0
    seconds: Seconds
    kind: KindName = OutageKind.UNAVAILABLE

    def span(self) -> Outage:
        return Outage(self.at_s, self.at_s + self.seconds, self.kind)


class WireProfile(_Part):
    """One vendor."""

    latency: LatencyProfile = LatencyProfile()
    quota: QuotaProfile = QuotaProfile()
    faults: Faults = {}
    outages: tuple[OutageProfile, ...] = ()
    retry_after_s: Seconds = 1.0
    models: tuple[str, ...] = ()
    forbidden_models: tuple[str, ...] = ()
    keys: tuple[str, ...] = Field(default=(), repr=False)
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0
    by_model: dict[str, ModelProfile] = {}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for faults in (self.faults, *(model.faults or {} for model in self.by_model.values())):
            if sum(faults.values()) > 1 + 1e-9:
                raise ValueError("the probabilities of faults add up to more than 1")
        return self

    def latency_of(self, model: str) -> LogNormal:
        own = self.by_model.get(model)
        return (own.latency if own and own.latency else self.latency).distribution

    def limits_of(self, model: str) -> Limits:
        own = self.by_model.get(model)
        return (own.quota if own and own.quota else self.quota).limits

    def faults_of(self, model: str) -> Mapping[Fault, float]:
        own = self.by_model.get(model)
        return own.faults if own and own.faults is not None else self.faults


class Profile(_Part):
    """The whole simulator."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    record_requests: Annotated[int, Field(ge=0, le=100_000)] = 0
    recorded_answers: str = ""
    itemised_bill: bool = False
    openai: WireProfile = WireProfile()
    anthropic: WireProfile = WireProfile()

    @model_validator(mode="after")
    def _each_vendors_quota(self) -> Self:
        for quota in (self.openai.quota, *(m.quota for m in self.openai.by_model.values() if m.quota)):
            if quota.input_tokens_per_minute or quota.output_tokens_per_minute:
                raise ValueError("openai counts tokens_per_minute, input and output together")
        for quota in (self.anthropic.quota, *(m.quota for m in self.anthropic.by_model.values() if m.quota)):
            if quota.tokens_per_minute:
                raise ValueError("anthropic counts input_tokens_per_minute and output_tokens_per_minute apart")
        return self

    def wire(self, name: WireName) -> WireProfile:
        return self.openai if name == "openai" else self.anthropic


def load(source: str) -> Profile:
    """The profile in the file `source`, or the one shipped under that name.

    Raises UsageError, one line, when it cannot be read or is not valid.
    """
    path = Path(source)
    if not path.exists() and source in shipped():
        path = Path(str(resources.files("pipeline.simulator"))) / "profiles" / f"{source}.yaml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"profile {source} cannot be read ({reason}); shipped: {', '.join(shipped())}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"profile {source} is not YAML: {' '.join(str(error).split())}") from None
    try:
        profile = Profile.model_validate({} if data is None else data)
    except ValidationError as error:
        raise UsageError(f"profile {source}: {first_problem(error)}") from None
    if profile.recorded_answers:
        found = path.parent / profile.recorded_answers
        return profile.model_copy(update={"recorded_answers": str(found)})
    return profile


def shipped() -> tuple[str, ...]:
    """Names of the profiles that come with the package."""
    folder = resources.files("pipeline.simulator") / "profiles"
    return tuple(sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml")))


def patched(profile: Profile, patch: Mapping[str, object]) -> Profile:
    """The profile after a merge patch. Raises pydantic's ValidationError when the result is not valid."""
    return Profile.model_validate(_merge(profile.model_dump(mode="json", exclude_unset=True), patch))


def first_problem(error: ValidationError) -> str:
    """What is wrong first, in one line."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the whole"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def _merge(target: object, patch: object) -> object:
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result
