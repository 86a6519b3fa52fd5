"""A console on a desk that needs no cluster: a real index, real letters; what would be written is kept here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from httpx2 import Response
from pipeline.catalogue import load
from pipeline.console.access import Access
from pipeline.console.app import Console
from pipeline.deadletters.audit import Audit
from pipeline.deadletters.desk import Desk, Story
from pipeline.deadletters.index import Index, Operation
from pipeline.deadletters.index.entry import Row
from pipeline.deadletters.index.filling import Batch
from pipeline.deadletters.index.following import Progress
from pipeline.deadletters.reading import DeadLetterTopics
from pipeline.serde import TopicCodecs
from pipeline.settings import CatalogueSettings, Settings
from starlette.testclient import TestClient
from tests.unit.deadletters.letters import DEAD, letter, row, story

KIM, PAT, VIC = "kim-token-0123456789abcdef", "pat-token-0123456789abcdef", "vic-token-0123456789abcdef"
TOKENS = f"kim:viewer+operator+privacy:{KIM}\n# a remark\npat:viewer+operator:{PAT}\nvic:viewer:{VIC}\n"
SECRET = "jo.doe@example.com"
_SIGN = re.compile(r'name="form_sign" value="([0-9a-f]{64})"')


class KeptAudit(Audit):
    """Keeps what would be written."""

    def __init__(self, topics: DeadLetterTopics) -> None:
        super().__init__(topics)
        self.operations: list[Operation] = []

    def write(self, *operations: Operation) -> None:
        self.operations += operations


class OfflineDesk(Desk):
    """One open dead letter; `trouble` is what every look at the topics raises."""

    def __init__(self, settings: Settings, folder: Path, *letters: Row) -> None:
        topics = DeadLetterTopics(TopicCodecs(load(CatalogueSettings()), settings.registry), {})
        index = Index(folder / "index.sqlite")
        index.take(Batch(letters=list(letters or [row()]), ends={(DEAD, 2): 100}, begins={(DEAD, 2): None}))
        super().__init__(settings, topics, index)
        self.kept = self._audit = KeptAudit(topics)
        self.trouble: Exception | None = None

    def catch_up(self, told: Callable[[Progress], None] = lambda _: None) -> int:
        if self.trouble is not None:
            raise self.trouble
        return 0

    def story(self, named: str) -> Story:
        return story(letter())


@dataclass
class Offline:
    """A console and a browser."""

    desk: OfflineDesk
    browser: TestClient
    settings: Settings = field(repr=False)

    @classmethod
    def of(cls, folder: Path, *letters: Row, peer: str = "testclient", **console: object) -> Offline:
        settings = Settings.model_validate({"console": {"tokens": TOKENS, **console}})
        desk = OfflineDesk(settings, folder, *letters)
        made = Console(settings, load(settings.catalogue), Access.of(settings.console), lambda: desk)
        browser = TestClient(made.application(), follow_redirects=False, client=(peer, 1))
        return cls(desk, browser, settings)

    def sign_in(self, token: str) -> None:
        """By the form, as people do."""
        answer = self.post("/sign-in", {"token": token, "next": "/"}, at="/sign-in")
        assert answer.status_code == 303, answer.text

    def sign(self, at: str) -> str:
        """What the forms of a page carry."""
        found = _SIGN.search(self.browser.get(at).text)
        assert found is not None
        return found[1]

    def post(self, path: str, form: dict[str, str], at: str = "/audit") -> Response:
        """A form of the page `at`, posted."""
        return self.browser.post(path, data={**form, "form_sign": self.sign(at)})
