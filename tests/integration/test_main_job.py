"""Tickets and claims in, enriched records or dead letters out: each accounted for, through bad input and outage."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from pipeline.catalogue import load
from pipeline.llm.classifier import Classifier
from pipeline.llm.classifier.model import Training
from pipeline.settings import CatalogueSettings, Settings
from pipeline.stream.admin import Admin
from tests.integration.job import Job, end

OUTAGE_S = 60
DATA = Path(__file__).parents[2] / "../shared/data"


def _ticket(number: str, **fields: object) -> dict[str, object]:
    return {"ticket_id": number, "tenant_id": "acme", "body": "My parcel is late, where is it?", **fields}


def _prefix() -> str:
    return f"T{uuid.uuid4().hex[:8]}-"


def test_every_record_of_real_texts_is_accounted_for(job: Job) -> None:
    if not DATA.is_dir():
        pytest.skip("the shared texts are not here")
    name = _prefix()
    tickets = [_ticket(f"{name}{row['id']}", body=row["text"]) for row in _rows("cfpb_raw.jsonl", 150)]
    claims = [
        {"claim_id": f"{name}{row['id']}", "tenant_id": "acme", "description": row["text"]}
        for file in ("natcs_insurance.jsonl", "neiss_injury.jsonl")
        for row in _rows(file, 100)
    ]
    job.publish("support.tickets.v1", tickets)
    job.publish("insurance.claims.v1", claims)
    job.command("run", "--until-idle", "3", timeout=180)
    for rows, id_field, output, dead in (
        (tickets, "ticket_id", "support.tickets.enriched.v1", "support.tickets.v1.dead-letters"),
        (claims, "claim_id", "insurance.claims.extracted.v1", "insurance.claims.v1.dead-letters"),
    ):
        enriched = [str(value[id_field]) for value in job.values(output, name)]
        died = [str(value["entity_id"]) for value in job.values(dead, name)]
        assert Counter(enriched + died) == Counter(str(row[id_field]) for row in rows)
        assert len(enriched) >= 0.95 * len(rows)


def test_each_kind_of_poison_is_a_dead_letter_with_its_cause_and_the_rest_flows(job: Job) -> None:
    name = _prefix()
    good = [_ticket(f"{name}{i}") for i in range(20)]
    raw: list[dict[str, object]] = [
        {"key": f"{name}two-megabytes", "value_base64": _base64(b"\0\0\0\0\x01" + b"x" * 2_000_000)},
        {"key": f"{name}empty", "value_base64": ""},
        {"key": f"{name}unknown-schema", "value_base64": _base64(b"\0\x00\x7f\xff\xff" + b"rest")},
        {"key": f"{name}null", "value_base64": None},
        {"key_base64": _base64(b"\0\0\0\x05"), "value_base64": _base64(b"\0\0\0\0\x01")},
        {"key": f"{name}json", "value_base64": _base64(json.dumps({"ticket_id": 5}).encode())},
    ]
    before = Counter(_causes(job))
    job.publish("support.tickets.v1", good)
    job.publish("support.tickets.v1", raw, "--raw")
    job.command("run", "tickets", "--until-idle", "3")
    assert len(job.values("support.tickets.enriched.v1", name)) == len(good)
    found = Counter(_causes(job)) - before
    assert found.total() == len(raw)
    assert found["empty_value"] == found["null_value"] == found["schema_unknown"] == found["key_invalid"] == 1
    assert found["undecodable"] == found["too_large"] == 1


def test_committed_answers_can_be_learnt_from(job: Job, tmp_path: Path) -> None:
    """Measuring reads the topics as training does, and needs no scikit-learn."""
    name, labels = _prefix(), [label.label for label in load(CatalogueSettings()).enrichment("tickets").spec.labels]
    job.publish("support.tickets.v1", [_ticket(f"{name}{i}", body=f"{name} parcel {i} is late") for i in range(3)])
    job.command("run", "tickets", "--until-idle", "1")
    facts = Training(at="", rows=0, rows_by_label={}, held_out=0, accuracy=0, calibration_error=0)
    made = Classifier("tickets", labels, ["DELIVERY"], ["parcel"], [1.0], [1.0], [0.0], 1.0, facts)
    made.save(tmp_path / "tickets.json")
    command = ("fallback", "eval", str(tmp_path / "tickets.json"), "--sure", "0", "--json")
    assert json.loads(job.command(*command, "--simulated"))["rows"] >= 3
    assert "has no answer to learn from" in job.attempt(*command).stderr, (
        "the simulator is no teacher unless it is told"
    )


def test_an_outage_of_both_providers_makes_no_dead_letter_and_no_rebalance(
    job: Job, settings: Settings, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    name = _prefix()
    dead = len(job.consume("support.tickets.v1.dead-letters"))
    admin = Admin(settings.kafka.client())
    _outage(settings, {"seconds": 3600, "kind": "503"})
    worker = job.worker("tickets", log=tmp_path / "worker.log")
    try:
        job.publish("support.tickets.v1", [_ticket(f"{name}{i}") for i in range(300)])
        began = time.monotonic()
        _until(lambda: time.monotonic() - began > OUTAGE_S, OUTAGE_S + 30)
        lag = sum(part.records for part in admin.lag("enrichment-tickets", ["support.tickets.v1"]))
        assert lag >= 300
        _outage(settings, None)
        back = datetime.now(UTC)
        _until(lambda: len(job.values("support.tickets.enriched.v1", name)) == 300, 60)
    finally:
        _outage(settings, None)
        assert end(worker) == 0
    assert len(job.consume("support.tickets.v1.dead-letters")) == dead
    first = min(str(value["enriched_at"]) for value in job.values("support.tickets.enriched.v1", name))
    record_property("resumed_after_s", (datetime.fromisoformat(first) - back).total_seconds())
    log = (tmp_path / "worker.log").read_text()
    assert log.count(": assigned") == 1
    assert ": lost" not in log


def _rows(file: str, most: int) -> list[dict[str, object]]:
    with (DATA / file).open(encoding="utf-8") as lines:
        return [cast(dict[str, object], json.loads(line)) for line, _ in zip(lines, range(most), strict=False)]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _causes(job: Job) -> list[str]:
    return [
        str(cast(Mapping[str, object], row["value"])["cause"]) for row in job.consume("support.tickets.v1.dead-letters")
    ]


def _outage(settings: Settings, outage: Mapping[str, object] | None) -> None:
    """Begins or ends an outage of both providers."""
    change = {wire: {"outage": outage} for wire in ("openai", "anthropic")}
    address = settings.providers["openai"].base_url.removesuffix("/openai/v1") + "/control"
    request = urllib.request.Request(address, json.dumps(change).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def _until(holds: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it did not come to it in time"
        time.sleep(0.2)
