"""A dead letter told to a person, or to a program: all that is known, and of the original only how large it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from pipeline.deadletters.desk import Story
from pipeline.deadletters.filter import Status
from pipeline.deadletters.index import Edit, Entry, Operation
from pipeline.deadletters.index.entry import readable
from pipeline.deadletters.reading import DeadLetter
from pipeline.deadletters.remedies import remedy

Line = tuple[str, str]
"""A name and what stands behind it; an empty name continues the one before."""


def row_as_json(entry: Entry) -> dict[str, object]:
    """What lists know of a dead letter."""
    return {
        "id": entry.id,
        "status": entry.status,
        "topic": entry.at.topic,
        "event_id": entry.event_id,
        "tenant_id": entry.tenant_id,
        "entity": entry.entity,
        "enrichment": entry.enrichment,
        "stage": entry.stage,
        "cause": entry.cause,
        "message": entry.message,
        "fingerprint": entry.fingerprint,
        "attempts": entry.attempts,
        "cost_usd": entry.cost_usd,
        "received_at": entry.received_at,
        "first_failed_at": entry.first_failed_at,
        "failed_at": entry.failed_at,
        "replays": entry.replays,
        "tries": entry.tries,
        "next_try_at": entry.next_try_at,
        "original_size": entry.size,
        "original_kept": entry.kept,
        "source": {
            "topic": entry.source_topic,
            "partition": entry.source_partition,
            "offset": entry.source_offset,
        },
    }


def as_json(story: Story) -> dict[str, object]:
    """Everything but the sealed original. Keys and headers are text where they are text."""
    letter = story.letter
    told = {name: value for name, value in letter.envelope.items() if name != "original"}
    told["key"] = readable(cast(bytes | None, letter.envelope["key"]))
    told["headers"] = [{"name": name, "value": readable(value)} for name, value in _headers(letter)]
    return {
        "id": story.entry.id,
        "status": story.entry.status,
        "original_kept": story.entry.kept,
        "remedy": remedy(story.entry.cause),
        "edits": [{"at": one.at, "by": one.by, "why": one.why, "fields": list(one.fields)} for one in story.edits],
        "operations": [_done_as_json(one) for one in story.operations],
        "others_of_event": [{"id": one.id, "status": one.status, "failed_at": one.failed_at} for one in story.later],
        **told,
    }


def lines(story: Story) -> Iterator[Line]:
    """The whole story, in the order in which an operator asks."""
    letter, told = story.letter, story.letter.envelope
    yield "id", story.entry.id
    yield "status", story.entry.status
    if story.entry.status is Status.WAITING:
        yield "next try", f"{_when(story.entry.next_try_at)}, by itself"
    yield "what happened", f"{told['cause']} at stage {told['stage']}: {told['message']}"
    yield "what mends it", remedy(story.entry.cause) or "unknown to this version"
    yield from _continued("traceback", letter.text("traceback").splitlines())
    yield "when", _when(told["failed_at"])
    if told["first_failed_at"] != told["failed_at"]:
        yield "first time", _when(told["first_failed_at"])
    yield from _continued("sent again", [_replay(replay) for replay in _items(told["replays"])])
    yield from _continued("calls", [_call(attempt) for attempt in _items(told["attempts"])] or ["none"])
    source = letter.source
    yield "record", f"{source['topic']}/{source['partition']}/{source['offset']} of {_when(source['timestamp'])}"
    yield "key", readable(cast(bytes | None, told["key"])) or "none"
    yield "event", letter.text("event_id")
    yield "tenant", letter.text("tenant_id") or "unknown"
    yield "entity", letter.text("entity_id") or "unknown"
    yield "enrichment", f"{told['enrichment']} {told['enrichment_version']}, prompt {told['prompt_version']}"
    yield "pipeline", letter.text("pipeline_version")
    yield "schema id", "unknown" if told["schema_id"] is None else letter.text("schema_id")
    yield "trace", letter.text("trace_id") or "none"
    yield "fingerprint", f"{told['fingerprint']} (the same for the same cause and shape)"
    yield from _continued("headers", [f"{name}: {readable(value) or ''}" for name, value in _headers(letter)])
    yield "original", _original(story.entry)
    yield from _continued("mended", [_edit(edit) for edit in story.edits])
    yield from _continued("done", [_done(one) for one in story.operations])
    yield from _continued("same event", [f"{one.id}: {one.status}, {_when(one.failed_at)}" for one in story.later])
    yield from _continued("preview", letter.text("preview").splitlines())


def _continued(name: str, texts: Sequence[str]) -> Iterator[Line]:
    for number, text in enumerate(texts):
        yield ("" if number else name), text


def _original(entry: Entry) -> str:
    if not entry.size:
        return "empty or null"
    return f"{entry.size:,} bytes, " + ("sealed" if entry.kept else "too large to keep here: read it at its record")


def _call(attempt: Mapping[str, object]) -> str:
    status = "" if attempt["status"] is None else f" (HTTP {attempt['status']})"
    tokens = f"{attempt['input_tokens']}+{attempt['output_tokens']} tokens"
    return (
        f"{attempt['model']} at {attempt['provider']}, tier {attempt['tier']}: {attempt['outcome']}{status}, "
        f"{attempt['latency_ms']} ms, {tokens}, {attempt['cost_usd']:f} USD"
    )


def _replay(replay: Mapping[str, object]) -> str:
    return f"{_when(replay['at'])} by {replay['by']}{_because(replay['why'])}"


def _edit(edit: Edit) -> str:
    return f"{_when(edit.at)} by {edit.by}: {', '.join(edit.fields)}{_because(edit.why)}"


def _done(one: Operation) -> str:
    return f"{_when(one.at)} {one.action} by {one.by}: {one.result}{_because(one.why)}"


def _done_as_json(one: Operation) -> dict[str, object]:
    return {"at": one.at, "by": one.by, "action": one.action, "result": one.result, "why": one.why}


def _because(why: object) -> str:
    return f", because: {why}" if why else ""


def _items(value: object) -> Sequence[Mapping[str, object]]:
    return cast(Sequence[Mapping[str, object]], value)


def _headers(letter: DeadLetter) -> list[tuple[str, bytes | None]]:
    return [(str(item["name"]), cast(bytes | None, item["value"])) for item in _items(letter.envelope["headers"])]


def _when(value: object) -> str:
    return cast(datetime, value).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
