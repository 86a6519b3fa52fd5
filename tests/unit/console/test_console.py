"""What the console lets through, what it refuses, and what it says when something is away."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pipeline.console import tracing
from pipeline.deadletters.actor import Actor, Role
from pipeline.deadletters.mending import Opened
from pipeline.errors import NotAllowedError, UnavailableError
from tests.unit.console.offline import KIM, PAT, SECRET, VIC, Offline
from tests.unit.deadletters.letters import letter, row, story

PAGES = (
    "/",
    "/overview",
    "/dead-letters",
    "/dead-letters?status=all&cause=undecodable",
    "/dead-letters?since=yesterday",
    "/dead-letters/one?id=E-1",
    "/dead-letters/close?cause=undecodable",
    "/replays",
    "/trace",
    "/audit",
    "/nowhere",
)
DEEDS = {
    "/dead-letters/one": "reveal",
    "/dead-letters/edit": "edit",
    "/dead-letters/close": "resolve",
    "/replays": "replay",
    "/replays/r-1/stop": "replay",
    "/trace": "reveal",
    "/enrichments/tickets/resume": "resume",
}
FORM = {"id": "E-1", "cause": "undecodable", "named": "support.tickets.v1/3/17", "why": "of a test", "preview": "x"}


@pytest.fixture
def offline(tmp_path: Path) -> Offline:
    return Offline.of(tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "/nowhere"])
def test_nobody_sees_a_page_without_signing_in(offline: Offline, page: str) -> None:
    answer = offline.browser.get(page)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


def test_live_parts_are_not_redirected_but_refused(offline: Offline) -> None:
    live = offline.browser.get("/replays/r-1/events", headers={"Accept": "text/event-stream"})
    assert live.status_code == 401
    part = offline.browser.get("/overview", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, "/sign-in")


@pytest.mark.parametrize("path", [*DEEDS, "/sign-in", "/sign-out"])
@pytest.mark.parametrize("sign", [{}, {"form_sign": "0" * 64}, {"form_sign": "é"}])
def test_a_form_that_was_not_made_here_does_nothing(offline: Offline, path: str, sign: dict[str, str]) -> None:
    offline.sign_in(KIM)
    answer = offline.browser.post(path, data={**FORM, **sign})
    assert answer.status_code == 403
    assert "not made for you" in answer.text
    assert offline.desk.kept.operations == []


def test_a_form_that_another_site_posts_does_nothing(offline: Offline) -> None:
    offline.sign_in(KIM)
    sign = offline.sign("/audit")
    answer = offline.browser.post(
        "/dead-letters/one", data={**FORM, "form_sign": sign}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert offline.desk.kept.operations == []


@pytest.mark.parametrize(("path", "action"), DEEDS.items())
def test_who_has_not_the_role_is_refused_and_that_is_audited(offline: Offline, path: str, action: str) -> None:
    offline.sign_in(VIC)
    answer = offline.post(path, FORM)
    assert answer.status_code == 403
    assert "takes the role" in answer.text
    (refused,) = offline.desk.kept.operations
    assert (refused.by, refused.action, refused.result) == ("vic", action, "refused")


def test_a_preview_by_who_may_not_send_is_refused_and_audited(offline: Offline) -> None:
    offline.sign_in(VIC)
    assert offline.browser.get("/replays/preview?cause=undecodable").status_code == 403
    assert [(one.action, one.result) for one in offline.desk.kept.operations] == [("replay", "refused")]


def test_an_operator_sees_no_personal_data(offline: Offline) -> None:
    offline.sign_in(PAT)
    for path in ("/dead-letters/one", "/dead-letters/edit"):
        answer = offline.post(path, {"id": "E-1", "why": "curious"})
        assert answer.status_code == 403
    assert [one.result for one in offline.desk.kept.operations] == ["refused"] * 2
    assert "takes the role privacy" in offline.browser.get("/dead-letters/one?id=E-1").text


def test_an_operator_who_may_not_see_a_value_cannot_write_over_it(offline: Offline) -> None:
    offline.sign_in(PAT)
    answer = offline.post("/dead-letters/edit", {"id": "E-1", "why": "a guess", "save": "yes", "field.body": "x"})
    assert answer.status_code == 403
    assert "takes the role privacy" in answer.text
    pat = Actor("pat", frozenset({Role.VIEWER, Role.OPERATOR}))
    with pytest.raises(NotAllowedError, match="privacy"):
        offline.desk.mend(pat, story(letter()), "{}", "a guess")
    with pytest.raises(NotAllowedError, match="privacy"):
        offline.desk.edit(pat, Opened(letter(), ""), "{}", "a guess")
    assert [(one.action, one.result) for one in offline.desk.kept.operations] == [("edit", "refused")] * 3


def test_deeds_are_offered_to_those_who_may(offline: Offline) -> None:
    offline.sign_in(VIC)
    assert "Send" not in offline.browser.get("/dead-letters").text
    offline.post("/sign-out", {})
    offline.sign_in(PAT)
    assert "Send it again…" in offline.browser.get("/dead-letters").text


class _Inline(HTMLParser):
    """What a strict policy would not run or show."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("page", [*PAGES, "/sign-in"])
def test_every_page_is_strict_uncached_and_without_inline_code(offline: Offline, page: str) -> None:
    if page != "/sign-in":
        offline.sign_in(KIM)
    answer = offline.browser.get(page)
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"} <= set(policy.split("; "))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    page_of = _Inline()
    page_of.feed(answer.text)
    assert page_of.found == []
    assert SECRET not in answer.text


def test_an_address_that_a_publisher_took_for_a_key_is_not_shown(tmp_path: Path) -> None:
    offline = Offline.of(tmp_path, row(entity=SECRET, tenant_id=SECRET))
    offline.sign_in(KIM)
    for page in ("/dead-letters", "/audit"):
        assert SECRET not in offline.browser.get(page).text
    assert "[EMAIL]" in offline.browser.get("/dead-letters").text


def test_every_static_file_that_a_page_names_is_there(offline: Offline) -> None:
    text = offline.browser.get("/sign-in").text
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
    assert len(named) == 5
    for address in named:
        answer = offline.browser.get(address)
        assert answer.status_code == 200
        assert "max-age" in answer.headers["Cache-Control"]
    assert offline.browser.get("/static/../app.py").status_code == 404


@pytest.mark.parametrize("page", ["/dead-letters", "/dead-letters/one?id=E-1", "/replays", "/audit"])
def test_what_is_away_is_said(offline: Offline, page: str) -> None:
    offline.sign_in(KIM)
    offline.desk.trouble = UnavailableError("Kafka at kafka:9092 failed while looking at topics: is it up?")
    answer = offline.browser.get(page)
    assert answer.status_code == 503
    assert "Kafka at kafka:9092 failed" in answer.text
    assert "pipeline doctor" in answer.text


def test_the_overview_stands_while_kafka_is_away_and_says_so(offline: Offline) -> None:
    offline.sign_in(KIM)
    offline.desk.trouble = UnavailableError("Kafka at kafka:9092 failed: is it up?")
    answer = offline.browser.get("/")
    assert answer.status_code == 200
    assert "Kafka at kafka:9092 failed" in answer.text
    assert "tickets" in answer.text


def test_what_is_not_in_the_cost_is_said_beside_it(offline: Offline) -> None:
    offline.sign_in(VIC)
    assert "calls without an answer" in offline.browser.get("/").text


def test_a_worker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/metrics"
    offline = Offline.of(tmp_path, workers=[address])
    offline.sign_in(VIC)
    text = offline.browser.get("/").text
    assert address in text
    assert "does not answer" in text


def test_a_missing_vault_key_is_said(offline: Offline) -> None:
    offline.sign_in(KIM)
    answer = offline.post("/dead-letters/one", {"id": "E-1", "why": "of a test"})
    assert answer.status_code == 400
    assert "PIPELINE_VAULT__KEYS" in answer.text


def test_a_defect_is_told_without_its_text(offline: Offline) -> None:
    offline.sign_in(KIM)
    offline.desk.trouble = RuntimeError(f"could not read {SECRET}")
    answer = offline.browser.get("/audit")
    assert answer.status_code == 500
    assert "unexpected RuntimeError" in answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "neither a time"),
        ("since=1h&until=2h", "nothing can have died"),
        ("cause=boredom", "there is no such cause"),
        ("topic=nothing", "has no dead letters"),
        ("status=lost", "there is no such status"),
    ],
)
def test_a_filter_that_is_not_understood_stays_to_be_mended(offline: Offline, query: str, said: str) -> None:
    offline.sign_in(KIM)
    answer = offline.browser.get(f"/dead-letters?{query}")
    assert answer.status_code == 400
    assert said in answer.text
    assert 'aria-label="Which dead letters"' in answer.text


@pytest.mark.parametrize("path", ["/dead-letters/one", "/dead-letters/close", "/trace", "/enrichments/tickets/resume"])
@pytest.mark.parametrize(("why", "said"), [(" ", "say why"), ("x" * 501, "longer than")])
def test_what_is_done_needs_a_reason_of_a_line(offline: Offline, path: str, why: str, said: str) -> None:
    offline.sign_in(KIM)
    answer = offline.post(path, {**FORM, "why": why})
    assert answer.status_code == 400
    assert said in answer.text
    assert [one.result for one in offline.desk.kept.operations if one.result == "done"] == []


@pytest.mark.parametrize("post", [False, True])
def test_a_third_trace_at_once_is_put_off(offline: Offline, monkeypatch: pytest.MonkeyPatch, post: bool) -> None:
    monkeypatch.setattr(tracing, "_TURN_S", 0)
    offline.sign_in(KIM)
    with tracing._TURNS, tracing._TURNS:
        answer = offline.post("/trace", FORM) if post else offline.browser.get("/trace?named=E-1")
    assert answer.status_code == 400
    assert "two records are being traced" in answer.text


def test_all_at_once_are_never_closed(offline: Offline) -> None:
    offline.sign_in(KIM)
    answer = offline.post("/dead-letters/close", {"why": "too many", "status": "all"})
    assert answer.status_code == 400
    assert "choose which" in answer.text


def test_a_form_larger_than_any_record_is_refused(offline: Offline) -> None:
    offline.sign_in(KIM)
    answer = offline.browser.post("/dead-letters/edit", data={"id": "x" * (5 << 20)})
    assert answer.status_code == 400
