"""A dead letter told to a person, or to a program: all that is known, and of the original only how large it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from pipeline.deadletters.reading import DeadLetter

Line = tuple[str, str]
"""A name and what stands behind it; an empty name continues the one before."""


def as_json(letter: DeadLetter) -> dict[str, object]:
    """Everything but the sealed original. Keys and headers are text where they are text."""
    told = {name: value for name, value in letter.envelope.items() if name != "original"}
    told["key"] = _readable(cast(bytes | None, letter.envelope["key"]))
    told["headers"] = [{"name": name, "value": _readable(value)} for name, value in _headers(letter)]
    return {"id": letter.id, "status": letter.status, "original_kept": kept(letter), **told}


def kept(letter: DeadLetter) -> bool:
    """Whether the original's bytes are in the dead letter, so that it can be sent again."""
    return letter.envelope["original"] is not None or not letter.envelope["original_size"]


def concerns(letter: DeadLetter) -> str:
    """The ticket, claim, ...; the record's key where that could not be read."""
    return letter.text("entity_id") or _readable(cast(bytes | None, letter.envelope["key"])) or ""


def lines(letter: DeadLetter) -> Iterator[Line]:
    """The whole story, in the order in which an operator asks."""
    told = letter.envelope
    yield "id", letter.id
    yield "status", letter.status
    yield "what happened", f"{told['cause']} at stage {told['stage']}: {told['message']}"
    yield from _continued("traceback", letter.text("traceback").splitlines())
    yield "when", _when(told["failed_at"])
    if told["first_failed_at"] != told["failed_at"]:
        yield "first time", _when(told["first_failed_at"])
    yield from _continued("sent again", [_replay(replay) for replay in _items(told["replays"])])
    yield from _continued("calls", [_call(attempt) for attempt in _items(told["attempts"])] or ["none"])
    source = cast(Mapping[str, object], told["source"])
    yield "record", f"{source['topic']}/{source['partition']}/{source['offset']} of {_when(source['timestamp'])}"
    yield "key", _readable(cast(bytes | None, told["key"])) or "none"
    yield "event", letter.text("event_id")
    yield "tenant", letter.text("tenant_id") or "unknown"
    yield "entity", letter.text("entity_id") or "unknown"
    yield "enrichment", f"{told['enrichment']} {told['enrichment_version']}, prompt {told['prompt_version']}"
    yield "pipeline", letter.text("pipeline_version")
    yield "schema id", "unknown" if told["schema_id"] is None else letter.text("schema_id")
    yield "fingerprint", f"{told['fingerprint']} (the same for the same cause and shape)"
    yield from _continued("headers", [f"{name}: {_readable(value) or ''}" for name, value in _headers(letter)])
    yield "original", _original(letter)
    yield from _continued("preview", letter.text("preview").splitlines())


def _continued(name: str, texts: Sequence[str]) -> Iterator[Line]:
    for number, text in enumerate(texts):
        yield ("" if number else name), text


def _original(letter: DeadLetter) -> str:
    size = int(cast(int, letter.envelope["original_size"]))
    if not size:
        return "empty" if letter.envelope["original"] is not None else "null"
    return f"{size:,} bytes, " + ("sealed" if kept(letter) else "too large to keep here: read it at its record")


def _call(attempt: Mapping[str, object]) -> str:
    status = "" if attempt["status"] is None else f" (HTTP {attempt['status']})"
    tokens = f"{attempt['input_tokens']}+{attempt['output_tokens']} tokens"
    return (
        f"{attempt['model']} at {attempt['provider']}, tier {attempt['tier']}: {attempt['outcome']}{status}, "
        f"{attempt['latency_ms']} ms, {tokens}, {attempt['cost_usd']:f} USD"
    )


def _replay(replay: Mapping[str, object]) -> str:
    why = f": {replay['why']}" if replay["why"] else ""
    return f"{_when(replay['at'])} by {replay['by']}{why}"


def _items(value: object) -> Sequence[Mapping[str, object]]:
    return cast(Sequence[Mapping[str, object]], value)


def _headers(letter: DeadLetter) -> list[tuple[str, bytes | None]]:
    return [(str(item["name"]), cast(bytes | None, item["value"])) for item in _items(letter.envelope["headers"])]


def _readable(value: bytes | None) -> str | None:
    """Text where the bytes are printable text, else their hexadecimal form."""
    if value is None:
        return None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return text if text.isprintable() else f"0x{value.hex()}"


def _when(value: object) -> str:
    return cast(datetime, value).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
