"""An ordinary bad day at the providers: quotas, 429s, faults of every kind, and the first one out for a while."""

from __future__ import annotations

import http.client
import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, cast

from pipeline.devstack import ports
from pipeline.devstack.simulator import Simulator as Server
from pipeline.devstack.tether import Tether
from pipeline.errors import UnavailableError
from pipeline.settings import ProviderSettings, Settings

_MOST_RECORDED: Final = 100_000
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator, by its `/control`. All methods block; UnavailableError when it does not answer."""

    url: str

    def change(self, patch: Mapping[str, object]) -> None:
        """Applies a merge patch."""
        self._ask("", patch)

    def prompts(self) -> list[Mapping[str, object]]:
        """The bodies of the requests that it recorded, oldest first."""
        found = cast(Sequence[Mapping[str, object]], self._ask(f"/requests?limit={_MOST_RECORDED}")["requests"])
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


@dataclass(frozen=True, slots=True)
class BadDay:
    """A simulator of this run's own: other runs and the stack's simulator are not disturbed, and what reached it is
    this run's.
    """

    simulator: Simulator
    settings: Settings
    """The run's, with every provider at this simulator, and the quotas that it enforces."""

    @classmethod
    @contextmanager
    def lasting(cls, settings: Settings, requests: int) -> Iterator[Self]:
        """By the shipped profile `demo`, its last `requests` requests kept to be looked at.

        It ends with the context or with this process, however that ends. Raises UnavailableError when it does not
        start.
        """
        # The tether deletes the folder, too: whoever comes second finds nothing.
        with tempfile.TemporaryDirectory(prefix="pipeline-demo-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            tether = Tether(folder)
            try:
                server = Server(folder / "simulator", folder / "run", ports.free(1)[0], "demo")
                server.prepare(lambda line: None)
                server.start()
                simulator = Simulator(f"{server.url}/control")
                simulator.change({"record_requests": min(_MOST_RECORDED, requests)})
                yield cls(simulator, _asking(server, settings))
            finally:
                tether.cut()

    def outage(self, provider: ProviderSettings, seconds: float) -> None:
        """The provider answers 503 to everything from now on, for so long."""
        self.simulator.change({provider.wire: {"outage": {"seconds": seconds, "kind": "503"}}})


def _asking(server: Server, settings: Settings) -> Settings:
    wires = cast(Mapping[str, Mapping[str, object]], server.settings()["providers"])
    providers = {
        name: ProviderSettings.model_validate({**provider.model_dump(), **wires[provider.wire]})
        for name, provider in settings.providers.items()
    }
    return settings.model_copy(update={"providers": providers})
