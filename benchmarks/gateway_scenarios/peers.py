"""Runs the peers (peer.py) beside the gateway; one that is not installed is said to be so."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from benchmarks.gateway_scenarios.peer import NOT_INSTALLED
from benchmarks.gateway_scenarios.stage import CONTEXT, FIRST, SCHEMA, TEMPLATE, TICKET
from pipeline.redact.redacted import Redacted

PEERS = ("openai_sdk", "litellm_router")
MISSING = {"openai_sdk": "not installed", "litellm_router": "not installed (see --litellm-python)"}
RETRIES = 3


class Peers:
    """`pythons` names the Python that has a peer installed, where it is not this one."""

    def __init__(self, pythons: Mapping[str, str]) -> None:
        self._pythons = pythons

    async def run(self, peer: str, load: str, urls: list[str], **job: Any) -> dict[str, Any]:
        """What the peer saw; `{"skipped": why}` when it is not there or fails."""
        prompt = TEMPLATE.render(CONTEXT, {"subject": Redacted.authored("charge"), "body": Redacted.authored(TICKET)})
        task = {
            "peer": peer,
            "load": load,
            "urls": urls,
            "model": FIRST.model,
            "system": prompt.system,
            "text": TICKET,
            "schema": SCHEMA,
            "max_tokens": FIRST.max_tokens,
            "retries": RETRIES,
            "timeout_s": 30.0,
            **job,
        }
        process = await asyncio.create_subprocess_exec(
            self._pythons.get(peer, sys.executable),
            str(Path(__file__).with_name("peer.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(json.dumps(task).encode())
        if process.returncode == NOT_INSTALLED:
            return {"skipped": MISSING[peer]}
        if process.returncode:
            return {"skipped": f"failed: {err.decode(errors='replace').strip().splitlines()[-1:]}"}
        return cast(dict[str, Any], json.loads(out))
