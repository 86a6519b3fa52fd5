"""The console in a real browser on the real stack, driven by what its pages show and nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from pipeline.settings import Settings
from pipeline.stream.publisher import Publisher
from pipeline.stream.record import Output
from playwright.sync_api import Page, expect
from tests.integration.browser import KIM, PAT, VIC, Served, free_port, needs_chromium, picture, served
from tests.integration.faults import fault
from tests.integration.job import Job, end

pytestmark = [needs_chromium, pytest.mark.timeout(300)]

INPUT = "support.tickets.v1"
SECRETS = ("jo.doe@example.com", "4111 1111 1111 1111", "Joanna Doering")
TEXT = f"It broke. Write to {SECRETS[0]}, card {SECRETS[1]}, {SECRETS[2]}."
SLOW_MS = 90_000
"""For what a worker has to do on a busy machine."""


@dataclass(frozen=True)
class Scene:
    """A console, a worker that runs, and dead letters of a tenant that nobody else has."""

    served: Served
    job: Job
    run: str

    @property
    def tenant(self) -> str:
        return f"acme-{self.run}"

    def event(self, name: str) -> str:
        return f"{self.run}-{name}"


@pytest.fixture(scope="module")
def scene(
    job: Job, environment: Mapping[str, str], settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    folder, run, port = tmp_path_factory.mktemp("console"), uuid.uuid4().hex[:8], free_port()
    # Equal texts would share their calls: then not each has calls of its own to show.
    tickets = [
        {"ticket_id": f"{run}-{number}", "tenant_id": f"acme-{run}", "body": f"Lamp {number}. {TEXT}"}
        for number in range(4)
    ]
    with fault(settings, "schema_violation"):
        job.publish(INPUT, tickets)
        job.command("run", "tickets", "--until-idle", "1")
    job.publish(INPUT, [{**tickets[0], "ticket_id": f"{run}-fine", "customer": {"name": SECRETS[2]}}])
    _undecodable(settings, run, ["mended", "seen"])
    working = Job({**environment, "PIPELINE_TELEMETRY__METRICS_PORT": str(port), "PIPELINE_GUARD__RUN": "6"})
    worker = working.worker("tickets", log=folder / "worker.log")
    try:
        addresses = json.dumps([f"http://127.0.0.1:{port}/metrics", "http://127.0.0.1:9/metrics"])
        budget = {"PIPELINE_BUDGET__DAILY_USD": "5"}
        with served(environment, folder, PIPELINE_CONSOLE__WORKERS=addresses, **budget) as console:
            yield Scene(console, job, run)
    finally:
        end(worker)


def _undecodable(settings: Settings, run: str, names: Sequence[str]) -> None:
    with Publisher(settings.kafka.client()) as publisher:
        for name in names:
            event = f"{run}-{name}"
            value = json.dumps({"ticket_id": event, "tenant_id": f"acme-{run}", "body": TEXT}).encode()
            headers = (("event-id", event.encode()), ("x-customer", SECRETS[0].encode()))
            publisher.send(Output(INPUT, event.encode(), value, headers))


def _clean(page: Page) -> None:
    text = page.content()
    assert [secret for secret in SECRETS if secret in text] == []


def _open(page: Page, event: str) -> None:
    """A dead letter by its event, as somebody finds it who was told the event's id."""
    page.get_by_role("link", name="Dead letters", exact=True).click()
    page.get_by_label("Id or event").fill(event)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("table").last.get_by_role("link").first.click()


def test_a_new_operator_finds_what_died_and_sends_it_again_by_what_the_pages_say(scene: Scene) -> None:
    with scene.served.signed_in(PAT) as page:
        picture(page, "overview")
        page.get_by_role("link", name="Dead letters", exact=True).click()
        page.get_by_label("Tenant").select_option(scene.tenant)
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text("4 dead letters in 1 group")).to_be_visible()
        expect(page.get_by_text("replay with a better prompt or a stronger tier")).to_be_visible()
        picture(page, "dead-letters")
        _clean(page)
        page.get_by_role("link", name="Example of answer invalid").click()
        expect(page.get_by_role("heading", name="Calls")).to_be_visible()
        expect(page.get_by_role("cell", name="openai").first).to_be_visible()
        picture(page, "dead-letter")
        _clean(page)
        page.go_back()
        page.get_by_role("link", name="Send them again…").click()
        expect(page.get_by_text("preview, nothing was sent")).to_be_visible()
        picture(page, "preview")
        page.get_by_label("Why it can work now").fill("the model answers validly again")
        page.get_by_label("First records alone").fill("2")
        page.get_by_role("button", name="Send 4 again").click()
        expect(page.get_by_role("heading", name="Replay")).to_be_visible()
        picture(page, "replay-begun")
        expect(page.get_by_text("Finished")).to_be_visible(timeout=SLOW_MS)
        expect(page.locator("dt", has_text="Replayed").locator("+ dd")).to_have_text("4")
        picture(page, "replay-finished")
        page.get_by_role("link", name="Audit").click()
        row = page.get_by_role("row").filter(has_text="the model answers validly again").first
        expect(row).to_contain_text("pat")
    assert len({row["ticket_id"] for row in scene.job.values("support.tickets.enriched.v1", scene.run)}) == 5


def test_the_overview_tells_what_topics_and_workers_know(scene: Scene) -> None:
    with scene.served.signed_in(VIC) as page:
        card = page.get_by_role("region", name="tickets")
        expect(card).to_contain_text("1 worker")
        expect(card).to_contain_text("breaker closed", timeout=SLOW_MS)
        expect(card.locator("dt", has_text="Cost today").locator("+ dd")).to_contain_text("simulated")
        expect(card.locator("dt", has_text="Lag").locator("+ dd")).to_have_text("0", timeout=SLOW_MS)
        expect(card.locator("dt", has_text="Rate").locator("+ dd")).to_contain_text("/s", timeout=SLOW_MS)
        expect(page.get_by_role("row").filter(has_text="all tenants, all enrichments")).to_contain_text("$5.00")
        expect(page.get_by_text("does not answer")).to_be_visible()


def test_a_value_is_mended_with_its_mistakes_said_at_their_fields(scene: Scene) -> None:
    with scene.served.signed_in(KIM) as page:
        _open(page, scene.event("mended"))
        _clean(page)
        page.get_by_role("button", name="Edit the value…").click()
        expect(page.get_by_label("body")).to_have_value(TEXT)
        page.get_by_label("body").fill("")
        page.get_by_label("attributes").fill("{shop}")
        page.get_by_label("Why it is changed").fill("they forgot the format")
        page.get_by_role("button", name="Check and keep").click()
        expect(page.get_by_label("attributes")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("attributes").fill('{"shop": "7"}')
        page.get_by_role("button", name="Check and keep").click()
        expect(page.get_by_role("link", name="body")).to_be_visible()
        expect(page.get_by_label("body")).to_have_attribute("aria-invalid", "true")
        picture(page, "edit-refused")
        page.get_by_label("body").fill(f"It broke. {SECRETS[0]}")
        page.get_by_role("button", name="Check and keep").click()
        expect(page.get_by_text("The value is mended")).to_be_visible()
        _clean(page)
        page.get_by_label("Why you need to see it").fill("to see what I changed")
        page.get_by_role("button", name="Reveal the original").click()
        expect(page.get_by_text(f'+  "body": "It broke. {SECRETS[0]}"')).to_be_visible()
        picture(page, "revealed")


def test_what_is_closed_asks_for_a_why_and_is_open_no_more(scene: Scene) -> None:
    with scene.served.signed_in(PAT) as page:
        _open(page, scene.event("seen"))
        page.get_by_role("link", name="Close it…").click()
        page.get_by_label("Why they need no sending").fill("a test of theirs")
        page.get_by_role("button", name="Close 1").click()
        expect(page.get_by_text("1 closed.")).to_be_visible()
        _open(page, scene.event("seen"))
        expect(page.get_by_role("heading", name="resolved")).to_be_visible()
        expect(page.get_by_text("a test of theirs")).to_be_visible()


def test_a_record_is_traced_redacted_and_in_clear_only_for_who_may(scene: Scene) -> None:
    (event,) = {str(row["event_id"]) for row in scene.job.values("support.tickets.enriched.v1", f"{scene.run}-fine")}
    for token in (VIC, KIM):
        with scene.served.signed_in(token) as page:
            page.get_by_role("link", name="Record trace").click()
            page.get_by_label("Event id").fill(event)
            page.get_by_role("button", name="Trace").click()
            expect(page.get_by_text("The answer fits its schema.")).to_be_visible()
            expect(page.get_by_text("[EMAIL_1]").first).to_be_visible()
            _clean(page)
            picture(page, "trace")
            if token == KIM:
                page.get_by_label("Why you need to see personal data").fill("a complaint")
                page.get_by_role("button", name="Reveal").click()
                expect(page.get_by_text(SECRETS[0]).first).to_be_visible()
            else:
                expect(page.get_by_role("button", name="Reveal")).to_have_count(0)


def test_a_viewer_sees_every_page_and_no_personal_value(scene: Scene) -> None:
    with scene.served.signed_in(VIC) as page:
        seen: set[str] = set()
        left = [scene.served.url, f"{scene.served.url}dead-letters?status=all&id={scene.event('mended')}"]
        while left and len(seen) < 25:
            address = left.pop(0)
            if address in seen:
                continue
            seen.add(address)
            page.goto(address)
            _clean(page)
            links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href.split('#')[0])")
            left += [link for link in links if link.startswith(scene.served.url)]
        assert any("/dead-letters/one" in address for address in seen)
        assert any("/trace?" in address for address in seen)
        answer = page.goto(f"{scene.served.url}replays/preview?id={scene.event('mended')}")
        assert answer is not None
        assert answer.status == 403
        page.goto(f"{scene.served.url}audit")
        expect(page.get_by_role("row").filter(has_text="vic").filter(has_text="refused").first).to_be_visible()


def test_a_paused_enrichment_says_why_and_goes_on_when_it_is_told(scene: Scene, settings: Settings) -> None:
    _undecodable(settings, scene.run, [f"guard-{number}" for number in range(6)])
    with scene.served.signed_in(PAT) as page:
        notice = page.get_by_role("alert").filter(has_text="tickets is paused by its guard")
        expect(notice).to_contain_text("6 dead letters in a row have the fingerprint", timeout=SLOW_MS)
        picture(page, "paused")
        page.get_by_label("Why it can go on").fill("it was a test")
        page.get_by_role("button", name="Resume tickets").click()
        expect(page.get_by_text("The workers of tickets were told to go on.")).to_be_visible()
        expect(notice).to_have_count(0, timeout=SLOW_MS)


def test_the_keyboard_is_enough(scene: Scene) -> None:
    with scene.served.signed_in(PAT) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        picture(page, "skip-link")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        focused = page.evaluate("document.querySelector('main').contains(document.activeElement)")
        assert focused
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 390), ("dark", 390)])
def test_pages_fit_wide_and_narrow_windows_in_both_schemes(scene: Scene, scheme: str, width: int) -> None:
    pages = {
        "overview": "",
        "dead-letters": "dead-letters?status=all",
        "one": f"dead-letters/one?id={scene.event('mended')}",
        "preview": f"replays/preview?id={scene.event('mended')}",
        "replays": "replays",
        "trace": f"trace?named={scene.event('mended')}",
        "audit": "audit",
        "missing": "no-such-page",
    }
    with scene.served.signed_in(KIM, scheme=scheme, width=width) as page:
        for name, address in pages.items():
            page.goto(scene.served.url + address)
            picture(page, f"{name}-{scheme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_times_are_said_in_the_readers_zone(scene: Scene) -> None:
    context = scene.served.browser.new_context(timezone_id="Asia/Kolkata", locale="en-GB")
    page = context.new_page()
    page.goto(scene.served.url)
    page.get_by_label("Your token").fill(VIC)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("time").first).to_contain_text("5:30")
    context.close()
