"""What the demo publishes fits its schemas, belongs to nobody, and holds the malformed records that it promises."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from pipeline.catalogue import load
from pipeline.demo.samples import samples
from pipeline.demo.traffic import RUN, Malformed, Stream, traffic
from pipeline.serde import JsonCodec
from pipeline.settings import CatalogueSettings
from pipeline.stream.record import Output

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
NAMES = ("tickets", "claims")
_EMAIL = re.compile(r"[\w.+-]+@([\w.-]+\w)")


def _made(
    name: str, count: int, seed: str = "1", run: str = "ab12cd34"
) -> tuple[list[Output], list[Mapping[str, object]]]:
    records: list[Mapping[str, object]] = []

    def encode(record: Mapping[str, object]) -> bytes:
        records.append(record)
        return b"\0\0\0\0\x01record"

    return list(traffic(Stream(name, f"{name}-topic", encode), count, run, seed, NOW)), records


def _texts(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", NAMES)
def test_every_record_fits_its_schema(name: str) -> None:
    catalogue = load(CatalogueSettings())
    codec = JsonCodec(catalogue.schema_of(catalogue.enrichment(name).input.topic).schema)
    for record in _made(name, 200)[1]:
        codec.encode(record)


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_used_and_every_value_put_in(name: str) -> None:
    outputs, records = _made(name, 400)
    assert not [text for record in records for text in _texts(record) if "{" in text or "}" in text]
    assert len({output.key for output in outputs}) > len(samples(name))


@pytest.mark.parametrize("name", NAMES)
def test_nobody_can_be_reached_by_what_the_samples_hold(name: str) -> None:
    texts = [text for record in _made(name, 400)[1] for text in _texts(record)]
    domains = {found[1] for text in texts for found in _EMAIL.finditer(text)}
    assert domains
    assert domains <= {"example.com", "example.org", "example.net"}


def test_one_in_a_hundred_is_malformed_in_every_way() -> None:
    outputs, _ = _made("tickets", 600)
    odd = [output for output in outputs if output.value != b"\0\0\0\0\x01record" or not (output.key or b"").isascii()]
    assert len(odd) == len(Malformed) == 6
    assert sorted(len(output.value or b"") for output in odd)[-1] > 2_000_000
    assert [output.value for output in odd].count(None) == 1
    assert [output.value for output in odd].count(b"") == 1


@pytest.mark.parametrize(("count", "malformed"), [(1, 1), (40, 1), (200, 2), (1000, 10)])
def test_even_a_small_run_has_a_malformed_record(count: int, malformed: int) -> None:
    outputs, records = _made("claims", count)
    assert len(outputs) == len(records) == count
    spoiled = [
        output for output in outputs if output.value != b"\0\0\0\0\x01record" or not (output.key or b"").isascii()
    ]
    assert len(spoiled) == malformed


def test_keys_come_again_some_far_more_often_than_others() -> None:
    counts = sorted(Counter(output.key for output in _made("tickets", 600)[0]).values())
    assert counts[-1] >= 5 * counts[len(counts) // 2]
    assert sum(count > 1 for count in counts) >= 50


def test_each_record_can_be_told_from_all_others_and_from_other_runs() -> None:
    first, second = _made("tickets", 100)[0], _made("tickets", 100, run="ffff0000")[0]
    events = [dict(output.headers)["event-id"] for output in first + second]
    assert len(set(events)) == 200
    assert {dict(output.headers)[RUN] for output in second} == {b"ffff0000"}


def test_the_same_seed_tells_the_same_stories_and_another_one_others() -> None:
    first, again, other = (_made("claims", 50, seed)[1] for seed in ("1", "1", "2"))
    assert first == again
    assert all(one != another for one, another in pairwise([first, other]))
