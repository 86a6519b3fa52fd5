"""What happens to one request: decided at once from profile, clock and request; waited for by the server."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from pipeline.simulator.answers import Record
from pipeline.simulator.bill import Bill
from pipeline.simulator.distortion import distorted
from pipeline.simulator.document import document, label_descriptions
from pipeline.simulator.draws import Draws, Occurrences, draw, fingerprint
from pipeline.simulator.exchange import Ask, Headers, RejectedError, Reply, Said, Silence, Stop, Usage, Wire
from pipeline.simulator.facts import Facts
from pipeline.simulator.faults import Fault, Outage, OutageKind, choose, outage_at
from pipeline.simulator.journal import Journal
from pipeline.simulator.profile import Profile, WireName
from pipeline.simulator.promptcache import PromptCache
from pipeline.simulator.quota import Admitted, Limits, Quota, Refused
from pipeline.simulator.recordings import Recording, Recordings
from pipeline.simulator.schema import answerer
from pipeline.simulator.tokens import tokens

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>(simulated) proxy page</body></html>"
_AT_ONCE = frozenset((Fault.RATE_LIMIT, Fault.SPEND_LIMIT, Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.UNKNOWN_MODEL))
"""Refusals that no model is asked for."""
_STATUS = frozenset((Fault.RATE_LIMIT, Fault.SPEND_LIMIT, Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.OVERLOADED))


@dataclass(slots=True)
class Traffic:
    """Counts of one model at one vendor."""

    outcomes: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    peak_in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about a request: wait `delay_s`, then `reply` (cut short or left out as `silence` says)."""

    wire: WireName
    model: str
    outcome: str
    delay_s: float = 0.0
    reply: Reply | None = None
    silence: Silence | None = None
    usage: Usage | None = None
    settle: tuple[Quota, Limits, Admitted] | None = None


@dataclass(slots=True)
class Provider:
    """Both vendors' state. Times are seconds on one clock; `started` is the moment from which outages count."""

    profile: Profile
    recordings: Recordings
    started: float
    journal: Journal = field(init=False)
    bill: Bill = field(default_factory=Bill)
    traffic: defaultdict[tuple[WireName, str], Traffic] = field(default_factory=lambda: defaultdict(Traffic))
    quotas: defaultdict[tuple[WireName, str, str], Quota] = field(default_factory=lambda: defaultdict(Quota))
    outages: dict[WireName, list[Outage]] = field(init=False)
    _caches: dict[WireName, PromptCache] = field(default_factory=dict)
    _occurrences: Occurrences = field(default_factory=Occurrences)
    _number: int = 0

    def __post_init__(self) -> None:
        self.journal = Journal(self.profile.record_requests)
        self.outages = {name: self.planned_outages(name) for name in ("openai", "anthropic")}

    def planned_outages(self, wire: WireName) -> list[Outage]:
        """The outages of the profile on the clock."""
        spans = (outage.span() for outage in self.profile.wire(wire).outages)
        return [Outage(self.started + span.begins, self.started + span.ends, span.kind) for span in spans]

    def decide(self, wire: Wire, headers: Headers, body: bytes, now: float, wall: float) -> Plan:
        """The plan for a request that came `now` (`wall` is the same moment as Unix time). Call `finish` after it."""
        self._number += 1
        try:
            plan = self._plan(wire, headers, body, now, wall)
        except RejectedError as error:
            plan = Plan(wire.name, _named_model(body), error.name, reply=wire.rejected(error, self._number))
        self.journal.record(now - self.started, wire.name, headers, body, plan.outcome)
        traffic = self.traffic[wire.name, plan.model]
        traffic.in_flight += 1
        traffic.peak_in_flight = max(traffic.peak_in_flight, traffic.in_flight)
        return plan

    def finish(self, plan: Plan, now: float, *, delivered: bool) -> None:
        """Counts and charges: the reply has gone out, or (`delivered` false) its client had gone before."""
        traffic = self.traffic[plan.wire, plan.model]
        traffic.in_flight -= 1
        traffic.outcomes[plan.outcome if delivered or plan.silence else "client_gone"] += 1
        if plan.usage is None:
            return
        item = plan.reply.id if plan.reply is not None and self.profile.itemised_bill else ""
        self.bill.add(plan.wire, plan.model, plan.usage, delivered=delivered and plan.silence is None, item=item)
        if plan.settle is not None:
            quota, limits, admitted = plan.settle
            usage = plan.usage
            quota.settle(now, limits, admitted, input_tokens=usage.input, cached=usage.cache_read, output=usage.output)

    def models(self, wire: Wire, headers: Headers, names: list[str], now: float) -> Reply | Silence:
        """The reply to a list of models."""
        self._number += 1
        try:
            self._key(wire, headers)
        except RejectedError as error:
            return wire.rejected(error, self._number)
        if (outage := outage_at(self.outages[wire.name], now)) is not None:
            plan = self._out(wire, outage)
            return plan.silence or plan.reply or Silence.RESET
        return wire.models(names, self._number)

    def _plan(self, wire: Wire, headers: Headers, body: bytes, now: float, wall: float) -> Plan:
        if (outage := outage_at(self.outages[wire.name], now)) is not None:
            return self._out(wire, outage)
        key = self._key(wire, headers)
        ask = wire.read(body)
        profile = self.profile.wire(wire.name)
        if profile.models and ask.model not in (*profile.models, *profile.forbidden_models):
            raise wire.unknown_model(ask.model)
        if ask.model in profile.forbidden_models:
            raise wire.forbidden(ask.model)
        prompt_tokens = tokens(ask.characters)
        limits = profile.limits_of(ask.model)
        quota = self.quotas[wire.name, ask.model, key]
        admitted = quota.admit(now, limits, prompt_tokens, ask.max_tokens)
        shown = wire.quota_headers(quota.readings(now, limits), wall)
        if isinstance(admitted, Refused):
            reply = wire.refused(admitted, ask.model, shown, self._number)
            return Plan(wire.name, ask.model, f"quota_{admitted.meter}", reply=reply)
        text = document(ask.messages)
        recording = self.recordings.find(ask.model, text)
        seen = fingerprint(wire.name, ask.model, text)
        draws = draw(self.profile.seed, seen, self._occurrences.next(seen))
        delay_s = profile.latency_of(ask.model).at(draws.latency)
        if recording is not None and recording.latency_s is not None:
            delay_s = recording.latency_s
        fault = choose(profile.faults_of(ask.model), draws.fault)
        if fault is not None and (failed := self._failed(wire, fault, ask.model, delay_s, shown)) is not None:
            return failed
        said = self._said(ask, text, draws, fault, recording, profile.reasoning_tokens)
        cache = self._caches.setdefault(wire.name, PromptCache(wire.caches_always))
        read, written = cache.look_up(now, key, ask)
        usage = Usage(prompt_tokens, said.usage.output, read, written, said.usage.reasoning)
        timing = {**shown, "openai-processing-ms": str(int(delay_s * 1000))} if wire.name == "openai" else shown
        reply = wire.said(ask, Said(said.text, said.stop, usage), timing, self._number, wall)
        return Plan(
            wire.name,
            ask.model,
            str(fault or ("length" if said.stop is Stop.LENGTH else "ok")),
            delay_s,
            reply,
            Silence.CUT if fault is Fault.CUT else None,
            # What a vendor says by an error is not billed.
            usage if reply.status == 200 else None,
            (quota, limits, admitted),
        )

    def _key(self, wire: Wire, headers: Headers) -> str:
        key = wire.key(headers)
        allowed = self.profile.wire(wire.name).keys
        if allowed and key not in allowed:
            raise wire.unauthorized(key)
        return key

    def _out(self, wire: Wire, outage: Outage) -> Plan:
        name = "outage"
        match outage.kind:
            case OutageKind.HANG:
                return Plan(wire.name, "", name, silence=Silence.HANG)
            case OutageKind.RESET:
                return Plan(wire.name, "", name, silence=Silence.RESET)
            case OutageKind.HTML:
                return Plan(wire.name, "", name, reply=Reply(200, _HTML, {}, "text/html"))
        return Plan(wire.name, "", name, reply=wire.failed(Fault(outage.kind.value), "", 1.0, {}, self._number))

    def _failed(self, wire: Wire, fault: Fault, model: str, delay_s: float, headers: Headers) -> Plan | None:
        """The plan for faults in which no model says anything."""
        delay_s = 0.0 if fault in _AT_ONCE else delay_s
        if fault in _STATUS:
            retry_after_s = self.profile.wire(wire.name).retry_after_s
            reply = wire.failed(fault, model, retry_after_s, headers, self._number)
            return Plan(wire.name, model, fault, delay_s, reply)
        match fault:
            case Fault.TIMEOUT:
                return Plan(wire.name, model, fault, silence=Silence.HANG)
            case Fault.RESET:
                return Plan(wire.name, model, fault, delay_s, silence=Silence.RESET)
            case Fault.HTML:
                return Plan(wire.name, model, fault, delay_s, Reply(200, _HTML, {}, "text/html"))
            case Fault.UNAUTHORIZED:
                return Plan(wire.name, model, fault, reply=wire.rejected(wire.unauthorized(""), self._number))
            case Fault.FORBIDDEN:
                return Plan(wire.name, model, fault, reply=wire.rejected(wire.forbidden(model), self._number))
            case Fault.UNKNOWN_MODEL:
                return Plan(wire.name, model, fault, reply=wire.rejected(wire.unknown_model(model), self._number))
        return None

    def _said(
        self, ask: Ask, text: str, draws: Draws, fault: Fault | None, recording: Recording | None, reasoning: int
    ) -> Said:
        if fault in (Fault.REFUSAL, Fault.CONTENT_FILTER):
            stop = Stop.REFUSAL if fault is Fault.REFUSAL else Stop.FILTER
            return Said("", stop, Usage(0, reasoning + 8, reasoning=reasoning))
        answer = self._answer(ask, text, draws, fault, recording)
        stop = Stop.END
        if fault is Fault.TRUNCATION:
            answer, stop = answer[: int(len(answer) * (0.2 + 0.6 * draws.detail))], Stop.LENGTH
        reasoning = min(reasoning, ask.max_tokens)
        room = ask.max_tokens - reasoning
        if tokens(len(answer)) > room:
            answer, stop = answer[: room * 4], Stop.LENGTH
        return Said(answer, stop, Usage(0, reasoning + tokens(len(answer)), reasoning=reasoning))

    def _answer(self, ask: Ask, text: str, draws: Draws, fault: Fault | None, recording: Recording | None) -> str:
        if recording is not None and isinstance(recording.answer, str):
            return recording.answer
        prompt = ask.system if label_descriptions(ask.system) else max(ask.messages, key=len, default="")
        maker: Record = answerer(ask.schema)
        answer: Mapping[str, object] = maker.make(Facts(text, prompt, draws), 0)
        if recording is not None and isinstance(recording.answer, dict):
            answer = {**answer, **recording.answer}
        if fault is None:
            return orjson.dumps(answer).decode()
        return distorted(fault, answer, maker, draws.detail)


def _named_model(body: bytes) -> str:
    try:
        data = orjson.loads(body)
    except ValueError:
        return ""
    model = data.get("model") if isinstance(data, dict) else None
    return model[:100] if isinstance(model, str) else ""
