"""The comparison of engines: what is measured is what it is said to be."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from benchmarks.engines import __main__ as comparison
from benchmarks.engines import ideal, report
from benchmarks.engines.__main__ import main
from benchmarks.engines.crew import crew
from benchmarks.engines.errors import LeftOutError
from benchmarks.engines.peers import PEERS, Peer
from benchmarks.engines.scenarios import Setting
from benchmarks.engines.stage import Stage
from benchmarks.engines.tickets import MALFORMED, Ticket, mean_latency, number_of, tickets
from benchmarks.engines.watch import Seen, Watcher
from pipeline.errors import UnavailableError

ROOT = Path(__file__).parents[3]


class TestIdeal:
    def test_a_place_is_taken_again_as_soon_as_it_is_free(self) -> None:
        assert ideal.answers([3.0, 1.0, 1.0, 1.0], 2) == [3.0, 1.0, 2.0, 3.0]

    def test_a_quota_sets_the_pace_where_places_do_not(self) -> None:
        assert ideal.answers([0.1] * 3, 3, per_second=2.0) == [0.1, 0.6, 1.1]

    def test_the_rate_is_that_of_the_middle(self) -> None:
        assert ideal.rate([0.0] + [10 + number / 100 for number in range(100)] + [99.0]) == pytest.approx(100)

    def test_one_answer_has_no_rate(self) -> None:
        assert ideal.rate([1.0]) == 0.0


class TestTickets:
    def test_every_engine_gets_the_same(self) -> None:
        assert tickets(500, 0.2, 64) == tickets(500, 0.2, 64)

    def test_latency_and_faults_are_as_announced(self) -> None:
        made = tickets(20_000, 0.2, 256)
        ordered = sorted(one.latency_s for one in made)
        assert ordered[10_000] == pytest.approx(0.2, rel=0.05)
        assert ordered[19_800] == pytest.approx(1.0, rel=0.1)
        assert sum(ordered) / len(ordered) == pytest.approx(mean_latency(0.2), rel=0.05)
        assert sum(not one.well_formed for one in made) == pytest.approx(MALFORMED * 20_000, rel=0.3)

    def test_no_key_is_in_flight_all_the_time(self) -> None:
        keys = [one.key for one in tickets(20_000, 0.2, 256)]
        assert max(keys.count(key) for key in set(keys[:500])) / 20_000 * 256 < 1

    def test_malformed_ones_are_told_apart_and_still_have_a_number(self) -> None:
        broken = next(one for one in tickets(2_000, 0.2, 64) if not one.well_formed)
        assert number_of(broken.value) == broken.number
        with pytest.raises(json.JSONDecodeError):
            json.loads(broken.value)

    def test_one_key_in_two_hundred_is_slow(self) -> None:
        made = tickets(20_000, 0.2, 256, slow_keys=200)
        slow = [one for one in made if one.latency_s == 30.0]
        assert len({one.key for one in slow}) == len(slow)
        assert len(slow) == pytest.approx(len({one.key for one in made}) / 200, rel=0.5)


class TestVerdict:
    def verdict(
        self, *seen: tuple[int, bytes], dead: tuple[int, ...] = (), over: bool = True
    ) -> tuple[int, int, int, int]:
        made = [Ticket(number, b"k", b"", 0.1, well_formed=number != 3) for number in range(4)]
        watcher = Watcher("", "", "", 1)
        watcher.outputs = [Seen(number, 0, key, 1, 2) for number, key in seen]
        watcher.dead = [Seen(number, 0, b"k", 0, 2) for number in dead]
        found = watcher.verdict(made, over=over)
        return found.lost, found.duplicate, found.out_of_order, found.false_dead

    def test_nothing_wrong(self) -> None:
        assert self.verdict((0, b"k"), (1, b"k"), (2, b"k"), dead=(3,)) == (0, 0, 0, 0)

    def test_a_ticket_that_never_came_out_is_lost(self) -> None:
        assert self.verdict((0, b"k"), (2, b"k"), dead=(3,)) == (1, 0, 0, 0)
        assert self.verdict((0, b"k"), (2, b"k"), dead=(3,), over=False) == (0, 0, 0, 0)

    def test_a_second_output_is_a_duplicate_and_not_out_of_order(self) -> None:
        assert self.verdict((0, b"k"), (1, b"k"), (0, b"k"), (2, b"k"), dead=(3,)) == (0, 1, 0, 0)

    def test_a_later_one_of_the_key_must_not_stand_before(self) -> None:
        assert self.verdict((1, b"k"), (0, b"k"), (2, b"k"), dead=(3,)) == (0, 0, 1, 0)
        assert self.verdict((1, b"k"), (0, b"other"), (2, b"k"), dead=(3,)) == (0, 0, 0, 0)

    def test_a_dead_letter_of_a_good_ticket_is_false(self) -> None:
        assert self.verdict((0, b"k"), (1, b"k"), dead=(2, 3)) == (0, 0, 0, 1)


class TestProvider:
    @pytest.fixture
    def url(self) -> Iterator[str]:
        program = [sys.executable, "-m", "benchmarks.engines.provider"]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
            process.terminate()

    def test_it_answers_with_the_number_and_counts(self, url: str) -> None:
        answer = json.loads(self.ask(url, 7)["choices"][0]["message"]["content"])
        assert answer["number"] == 7
        told = self.control(url)
        assert (told["calls"], told["tickets"], told["answered"]) == (1, 1, 1)

    def test_out_means_503_and_a_quota_429(self, url: str) -> None:
        self.control(url, {"out": True})
        with pytest.raises(urllib.error.HTTPError, match="503"):
            self.ask(url, 1)
        self.control(url, {"out": False, "requests_per_minute": 60})
        self.ask(url, 2)
        with pytest.raises(urllib.error.HTTPError, match="429") as refused:
            self.ask(url, 3)
        assert refused.value.headers["retry-after"] == "1"
        told = self.control(url)
        assert (told["met_outage"], told["refused"], told["calls"]) == (1, 1, 1)

    def ask(self, url: str, number: int) -> dict[str, list[dict[str, dict[str, str]]]]:
        ticket = json.dumps({"number": number, "latency_ms": 1})
        asked = {"model": "m", "messages": [{"role": "user", "content": ticket}]}
        with urllib.request.urlopen(f"{url}/openai/v1/chat/completions", json.dumps(asked).encode()) as response:
            found: dict[str, list[dict[str, dict[str, str]]]] = json.load(response)
            return found

    def control(self, url: str, change: dict[str, object] | None = None) -> dict[str, float]:
        body = None if change is None else json.dumps(change).encode()
        with urllib.request.urlopen(f"{url}/control", body) as response:
            found: dict[str, float] = json.load(response)
            return found


class TestReport:
    def test_a_peer_that_cannot_be_run_is_told(self, tmp_path: Path) -> None:
        row: dict[str, object] = {
            "scenario": "throughput",
            "peer": "ours",
            "p50_ms": 200,
            "partitions": 4,
            "concurrency": 256,
            "of_ideal": 0.987,
        }
        document = report.Document(datetime(2026, 11, 21, tzinfo=UTC), {}, [row], {"quix_streams": "no wheel for it"})
        report.write(document, tmp_path)
        text = (tmp_path / "engines.md").read_text()
        assert "98.7 %" in text
        assert "no wheel for it" in text

    def test_a_later_run_takes_the_place_of_the_same_in_an_earlier_one(self, tmp_path: Path) -> None:
        at = {"scenario": "quota", "p50_ms": 200, "partitions": 4, "concurrency": 96}
        first = report.Document(datetime.now(UTC), {}, [], {})
        first.add({**at, "peer": "ours", "quota_used": 0.5})
        first.add({**at, "peer": "plain_loop", "quota_used": 0.4})
        report.write(first, tmp_path)
        later = report.Document(datetime.now(UTC), {}, [], {})
        report.take_up(later, tmp_path)
        later.add({**at, "peer": "ours", "quota_used": 0.9})
        assert [(row["peer"], row["quota_used"]) for row in later.rows] == [("plain_loop", 0.4), ("ours", 0.9)]


def test_who_ends_unasked_is_told_with_its_last_words_and_started_again(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "raise SystemExit('no such broker')"]
    with crew(program, [{"slot": "0"}], tmp_path) as workers:
        while len(workers.ended) < 2:
            workers.look()
    assert workers.ended == ["worker 0 ended with 1: no such broker"] * 2


def test_one_call_for_each_partition_means_fewer_places_and_fewer_tickets() -> None:
    def ready(_out: Path, _tell: object) -> list[str]:
        raise LeftOutError

    peer, at = Peer("p", "", "", "", ready, by_partition=True), Setting(20_000, 200, 4, 256)
    assert (peer.places(256, 4), peer.processes(4)) == (4, 4)
    assert at.count(peer) < 1_000 < at.count(Peer("q", "", "", "", ready)) == 20_000


def test_a_comparison_without_a_single_figure_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ready(_out: Path, _tell: object) -> list[str]:
        raise LeftOutError("no wheel for it")

    monkeypatch.setattr(comparison, "PEERS", [replace(peer, ready=ready) for peer in PEERS])
    monkeypatch.setattr(comparison, "stage", lambda out, redis: nullcontext())
    assert main(["--out", str(tmp_path)]) == 1
    assert "no wheel for it" in (tmp_path / "engines.md").read_text()
    assert "no peer could be run" in capsys.readouterr().err


def test_a_provider_that_died_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="provider of the comparison does not answer"):
        Stage("", "http://127.0.0.1:9", "", tmp_path).provider()


def test_unknown_peers_and_numbers_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--peers", "nobody"], ["--tickets", "0"], ["--concurrency", "-1"], ["--latency", "0"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert arguments[0] in capsys.readouterr().err
