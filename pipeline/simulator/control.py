"""What `/control` shows and changes while the simulator runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from pydantic import ValidationError

from pipeline.simulator.bill import Bill
from pipeline.simulator.faults import Outage, outage_at
from pipeline.simulator.journal import digest
from pipeline.simulator.profile import OutageProfile, WireName, first_problem, patched
from pipeline.simulator.provider import Provider

_WIRES: tuple[WireName, ...] = ("openai", "anthropic")


class ControlError(Exception):
    """The change asked for is not valid; nothing was changed. The message is one line."""


def state(provider: Provider, now: float) -> dict[str, object]:
    """Everything there is to see, as JSON."""
    return {
        "simulated": True,
        "seconds": round(now - provider.started, 3),
        "cpu_s": round(time.process_time(), 3),
        **{wire: _wire_state(provider, wire, now) for wire in _WIRES},
        "bill": provider.bill.statement(),
        "profile": provider.profile.model_dump(
            mode="json", exclude={"openai": {"keys"}, "anthropic": {"keys"}}, exclude_defaults=True
        ),
    }


def change(provider: Provider, wanted: object, now: float) -> None:
    """Applies a change: a merge patch of the profile, and beside it

    - in a wire, `"outage": {"seconds": 20, "kind": "503", "at_s": 0}` from `at_s` after now, `"outage": null` ends all;
    - `"reset": true` sets counters, bill, journal and quotas to nothing; requests in flight are still counted.

    Raises ControlError.
    """
    if not isinstance(wanted, Mapping):
        raise ControlError("the change must be a JSON object")
    patch = dict(wanted)
    reset = patch.pop("reset", False)
    outages: dict[WireName, list[Outage]] = {}
    for wire in _WIRES:
        if isinstance(part := patch.get(wire), Mapping) and "outage" in part:
            patch[wire] = {name: value for name, value in part.items() if name != "outage"}
            outages[wire] = _outages(provider.outages[wire], part["outage"], now)
    try:
        provider.profile = patched(provider.profile, patch)
    except ValidationError as error:
        raise ControlError(first_problem(error)) from None
    for wire in _WIRES:
        if isinstance(part := patch.get(wire), Mapping) and "outages" in part:
            provider.outages[wire] = provider.planned_outages(wire)
    provider.outages |= outages
    if provider.journal.limit != provider.profile.record_requests:
        provider.journal.resize(provider.profile.record_requests)
    if reset:
        _reset(provider)


def _outages(running: list[Outage], wanted: object, now: float) -> list[Outage]:
    if wanted is None:
        return []
    try:
        span = OutageProfile.model_validate(wanted).span()
    except ValidationError as error:
        raise ControlError(f"outage: {first_problem(error)}") from None
    added = Outage(now + span.begins, now + span.ends, span.kind)
    return [added, *(outage for outage in running if outage.ends > now)]


def _reset(provider: Provider) -> None:
    provider.bill = Bill()
    provider.quotas.clear()
    provider.journal.clear()
    for traffic in provider.traffic.values():
        traffic.outcomes.clear()
        traffic.peak_in_flight = traffic.in_flight


def _wire_state(provider: Provider, wire: WireName, now: float) -> dict[str, object]:
    traffic = {model: counts for (name, model), counts in provider.traffic.items() if name == wire}
    outcomes = sum((counts.outcomes for counts in traffic.values()), Counter[str]())
    outage = outage_at(provider.outages[wire], now)
    return {
        "requests": outcomes.total(),
        "outcomes": dict(outcomes),
        "in_flight": sum(counts.in_flight for counts in traffic.values()),
        "peak_in_flight": max((counts.peak_in_flight for counts in traffic.values()), default=0),
        "outage": {"kind": outage.kind, "seconds_left": round(outage.ends - now, 3)} if outage else None,
        # Requests that an outage met are under no model.
        "models": {
            model: {"outcomes": dict(counts.outcomes), "in_flight": counts.in_flight}
            for model, counts in traffic.items()
            if model
        },
        "quotas": _quotas(provider, wire, now),
    }


def _quotas(provider: Provider, wire: WireName, now: float) -> list[dict[str, object]]:
    found = []
    for (name, model, key), quota in provider.quotas.items():
        if name == wire:
            limits = provider.profile.wire(wire).limits_of(model)
            found.append(
                {
                    "model": model,
                    "key": digest(key),
                    "refused": quota.refusals,
                    "charged": {str(meter): amount for meter, amount in quota.charged.items()},
                    **{
                        str(reading.meter): {
                            "limit": reading.limit,
                            "remaining": reading.remaining,
                            "reset_s": round(reading.reset_s, 3),
                        }
                        for reading in quota.readings(now, limits)
                    },
                }
            )
    return found
