"""What a worker tells of itself, read as a worker writes it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pipeline.console.workers import addresses, ask, told
from pipeline.errors import UsageError
from pipeline.settings import Settings

METRICS = """
# TYPE pipeline_lag_records gauge
pipeline_lag_records{enrichment="tickets",otel_scope_name="pipeline"} 12.0
pipeline_in_flight_records{enrichment="tickets",otel_scope_name="pipeline"} 3.0
pipeline_oldest_waiting_seconds{enrichment="tickets"} 7.5
pipeline_paused{enrichment="tickets"} 1.0
pipeline_paused{enrichment="claims"} 0.0
pipeline_paused_reason{enrichment="tickets",reason="50 dead letters in a row have the fingerprint ab12"} 1.0
pipeline_breaker_state{model="m-1",provider="openai",state="half_open"} 1.0
pipeline_quota_used_ratio{model="m-1",provider="openai"} 0.25
pipeline_calls_total{model="m-1",provider="openai"} 40.0
pipeline_calls_failed_total{model="m-1",provider="openai"} 4.0
pipeline_budget_held_records 2.0
"""


def test_what_only_a_worker_knows_is_read() -> None:
    found = told("here", METRICS)
    assert found.paused == {"tickets": "50 dead letters in a row have the fingerprint ab12"}
    assert (found.in_flight, found.oldest_s, found.held) == ({"tickets": 3.0}, {"tickets": 7.5}, 2.0)
    (model,) = found.models
    assert (model.model, model.breaker, model.quota_used) == ("m-1", "half_open", 0.25)
    assert (model.calls, model.failed, model.throttled) == (40.0, 4.0, 0.0)


def test_a_page_of_something_else_is_no_worker() -> None:
    with pytest.raises(ValueError, match="no worker"):
        told("here", "python_info 1.0\n")


def test_one_that_is_gone_keeps_nobody_from_being_asked() -> None:
    assert [one.trouble != "" for one in ask(["http://127.0.0.1:9/metrics", "http://127.0.0.1:9/"])] == [True, True]


class _Odd(BaseHTTPRequestHandler):
    """Something that is no worker, by the path it is asked for."""

    def do_GET(self) -> None:
        if self.path == "/protocol":
            self.wfile.write(b"220 ready\r\n")
            return
        body = b"pipeline_lag_records 1\npipeline_paused_reason 1\npipeline_breaker_state 1\n"
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_whatever_answers_there_is_told_and_breaks_nothing() -> None:
    with HTTPServer(("127.0.0.1", 0), _Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found = ask([f"http://127.0.0.1:{server.server_port}{path}" for path in ("/protocol", "/labels", "/a b")])
        server.shutdown()
        thread.join()
    assert [one.trouble for one in found] == ["answers with something else than metrics"] * 3


@pytest.mark.parametrize("address", ["http://h:port/metrics", "http://h:99999/", "http://[h/metrics", "http:///m"])
def test_half_an_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"console\.workers"):
        addresses(Settings.model_validate({"console": {"workers": [address]}}))


def test_an_address_that_is_none_is_refused_and_the_machines_own_is_the_default() -> None:
    with pytest.raises(UsageError, match=r"console\.workers"):
        addresses(Settings.model_validate({"console": {"workers": ["file:///etc/passwd"]}}))
    assert addresses(Settings.model_validate({"telemetry": {"metrics_port": 9464}})) == (
        "http://127.0.0.1:9464/metrics",
    )
