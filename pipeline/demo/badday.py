"""An ordinary bad day at the providers: quotas, 429s, faults of every kind, and the first one out for a while.

Only simulated providers have one. What they were set to before comes back afterwards.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, cast

from pipeline.errors import UnavailableError
from pipeline.settings import ProviderSettings, Settings
from pipeline.simulator import profile as profiles

_CONDITIONS = ("latency", "quota", "faults")
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator, by its `/control`. All methods block; UnavailableError when it does not answer."""

    url: str

    @classmethod
    def of(cls, providers: Mapping[str, ProviderSettings]) -> Self | None:
        """The one that stands for these providers; None when one of them is not simulated."""
        if not providers or not all(provider.simulated for provider in providers.values()):
            return None
        address = urllib.parse.urlsplit(next(iter(providers.values())).base_url)
        return cls(f"{address.scheme}://{address.netloc}/control")

    def change(self, patch: Mapping[str, object]) -> None:
        """Applies a merge patch."""
        self._ask("", patch)

    def profile(self) -> Mapping[str, object]:
        """What is set other than by default."""
        return cast(Mapping[str, object], self._ask("")["profile"])

    def prompts(self, most: int) -> list[Mapping[str, object]]:
        """The bodies of the last requests that reached it, oldest first."""
        found = cast(Sequence[Mapping[str, object]], self._ask(f"/requests?limit={most}")["requests"])
        return [body for entry in found if isinstance(body := entry["body"], Mapping)]

    def _ask(self, path: str, body: Mapping[str, object] | None = None) -> Mapping[str, object]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                return cast(Mapping[str, object], json.load(response))
        except urllib.error.HTTPError as error:
            raise UnavailableError(
                f"the provider simulator at {self.url} refuses ({error.code}): see its log"
            ) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UnavailableError(
                f"the provider simulator does not answer at {self.url} ({type(error).__name__}): pipeline dev status"
            ) from None


class BadDay:
    """The demo's conditions, by the simulator's shipped profile `demo`; its outage comes when it is asked for."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        shipped = profiles.load("demo")
        self._wires = {
            name: {part: found for part, found in wire.model_dump(mode="json").items() if part in _CONDITIONS}
            for name, wire in (("openai", shipped.openai), ("anthropic", shipped.anthropic))
        }

    @contextmanager
    def lasting(self, requests: int) -> Iterator[None]:
        """Conditions for the length of the context, with the last `requests` requests kept to be looked at."""
        before = self._simulator.profile()
        nothing = {name: dict.fromkeys((*_CONDITIONS, "outage"), None) for name in self._wires}
        try:
            self._simulator.change(nothing)
            self._simulator.change({**self._wires, "record_requests": requests})
            yield
        finally:
            self._simulator.change({**nothing, "record_requests": before.get("record_requests")})
            kept = {
                name: {part: found for part, found in wire.items() if part in _CONDITIONS}
                for name in self._wires
                if isinstance(wire := before.get(name), Mapping)
            }
            self._simulator.change(kept)

    def outage(self, provider: ProviderSettings, seconds: float) -> None:
        """The provider answers 503 to everything from now on, for so long."""
        self._simulator.change({provider.wire: {"outage": {"seconds": seconds, "kind": "503"}}})

    def quotas(self, settings: Settings) -> Settings:
        """Settings in which the simulated accounts have the quotas of these conditions."""
        providers = dict(settings.providers)
        for name, provider in providers.items():
            if provider.simulated:
                quota = cast(Mapping[str, int], self._wires[provider.wire]["quota"])
                own = {field: value for field, value in quota.items() if field.endswith("_per_minute")}
                providers[name] = provider.model_copy(update=own)
        return settings.model_copy(update={"providers": providers})
