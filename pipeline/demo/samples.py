"""The sample texts, and records made from them: each time other people, dates and amounts."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib import resources

from pipeline.demo.people import Person, amount, day, names, person

_FOLLOW_UPS = {
    "en": "Any news? This is reminder no. {turn}, I wrote:",
    "de": "Gibt es schon etwas Neues? Dies ist meine {turn}. Nachfrage, ich schrieb:",
    "fr": "Avez-vous des nouvelles ? Rappel no {turn}, j'avais écrit :",
    "es": "¿Hay novedades? Es mi recordatorio número {turn}, les escribí:",
    "it": "Ci sono novità? Sollecito numero {turn}, avevo scritto:",
    "nl": "Is er al nieuws? Dit is herinnering {turn}, ik schreef:",
    "pt": "Há novidades? Este é o lembrete número {turn}, eu tinha escrito:",
    "pl": "Czy są już jakieś wiadomości? To przypomnienie numer {turn}, pisałem:",
    "sv": "Finns det några nyheter? Påminnelse nummer {turn}, jag skrev:",
}
_TICKET_AMOUNTS = (12, 900)
_CLAIM_AMOUNTS = (180, 9_400)


@dataclass(frozen=True)
class Story:
    """One sample with its person: what a ticket or claim is about, however often its customer writes."""

    sample: Mapping[str, object]
    person: Person
    texts: Mapping[str, str]
    """Values that stand in the sample's texts."""
    happened: datetime

    def text(self, name: str) -> str:
        """One of the sample's texts with the values put in."""
        return str(self.sample[name]).format_map(self.texts)

    def again(self, turn: int) -> str:
        """How somebody begins who writes for the `turn`-th time after the first."""
        return _FOLLOW_UPS[str(self.sample["language"])].format(turn=turn)


@functools.cache
def samples(name: str) -> tuple[Mapping[str, object], ...]:
    """`tickets` or `claims`, as the file has them."""
    text = (resources.files("pipeline.demo") / "samples" / f"{name}.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


def story(sample: Mapping[str, object], draw: random.Random, now: datetime) -> Story:
    """A sample told by somebody."""
    country = str(sample["country"])
    writer = person(country, draw)
    woman, man = names(country, draw)
    days = sample.get("incident_days_ago")
    happened = now - timedelta(days=days if isinstance(days, int) else draw.randint(1, 20))
    between = sample.get("amount", _CLAIM_AMOUNTS if "description" in sample else _TICKET_AMOUNTS)
    texts = {
        "name": writer.name,
        "email": writer.email,
        "phone": writer.phone,
        "address": writer.address,
        "birth": writer.birth,
        "child_birth": day(country, date(draw.randint(2004, 2008), draw.randint(1, 12), draw.randint(1, 28))),
        "iban": writer.iban,
        "card": writer.card,
        "ssn": writer.ssn,
        "woman": woman,
        "man": man,
        "order": f"{draw.choice('ABCDEFGH')}{draw.randint(10, 99)}-{draw.randint(100_000, 999_999)}",
        "policy": f"{draw.choice(('HO', 'AUT', 'TRV', 'LIF'))}-{draw.randint(1000, 9999)}-{draw.randint(1000, 9999)}",
        "amount": amount(country, between if isinstance(between, list | tuple) else _TICKET_AMOUNTS, draw),
        "date": day(country, happened.date()),
    }
    return Story(sample, writer, texts, happened)


def ticket(story: Story, ticket_id: str, tenant: str, turn: int, now: datetime) -> dict[str, object]:
    """The `turn`-th record of a ticket (from 0): what its customer wrote then."""
    body = story.text("body")
    if turn:
        quoted = "\n".join(f"> {line}" for line in body.splitlines())
        body = f"{story.again(turn)}\n\n{quoted}"
    return {
        "ticket_id": ticket_id,
        "tenant_id": tenant,
        "body": body,
        "subject": story.text("subject"),
        "channel": story.sample["channel"],
        "language": story.sample["language"],
        "customer": {
            "customer_id": f"C-{ticket_id}",
            "name": story.person.name,
            "email": story.person.email,
            "phone": story.person.phone,
        },
        "created_at": now,
        "attributes": story.sample.get("attributes", {}),
    }


def claim(story: Story, claim_id: str, tenant: str, turn: int, now: datetime) -> dict[str, object]:
    """The `turn`-th record of a claim (from 0): each one after the first asks what became of it."""
    description = story.text("description")
    if turn:
        description = f"{story.again(turn)}\n\n{description}"
    documents = story.sample["documents"]
    assert isinstance(documents, list)
    return {
        "claim_id": claim_id,
        "tenant_id": tenant,
        "description": description,
        "policy_number": story.text("policy_number"),
        "claimant": {
            "name": story.person.name,
            "email": story.person.email,
            "phone": story.person.phone,
            "address": story.person.address,
            "date_of_birth": story.person.birth,
        },
        "incident_date": story.happened.date(),
        "documents": [{"name": item["name"], "text": item["text"].format_map(story.texts)} for item in documents],
        "submitted_at": now,
    }
